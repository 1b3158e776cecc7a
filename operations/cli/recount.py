"""`towpath recount`: an hour of the books, counted once more from the raw topics."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn

from operations.cli.deployment import settings
from operations.cli.output import AsJson, err, out, print_json
from operations.cli.tables import print_table
from operations.cli.times import moment
from operations.recount import recount as counted


def recount(
    hour: Annotated[str, typer.Option("--hour", help="A moment in it: `2026-11-21T14:00` (UTC), `3h`.")],
    wait_s: Annotated[float, typer.Option("--wait", help="Seconds to wait for the projector.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """An hour of the books, counted once more from the raw topics; exit code 1 where they differ."""
    which, given = moment(hour, datetime.now(UTC)), settings()
    columns = (TextColumn("reading {task.completed} of {task.total} records"), BarColumn())
    with Progress(*columns, console=err(), transient=True, disable=not err().is_terminal) as bar:
        task = bar.add_task("reading", visible=False)
        found = counted(
            given, which, lambda read, whole: bar.update(task, completed=read, total=whole, visible=True), wait_s=wait_s
        )
    if as_json:
        print_json(found)
    else:
        for each in found.taken:
            out().print(f"{each.topic}/{each.partition}: {each.by} may have taken records of it", markup=False)
        if found.differences:
            print_table(
                ("book", "of", "target", "column", "account", "topics"),
                ((e.book, e.of, e.target, e.column, e.account, e.topics) for e in found.differences),
            )
        said = "The account and the topics agree" if found.agrees else "The account and the topics differ"
        what = f"{said} on {found.hour:%Y-%m-%d %H}h ({found.read} records read)."
        (out() if found.agrees else err()).print(what)
    if not found.agrees:
        raise typer.Exit(1)
