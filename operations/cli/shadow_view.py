"""How `towpath mapping shadow` runs and shows what differs."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import msgspec
import typer
from rich.progress import BarColumn, Progress, TextColumn

from bus.settings import Settings
from errors import ConfigurationError
from mapping.differences import in_one_line
from mapping.messages import nearest
from operations.cli.deployment import settings
from operations.cli.output import err, out, print_json
from operations.cli.tables import print_table, text
from operations.mapping_files import named, running
from operations.shadow import RefusalTold, Sample, Shadow
from operations.shadow_run import arrow_of, shadow
from operations.tables_at_work import with_lookups_now

PASSES, FAILS, EMPTY = 0, 1, 3
_PLACE = re.compile(r"\[[^\]]*\]")


def run(new: str, since: datetime, until: datetime, expected: Sequence[str], samples: int, *, as_json: bool) -> int:
    """Compare and show; the exit code."""
    at_rest = settings()
    _used_rightly(new, expected, at_rest)
    given = with_lookups_now(at_rest)
    columns = (TextColumn("compared {task.completed} of {task.total} events"), BarColumn())
    with Progress(*columns, console=err(), transient=True, disable=not err().is_terminal) as bar:
        task = bar.add_task("comparing", visible=False)
        found = shadow(
            given,
            new,
            since,
            lambda done, whole: bar.update(task, completed=done, total=whole, visible=True),
            until=until,
            expected=expected,
            samples=samples,
        )
    if as_json:
        print_json({"passes": found.passes, "empty": found.empty, **msgspec.structs.asdict(found)})
    else:
        _print(found)
    _say(found)
    return EMPTY if found.empty else PASSES if found.passes else FAILS


def _used_rightly(new: str, expected: Sequence[str], given: Settings) -> None:
    """A gate must not take a slip of whoever runs it for a difference, or for none.

    Raises:
        typer.BadParameter: the new version cannot be run, is one of nothing at work, or no version has a field that is
            expected.
    """
    try:
        mapping = named(new, given).mapping
        versions = [mapping, *(each.mapping for each in running(given) if each.mapping.id == mapping.id)]
        arrow_of(given, mapping)
        fields = {parts for each in versions for path in each.compiled.fields.values() for parts in _heads(path)}
    except ConfigurationError as error:
        raise typer.BadParameter(error.message, param_hint="FILE") from error
    for name in expected:
        if _PLACE.sub("", name) not in fields:
            hint = nearest(name, sorted(fields))
            raise typer.BadParameter(f"{name}: no such field{f'; {hint}' if hint else ''}", param_hint="--expect")


def _heads(path: str) -> Iterator[str]:
    parts = _PLACE.sub("", path).split(".")
    return (".".join(parts[: end + 1]) for end in range(len(parts)))


def _print(found: Shadow) -> None:
    out().print(f"{found.live} (live) beside {found.new}, events of {found.topic}", markup=False)
    out().print(f"read {found.events}, from {text(found.first)} to {text(found.last)}", markup=False)
    print_table(
        ("records", "what"),
        [
            (found.compared, "compared"),
            (found.same, "the same"),
            (found.differ, "different"),
            (sum(each.count for each in found.new_refusals), "refused now, and not before"),
            (sum(each.count for each in found.refused_no_more), "refused before, and not now"),
            (found.refused_by_both, "refused by both"),
            (found.left_out, "events of no concern to it"),
            (found.unreadable, "events that cannot be read"),
        ],
    )
    if found.differences:
        out().print()
        print_table(
            ("field", "kind", "records", "expected"),
            ((each.field, each.kind, each.count, "yes" if each.expected else "no") for each in found.differences),
        )
        _samples(each for told in found.differences for each in told.samples)
    for said, refusals in (("refused now", found.new_refusals), ("not refused any more", found.refused_no_more)):
        if refusals:
            out().print()
            _refusals(said, refusals)


def _refusals(said: str, refusals: Sequence[RefusalTold]) -> None:
    print_table((said, "field", "records"), ((each.reason, each.field, each.count) for each in refusals))
    _samples(each for told in refusals for each in told.samples)


def _samples(samples: Iterable[Sample]) -> None:
    rows: Iterator[tuple[str, ...]] = (
        (
            each.key,
            each.field,
            in_one_line(each.before if each.before is not None else "nothing there"),
            in_one_line(each.after if each.after is not None else "nothing there"),
            each.position,
        )
        for each in samples
    )
    if listed := list(rows):
        out().print()
        print_table(("for instance", "field", "live", "new", "of"), listed)


def _say(found: Shadow) -> None:
    """What the exit code means, on stderr unless all is well."""
    if found.empty:
        why = (
            f"{found.topic} has no event of that time"
            if not found.events
            else f"of {found.events} events none became a record: {found.refused_by_both} refused by both, "
            f"{found.left_out} of no concern, {found.unreadable} unreadable"
        )
        err().print(f"NOTHING WAS COMPARED: {why}. This says nothing about the new version.", style="bold red")
        return
    refused = sum(each.count for each in found.new_refusals)
    fields = [each.field for each in found.differences if not each.expected]
    if refused:
        err().print(f"{refused} records would be refused that are not now.", style="red")
    if fields:
        err().print(f"Differs in fields nobody expects: {', '.join(dict.fromkeys(fields))}", style="red", markup=False)
