"""`towpath mapping`: mappings listed, tried with the recorded examples, explained step by step and compared."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from operations.cli import acts
from operations.cli.output import AsJson, err, in_letters, out, print_json
from operations.cli.tables import print_table
from operations.cli.times import Since, Until, moment

if TYPE_CHECKING:
    from mapping.steps import Step
    from operations.mapping_cases import Tested

app = typer.Typer(
    help="Mappings: which there are, tried with the recorded examples, explained, compared.", no_args_is_help=True
)

#: More values than these no line of text holds; JSON has all.
MOST_READ = 4


def _mappings(incomplete: str) -> list[str]:
    from bus.settings import at_rest  # noqa: PLC0415
    from errors import ConfigurationError  # noqa: PLC0415
    from operations.mapping_files import ours, own, ways_back  # noqa: PLC0415  the routes bring every system's record

    known = ours()
    # who has broken one is about to ask what is wrong with it
    with suppress(ConfigurationError):
        known += (*own(at_rest()), *ways_back(at_rest()))
    return [each.mapping.id for each in known if each.mapping.id.startswith(incomplete)]


File = Annotated[
    str, typer.Argument(help="A mapping's file, or its id: `streams/orders/from_clarity`.", autocompletion=_mappings)
]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every mapping written as data: id, version, digest, what it reads and makes, and its file."""
    from bus.settings import at_rest  # noqa: PLC0415
    from operations.mapping_files import listed, ours, own, ways_back  # noqa: PLC0415

    here = at_rest()
    found = [listed(each) for each in (*ours(), *own(here), *ways_back(here))]
    if as_json:
        print_json({"mappings": found})
        return
    print_table(
        ("mapping", "version", "digest", "from", "to", "file"),
        ((each.id, each.version, each.digest, each.source, each.target, each.file) for each in found),
    )


@app.command()
def check(
    files: Annotated[list[str], typer.Argument(help="Mappings' files or ids.", autocompletion=_mappings)],
    as_json: AsJson = False,
) -> None:
    """Check mappings against their records and tables; exit code 1, and all that is wrong with place and what to write.

    What nobody uses in one is told as a warning, and is not wrong.
    """
    from bus.settings import at_rest  # noqa: PLC0415
    from operations.mapping_faults import look  # noqa: PLC0415

    here = at_rest()
    found = [look(each, here) for each in files]
    messages = [message for each in found for message in each.messages]
    warnings = [message for each in found for message in each.warnings]
    if as_json:
        print_json({"messages": messages, "warnings": warnings})
    else:
        for message in messages:
            err().print(str(message), style="red", markup=False)
        for message in warnings:
            err().print(f"warning: {message}", style="yellow", markup=False)
        if not messages:
            out().print("Nothing is wrong.", markup=False)
    if messages:
        raise typer.Exit(1)


