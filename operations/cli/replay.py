"""`towpath replay`: events of the past once more into one connection, effects and cost first."""

import re
import sys
from datetime import UTC, datetime
from typing import Annotated, NoReturn

import msgspec
import typer

from bus.settings import Settings
from operations import commands, replays
from operations.cli import acts
from operations.cli.deployment import settings
from operations.cli.filters import require_known
from operations.cli.output import AsJson, err, out, print_json
from operations.cli.tables import print_table
from operations.cli.times import moment
from operations.replays import Plan, Selection, Shown
from schemas.bus.command import Command

app = typer.Typer(
    help="Events of the past once more into one connection, effects and cost first.", add_completion=False
)

OFFSETS = re.compile(r"(?P<topic>[a-z0-9.-]+):(?P<partition>\d+):(?P<first>\d+)-(?P<last>\d+)")
#: A plan reads all of it and asks the target about some hundreds.
PLAN_WAIT_S = 300.0
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Of the replay, or how it begins.")]


@app.callback(invoke_without_command=True)
def replay(
    context: typer.Context,
    to: Annotated[str, typer.Option("--to", help="The one connection; all others are left alone.")] = "",
    since: Annotated[str, typer.Option(help="From when, by the topic's times: `2h`, `3d`, `2026-11-21T14:00`.")] = "",
    until: Annotated[str, typer.Option(help="Until when; default: now.")] = "",
    key: Annotated[str, typer.Option(help="Only of this root key.")] = "",
    offsets: Annotated[str, typer.Option(help="Only these: `canonical.orders.v1:3:100-250`, both included.")] = "",
    mapping: Annotated[str, typer.Option(help="Only what was last delivered there by it: `id@version`.")] = "",
    record: Annotated[str, typer.Option(help="Only of this record.")] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Tell what it would come to, and stop.")] = False,
    per_minute: Annotated[int, typer.Option(min=0, help="At most so many a minute; 0: as fast as live allows.")] = 0,
    why: acts.Why = "",
    who: acts.Who = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not plan and ask first.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for an answer.")] = PLAN_WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Take events once more into one connection's queue, behind what waits there, slower than live.

    What is equal there is left alone, what is older than what stands is not sent, what is missing is created.
    """
    if context.invoked_subcommand is not None:
        return
    given, now = settings(), datetime.now(UTC)
    if not to:
        raise typer.BadParameter("say to which connection", param_hint="'--to'")
    require_known("--to", to, given.connections)
    if not (since or until or key or offsets or mapping):
        raise typer.BadParameter("say which: --since, --until, --key, --offsets or --mapping")
    selection = Selection(
        since=moment(since, now) if since else None,
        until=moment(until, now) if until else None,
        root_key=replays.root_key_of(given, to, key) if key else "",
        mapping=_mapping(mapping),
        record=record,
        per_minute=per_minute,
    )
    selection = _at(offsets, selection)
    by = acts.by(who, why)
    if not (plan or yes) and not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here: look with --plan, then add --yes")
    if not yes or plan:
        found = _planned(given, replays.command_of(given, to, selection, by, plan=True), wait)
        if as_json and plan:
            print_json(found)
        else:
            _print_plan(found, to)
        if plan:
            return
        typer.confirm(f"replay {found.records} records to {to}?", abort=True)
    _begin(given, replays.command_of(given, to, selection, by, plan=False), wait, as_json=as_json)


@app.command("list")
def list_(
    connection: Annotated[str, typer.Option("--connection", help="Only to this connection.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Replays, the newest first, and how far each is."""
    given = settings()
    require_known("--connection", connection, given.connections)
    found = replays.listed(given, connection, limit)
    if as_json:
        print_json({"replays": found})
        return
    print_table(
        ("begun", "id", "to", "who", "why", "is", "says"),
        (
            (
                each.replay.begun_at,
                each.replay.command_id[:8],
                each.replay.connection,
                each.replay.who,
                each.replay.why,
                _stands(each),
                each.happened,
            )
            for each in found
        ),
    )


@app.command()
def show(id_: IdArgument, as_json: AsJson = False) -> None:
    """One replay: how far it is, and what became of its events."""
    found = replays.shown(settings(), id_)
    if as_json:
        print_json(found)
        return
    told, values = found.replay, found.replay.code_values
    names = ("taken_in", "delivered", "suppressed", "superseded", "dead", "parked", "discarded", "in_flight")
    print_table(
        ("what", "value"),
        [
            ("happened", found.happened),
            ("to do", found.to_do),
            ("id", told.command_id),
            ("to", told.connection),
            ("who", told.who),
            ("why", told.why),
            ("begun", told.begun_at),
            ("as of", told.at),
            ("offsets left", f"{values.get('left', '0')} of {values.get('offsets', '0')}"),
            *((name.replace("_", " "), values.get(name, "0")) for name in names),
            ("no longer in the topic", values.get("gone", "0")),
            ("unreadable", values.get("unreadable", "0")),
        ],
    )
    if found.places:
        out().print()
        print_table(("events", "state", "cause", "code"), ((p.count, p.state, p.cause, p.code) for p in found.places))
    _say_gone(int(values.get("gone", "0")))


@app.command()
def stop(
    id_: IdArgument,
    why: acts.Why = "",
    who: acts.Who = "",
    wait: acts.Wait = acts.WAIT_S,
    as_json: AsJson = False,
) -> None:
    """End a replay: what of it was not tried yet is not sent."""
    acts.tell(replays.stop(settings(), id_, acts.by(who, why), wait), as_json=as_json)


def _at(text: str, selection: Selection) -> Selection:
    """The selection, narrowed to a stretch of a partition where one is given."""
    if not text:
        return selection
    found = OFFSETS.fullmatch(text)
    if found is None or int(found["last"]) < int(found["first"]):
        raise typer.BadParameter("write topic:partition:first-last, as canonical.orders.v1:3:100-250")
    return msgspec.structs.replace(
        selection,
        topic=found["topic"],
        partition=int(found["partition"]),
        first=int(found["first"]),
        last=int(found["last"]) + 1,
    )


def _mapping(text: str) -> str:
    if text and not all(text.partition("@")[::2]):
        raise typer.BadParameter("write id@version, as sales_order@3", param_hint="'--mapping'")
    return text


def _planned(given: Settings, command: Command, wait_s: float) -> Plan:
    if sys.stderr.isatty():
        err().print(f"{command.connection} is being asked what it would come to …", style="dim")
    found = replays.plan(given, command, wait_s)
    if isinstance(found, commands.Answers):
        _fail(found)
    return found


def _begin(given: Settings, command: Command, wait_s: float, *, as_json: bool) -> None:
    answered = commands.ask(given, [command], min(wait_s, acts.WAIT_S))
    if as_json:
        print_json(
            {"replay": command.id, "asked": answered.asked, "answers": answered.answers, "silent": answered.silent}
        )
    if not all(answer.code == "replay.accepted" for answer in answered.answers):
        _fail(answered)
    if not as_json:
        for answer in answered.answers:
            out().print(f"{answer.queue}@{answer.connection}: {answer.says}", markup=False)
    acts.tell_silent(answered)


def _fail(answered: commands.Answers) -> NoReturn:
    """Say why nothing came of it, and end."""
    for answer in answered.answers:
        err().print(f"{answer.queue}@{answer.connection}: {answer.says}", style="red", markup=False)
    acts.tell_silent(answered)
    raise typer.Exit(1)


def _print_plan(found: Plan, to: str) -> None:
    sampled = f" (of {found.asked} asked)" if found.asked < found.records else ""
    print_table(
        ("what", "events"),
        [
            ("events", found.events),
            ("keys", found.keys),
            ("records to compare or send", found.records),
            (f"missing there: created{sampled}", found.creates),
            (f"different there: changed{sampled}", found.updates),
            (f"equal there: nothing{sampled}", found.equal),
            (f"would be refused{sampled}", found.refused),
            (f"would wait for something{sampled}", found.blocked),
            (f"could not be told{sampled}", found.cannot_tell),
            ("older than what stands: not sent", found.superseded),
            ("in the queue already", found.already_queued),
            ("unreadable: dead letters when they came", found.unreadable),
            ("no longer in the topic", found.gone),
            (f"requests at {to}, at least", found.requests),
            ("minutes, at least", found.minutes),
        ],
    )
    if found.why:
        err().print(f"refused or waiting for: {found.why}", style="yellow", markup=False)
    if found.left:
        err().print(f"{found.left} offsets more were not read: there are too many for a plan", style="yellow")
    _say_gone(found.gone)


def _say_gone(gone: int) -> None:
    if gone:
        err().print(
            f"{gone} events are no longer in the topic: compacted or too old, they cannot be replayed", style="red"
        )


def _stands(each: Shown) -> str:
    return each.replay.code.removeprefix("replay.").replace("_", " ")
