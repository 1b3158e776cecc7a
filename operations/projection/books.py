"""What the books say, read in one snapshot: accounts by topic and hour, and every event that has not come to an end."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from operations.projection.migrate import Wire
from operations.projection.tables import ACCOUNT
from operations.readers import Routed

#: Topic id, partition, offset.
Event = tuple[str, int, int]
#: (topic id, partition) to an offset.
Offsets = Mapping[tuple[str, int], int]


class IntakeAccount(msgspec.Struct, frozen=True, kw_only=True):
    """Roots of one topic and hour, each in the one place it ended; the rest is open."""

    topic: str
    hour: datetime
    accepted: int
    mapped: int
    dead: int
    merged: int
    suppressed: int
    filtered: int


class OpenRoot(msgspec.Struct, frozen=True, kw_only=True):
    """A source event without an end."""

    event: Event
    topic: str
    hour: datetime
    root_key: str
    connection: str
    #: Records that carry it on: routed changes, documents read.
    carried_by: tuple[Event, ...]

    @property
    def root(self) -> str:
        return "/".join(map(str, self.event))


class DeliveryAccount(msgspec.Struct, frozen=True, kw_only=True):
    """Canonical records of one topic and hour for one target, by their last outcome there (empty: none yet)."""

    topic: str
    record: str
    target: str
    hour: datetime
    state: str
    count: int


class OpenDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A canonical record that has not come to an end at a target."""

    event: Event
    topic: str
    record: str
    target: str
    hour: datetime
    root_key: str


CUTS = """
CREATE TEMPORARY TABLE cuts ON COMMIT DROP AS
SELECT * FROM unnest(%s::text[], %s::int[], %s::bigint[]) AS c (topic_id, partition, cut)
"""
WAYS = """
CREATE TEMPORARY TABLE ways ON COMMIT DROP AS
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS w (topic, record, owner, target)
"""
INTAKE = f"""
SELECT r.topic, date_trunc('hour', r.arrived_at, 'UTC') AS hour, {ACCOUNT}
FROM roots r JOIN cuts c USING (topic_id, partition)
WHERE r.topic <> '' AND r.event_offset < c.cut AND r.arrived_at >= %(since)s AND r.arrived_at < %(until)s
GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608  put together from constants
OPEN_ROOTS = """
SELECT r.topic_id, r.partition, r.event_offset, r.topic, date_trunc('hour', r.arrived_at, 'UTC'), r.root_key,
    r.connection, coalesce((
        SELECT json_agg(json_build_array(w.topic_id, w.partition, w.event_offset)) FROM records w
        WHERE w.root = r.topic_id || '/' || r.partition || '/' || r.event_offset
    ), '[]'::json)
FROM roots r JOIN cuts c USING (topic_id, partition)
WHERE r.facts & 31 = 0 AND r.topic <> '' AND r.event_offset < c.cut
    AND r.arrived_at >= %(since)s AND r.arrived_at < %(until)s
"""
CLOSED = """
SELECT topic, hour, accepted, mapped, dead, merged, suppressed, filtered FROM closed_hours
WHERE hour >= %(since)s AND hour < %(until)s ORDER BY 1, 2
"""
DELIVERIES = """
SELECT r.topic, w.record, w.target, date_trunc('hour', r.at, 'UTC') AS hour, coalesce(d.state, '') AS state, count(*)
FROM records r JOIN cuts c USING (topic_id, partition)
JOIN ways w ON w.topic = r.topic AND w.owner = split_part(r.root_key, ':', 1)
LEFT JOIN deliveries d ON d.topic_id = r.topic_id AND d.partition = r.partition AND d.event_offset = r.event_offset
    AND d.connection = w.target AND d.replay = ''
WHERE r.event_offset < c.cut AND r.at >= %(since)s AND r.at < %(until)s
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
"""
OPEN_DELIVERIES = """
SELECT r.topic_id, r.partition, r.event_offset, r.topic, w.record, w.target, date_trunc('hour', r.at, 'UTC'), r.root_key
FROM records r JOIN cuts c USING (topic_id, partition)
JOIN ways w ON w.topic = r.topic AND w.owner = split_part(r.root_key, ':', 1)
LEFT JOIN deliveries d ON d.topic_id = r.topic_id AND d.partition = r.partition AND d.event_offset = r.event_offset
    AND d.connection = w.target AND d.replay = ''
