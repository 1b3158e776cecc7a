"""What the books say, read in one snapshot: accounts by topic and hour, and every event that has not come to an end."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from operations.projection import accounts
from operations.projection.migrate import Wire
from operations.projection.project import EPOCH, WEIGHT, hour_of
from operations.readers import Routed

#: Topic id, partition, offset.
Event = tuple[str, int, int]
#: (topic id, partition) to an offset.
Offsets = Mapping[tuple[str, int], int]
#: Topic, owner, target (empty: the records themselves), hour, state, events.
Counted = tuple[str, str, str, datetime, str, int]


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

    @property
    def open(self) -> int:
        """Those without an end."""
        return self.accepted - self.mapped - self.dead - self.merged - self.suppressed - self.filtered


class OpenRoot(msgspec.Struct, frozen=True, kw_only=True):
    """A source event without an end."""

    event: Event
    topic: str
    hour: datetime
    root_key: str
    connection: str
    #: Records that carry it on: routed changes, documents read.
    carried_by: tuple[Event, ...]
    arrived_at: datetime | None = None

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
    #: Since when it is so.
    since: datetime | None = None
    #: The last the target told of it; empty: nothing.
    code: str = ""
    values: dict[str, str] = {}


CUTS = """
CREATE TEMPORARY TABLE cuts ON COMMIT DROP AS
SELECT * FROM unnest(%s::text[], %s::int[], %s::bigint[]) AS c (topic_id, partition, cut)
"""
WAYS = """
CREATE TEMPORARY TABLE ways ON COMMIT DROP AS
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS w (topic, record, owner, target)
"""
PLACES = ", ".join(
    f"coalesce(sum(roots) FILTER (WHERE place = {fact.value}), 0)::bigint AS {str(fact.name).lower()}"
    for fact in WEIGHT
)
# What arrived behind the cuts is in the accounts, and is taken out again: it is little.
INTAKE = f"""
SELECT topic, hour, sum(roots)::bigint AS accepted, {PLACES}
FROM (
    SELECT topic, hour, place, roots FROM intake_accounts JOIN cuts USING (topic_id, partition)
    WHERE hour >= %(since)s AND hour < %(until)s
    UNION ALL
    SELECT r.* FROM cuts c CROSS JOIN LATERAL (
        SELECT r.topic, {accounts.HOUR_OF_ROOT}, {accounts.PLACE}, -1 FROM roots r
        WHERE r.topic_id = c.topic_id AND r.partition = c.partition AND r.event_offset >= c.cut AND r.topic <> ''
            AND r.arrived_at >= %(since)s AND r.arrived_at < %(until)s
        OFFSET 0) r
) AS counted
GROUP BY 1, 2 HAVING sum(roots) > 0 ORDER BY 1, 2
"""  # noqa: S608  put together from constants
OPEN_ROOTS = """
SELECT r.topic_id, r.partition, r.event_offset, r.topic, date_trunc('hour', r.arrived_at, 'UTC'), r.root_key,
    r.connection, coalesce((
        SELECT json_agg(json_build_array(w.topic_id, w.partition, w.event_offset)) FROM records w
        WHERE w.root = r.topic_id || '/' || r.partition || '/' || r.event_offset
    ), '[]'::json), r.arrived_at
FROM roots r JOIN cuts c USING (topic_id, partition)
WHERE r.facts & 31 = 0 AND r.topic <> '' AND r.event_offset < c.cut
    AND r.arrived_at >= %(since)s AND r.arrived_at < %(until)s
"""
CLOSED = """
SELECT topic, hour, accepted, mapped, dead, merged, suppressed, filtered FROM closed_hours
WHERE hour >= %(since)s AND hour < %(until)s ORDER BY 1, 2
"""
#: By topic, owner, target, hour, state: records without target, and those whose last outcome at a target is that.
DELIVERIES = f"""
SELECT topic, owner, target, hour, state, sum(events)::bigint
FROM (
    SELECT topic, owner, target, hour, state, events FROM delivery_accounts JOIN cuts USING (topic_id, partition)
    WHERE hour >= %(since)s AND hour < %(until)s
    UNION ALL
    SELECT r.topic, r.owner, coalesce(d.connection, ''), r.hour, coalesce(d.state, ''), -1
    FROM cuts c CROSS JOIN LATERAL (
        SELECT r.topic, r.event_offset, {accounts.OF_RECORD} FROM records r
        WHERE r.topic_id = c.topic_id AND r.partition = c.partition AND r.event_offset >= c.cut
            AND r.at >= %(since)s AND r.at < %(until)s
        OFFSET 0) r
    CROSS JOIN LATERAL (
        SELECT NULL AS connection, NULL AS state UNION ALL
        SELECT d.connection, d.state FROM deliveries d WHERE d.topic_id = r.topic_id AND d.partition = r.partition
            AND d.event_offset = r.event_offset AND d.stage = 'consumers' AND d.replay = ''
        OFFSET 0) d
    WHERE r.topic IN (SELECT topic FROM ways)
) AS counted
GROUP BY 1, 2, 3, 4, 5 HAVING sum(events) > 0
"""  # noqa: S608  put together from constants
CLOSED_DELIVERIES = """
SELECT topic, owner, target, hour, state, events FROM closed_delivery_hours
WHERE hour >= %(since)s AND hour < %(until)s
"""
OPEN_TOLD = """
SELECT r.topic_id, r.partition, r.event_offset, r.topic, w.record, w.target, date_trunc('hour', r.at, 'UTC'),
    r.root_key, d.at, d.code, d.code_values
