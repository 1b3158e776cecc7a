"""The command `towpath`: its groups of commands, and how every error ends it."""

import sys

import typer

from errors import BusError
from operations.cli import stack
from operations.cli.output import fail

app = typer.Typer(
    name="towpath",
    help="An integration bus that keeps web stores and ERPs in step, both ways.",
    no_args_is_help=True,
    # a traceback with local variables would print payloads and passwords
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(stack.app, name="stack")
app.command("down", help="Stop everything that runs here.")(stack.down)


def main() -> None:
    """Run one command: 0 done, 1 something wrong (said on stderr), 2 used wrongly."""
    try:
        app(prog_name="towpath")
    except BusError as error:
        fail(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
