"""Accounts of both books by hour, kept in the transaction of the rows they count.

What a batch touches is counted before and after it; the differences go to the accounts. So an account equals a count of
its rows whatever comes late, again or in another order, and an hour that was all ended opens again by itself.
"""

from collections.abc import Iterable
from datetime import datetime

from operations.projection.migrate import Wire
from operations.projection.project import Position

#: Temporary tables and what they are shaped as; `touched` holds positions.
TEMPORARY = (
    'CREATE TEMPORARY TABLE touched (topic_id text COLLATE "C", partition integer, event_offset bigint)'
    " ON COMMIT DELETE ROWS",
    "CREATE TEMPORARY TABLE moved_roots (LIKE intake_accounts) ON COMMIT DELETE ROWS",
    "CREATE TEMPORARY TABLE moved_events (LIKE delivery_accounts) ON COMMIT DELETE ROWS",
)

#: Where a root ended, as `project.place` says: the heaviest of its ends has the lowest bit.
PLACE = "(r.facts & 31) & -(r.facts & 31)"
HOUR_OF_ROOT = "date_trunc('hour', r.arrived_at, 'UTC')"
#: Hour, stretch, owner and topic of a canonical record.
OF_RECORD = (
    "r.topic_id, r.partition, date_trunc('hour', r.at, 'UTC') AS hour, r.event_offset >> 10 AS stretch,"
    " split_part(r.root_key, ':', 1) AS owner"
)

COUNT_ROOTS = f"""
INSERT INTO pg_temp.moved_roots (topic_id, partition, hour, place, topic, roots)
SELECT r.topic_id, r.partition, {HOUR_OF_ROOT}, {PLACE}, r.topic, %(sign)s * count(*)
FROM pg_temp.new_roots n JOIN roots r USING (topic_id, partition, event_offset)
WHERE r.topic <> '' GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608  put together from constants
MOVE_ROOTS = """
INSERT INTO intake_accounts AS a (topic_id, partition, hour, place, topic, roots)
SELECT topic_id, partition, hour, place, topic, sum(roots) FROM pg_temp.moved_roots
GROUP BY 1, 2, 3, 4, 5 HAVING sum(roots) <> 0
ON CONFLICT (topic_id, partition, hour, place) DO UPDATE SET roots = a.roots + excluded.roots
"""
COUNT_EVENTS = f"""
INSERT INTO pg_temp.moved_events (topic_id, partition, hour, stretch, owner, target, state, topic, events)
SELECT {OF_RECORD}, '', '', r.topic, %(sign)s * count(*)
FROM pg_temp.touched t JOIN records r USING (topic_id, partition, event_offset)
GROUP BY 1, 2, 3, 4, 5, 8
UNION ALL
SELECT {OF_RECORD}, d.connection, d.state, r.topic, %(sign)s * count(*)
FROM pg_temp.touched t JOIN records r USING (topic_id, partition, event_offset)
JOIN deliveries d USING (topic_id, partition, event_offset)
WHERE d.stage = 'consumers' AND d.replay = '' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""  # noqa: S608  put together from constants
MOVE_EVENTS = """
INSERT INTO delivery_accounts AS a (topic_id, partition, hour, stretch, owner, target, state, topic, events)
SELECT topic_id, partition, hour, stretch, owner, target, state, topic, sum(events) FROM pg_temp.moved_events
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 HAVING sum(events) <> 0
ON CONFLICT (topic_id, partition, hour, stretch, owner, target, state) DO UPDATE SET events = a.events + excluded.events
"""