FROM deliveries d JOIN cuts c USING (topic_id, partition)
CROSS JOIN LATERAL (
    SELECT * FROM records r WHERE r.topic_id = d.topic_id AND r.partition = d.partition
        AND r.event_offset = d.event_offset AND r.at >= %(since)s AND r.at < %(until)s
    OFFSET 0) r
JOIN ways w ON w.topic = r.topic AND w.owner = split_part(r.root_key, ':', 1) AND w.target = d.connection
WHERE d.stage = 'consumers' AND d.replay = '' AND d.state IN ('ready', 'sending', 'unknown', 'parked')
    AND d.event_offset < c.cut
"""
#: Records no target has told of yet, looked for only where there are fewer outcomes than records.
OPEN_UNTOLD = """
SELECT r.topic_id, r.partition, r.event_offset, s.topic, s.record, s.target, s.hour, r.root_key, r.at, '', '{}'::jsonb
FROM (
    SELECT a.topic_id, a.partition, a.hour, a.stretch, a.topic, w.record, w.owner, w.target, c.cut
    FROM delivery_accounts a JOIN cuts c USING (topic_id, partition)
    JOIN ways w ON w.topic = a.topic AND w.owner = a.owner
    WHERE a.hour >= %(since)s AND a.hour < %(until)s AND a.target IN ('', w.target)
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
    HAVING sum(a.events) FILTER (WHERE a.target = '') > coalesce(sum(a.events) FILTER (WHERE a.target <> ''), 0)
) AS s
CROSS JOIN LATERAL (
    SELECT r.event_offset FROM records r
    WHERE r.topic_id = s.topic_id AND r.partition = s.partition AND r.event_offset >= s.stretch << 10
        AND r.event_offset < least((s.stretch + 1) << 10, s.cut)
        -- not as a range of time: its index would be read for the whole hour
        AND date_trunc('hour', r.at, 'UTC') = s.hour AND split_part(r.root_key, ':', 1) = s.owner
    EXCEPT
    SELECT d.event_offset FROM deliveries d
    WHERE d.topic_id = s.topic_id AND d.partition = s.partition AND d.event_offset >= s.stretch << 10
        AND d.event_offset < (s.stretch + 1) << 10 AND d.connection = s.target
        AND d.stage = 'consumers' AND d.replay = ''
    OFFSET 0) missing
CROSS JOIN LATERAL (
    SELECT * FROM records r WHERE r.topic_id = s.topic_id AND r.partition = s.partition
        AND r.event_offset = missing.event_offset
    OFFSET 0) r
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
    since: datetime,
    until: datetime,
    gapless: Collection[str],
) -> Books:
    """The books of a time, for events before the cuts.

    Args:
        wire: A connection that is in no transaction.
        cuts: Only events below these offsets count; partitions that are not named do not count at all.
        ways: Which connection each canonical record goes to.
        since: Beginning of an hour, by time of arrival.
        until: Beginning of an hour; exclusive.
        gapless: Topics whose offsets all have a record; where records are compacted away, a gap is none lost.
    """
    window = {"since": since, "until": until}
    with wire.transaction():
        wire.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        _plan_for_little(wire)
        _place(wire, cuts, ways)
        live = [IntakeAccount(**row) for row in _named(wire, INTAKE, window)]
        closed = [IntakeAccount(**row) for row in _named(wire, CLOSED, window)]
        told = wire.execute(DELIVERIES, window).fetchall()
        kept = wire.execute(CLOSED_DELIVERIES, window).fetchall()
        open_ = [*wire.execute(OPEN_TOLD, window), *wire.execute(OPEN_UNTOLD, window)]
        return Books(
            intake=intake_of(live, closed),
            open_roots=tuple(_open_root(row) for row in wire.execute(OPEN_ROOTS, window)),
            deliveries=deliveries_of(told, kept, ways),
            open_deliveries=tuple(_open_delivery(row) for row in open_),
            uncounted={
                topic: int(records) for topic, records in wire.execute(UNCOUNTED, {"gapless": list(gapless)}) if records
            },
        )


