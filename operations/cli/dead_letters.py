"""`towpath dead-letters`: events that cannot go on, and why."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from bus.settings import Settings
from operations import acting, commands, dead_letters
from operations.cli import acts
from operations.cli.amounts import money, money_of
from operations.cli.deployment import settings
from operations.cli.filters import Code, Connection, require_known, stages
from operations.cli.output import AsJson, err, in_letters, out, print_json
from operations.cli.tables import print_table
from operations.cli.times import Since, Until, moment
from operations.field_origins import leaves, origins
from operations.projection.judging import Status
from operations.projection.letters import DeadLetterTold, Selection
from schemas.bus.command import Act

app = typer.Typer(help="Events that cannot go on, and why.", no_args_is_help=True)


Stage = Annotated[str, typer.Option("--stage", help="Only of this stage.")]
Cause = Annotated[str, typer.Option("--cause", help="Only of this cause, as the list tells it.")]
Key = Annotated[str, typer.Option("--key", help="Only of this root key.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Of dead letters, or how they begin.")]
All = Annotated[bool, typer.Option("--all", help="All that stand.")]


@app.command("list")
def list_(
    since: Since = "400d",
    until: Until = "now",
    connection: Connection = "",
    stage: Stage = "",
    code: Code = "",
    cause: Cause = "",
    key: Key = "",
    status: Annotated[str, typer.Option(help="standing, tried again, cured, skipped, discarded or all.")] = "standing",
    limit: Annotated[int, typer.Option(min=1, help="At most so many letters; causes are all told.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Dead letters that stand: how many of each cause, since when, with how much money; then the newest."""
    now, deployment = datetime.now(UTC), settings()
    require_known("--status", status, ("all", *(each.value for each in Status)))
    filters = _filters(deployment, connection=connection, stage=stage, code=code, cause=cause, root_key=key)
    if status != "all":
        filters["status"] = status
    selection = Selection(since=moment(since, now), until=moment(until, now), filters=filters)
    found = dead_letters.dead_letters(deployment, selection, limit)
    if as_json:
        print_json(found)
        return
    print_table(
        ("letters", "cause", "where", "oldest", "money", "cured by", "says", "to do"),
        (
            (
                each.count,
                each.cause,
                f"{each.stage}@{each.connection}",
                each.oldest,
                money(each.money),
                each.cured_by,
                each.happened,
                each.to_do,
            )
            for each in found.counts
        ),
    )
    if found.letters:
        out().print()
        print_table(
            ("at", "id", "key", "cause", "status"),
            (
                (each.letter.at, each.letter.id[:8], each.letter.root_key, each.letter.cause, each.letter.status)
                for each in found.letters
            ),
        )


def _filters(deployment: Settings, **given: str) -> dict[str, str]:
    """Those that are given, held against what there is."""
    require_known("--connection", given["connection"], deployment.connections)
    require_known("--stage", given["stage"], stages() if given["stage"] else ())
    return {name: value for name, value in given.items() if value}


