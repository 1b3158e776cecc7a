"""`towpath projection`: the books that commands read."""

from typing import Annotated

import typer

from operations.cli.deployment import settings
from operations.cli.output import AsJson, out, print_json
from operations.projection import migrate

app = typer.Typer(help="The books that commands read: rebuilding.", no_args_is_help=True)


@app.callback()
def projection() -> None:
    """The books that commands read; the projector keeps them, and the topics can tell all of it again."""


@app.command()
def rebuild(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, as_json: AsJson = False) -> None:
    """Forget everything read and let the projector read the topics again; closed hours stay."""
    if not yes:
        typer.confirm("Empty the projection and read all topics again?", abort=True)
    migrate.empty(settings().projection_dsn.reveal())
    if as_json:
        print_json({"emptied": migrate.REBUILT})
        return
    out().print("emptied; the projector reads the topics again (`towpath lag` shows how far it is)")
