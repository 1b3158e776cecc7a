"""What stands still, as the projection knows it: parked and doubtful events, dead letters, circuits, unread events."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import psycopg

from errors import RetryableError
from operations.projection import books, migrate
from operations.projection.migrate import Wire

R = TypeVar("R", bound=msgspec.Struct)

STATEMENT_WITHIN_MS = 4000
#: Circuits that let something through.
CLOSED = "circuit.closed"
#: A call that was under way when a circuit opened may still come to a good end.
UNDER_WAY = timedelta(minutes=1)
#: Dead letters without a queue that are older were seen or never will be.
LETTERS_OF = timedelta(days=30)


class Stuck(msgspec.Struct, frozen=True, kw_only=True):
    """Events that wait for the same thing at one queue, in one currency."""

    connection: str
    stage: str
    state: str
    cause: str
    code: str
    #: The missing thing, where they wait for one.
    waits_for: str
    currency: str
    count: int
    amount: Decimal
    since: datetime
    #: Of the oldest.
    values: dict[str, str]


class Letters(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters that hold no key, of one code; those whose document was mapped since are not among them."""

    connection: str
    stage: str
    code: str
    #: Whether it is known whose they are.
    known: bool
    count: int
    since: datetime
    #: Of the oldest.
    values: dict[str, str]


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One of a key."""

    id: str
    connection: str
    stage: str
    code: str
    at: datetime
    values: dict[str, str]


class OpenCircuit(msgspec.Struct, frozen=True, kw_only=True):
    """A queue whose target does not work."""

    connection: str
    stage: str
    code: str
    values: dict[str, str]
    #: Of its last word: opened, or being probed.
    at: datetime


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """All of it at one moment."""

    stuck: tuple[Stuck, ...]
    circuits: tuple[OpenCircuit, ...]
    #: (topic id, partition) to the offset the projector reads next.
    positions: Mapping[tuple[str, int], int]


class DeliveryTold(msgspec.Struct, frozen=True, kw_only=True):
    """What a queue last told of one event of a key."""

    connection: str
    stage: str
    topic_id: str
    partition: int
    event_offset: int
    root_key: str
    record: str
    state: str
    cause: str
    code: str
    code_values: dict[str, str]
    #: Since when it is in that state.
    at: datetime
    attempts: int
    amount: Decimal
    currency: str
    document_number: str
    #: The replay it is part of; empty: live.
    replay: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A record of a key on the bus."""

    topic: str
    topic_id: str
    partition: int
    offset: int
    root_key: str
    #: The connection that has to read its document; empty: not known, or everybody's.
    connection: str = ""


# Grouped first and the oldest looked up afterwards: to sort a million parked events would take the screen's whole time.
STUCK = """
WITH grouped AS (
    SELECT connection, stage, state, cause, code, coalesce(code_values->>'waits_for', '') AS waits_for, currency,
        count(*) AS count, sum(amount) AS amount, min(at) AS since
    FROM (SELECT * FROM deliveries WHERE state = 'parked' UNION ALL SELECT * FROM deliveries WHERE state = 'unknown')
    GROUP BY 1, 2, 3, 4, 5, 6, 7
)
SELECT g.*, d.code_values FROM grouped g CROSS JOIN LATERAL (
    SELECT code_values FROM deliveries d
    WHERE d.connection = g.connection AND d.at = g.since AND d.state = g.state AND d.stage = g.stage
        AND d.cause = g.cause AND d.code = g.code AND d.currency = g.currency
        AND coalesce(d.code_values->>'waits_for', '') = g.waits_for
    LIMIT 1) d
"""
# As in letters.py, less the heads of parked keys: those are told of by their deliveries.
_STANDING_LETTERS = """
FROM dead_letters l LEFT JOIN LATERAL (
    SELECT state, code FROM deliveries d
    WHERE d.topic_id = l.source_topic_id AND d.partition = l.source_partition AND d.event_offset = l.source_offset
        AND d.connection = l.connection AND d.replay = l.replay
    LIMIT 1) d ON true
WHERE (d.state IS NULL OR (d.state = 'dead' AND d.code <> 'skipped'))
    AND NOT (d.state IS NULL AND l.root_key <> '' AND l.mapping <> '' AND EXISTS (
        SELECT FROM records r WHERE r.root_key = l.root_key AND r.at > l.at
            AND split_part(r.mapping, '@', 1) = split_part(l.mapping, '@', 1)))
"""
LETTERS = f"""
SELECT l.connection, l.stage, l.code, l.root_key <> '', count(*), min(l.at), (array_agg(l.code_values ORDER BY l.at))[1]
{_STANDING_LETTERS} AND l.at >= %(since)s GROUP BY 1, 2, 3, 4
"""
LETTERS_OF_KEY = f"""
SELECT l.id, l.connection, l.stage, l.code, l.at, l.code_values {_STANDING_LETTERS} AND l.root_key = %(key)s
ORDER BY l.at
"""
CIRCUITS = """
WITH last AS (
    SELECT DISTINCT ON (connection, stage) connection, stage, code, code_values, at
    FROM outcomes WHERE state = 'circuit' ORDER BY connection, stage, at DESC
)
SELECT connection, stage, code, code_values, at FROM last
WHERE code <> %(closed)s AND NOT EXISTS (
    -- a worker that was killed never tells that it is well again; what is delivered does
    SELECT FROM deliveries d WHERE d.connection = last.connection AND d.stage = last.stage AND d.state = 'delivered'
        AND d.at > last.at + %(under_way)s)
"""
FIRST_UNREAD = """
SELECT f.topic_id, f.partition, least(
    (SELECT r.at FROM records r WHERE r.topic_id = f.topic_id AND r.partition = f.partition
        AND r.event_offset >= f.next ORDER BY r.event_offset LIMIT 1),
    (SELECT r.arrived_at FROM roots r WHERE r.topic_id = f.topic_id AND r.partition = f.partition
        AND r.event_offset >= f.next AND r.arrived_at IS NOT NULL ORDER BY r.event_offset LIMIT 1))
FROM unnest(%s::text[], %s::int[], %s::bigint[]) AS f (topic_id, partition, next)
"""
DELIVERIES = f"SELECT {', '.join(DeliveryTold.__struct_fields__)} FROM deliveries WHERE root_key = %s ORDER BY at"  # noqa: S608  column names of ours


