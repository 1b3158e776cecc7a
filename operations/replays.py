"""Replays to one connection as people ask for them: what one would come to, beginning, following and stopping it."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from bus.settings import Settings
from errors import NotFoundError
from operations import commands
from operations.acting import By
from operations.commands import Answers, new_id
from operations.projection import replays
from operations.projection.migrate import opened
from operations.projection.replays import Place, ReplayTold
from operations.readers import routed
from operations.sentences import sentence
from schemas.bus.command import Act, Command

CONSUMERS = "consumers"
RUNNING = "replay.running"


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which events, and how fast; all that is given must hold."""

    since: datetime | None = None
    until: datetime | None = None
    root_key: str = ""
    topic: str = ""
    partition: int = -1
    #: Offsets from `first` up to, not including, `last`.
    first: int = -1
    last: int = -1
    #: `id@version` of the mapping of an event's last delivery.
    mapping: str = ""
    record: str = ""
    per_minute: int = 0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay would come to; field names are a contract.

    Where fewer were asked than there are records, the counts of answers are of those asked.
    """

    events: int
    keys: int
    #: Records that would be sent or compared, the newest of each key; the rest is superseded.
    records: int
    #: Of these the target was asked.
    asked: int
    creates: int
    updates: int
    equal: int
    refused: int
    blocked: int
    cannot_tell: int
    superseded: int
    already_queued: int
    unreadable: int
    #: Records read, and offsets nobody had the time to read.
    read: int
    left: int
    #: No longer in the topic.
    gone: int
    #: Of the whole replay, at least.
    requests: int
    minutes: float
    #: Why some would be refused or blocked.
    why: str


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One replay, and what became of its events."""

    replay: ReplayTold
    happened: str
    to_do: str
    places: tuple[Place, ...]


def command_of(settings: Settings, to: str, selection: Selection, by: By, *, plan: bool) -> Command:
    """The command of a replay.

    Raises:
        NotFoundError: nothing of that kind ends at the connection.
    """
    ways = [way for way in routed(settings) if way.target == settings.connection(to).name]
    if not ways:
        raise NotFoundError("replay.no_route", f"no canonical topic ends at {to}: look at `towpath routes`")
    for name, asked, known in (
        ("record", selection.record, {way.record for way in ways}),
        ("topic", selection.topic, {way.topic for way in ways}),
    ):
        if asked and asked not in known:
            raise NotFoundError(
                "replay.no_route", f"no {name} {asked!r} ends at {to}; there are {', '.join(sorted(known))}"
            )
    return Command(
        id=new_id(),
        at=by.at,
        who=by.who,
        why=by.why,
        connection=to,
        queue=CONSUMERS,
        act=Act.REPLAY.value,
        plan=plan,
        **msgspec.structs.asdict(selection),
    )


def root_key_of(settings: Settings, to: str, text: str) -> str:
    """A key as it is typed: whole, or without the connection where only one can own it.

    Raises:
        NotFoundError: several connections can own it.
    """
    if ":" in text:
        return text.split("/", 1)[0]
    owners = sorted({way.owner for way in routed(settings) if way.target == to})
    if len(owners) != 1:
        raise NotFoundError("replay.whose", f"whose {text!r}? write <connection>:{text}; there are {', '.join(owners)}")
    return f"{owners[0]}:{text}"


def plan(settings: Settings, command: Command, wait_s: float) -> Plan | Answers:
    """What it would come to; the answers where they tell of no plan.

    Raises:
        RetryableError: Kafka or the projection does not answer.
    """
    answered = commands.ask(settings, [command], wait_s)
    for answer in answered.answers:
        if answer.code == "replay.planned":
            return plan_of(answer.values)
    return answered


def plan_of(values: Mapping[str, str]) -> Plan:
    """The plan an outcome tells; pure."""
    return msgspec.convert({name: values.get(name, "0") for name in Plan.__struct_fields__}, Plan, strict=False)


def listed(settings: Settings, connection: str = "", limit: int = 100) -> tuple[Shown, ...]:
    """The newest replays."""
    with opened(settings.projection_dsn.reveal()) as wire:
        return tuple(_shown(each, ()) for each in replays.told(wire, connection=connection, limit=limit))


def shown(settings: Settings, id_: str) -> Shown:
    """One replay, by its id or the beginning of it.

    Raises:
        NotFoundError: no such replay, or several begin so.
    """
    with opened(settings.projection_dsn.reveal()) as wire:
        found = replays.told(wire, id_=id_, limit=2)
        if len(found) != 1:
            begins = "several replays begin" if found else "no replay begins"
            raise NotFoundError("replay.unknown", f"{begins} with {id_!r}: look at `towpath replay list`")
        return _shown(found[0], replays.places(wire, found[0].command_id))


def stop(settings: Settings, id_: str, by: By, wait_s: float) -> Answers:
    """End a replay; what of it was not tried is not sent.

    Raises:
        NotFoundError: no such replay, or several begin so.
    """
    told = shown(settings, id_).replay
    command = Command(
        id=new_id(),
        at=by.at,
        who=by.who,
        why=by.why,
        connection=told.connection,
        queue=told.stage,
        act=Act.STOP.value,
        replay=told.command_id,
    )
    return commands.ask(settings, [command], wait_s)


def _shown(told: ReplayTold, places: tuple[Place, ...]) -> Shown:
    values = {**told.code_values, "connection": told.connection}
    said = sentence(told.code, values)
    held = values.get("holds", "") if told.code == RUNNING else ""
    if held:
        waits = sentence(held, values)
        return Shown(replay=told, happened=f"{said.happened} {waits.happened}", to_do=waits.to_do, places=places)
    return Shown(replay=told, happened=said.happened, to_do=said.to_do, places=places)
