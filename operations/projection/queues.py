"""A connection's store beside its workers, for people: how far it has read, what is paused, the heads of some keys.

Reads only, and gives up soon: whoever asks wants to know the rest, too.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import psycopg

from bus.settings import Connection
from delivery.acquaintance import Acquaintance, read, values_of
from delivery.incarnation import Incarnation
from delivery.migrate import schema_of
from errors import RetryableError
from operations.projection.project import QUEUES

CONNECT_WITHIN_S = 4
STATEMENT_WITHIN_MS = 4000

PARKED, IN_FLIGHT = "parked", "in_flight"

Wire = psycopg.Connection[tuple[Any, ...]]


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """A queue that starts nothing new."""

    queue: str
    since: datetime
    #: None: until somebody resumes it.
    until: datetime | None
    who: str
    why: str
    command_id: str


class Full(msgspec.Struct, frozen=True, kw_only=True):
    """A queue that takes nothing more in until half of what it may hold is free."""

    queue: str
    since: datetime
    #: At work or due when it was full, as far as was counted, and what it may hold.
    rows: int
    bytes: int
    most_rows: int
    most_bytes: int


class Stranger(msgspec.Struct, frozen=True, kw_only=True):
    """Another system than is remembered is behind the connection: nothing is delivered."""

    #: Of the sentence that says what was found.
    code: str
    values: dict[str, str]
    since: datetime


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """How far a queue has taken in a partition of a topic of that id."""

    queue: str
    topic: str
    topic_id: str
    partition: int
    next: int
    moved_at: datetime


class StoreStanding(msgspec.Struct, frozen=True, kw_only=True):
    """What a store says of all its queues."""

    connection: str
    #: (queue, topic id, partition) to the offset taken in next.
    positions: Mapping[tuple[str, str, int], int]
    #: Those in force.
    pauses: tuple[Pause, ...]
    full: tuple[Full, ...] = ()
    #: The same positions with the topics' names and when they moved last.
    stood: tuple[Position, ...] = ()
    #: Which store it is, and how far it has come; None: it does not know.
    incarnation: Incarnation | None = None
    stranger: Stranger | None = None


class OpenCount(msgspec.Struct, frozen=True, kw_only=True):
    """Events a queue works on."""

    queue: str
    #: `parked`, or `in_flight`, which is all the others.
    state: str
    #: Why they are parked; empty: they are not.
    cause: str
    count: int


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """What a store works on."""

    counts: tuple[OpenCount, ...]
    #: By queue, where something is open.
    oldest_taken_in_at: Mapping[str, datetime]

    @property
    def count(self) -> int:
        """All of it."""
        return sum(each.count for each in self.counts)


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The row that holds its key, and who holds the key."""

    queue: str
    root_key: str
    lease_owner: str
    lease_until: datetime | None
    topic_id: str
    partition: int
    event_offset: int
    record: str
    state: str
    cause: str
    code: str
    code_values: dict[str, str]
    attempts: int
    #: When it may be tried; None: only when somebody says so.
    due: datetime | None
    amount: Decimal
    currency: str
    document_number: str
    taken_in_at: datetime
    #: Rows of the key that wait for it.
    behind: int
    #: The replay it is part of; empty: live.
    replay: str = ""


PAUSES = """
SELECT queue, since, until, who, why, command_id FROM pauses WHERE until IS NULL OR until > statement_timestamp()
ORDER BY queue
"""
FULL = "SELECT queue, since, rows, bytes, most_rows, most_bytes FROM full_queues ORDER BY queue"
# Rows are wide: both are answered by an index alone, `rows_in_order` and `rows_with_cause`. Ids rise as events come.
OPEN = """
SELECT q.queue, q.count, (SELECT taken_in_at FROM rows WHERE id = q.first)
FROM (SELECT queue, count(*), min(id) AS first FROM rows GROUP BY queue) q
"""
OPEN_PARKED = "SELECT queue, cause, count(*) FROM rows WHERE cause IS NOT NULL GROUP BY queue, cause"
HEADS = """
SELECT k.queue, k.root_key, coalesce(k.lease_owner, ''), k.lease_until, r.topic_id, r.partition, r.event_offset,
    r.record, r.state, coalesce(r.cause, ''), r.code, r.code_values, r.attempts, r.due, r.amount, r.currency,
    coalesce(r.document_number, ''), r.taken_in_at,
    (SELECT count(*) - 1 FROM rows b WHERE b.queue = k.queue AND b.root_key = k.root_key), r.replay
FROM keys k CROSS JOIN LATERAL (
    SELECT * FROM rows WHERE queue = k.queue AND root_key = k.root_key ORDER BY id LIMIT 1
) r
WHERE k.queue = ANY(%s) AND k.root_key = ANY(%s) ORDER BY k.root_key, k.queue DESC
"""


