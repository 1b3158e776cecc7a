"""`towpath down`: stops everything that runs here."""

import os

from operations import processes, sandbox
from operations.cli.output import AsJson, print_json
from operations.cli.stack_progress import shown
from operations.stack import lifecycle
from operations.stack.settings import REPOSITORY_ROOT, load


def down(as_json: AsJson = False) -> None:
    """Stop our processes, then the simulators, then the stack; all data stays."""
    with shown() as progress:
        stopped = processes.stop(REPOSITORY_ROOT)
        simulators = sandbox.down(REPOSITORY_ROOT)
        lifecycle.down(load(REPOSITORY_ROOT, os.environ), progress)
    if as_json:
        print_json({"down": True, "processes": stopped, "sandbox": simulators})
