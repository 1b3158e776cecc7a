"""How `towpath mapping recall` tells what it comes to, asks, and has it done."""

from collections.abc import Iterator

import msgspec
import typer
from rich.progress import BarColumn, Progress, TextColumn

from operations import recalls
from operations.acting import By
from operations.cli import acts
from operations.cli.amounts import money_of
from operations.cli.deployment import settings
from operations.cli.output import err, out, print_json
from operations.cli.tables import print_table
from operations.recalls import Recall, Written
from operations.tables_at_work import with_lookups_now

#: Fields of a correction in one line.
FIELDS = 3


def run(
    mapping: str, by: By, *, plan: bool, limit: int, per_minute: int, yes: bool, wait_s: float, as_json: bool
) -> None:
    """Tell it; unless it is a plan only, ask and have it done.

    Raises:
        typer.Exit: with 1, as somebody has not answered or says no.
    """
    given = with_lookups_now(settings())
    columns = (TextColumn("looking at record {task.completed} of {task.total}"), BarColumn())
    with Progress(*columns, console=err(), transient=True, disable=not err().is_terminal) as bar:
        task = bar.add_task("looking", visible=False)
        found = recalls.plan(
            given, mapping, by, lambda done, whole: bar.update(task, completed=done, total=whole, visible=True), wait_s
        )
    if plan and as_json:
        print_json({**msgspec.structs.asdict(found), "to_correct": len(found.to_correct)})
    elif not as_json:
        _print(found, limit)
    if not found.written:
        err().print(f"The books know of nothing that {found.mapping} wrote", style="yellow", markup=False)
    for silent in found.silent:
        err().print(f"{silent} was asked what it would come to, and has not answered", style="yellow", markup=False)
    if plan:
        return
    asked = recalls.commands_of(given, found, by, per_minute)
    if not asked:
        if as_json:
            print_json({"recall": found.mapping, "asked": []})
        else:
            out().print("Nothing is to be corrected.")
        return
    if not yes:
        if not acts.is_asked():
            raise typer.BadParameter("nobody can be asked here: look with --plan, then add --yes")
        typer.confirm(f"correct {len(found.to_correct)} records?", abort=True)
    answered = recalls.run(given, asked, wait_s)
    acts.tell(answered, as_json=as_json)
    left = len(found.to_correct) - recalls.MOST
    if left > 0:
        err().print(f"{left} more are left: say it once more for the next", style="yellow")


def _print(found: Recall, limit: int) -> None:
    out().print(f"{found.mapping}; at work now: {found.now}", markup=False)
    print_table(
        ("records", "what"),
        [
            (len(found.written), "written by it"),
            (found.stand, "stand as it wrote them"),
            (found.changed_since, "changed since: left alone"),
            (len(found.to_correct), "would be corrected"),
        ],
    )
    out().print()
    print_table(
        ("written", "key", "at", "document", "money", "changed since by", "correction"),
        (row for each in found.written[:limit] for row in _rows(each)),
    )
    if len(found.written) > limit:
        err().print(f"{len(found.written) - limit} more: --limit, or --json", style="dim")
    if found.cannot_be_taken_back:
        out().print()
        print_table(("at", "what cannot be taken back"), found.cannot_be_taken_back.items())
    for each in found.not_held:
        err().print(each, style="yellow", markup=False)


def _rows(each: Written) -> Iterator[tuple[object, ...]]:
    """One for each target it went to."""
    correction = _correction(each)
    if not each.targets:
        yield each.at, each.key, "", "", "", each.changed_by, correction
    for target in each.targets:
        yield (
            target.at,
            each.key,
            target.connection,
            target.document_number,
            money_of(target.amount, target.currency),
            each.changed_by,
            correction,
        )


def _correction(each: Written) -> str:
    said = " ".join(filter(None, (each.correction, each.why)))
    differ = each.in_target or each.differences
    fields = ", ".join(str(difference) for difference in differ[:FIELDS])
    more = f" and {len(differ) - FIELDS} more" if len(differ) > FIELDS else ""
    return f"{said}: {fields}{more}" if fields else said
