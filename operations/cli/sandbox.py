"""`towpath sandbox`: the simulated store and ERP."""

import typer

from operations import sandbox
from operations.cli.output import AsJson, out, print_json
from operations.cli.stack_progress import shown
from operations.cli.tables import print_table
from operations.sandbox import SimulatorState
from operations.stack.settings import REPOSITORY_ROOT

app = typer.Typer(help="The simulated store and ERP, as processes of their own.", no_args_is_help=True)


@app.command()
def up(as_json: AsJson = False) -> None:
    """Start the simulators and wait until they answer; ports and secrets are chosen once and kept."""
    with shown() as progress:
        states = sandbox.up(REPOSITORY_ROOT, progress)
    _print(states, as_json=as_json)


@app.command()
def down(as_json: AsJson = False) -> None:
    """Stop the simulators; their data stays."""
    stopped = sandbox.down(REPOSITORY_ROOT)
    if as_json:
        print_json({"stopped": stopped})
        return
    out().print(f"stopped {', '.join(stopped)}" if stopped else "nothing ran")


@app.command()
def reset(as_json: AsJson = False) -> None:
    """Bring the simulators back to their seed; document numbers go on."""
    done = sandbox.reset(REPOSITORY_ROOT)
    if as_json:
        print_json({"reset": done})
        return
    out().print(f"reset {', '.join(done)}")


@app.command()
def status(as_json: AsJson = False) -> None:
    """How the simulators are; exit code 1 if one does not answer."""
    states = sandbox.status(REPOSITORY_ROOT)
    _print(states, as_json=as_json)
    if not all(each.healthy for each in states):
        raise typer.Exit(1)


def _print(states: tuple[SimulatorState, ...], *, as_json: bool) -> None:
    if as_json:
        print_json({"sandbox": states})
        return
    print_table(
        ("simulator", "state", "process", "control API"),
        (
            (each.name, "ready" if each.healthy else "starting" if each.running else "down", each.pid, each.control_url)
            for each in states
        ),
    )
