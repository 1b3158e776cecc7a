"""The conservation ledger: everything accepted is where it ended or where it is, counted from independent sources.

In flight is counted and never derived: an event without an end is in flight only where its reader's position, an open
row or an unsent announcement says so. What nobody knows of is the remainder, and an alarm. Readings are ordered so that
nothing can slip through between two of them while the bus runs: first the ends of the topics (the cut), then positions
and stores from upstream to downstream, then the books, once the projector has read past everything written until then.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec
from confluent_kafka.admin import AdminClient

from bus.settings import Settings
from delivery.states import ENDS, ParkedFor, State
from errors import ConfigurationError, RetryableError
from operations.offsets import TopicPlaces, admin_of, committed, describe, ends
from operations.projection import books, letters, migrate, open_work
from operations.projection.books import Books, Event, OpenDelivery, OpenRoot
from operations.projection.open_work import OpenReplay, OpenWork
from operations.projection.project import hour_of
from operations.projection.replay_accounts import ReplayLine, account_of
from operations.projection.tables import ROOTS_DAYS
from operations.projection.worker import Scope
from operations.readers import Reader, readers, routed
from producers.gateway.spool_file import look, path_of

LISTED = 100
LOOK_EVERY_S = 0.1


class IntakeLine(msgspec.Struct, frozen=True, kw_only=True):
    """Roots of one source topic and hour of arrival."""

    topic: str
    hour: datetime
    accepted: int = 0
    mapped: int = 0
    merged: int = 0
    filtered: int = 0
    suppressed: int = 0
    dead: int = 0
    in_flight: int = 0
    remainder: int = 0


class DeliveryLine(msgspec.Struct, frozen=True, kw_only=True):
    """Canonical records of one kind and hour on their way to one target."""

    record: str
    target: str
    hour: datetime
    taken_in: int = 0
    delivered: int = 0
    superseded: int = 0
    suppressed: int = 0
    merged: int = 0
    filtered: int = 0
    discarded: int = 0
    #: Ended, or heading their parked key as refused: one and the same to an operator.
    dead: int = 0
    #: For any other cause.
    parked: int = 0
    in_flight: int = 0
    remainder: int = 0


Line = TypeVar("Line", IntakeLine, DeliveryLine)


class Unaccounted(msgspec.Struct, frozen=True, kw_only=True):
    """An event that nobody knows of."""

    topic: str
    topic_id: str
    partition: int
    offset: int
    hour: datetime
    root_key: str = ""
    #: Where it did not arrive; empty in the intake book.
    target: str = ""


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """One event behind a number."""

    root_key: str
    topic: str
    partition: int
    offset: int
    since: datetime | None
    #: Where it stands: read by nobody yet, in a queue, behind another one …
    stands: str
    why: str
    #: What would move it.
    to_do: str


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """A number other than 0 that needs somebody, over all hours; field names are a contract."""

    #: `intake` or `delivery`.
    book: str
    column: str
    #: Topic, or canonical record.
    of: str
    #: Empty in the intake book.
    target: str
    count: int
    #: The oldest first.
    events: tuple[Named, ...]
    more: int


class SpooledLine(msgspec.Struct, frozen=True, kw_only=True):
    """Webhooks of one connection the gateway has accepted and Kafka does not have: in flight before the first book."""

    connection: str
    #: The spool is on this machine: elsewhere nothing is known of it.
    here: bool
    in_flight: int = 0
    #: Can never be sent: an alarm of `towpath status`.
    refused: int = 0
    #: When the oldest was accepted.
    since: datetime | None = None


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Both books of a time."""

    since: datetime
    until: datetime
    #: Events that arrived before this moment are in it.
    as_of: datetime
    balanced: bool
    intake: tuple[IntakeLine, ...]
    delivery: tuple[DeliveryLine, ...]
    intake_total: IntakeLine
    delivery_total: DeliveryLine
    #: The first of what makes the remainder.
    unaccounted: tuple[Unaccounted, ...]
    #: Topic to records that lie between the projector's positions and were never counted.
    uncounted: dict[str, int]
    #: Replays begun in the time; they stand beside the books.
    replays: tuple[ReplayLine, ...] = ()
    #: Of each connection that has a spool, as it is now.
    spooled: tuple[SpooledLine, ...] = ()
    #: What is behind each number that needs somebody, where that was asked for.
    explained: tuple[Explained, ...] = ()


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where every reader stands, and what every store holds."""

    #: (topic id, partition) to its readers: the connection each works for and the offset it reads next.
    unread_from: Mapping[tuple[str, int], Sequence[tuple[str, int]]]
    open_roots: frozenset[str]
    #: (target, event) to state and cause of its open row.
    open_rows: Mapping[tuple[str, Event], tuple[str, str]]
    #: (target, event) whose outcome is settled and not yet on its topic.
    announced: frozenset[tuple[str, Event]]
    #: (target, event) that a person has to let go: dead letters, and what waits behind them.
    held: frozenset[tuple[str, Event]] = frozenset()
    replays: tuple[OpenReplay, ...] = ()


def ledger(settings: Settings, since: datetime, until: datetime, *, wait_s: float = 30.0, named: int = 0) -> Ledger:
    """Both books for what arrived in a time, widened to whole hours; exact while the bus runs.

    Args:
        settings: The deployment.
        since: By time of arrival.
        until: Exclusive.
        wait_s: For the projector.
        named: How many events to name behind each number that needs somebody.

    Raises:
        ConfigurationError: the time lies ahead or ends before it begins.
        RetryableError: a store, Kafka or the projection cannot be read, or the projector is behind after `wait_s`.
    """
    as_of = datetime.now(UTC)
    if not since < min(until, as_of):
        raise ConfigurationError("since", "the books of a time that has not begun, or ends before it begins, are empty")
    since, until = whole_hours(since, until)
    admin = admin_of(settings.kafka)
    scope = Scope()
    places = describe(admin, (topic.name for topic in scope.topics))
    cuts = _by_id(places, ends(admin, places))
    standing = take_standing(settings, admin, places)
    written = _by_id(places, ends(admin, places))
    with migrate.opened(settings.projection_dsn.reveal()) as wire:
        wait_for_projector(lambda: books.positions(wire), written, wait_s)
        found = books.read(wire, cuts, routed(settings), since, until, scope.gapless)
        told = [each for each in standing.replays if since <= each.begun_at < until and has_account(each, as_of)]
        replays = tuple(account_of(wire, each) for each in told)
        buried = letters.before_queues(wire, since, until) if named else ()
    balanced = msgspec.structs.replace(
        balance(found, standing, replays, since=since, until=until, as_of=as_of), spooled=spooled(settings)
    )
    if not named:
        return balanced
    # imported here as it is made of what stands above
    from operations.ledger_explained import explained  # noqa: PLC0415

    return msgspec.structs.replace(balanced, explained=explained(found, standing, buried, readers(settings), named))


def has_account(replay: OpenReplay, now: datetime) -> bool:
    """Whether what was told of a replay's events is still kept: its store remembers it for longer; pure."""
    return replay.begun_at > now - timedelta(days=ROOTS_DAYS)