# A kept hour follows the live one as long as that holds no less: after a rebuild the topics may tell only part of it.
CLOSE_INTAKE = """
INSERT INTO closed_hours AS c (topic, hour, accepted, mapped, dead, merged, suppressed, filtered, closed_at)
SELECT topic, hour, sum(roots), coalesce(sum(roots) FILTER (WHERE place = 1), 0),
    coalesce(sum(roots) FILTER (WHERE place = 2), 0), coalesce(sum(roots) FILTER (WHERE place = 4), 0),
    coalesce(sum(roots) FILTER (WHERE place = 8), 0), coalesce(sum(roots) FILTER (WHERE place = 16), 0), %(now)s
FROM intake_accounts
-- whole hours only: part of one may have ended where the whole has not
WHERE hour >= date_trunc('hour', %(since)s::timestamptz, 'UTC')
    AND hour < date_trunc('hour', %(until)s::timestamptz, 'UTC')
GROUP BY 1, 2 HAVING sum(roots) > 0 AND coalesce(sum(roots) FILTER (WHERE place = 0), 0) = 0
ON CONFLICT (topic, hour) DO UPDATE SET accepted = excluded.accepted, mapped = excluded.mapped, dead = excluded.dead,
    merged = excluded.merged, suppressed = excluded.suppressed, filtered = excluded.filtered,
    closed_at = excluded.closed_at
WHERE excluded.accepted >= c.accepted AND (excluded.accepted, excluded.mapped, excluded.dead, excluded.merged,
    excluded.suppressed, excluded.filtered) <> (c.accepted, c.mapped, c.dead, c.merged, c.suppressed, c.filtered)
"""
CLOSE_DELIVERIES = """
WITH live AS MATERIALIZED (
    SELECT topic, owner, target, hour, state, sum(events) AS events FROM delivery_accounts
    WHERE hour >= date_trunc('hour', %(since)s::timestamptz, 'UTC')
        AND hour < date_trunc('hour', %(until)s::timestamptz, 'UTC')
    GROUP BY 1, 2, 3, 4, 5 HAVING sum(events) > 0
), told AS (
    SELECT topic, owner, target, hour, sum(events) FILTER (WHERE state = ANY(%(ends)s)) AS ended
    FROM live WHERE target <> '' GROUP BY 1, 2, 3, 4
), whole AS (
    SELECT t.* FROM told t JOIN live r ON (r.topic, r.owner, r.hour) = (t.topic, t.owner, t.hour) AND r.target = ''
    WHERE t.ended = r.events AND t.ended >= coalesce((
        SELECT sum(c.events) FROM closed_delivery_hours c
        WHERE (c.topic, c.owner, c.target, c.hour) = (t.topic, t.owner, t.target, t.hour)
    ), 0)
), gone AS (
    DELETE FROM closed_delivery_hours c USING whole w
    WHERE (c.topic, c.owner, c.target, c.hour) = (w.topic, w.owner, w.target, w.hour) AND NOT EXISTS (
        SELECT FROM live l WHERE (l.topic, l.owner, l.target, l.hour, l.state)
            = (c.topic, c.owner, c.target, c.hour, c.state))
)
INSERT INTO closed_delivery_hours AS c (topic, owner, target, hour, state, events, closed_at)
SELECT l.topic, l.owner, l.target, l.hour, l.state, l.events, %(now)s
FROM live l JOIN whole w USING (topic, owner, target, hour)
ON CONFLICT (topic, hour, owner, target, state) DO UPDATE SET events = excluded.events, closed_at = excluded.closed_at
WHERE excluded.events <> c.events
"""


def prepare(wire: Wire) -> None:
    """Make the temporary tables of this database session; the transaction stays open."""
    for statement in TEMPORARY:
        wire.execute(statement)


def touch(wire: Wire, positions: Iterable[Position]) -> bool:
    """Name the canonical records this batch adds or tells of; whether there are any."""
    listed = set(positions)
    if listed:
        with wire.cursor() as cursor, cursor.copy("COPY pg_temp.touched FROM STDIN") as copy:
            for position in listed:
                copy.write_row(position)
    return bool(listed)


def count_roots(wire: Wire, sign: int) -> None:
    """Count the staged roots as they stand: away (-1) before the batch, in (1) after it."""
    wire.execute(COUNT_ROOTS, {"sign": sign})


def count_events(wire: Wire, sign: int) -> None:
    """Count the touched records as they stand: away (-1) before the batch, in (1) after it."""
    wire.execute(COUNT_EVENTS, {"sign": sign})


def close(wire: Wire, since: datetime, until: datetime, now: datetime, ends: Iterable[str]) -> int:
    """Keep the accounts of whole hours in which everything has come to an end; how many accounts that changed."""
    window = {"since": since, "until": until, "now": now, "ends": list(ends)}
    return wire.execute(CLOSE_INTAKE, window).rowcount + wire.execute(CLOSE_DELIVERIES, window).rowcount
