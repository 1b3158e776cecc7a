"""`towpath store`: a connection's store into a file, and back to work after it was restored."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from delivery.recovery import By
from operations import stores
from operations.cli import acts
from operations.cli.deployment import settings
from operations.cli.filters import require_known
from operations.cli.output import AsJson, err, out, print_json
from operations.stores import Plan

app = typer.Typer(help="The stores of connections: copy them, bring them back to work.", no_args_is_help=True)

Connection = Annotated[str, typer.Argument(metavar="CONNECTION", help="The connection.")]


@app.command()
def backup(
    connection: Connection,
    to: Annotated[
        Path | None, typer.Option("--to", help="The file; default: one named after connection and time.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Copy a connection's store into a file, as of one moment; its workers go on."""
    given = settings()
    require_known("CONNECTION", connection, given.connections)
    path = to or Path(f"{connection}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.towpath-store")
    with _shown() as say:
        header = stores.backup(given, connection, path, say)
    if as_json:
        print_json({"file": path, "backup": header})
        return
    rows = sum(header.rows.values())
    out().print(f"{path}: {rows} rows of {connection} as of {header.at:%Y-%m-%d %H:%M:%S}Z", markup=False)


@app.command()
def recover(
    connection: Connection,
    file: Annotated[
        Path | None, typer.Option("--from", help="A backup to load first; default: the store as it stands.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="With --from: take the place of the store that stands; it is kept aside.")
    ] = False,
    plan: acts.PlanOnly = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    why: acts.Why = "",
    who: acts.Who = "",
    as_json: AsJson = False,
) -> None:
    """Tell a store that was restored what became of its events since, and let its workers in again.

    What had ended is not done again; what may have been sent without a word is looked for first. Interrupted, it is run
    again. The connection's workers must not run; those that refuse a restored store need not be stopped.
    """
    given = settings()
    require_known("CONNECTION", connection, given.connections)
    planned = stores.plan(given, connection, file)
    if plan:
        _show(planned, as_json=as_json)
        return
    if planned.kept_as and not replace:
        raise typer.BadParameter(
            f"the store of {connection} has content: add --replace, and it is kept as {planned.kept_as}",
            param_hint="'--from'",
        )
    if not yes:
        _confirm(planned, as_json=as_json)
    by = acts.by(who, why)
    with _shown() as say:
        found = stores.recover(given, connection, file, By(who=by.who, why=by.why), say)
    if as_json:
        print_json({"plan": planned, "recovered": found})
        return
    out().print(
        f"{connection} is recovered: {found.ended} open events had ended, {found.in_doubt} are looked for before they "
        f"are sent, {found.remembered} that will be read again have ended already.",
        markup=False,
    )


def _confirm(planned: Plan, *, as_json: bool) -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter("it changes the store: look with --plan, then add --yes", param_hint="'--yes'")
    if not as_json:
        _show(planned, as_json=False)
    typer.confirm("recover it?", abort=True, err=True)


def _show(planned: Plan, *, as_json: bool) -> None:
    if as_json:
        print_json(planned)
        return
    for line in _lines(planned):
        out().print(line, markup=False)


def _lines(planned: Plan) -> Iterator[str]:
    name = planned.connection
    if planned.file is not None:
        kept = f"; the store that stands is kept as {planned.kept_as}" if planned.kept_as else ""
        yield f"Load {planned.file}{kept}."
    elif not planned.refused:
        yield f"The store of {name} knows all it has announced: there is no need to recover it."
    yield f"It knows of all until {_moment(planned.moment)}; Kafka last heard of it at {_moment(planned.announced_at)}."
    since = f"from {_moment(planned.since)} on" if planned.since is not None else "from their beginning"
    yield (
        f"Read {since}: {planned.outcomes} outcomes, {planned.cross_references} cross references, of all connections."
    )
    again = f"up to {planned.taken_in_again}" if planned.file is None else "all"
    yield (
        f"Then {planned.open_rows} open events, and {again} that came since: what had ended is left out, the rest is "
        "looked for before it is sent."
    )
    for group in planned.at_work:
        yield f"{group} is at work: stop it first."


def _moment(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}Z"


@contextmanager
def _shown() -> Iterator[Callable[[str, int, int], None]]:
    """Progress on a terminal, nothing elsewhere."""
    console = err()
    if not console.is_terminal:
        yield lambda _what, _done, _of: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def say(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=None)
            bars.update(tasks[what], completed=done, total=of or None)

        yield say