def standing(connection: Connection) -> StoreStanding:
    """How a store stands.

    Raises:
        RetryableError: it cannot be read.
    """
    with opened(connection) as wire:
        return _standing(wire, connection.name)


def open_work(connection: Connection) -> Open:
    """How much a store works on.

    Raises:
        RetryableError: it cannot be read.
    """
    with opened(connection) as wire:
        queues = wire.execute(OPEN).fetchall()
        parked = wire.execute(OPEN_PARKED).fetchall()
    held = Counter[str]()
    for queue, _, count in parked:
        held[queue] += count
    return Open(
        counts=(
            *(OpenCount(queue=queue, state=PARKED, cause=cause, count=count) for queue, cause, count in parked),
            *(
                OpenCount(queue=queue, state=IN_FLIGHT, cause="", count=count - held[queue])
                for queue, count, _ in queues
                if count > held[queue]
            ),
        ),
        oldest_taken_in_at={queue: since for queue, _, since in queues},
    )


def heads(connection: Connection, root_keys: Sequence[str]) -> tuple[StoreStanding, tuple[Head, ...]]:
    """How a store stands, and the heads of those of the keys that have open rows there; fetchers' first.

    Raises:
        RetryableError: it cannot be read.
    """
    with opened(connection) as wire:
        names = Head.__struct_fields__
        found = wire.execute(HEADS, [sorted(QUEUES), list(root_keys)]).fetchall()
        return _standing(wire, connection.name), tuple(Head(**dict(zip(names, row, strict=True))) for row in found)


@contextmanager
def opened(connection: Connection, statement_within_ms: int = STATEMENT_WITHIN_MS) -> Iterator[Wire]:
    """A snapshot of the store that cannot be written to; a statement that takes longer is given up, with 0 none is.

    Raises:
        RetryableError: it cannot be read; says why.
    """
    options = (
        f"-c search_path={schema_of(connection.name)} -c timezone=UTC -c default_transaction_read_only=on "
        f"-c default_transaction_isolation=repeatable\\ read -c statement_timeout={statement_within_ms}"
    )
    try:
        with psycopg.connect(connection.store_dsn.reveal(), connect_timeout=CONNECT_WITHIN_S, options=options) as wire:
            yield wire
    except psycopg.errors.QueryCanceled as error:
        raise RetryableError("store.slow", f"the store of {connection.name} does not answer in time") from error
    except psycopg.OperationalError as error:
        raise RetryableError("store.away", f"the store of {connection.name} cannot be read") from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise RetryableError("store.absent", f"{connection.name} has no store: run `towpath migrate`") from error


def _standing(wire: Wire, connection: str) -> StoreStanding:
    moved = wire.execute("SELECT queue, topic, topic_id, partition, next, moved_at FROM positions").fetchall()
    stood = tuple(Position(**dict(zip(Position.__struct_fields__, row, strict=True))) for row in moved)
    names, of_full = Pause.__struct_fields__, Full.__struct_fields__
    held = wire.execute("SELECT known, life, seen, held, accepted_by, since FROM identity WHERE held <> ''").fetchone()
    which = wire.execute("SELECT store_id, counter, held FROM incarnation").fetchone()
    return StoreStanding(
        connection=connection,
        positions={(each.queue, each.topic_id, each.partition): each.next for each in stood},
        stood=stood,
        pauses=tuple(Pause(**dict(zip(names, row, strict=True))) for row in wire.execute(PAUSES)),
        full=tuple(Full(**dict(zip(of_full, row, strict=True))) for row in wire.execute(FULL)),
        incarnation=Incarnation(store_id=which[0], counter=which[1], held=which[2]) if which is not None else None,
        stranger=_stranger(read(held[:-1]), held[-1]) if held is not None else None,
    )


def _stranger(found: Acquaintance, since: datetime) -> Stranger:
    return Stranger(code=found.held, values=values_of(found), since=since)
