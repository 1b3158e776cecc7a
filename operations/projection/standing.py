"""What stands still, as the projection knows it: parked and doubtful events, circuits, unread events."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from operations.projection import books, census, letters, parked, replays, stories
from operations.projection.census import CensusTold
from operations.projection.letters import Unheld
from operations.projection.migrate import Wire
from operations.projection.parked import Group
from operations.projection.replays import ReplayTold

#: Circuits that let something through.
CLOSED = "circuit.closed"
#: A call that was under way when a circuit opened may still come to a good end.
UNDER_WAY = timedelta(minutes=1)


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

    stuck: tuple[Group, ...]
    letters: tuple[Unheld, ...]
    circuits: tuple[OpenCircuit, ...]
    #: (topic id, partition) to the offset the projector reads next.
    positions: Mapping[tuple[str, int], int]
    #: Under way.
    replays: tuple[ReplayTold, ...] = ()
    #: The last of each connection.
    census: tuple[CensusTold, ...] = ()


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


CIRCUITS = """
WITH last AS (
    SELECT DISTINCT ON (connection, stage) connection, stage, code, code_values, at
    FROM outcomes WHERE state = 'circuit' ORDER BY connection, stage, at DESC
)
SELECT connection, stage, code, code_values, (
    -- it is probed in between: away it is since it was opened first
    SELECT min(o.at) FROM outcomes o
    WHERE o.state = 'circuit' AND o.connection = last.connection AND o.stage = last.stage AND o.at > coalesce((
        SELECT max(c.at) FROM outcomes c WHERE c.state = 'circuit' AND c.connection = last.connection
            AND c.stage = last.stage AND c.code = %(closed)s), '-infinity')
) AS at
FROM last
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
DELIVERIES = f"SELECT {', '.join(DeliveryTold.__struct_fields__)} FROM deliveries WHERE root_key = %(key)s ORDER BY at"  # noqa: S608  column names of ours


def read(wire: Wire) -> Standing:
    """What stands still now."""
    return Standing(
        positions=books.positions(wire),
        stuck=parked.stuck(wire),
        letters=letters.unheld(wire),
        circuits=open_circuits(wire),
        replays=replays.told(wire, code="replay.running"),
        census=tuple(census.told(wire).values()),
    )


def open_circuits(wire: Wire) -> tuple[OpenCircuit, ...]:
    """Queues whose circuit spoke last of being open."""
    return stories.read(wire, CIRCUITS, {"closed": CLOSED, "under_way": UNDER_WAY}, OpenCircuit)


def first_unread(wire: Wire, following: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], datetime]:
    """When the first event at or behind an offset came, for each (topic id, partition) where that is known."""
    places = list(following)
    parameters = [[place[0] for place in places], [place[1] for place in places], list(following.values())]
    with wire.transaction():
        found = wire.execute(FIRST_UNREAD, parameters).fetchall()
    return {(topic_id, partition): at for topic_id, partition, at in found if at is not None}


def deliveries_of(wire: Wire, root_key: str) -> tuple[DeliveryTold, ...]:
    """What every queue told of the key's events, by time."""
    return stories.read(wire, DELIVERIES, {"key": root_key}, DeliveryTold)


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
