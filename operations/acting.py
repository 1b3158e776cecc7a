"""Plans of what an operator asks for: which parked rows an act reaches, counted first, and the commands for it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from bus.dead_letters import letter_id
from bus.settings import Settings
from delivery.states import ParkedFor
from errors import NotFoundError
from operations import dead_letters
from operations.causes import class_of
from operations.commands import GATEWAY, STREAMS, new_id
from operations.projection import letters, parked
from operations.projection.judging import Status
from operations.projection.letters import DeadLetterTold, Selection
from operations.projection.migrate import Wire, opened
from operations.projection.project import QUEUES
from schemas.bus.command import Act, Command
from schemas.topics import DEAD_LETTERS
from schemas.types import RootKey, connection_of

#: What can be done about dead letters of stages without keys.
WITHOUT_KEYS = frozenset({STREAMS, GATEWAY})
OF_THOSE = frozenset({Act.REDRIVE, Act.DISCARD})
REFUSED = ParkedFor.REFUSED.value
FETCHERS = "fetchers"
#: One command reaches any number of rows; so many are only needed where values differ from row to row.
MOST_COMMANDS = 1000


class By(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, when and why."""

    who: str
    why: str
    at: datetime


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one cause at one queue."""

    queue: str
    cause: str
    count: int
    money: dict[str, Decimal]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What will be asked, and whom it reaches by what the projection knows now."""

    act: str
    reached: tuple[Reached, ...]
    commands: tuple[Command, ...]
    #: Letters of the selection that hold no key: nothing waits behind them.
    without_key: int = 0
    #: Letters without a key that a later call reaches: each is a command of its own.
    later: int = 0
    #: Each was named one by one, so that nobody has to be asked whether it is meant.
    named: bool = False

    @property
    def count(self) -> int:
        """Rows reached."""
        return sum(each.count for each in self.reached)


def on_letters(settings: Settings, act: str, ids: Sequence[str], by: By, per_minute: int = 0) -> Plan:
    """An act on dead letters by their ids.

    Raises:
        NotFoundError: no such letter, or it does not stand any more.
    """
    with opened(settings.projection_dsn.reveal()) as wire:
        found = [dead_letters.find(wire, id_) for id_ in ids]
    for letter in found:
        # what was skipped is still kept: it may be wanted after all
        taken_back = act == Act.REDRIVE and letter.status == Status.SKIPPED and letter.stage in QUEUES
        if letter.status != Status.STANDING and not taken_back:
            raise NotFoundError("dead_letters.gone", f"the dead letter {letter.id[:8]} is {letter.status} already")
        if not (act in OF_THOSE if _is_buried(letter) else _answers_for(letter.stage, act)):
            raise NotFoundError(
                "dead_letters.no_key",
                f"the dead letter {letter.id[:8]} of {letter.stage} holds no key, so that there is nothing to {act}: "
                "the document's next version carries everything",
            )
    return Plan(
        act=act,
        reached=tuple(_reached(letter) for letter in found),
        commands=tuple(_for_letter(act, letter, by, per_minute) for letter in found),
        named=True,
    )


def on_causes(settings: Settings, act: str, filters: Mapping[str, str], by: By, per_minute: int = 0) -> Plan:
    """An act on all standing dead letters that fit; `filters` are columns: cause, code, connection, stage, root_key.

    Raises:
        NotFoundError: none fits, or too many different ones do.
    """
    standing = Selection(filters={**filters, "status": Status.STANDING.value})
    with opened(settings.projection_dsn.reveal()) as wire:
        counts = dead_letters.counts_of(letters.grouped(wire, standing))
        held = [count for count in counts if _answers_for(count.stage, act)]
        commands = [
            _for_cause(act, count, values, filters, by, per_minute)
            for count in held
            if count.stage in QUEUES
            for values in _values(wire, count, filters)
        ]
        if len(commands) > MOST_COMMANDS:
            raise NotFoundError("dead_letters.many", f"they have {len(commands)} different causes: narrow it by --code")
        later = 0
        # what holds no key is named letter by letter
        for stage in sorted({count.stage for count in held}) if act in OF_THOSE else ():
            of_stage = Selection(filters={**standing.filters, "stage": stage, "held": "false"})
            kept = letters.listed(wire, of_stage, MOST_COMMANDS - len(commands))
            commands += [_for_letter(act, letter, by, per_minute) for letter in kept]
            later += sum(group.count for group in letters.grouped(wire, of_stage)) - len(kept)
    if not held:
        raise NotFoundError("dead_letters.none", "no dead letter that stands fits: look at `towpath dead-letters list`")
    if not commands:
        raise NotFoundError("dead_letters.no_key", f"those that fit hold no key, so that there is nothing to {act}")
    return Plan(
        act=act,
        reached=tuple(
            Reached(
                queue=f"{count.stage}@{count.connection}", cause=count.cause, count=count.count, money=dict(count.money)
            )
            for count in held
        ),
        commands=tuple(commands),
        without_key=sum(count.count for count in counts if not _answers_for(count.stage, act)),
        later=later,
    )