@app.command()
def redrive(
    ids: Ids = None,
    connection: Connection = "",
    stage: Stage = "",
    code: Code = "",
    cause: Cause = "",
    key: Key = "",
    everything: All = False,
    per_minute: acts.Rate = 0,
    why: acts.Why = "",
    who: acts.Who = "",
    plan: acts.PlanOnly = False,
    yes: acts.Yes = False,
    wait: acts.Wait = acts.WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Try dead letters again in their place, mapped anew: by ids, or all of a cause after it is cured."""
    given = settings()
    filters = _filters(given, connection=connection, stage=stage, code=code, cause=cause, root_key=key)
    planned = _planned(given, Act.REDRIVE, ids or [], filters, acts.by(who, why), everything, per_minute)
    acts.carry_out(given, planned, plan_only=plan, yes=yes, wait_s=wait, as_json=as_json)


@app.command()
def preflight(
    ids: Ids = None,
    connection: Connection = "",
    stage: Stage = "",
    code: Code = "",
    cause: Cause = "",
    key: Key = "",
    everything: All = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many letters; verdicts are all counted.")] = 20,
    who: acts.Who = "",
    wait: acts.Wait = 60.0,
    as_json: AsJson = False,
) -> None:
    """Ask the live target what a redrive would come to: passes, fails (why), applied already, stale, blocked.

    Nothing is written. Of a large selection the oldest are looked at, as many as 45 seconds are enough for.
    """
    given = settings()
    filters = _filters(given, connection=connection, stage=stage, code=code, cause=cause, root_key=key)
    planned = _planned(given, Act.PREFLIGHT, ids or [], filters, acts.by(who, ""), everything)
    answered = commands.ask(given, planned.commands, wait)
    found = dead_letters.verdicts(given, answered.asked)
    counts = Counter(each.verdict for each in found)
    if as_json:
        print_json({"selected": planned.count, "counts": counts, "verdicts": found, "silent": answered.silent})
        acts.tell_silent(answered)
        return
    print_table(("letters", "verdict"), ((count, verdict) for verdict, count in counts.most_common()))
    out().print()
    print_table(
        ("key", "verdict", "says", "to do"),
        ((each.root_key, each.verdict, each.happened, each.to_do) for each in found[:limit]),
    )
    if not answered.silent and len(found) < planned.count:
        err().print(f"{planned.count - len(found)} more were not looked at", style="yellow")
    acts.tell_silent(answered)


def _ends(act: Act, says: str) -> None:
    """Add the command of an act that ends dead letters."""

    @app.command(act.value, help=says)
    def end(
        ids: Ids = None,
        connection: Connection = "",
        stage: Stage = "",
        code: Code = "",
        cause: Cause = "",
        key: Key = "",
        everything: All = False,
        why: acts.Reason = "",
        who: acts.Who = "",
        plan: acts.PlanOnly = False,
        yes: acts.Yes = False,
        wait: acts.Wait = acts.WAIT_S,
        as_json: AsJson = False,
    ) -> None:
        acts.need_reason(why)
        given = settings()
        filters = _filters(given, connection=connection, stage=stage, code=code, cause=cause, root_key=key)
        planned = _planned(given, act, ids or [], filters, acts.by(who, why), everything)
        acts.carry_out(given, planned, plan_only=plan, yes=yes, wait_s=wait, as_json=as_json)


_ends(Act.SKIP, "Leave dead letters dead, bytes kept, and let their keys go on with what waits behind them.")
_ends(Act.DISCARD, "End dead letters for good, as nobody needs what they wanted any more.")


def _planned(
    given: Settings,
    act: Act,
    ids: Sequence[str],
    filters: Mapping[str, str],
    who: acting.By,
    everything: bool,
    per_minute: int = 0,
) -> acting.Plan:
    if ids and (filters or everything):
        raise typer.BadParameter("give ids or a selection, not both")
    if ids:
        return acting.on_letters(given, act, ids, who, per_minute)
    if not filters and not everything:
        raise typer.BadParameter("say which: ids, --cause, --code, --connection, --key, or --all")
    return acting.on_causes(given, act, filters, who, per_minute)


@app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of the dead letter, or how it begins.")],
    payload: Annotated[
        bool,
        typer.Option(
            "--payload",
            help="Also its bytes, and the document its target would be sent now; both may hold customer data.",
        ),
    ] = False,
    who: acts.Who = "",
    wait: acts.Wait = acts.WAIT_S,
    as_json: AsJson = False,
) -> None:
    """One dead letter: what happened, what to do, where it came from.

    With --payload its payload, the document made of it and the error stand side by side; the worker is asked for it.
    """
    given = settings()
    told = dead_letters.dead_letter(given, id_)
    original = dead_letters.payload(given, told.letter) if payload else None
    made = dead_letters.rendered(given, told.letter, acts.by(who, "").who, wait) if payload else None
    if as_json:
        print_json({"dead_letter": told, "payload": original, "rendered": made})
        return
    letter = told.letter
    print_table(
        ("what", "value"),
        [
            ("happened", told.happened),
            ("to do", told.to_do),
            ("id", letter.id),
            ("died", letter.at),
            ("key", letter.root_key),
            ("stage", letter.stage),
            ("code", letter.code),
            ("cause", letter.cause),
            ("status", letter.status),
            ("money", money_of(letter.amount, letter.currency)),
            *((f"  {name}", value) for name, value in sorted(letter.code_values.items())),
            ("connection", letter.connection),
            ("record", letter.record),
            ("original", _original(letter.topic, letter.source_partition, letter.source_offset)),
            ("size", f"{letter.size_bytes} bytes"),
            ("mapping", letter.mapping),
            ("code version", letter.code_version),
            ("reference", letter.reference),
        ],
    )
    if original is not None:
        out().print()
        print_table(("header", "value"), ((name, _readable(value)) for name, value in original.headers.items()))
        out().print(f"key: {_readable(original.key)}", markup=False)
        content = dead_letters.readable(given, letter, original)
        if content is None:
            out().print(_readable(original.value), markup=False)
    if original is not None and made is not None:
        _print_side_by_side(letter, content, made)


def _print_side_by_side(letter: DeadLetterTold, payload: object, made: dead_letters.Rendered) -> None:
    """Each field of the payload, where its value stands in the document, and what was said about it."""
    wrong = letter.code_values.get("field", "")
    print_table(
        ("field", "value", "same value in the document", "error"),
        (
            (
                each.field,
                each.value,
                ", ".join(each.target),
                letter.code_values.get("reason") if each.field == wrong else "",
            )
            for each in origins(payload, target=made.document)
        ),
    )
    if made.why:
        err().print(f"No document is shown: {made.why}", style="yellow", markup=False)
        return
    out().print()
    print_table(("document", f"value, by {made.mapping or 'its sink'}"), leaves(made.document))


def _original(topic: str, partition: int, offset: int) -> str:
    """Where the original lies; a request that reached no topic lies nowhere else."""
    return f"{topic}/{partition}/{offset}" if topic else "the request itself, kept in the dead letter"


def _readable(value: bytes) -> str:
    """Text as text, anything else in base64."""
    try:
        return in_letters(value.decode())
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()