def spooled(settings: Settings) -> tuple[SpooledLine, ...]:
    """What waits in the gateway's spools, of those that are mounted here."""
    lines = []
    for each in settings.connections.values():
        if not each.spool:
            continue
        folder = Path(each.spool)
        if not path_of(folder, each.name).exists():
            lines.append(SpooledLine(connection=each.name, here=False))
            continue
        waits = look(folder, each.name)
        going = waits.count - waits.refused
        lines.append(
            SpooledLine(connection=each.name, here=True, in_flight=going, refused=waits.refused, since=waits.since)
        )
    return tuple(lines)


def whole_hours(since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """The hours a time lies in, as the books are kept by hour; pure."""
    return hour_of(since), hour_of(until + timedelta(hours=1) - timedelta(microseconds=1))


def balance(
    found: Books,
    standing: Standing,
    replays: tuple[ReplayLine, ...] = (),
    *,
    since: datetime,
    until: datetime,
    as_of: datetime,
) -> Ledger:
    """Put every event without an end where it is; pure."""
    lost_roots = [root for root in found.open_roots if not is_in_flight(root, standing)]
    where = [(each, place_of(each, standing)) for each in found.open_deliveries]
    lost_deliveries = [each for each, place in where if place == "remainder"]
    lost: list[OpenRoot | OpenDelivery] = [*lost_roots, *lost_deliveries]
    intake = _intake_lines(found, lost_roots)
    delivery = _delivery_lines(found, where)
    return Ledger(
        since=since,
        until=until,
        as_of=as_of,
        balanced=not (lost or found.uncounted or any(each.remainder for each in replays)),
        intake=intake,
        delivery=delivery,
        intake_total=_total(IntakeLine(topic="", hour=since), intake),
        delivery_total=_total(DeliveryLine(record="", target="", hour=since), delivery),
        unaccounted=tuple(_unaccounted(each) for each in lost[:LISTED]),
        uncounted=found.uncounted,
        replays=replays,
    )


def is_in_flight(root: OpenRoot, standing: Standing) -> bool:
    """Whether somebody knows where a root without an end is."""
    if root.root in standing.open_roots:
        return True
    return any(is_unread(event, root.connection, standing) for event in (root.event, *root.carried_by))


def is_unread(event: Event, connection: str, standing: Standing) -> bool:
    """Whether a reader that must read the event has not yet; readers for other connections do not count."""
    topic_id, partition, offset = event
    return any(
        offset >= following and (not connection or not works_for or works_for == connection)
        for works_for, following in standing.unread_from.get((topic_id, partition), ())
    )


def place_of(delivery: OpenDelivery, standing: Standing) -> str:
    """The column of a canonical record without an end: parked, dead, in_flight or remainder."""
    row = standing.open_rows.get((delivery.target, delivery.event))
    if row is not None:
        state, cause = row
        if state != State.PARKED:
            return "in_flight"
        return "dead" if cause == ParkedFor.REFUSED else "parked"
    if (delivery.target, delivery.event) in standing.announced:
        return "in_flight"
    return "in_flight" if is_unread(delivery.event, delivery.target, standing) else "remainder"


def take_standing(settings: Settings, admin: AdminClient, places: Mapping[str, TopicPlaces]) -> Standing:
    """Ask every reader where it stands, from upstream to downstream, so that nothing moves behind our back."""
    unread_from: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
    open_roots: set[str] = set()
    open_rows: dict[tuple[str, Event], tuple[str, str]] = {}
    announced: set[tuple[str, Event]] = set()
    held: set[tuple[str, Event]] = set()
    replays: dict[str, tuple[OpenReplay, ...]] = {}
    asked: dict[str, Mapping[tuple[str, int], int] | OpenWork] = {}
    for reader in readers(settings):
        if reader.topic not in places:
            continue
        place = places[reader.topic]
        # a process is asked once, and stores twice: for what is fetched, and later for what is consumed
        name = reader.group or f"{reader.queue} {reader.connection}"
        if name not in asked:
            asked[name] = committed(admin, reader.group) if reader.group else _work(settings, reader)
        stands = asked[name]
        if isinstance(stands, OpenWork):
            open_roots |= {row.root for row in stands.rows} | stands.announced_roots
            open_rows |= {(reader.connection, row.event): (row.state, row.cause) for row in stands.rows}
            announced |= {(reader.connection, event) for event in stands.announced_events}
            held |= {(reader.connection, event) for event in stands.held}
            # the later look, at what is consumed, counts
            replays[reader.connection] = stands.replays
        for number in range(place.partitions):
            unread_from[place.topic_id, number].append((reader.connection, _next(reader, stands, place, number)))
    return Standing(
        unread_from=unread_from,
        open_roots=frozenset(open_roots),
        open_rows=open_rows,
        announced=frozenset(announced),
        held=frozenset(held),
        replays=tuple(each for listed in replays.values() for each in listed),
    )


def wait_for_projector(
    positions: Callable[[], Mapping[tuple[str, int], int]], wanted: Mapping[tuple[str, int], int], within_s: float
) -> None:
    """Wait until the projector has read up to offsets.

    Raises:
        RetryableError: it has not in time; says how far it is behind.
    """
    deadline = time.monotonic() + within_s
    while True:
        read = positions()
        behind = sum(max(0, offset - read.get(place, 0)) for place, offset in wanted.items())
        if not behind:
            return
        if time.monotonic() > deadline:
            raise RetryableError(
                "projection.behind",
                f"the projector is {behind} records behind: see that it runs (`towpath run projector`), then ask again",
                records=behind,
            )
        time.sleep(LOOK_EVERY_S)


def _work(settings: Settings, reader: Reader) -> OpenWork:
    return open_work.read(settings.connection(reader.connection))


def _next(reader: Reader, stands: Mapping[tuple[str, int], int] | OpenWork, place: TopicPlaces, partition: int) -> int:
    """The offset a reader reads next; one that never read begins at the first."""
    if isinstance(stands, OpenWork):
        return stands.positions.get((reader.queue, place.topic_id, partition), 0)
    return stands.get((reader.topic, partition), 0)


def _by_id(places: Mapping[str, TopicPlaces], offsets: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], int]:
    return {(places[name].topic_id, partition): offset for (name, partition), offset in offsets.items()}