def on_parked(settings: Settings, act: str, filters: Mapping[str, str], by: By, per_minute: int = 0) -> Plan:
    """An act on parked rows that fit; `filters` as `parked.parked_events` takes them.

    Raises:
        NotFoundError: nothing fits.
    """
    with opened(settings.projection_dsn.reveal()) as wire:
        # dead letters are redriven, not released
        groups = [each for each in parked.grouped(wire, filters) if act != Act.RELEASE or each.cause != REFUSED]
    if not groups:
        raise NotFoundError("parked.none", "nothing parked fits: look at `towpath parked list`")
    places = dict.fromkeys((group.connection, group.stage) for group in groups)
    return Plan(
        act=act,
        reached=tuple(
            Reached(
                queue=f"{group.stage}@{group.connection}",
                cause=" ".join(filter(None, (group.cause, group.code, group.waits_for))),
                count=group.count,
                money={group.currency: group.amount} if group.currency else {},
            )
            for group in groups
        ),
        commands=tuple(
            Command(
                id=new_id(),
                at=by.at,
                who=by.who,
                why=by.why,
                connection=connection,
                queue=queue,
                act=act,
                root_key=filters.get("root_key", ""),
                record=filters.get("record", ""),
                code=filters.get("code", ""),
                values={"waits_for": filters["waits_for"]} if "waits_for" in filters else {},
                cause=filters.get("cause", ""),
                per_minute=per_minute,
            )
            for connection, queue in places
        ),
    )


def on_missing(settings: Settings, thing: str, of: str, by: By) -> tuple[Command, ...]:
    """Questions for a thing that is waited for, to the connection that owns it, else where it is waited for.

    Args:
        settings: The deployment.
        thing: `item:SKU-77`, `order:clarity-main:1001`.
        of: Who is asked instead; empty: as above.
        by: Who asks.

    Raises:
        NotFoundError: no connection of that name, or nothing waits for it and it names no owner.
    """
    owner = of or connection_of(RootKey(thing.partition(":")[2]))
    if of or owner in settings.connections:
        asked = [settings.connection(owner).name]
    else:
        with opened(settings.projection_dsn.reveal()) as wire:
            asked = sorted({each.connection for each in parked.grouped(wire, {"waits_for": thing})})
    if not asked:
        raise NotFoundError("parked.none", f"nothing waits for {thing!r}: look at `towpath parked list`, or say --of")
    return tuple(
        Command(
            id=new_id(),
            at=by.at,
            who=by.who,
            why=by.why,
            connection=connection,
            queue=FETCHERS,
            act=Act.ASK,
            values={"waits_for": thing},
        )
        for connection in asked
    )


def _is_buried(letter: DeadLetterTold) -> bool:
    """Whether it is of an event that take-in could not read, so that it never became a row of its queue."""
    place = (letter.source_topic_id, letter.source_partition, letter.source_offset)
    return letter.stage in QUEUES and letter.id == letter_id(*place, letter.stage, letter.record)


def _answers_for(stage: str, act: str) -> bool:
    return stage in QUEUES or (stage in WITHOUT_KEYS and act in OF_THOSE)


def _values(wire: Wire, count: dead_letters.Count, filters: Mapping[str, str]) -> tuple[dict[str, str], ...]:
    """Values that select the parked rows of a cause; none where all of it was buried before it became rows."""
    place = {"cause": count.cause, "stage": count.stage, "connection": count.connection, "held": "true"}
    selection = Selection(filters={**filters, **place, "status": Status.STANDING.value})
    samples = letters.listed(wire, selection, 1)
    if not samples:
        return ()
    return letters.values_of(wire, selection, class_of(samples[0].code, samples[0].code_values).values)


def _for_cause(
    act: str,
    count: dead_letters.Count,
    values: Mapping[str, str],
    filters: Mapping[str, str],
    by: By,
    per_minute: int,
) -> Command:
    return Command(
        id=new_id(),
        at=by.at,
        who=by.who,
        why=by.why,
        connection=count.connection,
        queue=count.stage,
        act=act,
        root_key=filters.get("root_key", ""),
        code=count.code,
        values=dict(values),
        cause=REFUSED,
        per_minute=per_minute,
    )


def _for_letter(act: str, letter: DeadLetterTold, by: By, per_minute: int) -> Command:
    """A row is named by the event it is; a letter without a row by where it lies itself."""
    is_row = letter.stage in QUEUES and not _is_buried(letter)
    if is_row:
        place = (letter.source_topic_id, letter.source_partition, letter.source_offset)
    else:
        place = (letter.topic_id, letter.partition, letter.event_offset)
    topic_id, partition, offset = place
    return Command(
        id=new_id(),
        at=by.at,
        who=by.who,
        why=by.why,
        connection=letter.connection,
        queue=letter.stage,
        act=act,
        root_key=letter.root_key,
        cause=REFUSED,
        topic="" if is_row else DEAD_LETTERS.name,
        topic_id=topic_id,
        partition=partition,
        offset=offset,
        per_minute=per_minute,
    )


def _reached(letter: DeadLetterTold) -> Reached:
    return Reached(
        queue=f"{letter.stage}@{letter.connection}",
        cause=letter.cause,
        count=1,
        money={letter.currency: letter.amount} if letter.currency else {},
    )
