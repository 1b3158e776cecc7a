"""What a connection's store is working on, read beside its workers: positions, open rows, what is not yet announced."""

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
        return OpenWork(
            connection=connection.name,
            positions=_positions(wire),
            rows=_rows(wire),
            announced_roots=_announced_roots(wire),
            announced_events=_announced_events(wire),
            full=frozenset(queue for (queue,) in wire.execute("SELECT queue FROM full_queues")),
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


def _announced_events(wire: Wire) -> frozenset[Event]:
    found = wire.execute("SELECT value FROM outbox WHERE what = 'outcome' AND refused IS NULL")
    outcomes = (decoded(What.OUTCOME, bytes(value)) for (value,) in found)
    return frozenset(
        (outcome.topic_id, outcome.partition, outcome.offset)
        for outcome in outcomes
        if isinstance(outcome, Outcome) and not outcome.replay
    )