@contextmanager
def opened(dsn: str) -> Iterator[Wire]:
    """The projection, for one quick look.

    Raises:
        ConfigurationError: it is of another version.
        RetryableError: it cannot be read; says why.
    """
    try:
        with migrate.connect(dsn) as wire:
            migrate.check_version(wire)
            wire.commit()
            wire.execute(f"SET statement_timeout = {STATEMENT_WITHIN_MS}")
            wire.commit()
            yield wire
    except psycopg.errors.QueryCanceled as error:
        raise RetryableError("projection.slow", "the projection does not answer in time") from error
    except psycopg.OperationalError as error:
        raise RetryableError("projection.away", "the projection's database cannot be read") from error


def read(wire: Wire) -> Standing:
    """What stands still now, dead letters without a queue left out."""
    return Standing(positions=books.positions(wire), stuck=_read(wire, STUCK, {}, Stuck), circuits=open_circuits(wire))


def letters(wire: Wire, now: datetime) -> tuple[Letters, ...]:
    """Dead letters that hold no queue, and whose document was not mapped since."""
    return _read(wire, LETTERS, {"since": now - LETTERS_OF}, Letters)


def letters_of(wire: Wire, root_key: str) -> tuple[Letter, ...]:
    """Dead letters of a key that hold no queue, and whose document was not mapped since."""
    return _read(wire, LETTERS_OF_KEY, {"key": root_key}, Letter)


def open_circuits(wire: Wire) -> tuple[OpenCircuit, ...]:
    """Queues whose circuit spoke last of being open."""
    return _read(wire, CIRCUITS, {"closed": CLOSED, "under_way": UNDER_WAY}, OpenCircuit)


def first_unread(wire: Wire, following: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], datetime]:
    """When the first event at or behind an offset came, for each (topic id, partition) where that is known."""
    places = list(following)
    parameters = [[place[0] for place in places], [place[1] for place in places], list(following.values())]
    with wire.transaction():
        found = wire.execute(FIRST_UNREAD, parameters).fetchall()
    return {(topic_id, partition): at for topic_id, partition, at in found if at is not None}


def deliveries_of(wire: Wire, root_key: str) -> tuple[DeliveryTold, ...]:
    """What every queue told of the key's events, by time."""
    return _read(wire, DELIVERIES, [root_key], DeliveryTold)


def events_of(wire: Wire, root_key: str) -> tuple[Event, ...]:
    """Records of the key on the bus; of a change, whose document is to be read."""
    with wire.transaction():
        found = wire.execute(
            "SELECT topic, topic_id, partition, event_offset, origin FROM records WHERE root_key = %s", [root_key]
        ).fetchall()
    return tuple(
        Event(topic=topic, topic_id=topic_id, partition=partition, offset=offset, root_key=root_key, connection=origin)
        for topic, topic_id, partition, offset, origin in found
    )


def _read(wire: Wire, statement: str, parameters: Any, kind: type[R]) -> tuple[R, ...]:
    names = kind.__struct_fields__
    with wire.transaction():
        return tuple(kind(**dict(zip(names, row, strict=True))) for row in wire.execute(statement, parameters))