WHERE r.event_offset < c.cut AND r.at >= %(since)s AND r.at < %(until)s
    AND (d.state IS NULL OR NOT d.state = ANY(%(ends)s))
"""
UNCOUNTED = """
SELECT topic, sum(missing) FROM (
    SELECT p.topic, sum(p.next - p.first) - coalesce((
        SELECT sum(a.records) FROM arrivals a WHERE a.topic_id = p.topic_id
    ), 0) AS missing
    FROM positions p WHERE p.topic = ANY(%(gapless)s) GROUP BY p.topic, p.topic_id
) AS each GROUP BY topic
"""


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """All of it at one moment."""

    intake: tuple[IntakeAccount, ...]
    open_roots: tuple[OpenRoot, ...]
    deliveries: tuple[DeliveryAccount, ...]
    open_deliveries: tuple[OpenDelivery, ...]
    #: Topic to the records between first and last position that nobody counted; only where there are any.
    uncounted: dict[str, int]


def read(
    wire: Wire,
    cuts: Offsets,
    ways: Sequence[Routed],
    ends: Collection[str],
    since: datetime,
    until: datetime,
    gapless: Collection[str],
) -> Books:
    """The books of a time, for events before the cuts.

    Args:
        wire: A connection that is in no transaction.
        cuts: Only events below these offsets count; partitions that are not named do not count at all.
        ways: Which connection each canonical record goes to.
        ends: States after which nothing more comes.
        since: By time of arrival.
        until: Exclusive.
        gapless: Topics whose offsets all have a record; where records are compacted away, a gap is none lost.
    """
    window = {"since": since, "until": until, "ends": list(ends)}
    with wire.transaction():
        wire.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        _place(wire, cuts, ways)
        live = tuple(IntakeAccount(**row) for row in _named(wire, INTAKE, window))
        known = {(account.topic, account.hour) for account in live}
        # hours whose roots are gone are told by what was kept when they closed
        closed = (IntakeAccount(**row) for row in _named(wire, CLOSED, window))
        return Books(
            intake=(*live, *(account for account in closed if (account.topic, account.hour) not in known)),
            open_roots=tuple(_open_root(row) for row in wire.execute(OPEN_ROOTS, window)),
            deliveries=tuple(DeliveryAccount(**row) for row in _named(wire, DELIVERIES, window)),
            open_deliveries=tuple(_open_delivery(row) for row in wire.execute(OPEN_DELIVERIES, window)),
            uncounted={
                topic: int(records) for topic, records in wire.execute(UNCOUNTED, {"gapless": list(gapless)}) if records
            },
        )


def positions(wire: Wire) -> dict[tuple[str, int], int]:
    """How far the projector has read, by topic name and partition."""
    with wire.transaction():
        found = wire.execute("SELECT topic_id, partition, next FROM positions").fetchall()
    return {(topic_id, partition): following for topic_id, partition, following in found}


def _place(wire: Wire, cuts: Offsets, ways: Sequence[Routed]) -> None:
    places = list(cuts)
    wire.execute(
        CUTS,
        [[topic_id for topic_id, _ in places], [number for _, number in places], [cuts[place] for place in places]],
    )
    wire.execute(
        WAYS,
        [
            [way.topic for way in ways],
            [way.record for way in ways],
            [way.owner for way in ways],
            [way.target for way in ways],
        ],
    )


def _named(wire: Wire, statement: str, window: Mapping[str, Any]) -> list[dict[str, Any]]:
    cursor = wire.execute(statement, window)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _open_root(row: tuple[Any, ...]) -> OpenRoot:
    topic_id, partition, offset, topic, hour, root_key, connection, carried = row
    return OpenRoot(
        event=(topic_id, partition, offset),
        topic=topic,
        hour=hour,
        root_key=root_key,
        connection=connection,
        carried_by=tuple((each[0], each[1], each[2]) for each in carried),
    )


def _open_delivery(row: tuple[Any, ...]) -> OpenDelivery:
    topic_id, partition, offset, topic, record, target, hour, root_key = row
    return OpenDelivery(
        event=(topic_id, partition, offset),
        topic=topic,
        record=record,
        target=target,
        hour=hour,
        root_key=root_key,
    )