@app.command("test")
def try_(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Mappings' files or ids; all there are if left out.", autocompletion=_mappings),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Write down what comes out now as what should come out.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Map every example and tell what differs from what is written down; exit code 1 if anything does."""
    from bus.settings import at_rest, demo  # noqa: PLC0415
    from operations import mapping_cases  # noqa: PLC0415
    from operations.mapping_files import below_root, named, ours, own  # noqa: PLC0415

    here = at_rest()
    chosen = [named(each, here) for each in files] if files else [*ours(), *own(here)]
    # our examples were recorded with the tables of the deployment that comes with the bus
    tried = [(each, mapping_cases.lookups_of(each, here if each.folder is not None else demo())) for each in chosen]
    # one by one: what one mapping makes may be what the next one reads
    written = [path for each, lookups in tried for path in mapping_cases.accept(each, lookups)] if accept else []
    found = [mapping_cases.tested(each, lookups) for each, lookups in tried]
    if as_json:
        print_json({"mappings": found, "written": written})
    else:
        for each in found:
            _print_tested(each)
        for path in written:
            out().print(f"written: {below_root(path)}", markup=False)
    if not all(each.right for each in found):
        raise typer.Exit(1)


@app.command()
def explain(
    file: File,
    example: Annotated[str, typer.Option("--example", "-e", help="The case: its name, or an example's file.")],
    field: Annotated[
        str, typer.Option("--field", "-f", help="Only what this field came of: `lines[1].sku`, `lines.sku` for all.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Every step of a mapping with an example, each with its value and what it read."""
    from bus.settings import at_rest, demo  # noqa: PLC0415
    from mapping.messages import nearest  # noqa: PLC0415
    from mapping.steps import behind  # noqa: PLC0415
    from mapping.watch import Watched  # noqa: PLC0415
    from operations import mapping_cases  # noqa: PLC0415
    from operations.mapping_files import named  # noqa: PLC0415

    here = at_rest()
    each = named(file, here)
    case = mapping_cases.case(each, example)
    lookups = mapping_cases.lookups_of(each, here if each.folder is not None else demo())
    explained = Watched(each.mapping).run(case.record, lookups, mapping_cases.NOW)
    steps = behind(explained.steps, field) if field else explained.steps
    if field and not steps:
        names = dict.fromkeys(step.field for step in explained.steps if step.place.expression)
        said = nearest(field, names) or f"there are {', '.join(names)}"
        raise typer.BadParameter(f"{field}: no such field; {said}", param_hint="--field")
    refused = explained.refused.message if explained.refused is not None else ""
    if as_json:
        print_json(
            {"mapping": each.mapping.id, "version": each.mapping.version, "example": case.name}
            | {"steps": steps, "refused": refused}
        )
    else:
        out().print(f"{each.mapping.id}@{each.mapping.version}, example {case.name}\n", markup=False)
        _print_steps(steps)
        if refused:
            out().print(f"\nrefused: {refused}", markup=False)


@app.command()
def diff(before: File, after: File, as_json: AsJson = False) -> None:
    """What one version of a mapping says and another does not, and which fields that reaches."""
    from bus.settings import at_rest  # noqa: PLC0415
    from mapping.changes import changes  # noqa: PLC0415
    from operations.mapping_files import named  # noqa: PLC0415

    here = at_rest()
    one, other = named(before, here).mapping.spec, named(after, here).mapping.spec
    if one.id != other.id:
        err().print(f"These are two mappings, {one.id} and {other.id}", style="yellow", markup=False)
    found = changes(one, other)
    if as_json:
        print_json({"changes": found})
        return
    if not found:
        out().print("They say the same.", markup=False)
    for each in found:
        out().print(in_letters(each.what), style="bold", markup=False)
        for sign, said in (("-", each.before), ("+", each.after)):
            out().print(f"  {sign} {in_letters(said) if said is not None else 'not there'}", markup=False)
        if each.reaches and each.reaches != (each.what,):
            out().print(f"  reaches {', '.join(each.reaches)}", markup=False)


@app.command()
def shadow(
    file: Annotated[str, typer.Argument(help="The new version: a file, or an id of ours.", autocompletion=_mappings)],
    since: Since = "24h",
    until: Until = "now",
    expect: Annotated[
        list[str] | None,
        typer.Option("--expect", help="A field that may differ, with all below it: `lines.net_price`; repeatable."),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(min=0, help="Records shown of each difference; they hold what customers wrote. 0: counts only."),
    ] = 3,
    as_json: AsJson = False,
) -> None:
    """Map recorded events with a new version beside the live one, and tell what differs; nothing is written.

    A gate: exit code 0 where nothing differs but in the fields of --expect, 1 where something does or is refused that
    was not before, 3 where nothing could be compared, which says nothing at all.
    """
    from operations.cli import shadow_view  # noqa: PLC0415  brings Kafka's client

    now = datetime.now(UTC)
    raise typer.Exit(
        shadow_view.run(file, moment(since, now), moment(until, now), expect or [], samples, as_json=as_json)
    )


@app.command()
def seal(as_json: AsJson = False) -> None:
    """Write down what each version says, for good; refused where one that stands says something else now."""
    from bus.settings import at_rest  # noqa: PLC0415
    from operations import mapping_versions  # noqa: PLC0415
    from operations.mapping_files import ours, own, ways_back  # noqa: PLC0415

    here = at_rest()
    theirs = (*own(here), *ways_back(here))
    new = (
        *mapping_versions.seal((each.mapping for each in ours()), mapping_versions.OURS),
        *mapping_versions.seal((each.mapping for each in theirs), here.folder / mapping_versions.OWN),
    )
    if as_json:
        print_json({"sealed": new})
        return
    for each in new:
        out().print(f"sealed: {each.mapping}@{each.version}, {each.digest}", markup=False)
    if not new:
        out().print("Every version was sealed already.", markup=False)


@app.command()
def recall(
    mapping: Annotated[
        str,
        typer.Argument(
            metavar="ID@VERSION", help="What wrote it: `streams/orders/from_clarity@3`, or a whole stamp of `trace`."
        ),
    ],
    plan: Annotated[bool, typer.Option("--plan", help="Tell what it would come to, and stop.")] = False,
    limit: Annotated[
        int, typer.Option(min=0, help="At most so many records shown; all are counted, JSON has all.")
    ] = 20,
    per_minute: acts.Rate = 0,
    why: acts.Why = "",
    who: acts.Who = "",
    yes: acts.Yes = False,
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for workers.")] = 300.0,
    as_json: AsJson = False,
) -> None:
    """What a version of a mapping wrote, by key and document number, and its correction by the version at work now.

    Without --plan it is corrected, by the ordinary way of delivery: records are mapped and sent once more.
    """
    id_, _, version = mapping.partition("@")
    if not id_ or not version.partition("+")[0].isdigit():
        raise typer.BadParameter("write id@version, as streams/orders/from_clarity@3", param_hint="ID@VERSION")
    if not plan:
        acts.need_reason(why)
    from operations.cli import recall_view  # noqa: PLC0415  brings Kafka's client

    by = acts.by(who, why)
    recall_view.run(mapping, by, plan=plan, limit=limit, per_minute=per_minute, yes=yes, wait_s=wait, as_json=as_json)


def _print_tested(each: "Tested") -> None:
    wrong = [case for case in each.cases if not case.right]
    told = f"examples that come out: {len(each.cases)}"
    if wrong:
        what = "have nothing written down to compare with" if all(case.new for case in wrong) else "differ"
        told = f"{len(wrong)} of {len(each.cases)} examples {what}"
    out().print(f"{each.mapping}@{each.version}: {told}", style="red" if wrong else "", markup=False)
    for case in wrong:
        out().print(f"  {case.example}", markup=False)
        for difference in case.differences:
            out().print(f"    {difference}", markup=False)
        for difference in case.lost:
            out().print(f"    does not come back: {difference}", markup=False)
        if case.refused:
            out().print(f"    refused: {case.refused}", markup=False)
        if case.new:
            out().print("    not written down yet: --accept does", markup=False)
    if each.never:
        out().print(f"  empty in every example: {', '.join(each.never)}", markup=False)


def _print_steps(steps: "tuple[Step, ...]") -> None:
    from mapping.differences import in_one_line  # noqa: PLC0415

    for step in steps:
        lead = "  " * step.depth
        called = {"field": step.field, "value": f"{step.place.part} for {step.field}"}.get(
            step.place.kind, f"{step.place.kind} {step.field}"
        )
        value = "failed" if step.value is None else in_one_line(in_letters(step.value))
        out().print(f"{lead}{called} = {value}", style="bold", markup=False)
        if step.place.expression:
            expression = " ".join(step.place.expression.split())
            place = f"{step.place.file}:{step.place.line}"
            out().print(f"{lead}    {in_one_line(in_letters(expression))}   ({place})", markup=False)
        for read in step.reads[:MOST_READ]:
            if read.path != step.place.expression:
                out().print(f"{lead}      {read.path}: {in_one_line(in_letters(read.value))}", markup=False)
        if len(step.reads) > MOST_READ:
            out().print(f"{lead}      and {len(step.reads) - MOST_READ} more", markup=False)
        for asked in step.lookups:
            row = in_one_line(in_letters(asked.value)) if asked.value is not None else "no such row"
            out().print(f"{lead}      lookup {asked.table}, {asked.key}: {row}", markup=False)