def untold(wire: Wire, ways: Sequence[Routed], until: datetime) -> tuple[OpenDelivery, ...]:
    """Canonical records from before a moment that no target has told of; within the caller's transaction."""
    found = positions(wire)
    _plan_for_little(wire)
    _place(wire, found, ways)
    window = {"since": EPOCH, "until": hour_of(until) + timedelta(hours=1)}
    return tuple(_open_delivery(row) for row in wire.execute(OPEN_UNTOLD, window))


def intake_of(live: Iterable[IntakeAccount], closed: Iterable[IntakeAccount]) -> tuple[IntakeAccount, ...]:
    """Each hour as its rows tell it, or as it was kept where those are gone in part; pure."""
    told = {(each.topic, each.hour): each for each in live}
    for each in closed:
        now = told.get((each.topic, each.hour))
        if now is None or (now.accepted < each.accepted and not now.open):
            told[each.topic, each.hour] = each
    return tuple(told[key] for key in sorted(told))


def deliveries_of(
    live: Iterable[Counted], closed: Iterable[Counted], ways: Iterable[Routed]
) -> tuple[DeliveryAccount, ...]:
    """Accounts for each way: each hour as its rows tell it, or as it was kept where those are gone in part; pure."""
    taken: dict[tuple[str, str, datetime], int] = {}
    told: dict[tuple[str, str, str], dict[datetime, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    kept: dict[tuple[str, str, str], dict[datetime, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    hours: dict[tuple[str, str], set[datetime]] = defaultdict(set)
    for topic, owner, target, hour, state, events in live:
        if target:
            told[topic, owner, target][hour][state] = events
        else:
            taken[topic, owner, hour] = events
            hours[topic, owner].add(hour)
    for topic, owner, target, hour, state, events in closed:
        kept[topic, owner, target][hour][state] = events
    sums: Counter[tuple[str, str, str, datetime, str]] = Counter()
    for way in ways:
        of_way = (way.topic, way.owner, way.target)
        for hour in hours[way.topic, way.owner] | kept[of_way].keys():
            states = told[of_way].get(hour, {})
            untold = taken.get((way.topic, way.owner, hour), 0) - sum(states.values())
            if not untold and sum(states.values()) < sum(kept[of_way].get(hour, {}).values()):
                states = kept[of_way][hour]
            for state, events in ({"": untold} | states).items():
                sums[way.topic, way.record, way.target, hour, state] += events
    return tuple(
        DeliveryAccount(topic=topic, record=record, target=target, hour=hour, state=state, count=count)
        for (topic, record, target, hour, state), count in sorted(sums.items())
        if count
    )


def positions(wire: Wire) -> dict[tuple[str, int], int]:
    """How far the projector has read, by topic name and partition."""
    with wire.transaction():
        found = wire.execute("SELECT topic_id, partition, next FROM positions").fetchall()
    return {(topic_id, partition): following for topic_id, partition, following in found}


def _plan_for_little(wire: Wire) -> None:
    """Few rows of long tables are wanted, and the planner cannot know how few; least of all once for every window."""
    wire.execute("SET LOCAL enable_seqscan = off")
    wire.execute("SET LOCAL jit = off")
    wire.execute("SET LOCAL plan_cache_mode = force_custom_plan")


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
    topic_id, partition, offset, topic, hour, root_key, connection, carried, arrived_at = row
    return OpenRoot(
        event=(topic_id, partition, offset),
        topic=topic,
        hour=hour,
        root_key=root_key,
        connection=connection,
        carried_by=tuple((each[0], each[1], each[2]) for each in carried),
        arrived_at=arrived_at,
    )


def _open_delivery(row: tuple[Any, ...]) -> OpenDelivery:
    topic_id, partition, offset, topic, record, target, hour, root_key, since, code, values = row
    return OpenDelivery(
        event=(topic_id, partition, offset),
        topic=topic,
        record=record,
        target=target,
        hour=hour,
        root_key=root_key,
        since=since,
        code=code,
        values=values,
    )
