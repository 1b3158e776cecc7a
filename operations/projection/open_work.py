"""What a connection's store is working on, read beside its workers: positions, open rows, what is not yet announced."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

import msgspec

from bus.settings import Connection
from delivery.announcements import What, decoded
from delivery.states import ParkedFor
from operations.projection.queues import Wire, opened
from schemas.bus.outcome import Outcome

#: An event in a queue: topic id, partition, offset.
Event = tuple[str, int, int]


class OpenRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event a store works on; those of replays have accounts of their own."""

    event: Event
    queue: str
    root: str
    root_key: str
    record: str
    state: str
    cause: str


class OpenReplay(msgspec.Struct, frozen=True, kw_only=True):
    """A replay at one moment."""

    id: str
    connection: str
    begun_at: datetime
    #: Events that fit, as its reader counted them.
    taken_in: int
    #: (topic id, partition) to the offset it reads next: events behind it belong to a later moment.
    following: dict[tuple[str, int], int]
    #: Its rows: event to state and cause.
    rows: dict[Event, tuple[str, str]]
    #: Events whose outcome is settled and on its way to its topic.
    announced: frozenset[Event]


class OpenWork(msgspec.Struct, frozen=True, kw_only=True):
    """A store at one moment."""

    connection: str
    #: (queue, topic id, partition) to the offset taken in next.
    positions: dict[tuple[str, str, int], int]
    rows: tuple[OpenRow, ...]
    #: Roots of what is settled and on its way to its topic.
    announced_roots: frozenset[str]
    #: Events whose outcome is settled and on its way to its topic.
    announced_events: frozenset[Event]
    #: Queues that take nothing more in, as they hold as much as they may.
    full: frozenset[str] = frozenset()
    replays: tuple[OpenReplay, ...] = ()

    @property
    def held(self) -> frozenset[Event]:
        """Events that a person has to let go: dead letters, and what waits behind them."""
        keys = {(row.queue, row.root_key) for row in self.rows if row.cause == ParkedFor.REFUSED}
        return frozenset(row.event for row in self.rows if (row.queue, row.root_key) in keys)


def read(connection: Connection) -> OpenWork:
    """Everything open in a store, in one snapshot.

    Raises:
        RetryableError: the store cannot be read.
    """
    with opened(connection, statement_within_ms=0) as wire:
        announced = _announced(wire)
        return OpenWork(
            connection=connection.name,
            positions=_positions(wire),
            rows=_rows(wire),
            announced_roots=_announced_roots(wire),
            announced_events=announced.get("", frozenset()),
            full=frozenset(queue for (queue,) in wire.execute("SELECT queue FROM full_queues")),
            replays=_replays(wire, connection.name, announced),
        )


def _positions(wire: Wire) -> dict[tuple[str, str, int], int]:
    found = wire.execute("SELECT queue, topic_id, partition, next FROM positions")
    return {(queue, topic_id, partition): following for queue, topic_id, partition, following in found}


def _rows(wire: Wire) -> tuple[OpenRow, ...]:
    found = wire.execute(
        "SELECT topic_id, partition, event_offset, queue, root, root_key, record, state, coalesce(cause, '') FROM rows"
        " WHERE replay = ''"
    )
    return tuple(
        OpenRow(
            event=(topic_id, partition, offset),
            queue=queue,
            root=root,
            root_key=root_key,
            record=record,
            state=state,
            cause=cause,
        )
        for topic_id, partition, offset, queue, root, root_key, record, state, cause in found
    )


def _announced_roots(wire: Wire) -> frozenset[str]:
    return frozenset(root for (root,) in wire.execute("SELECT DISTINCT root FROM outbox WHERE refused IS NULL"))


def _announced(wire: Wire) -> dict[str, frozenset[Event]]:
    """By replay, live ones under no name."""
    found: dict[str, set[Event]] = defaultdict(set)
    for (value,) in wire.execute("SELECT value FROM outbox WHERE what = 'outcome' AND refused IS NULL"):
        outcome = decoded(What.OUTCOME, bytes(value))
        if isinstance(outcome, Outcome):
            found[outcome.replay].add((outcome.topic_id, outcome.partition, outcome.offset))
    return {replay: frozenset(events) for replay, events in found.items()}


def _replays(wire: Wire, connection: str, announced: Mapping[str, frozenset[Event]]) -> tuple[OpenReplay, ...]:
    following: dict[str, dict[tuple[str, int], int]] = defaultdict(dict)
    for id_, topic_id, partition, next_ in wire.execute("SELECT replay, topic_id, partition, next FROM replay_ranges"):
        following[id_][topic_id, partition] = next_
    rows: dict[str, dict[Event, tuple[str, str]]] = defaultdict(dict)
    for id_, topic_id, partition, offset, state, cause in wire.execute(
        "SELECT replay, topic_id, partition, event_offset, state, coalesce(cause, '') FROM rows WHERE replay <> ''"
    ):
        rows[id_][topic_id, partition, offset] = (state, cause)
    begun = wire.execute(
        "SELECT id, begun_at, taken_in FROM replays WHERE state <> 'planned' ORDER BY begun_at"
    ).fetchall()
    return tuple(
        OpenReplay(
            id=id_,
            connection=connection,
            begun_at=begun_at,
            taken_in=taken_in,
            following=following[id_],
            rows=rows[id_],
            announced=announced.get(id_, frozenset()),
        )
        for id_, begun_at, taken_in in begun
    )