def _intake_lines(found: Books, lost: Iterable[OpenRoot]) -> tuple[IntakeLine, ...]:
    open_of = Counter((root.topic, root.hour) for root in found.open_roots)
    lost_of = Counter((root.topic, root.hour) for root in lost)
    lines = []
    for account in found.intake:
        ended = account.mapped + account.dead + account.merged + account.suppressed + account.filtered
        in_flight = open_of[account.topic, account.hour] - lost_of[account.topic, account.hour]
        lines.append(
            IntakeLine(
                topic=account.topic,
                hour=account.hour,
                accepted=account.accepted,
                mapped=account.mapped,
                merged=account.merged,
                filtered=account.filtered,
                suppressed=account.suppressed,
                dead=account.dead,
                in_flight=in_flight,
                remainder=account.accepted - ended - in_flight,
            )
        )
    return tuple(lines)


def _delivery_lines(found: Books, where: Iterable[tuple[OpenDelivery, str]]) -> tuple[DeliveryLine, ...]:
    counts: dict[tuple[str, str, datetime], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for account in found.deliveries:
        line = counts[account.record, account.target, account.hour]
        line["taken_in"] += account.count
        if account.state in ENDS:
            line[account.state] += account.count
    for each, place in where:
        counts[each.record, each.target, each.hour][place] += 1
    return tuple(
        DeliveryLine(record=record, target=target, hour=hour, **columns)
        for (record, target, hour), columns in sorted(counts.items())
    )


def _total(zero: Line, lines: Iterable[Line]) -> Line:
    """The sum of all lines, in a line without name."""
    columns = [field for field in zero.__struct_fields__ if isinstance(getattr(zero, field), int)]
    listed = list(lines)
    return msgspec.structs.replace(zero, **{name: sum(getattr(line, name) for line in listed) for name in columns})


def _unaccounted(lost: OpenRoot | OpenDelivery) -> Unaccounted:
    topic_id, partition, offset = lost.event
    return Unaccounted(
        topic=lost.topic,
        topic_id=topic_id,
        partition=partition,
        offset=offset,
        hour=lost.hour,
        root_key=lost.root_key,
        target=lost.target if isinstance(lost, OpenDelivery) else "",
    )
