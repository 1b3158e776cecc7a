"""`towpath connectors`: change data capture, as Kafka Connect runs it."""

import typer

from operations import connectors
from operations.cli.deployment import settings
from operations.cli.output import AsJson, out, print_json
from operations.cli.tables import print_table

app = typer.Typer(help="Change data capture in Kafka Connect.", no_args_is_help=True)


@app.command()
def apply(as_json: AsJson = False) -> None:
    """Bring Connect to what the deployment says; a second time does nothing."""
    applied = connectors.apply(settings())
    if as_json:
        print_json({"connectors": applied})
        return
    for each in applied:
        what = (
            "created" if each.created else f"changed: {', '.join(each.changed)}" if each.changed else "as it should be"
        )
        out().print(f"{each.connector}: {what}", markup=False)


@app.command()
def status(as_json: AsJson = False) -> None:
    """How each connector and its tasks are; exit code 1 if one does not run."""
    states = connectors.status(settings())
    if as_json:
        print_json({"connectors": states})
    else:
        print_table(
            ("connector", "state", "tasks", "failure"),
            (
                (
                    each.connector,
                    each.state,
                    ", ".join(task.state for task in each.tasks),
                    each.failure or next((task.failure for task in each.tasks if task.failure), ""),
                )
                for each in states
            ),
        )
    if any(each.state != "RUNNING" or any(task.state != "RUNNING" for task in each.tasks) for each in states):
        raise typer.Exit(1)


@app.command()
def restart(as_json: AsJson = False) -> None:
    """Restart what has failed; `towpath run all` does so by itself."""
    restarted = connectors.restart_failed(settings())
    if as_json:
        print_json({"restarted": restarted})
        return
    out().print(", ".join(restarted) if restarted else "nothing has failed", markup=False)
