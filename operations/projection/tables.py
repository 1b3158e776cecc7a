"""The projection's tables as the projector writes them: a batch and the positions behind it, in one transaction."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from delivery.states import ENDS
from operations.projection import accounts
from operations.projection.judging import judge
from operations.projection.migrate import Wire, keep_version
from operations.projection.project import Position, RootRow, Rows

#: Topic id and partition to the offset read next.
Positions = Mapping[tuple[str, int], int]

#: How long rows stay that closed hours stand for; topics are shorter than this.
ROOTS_DAYS = 60
#: As long as the outcomes' own topic.
OUTCOMES_DAYS = 400

#: Tables filled by way of a temporary one of the same shape, as rows may be there already.
STAGED = ("roots", "deliveries", "dead_letters", "cross_references", "arrivals")

MERGE_ROOTS = """
INSERT INTO roots AS r SELECT * FROM pg_temp.new_roots
ON CONFLICT (topic_id, partition, event_offset) DO UPDATE SET
    topic = CASE WHEN excluded.topic <> '' THEN excluded.topic ELSE r.topic END,
    arrived_at = coalesce(excluded.arrived_at, r.arrived_at),
    root_key = CASE WHEN excluded.root_key <> '' THEN excluded.root_key ELSE r.root_key END,
    connection = CASE WHEN excluded.connection <> '' THEN excluded.connection ELSE r.connection END,
    record = CASE WHEN excluded.record <> '' THEN excluded.record ELSE r.record END,
    cause = CASE WHEN excluded.cause <> '' THEN excluded.cause ELSE r.cause END,
    source_version = greatest(excluded.source_version, r.source_version),
    delivery_id = CASE WHEN excluded.delivery_id <> '' THEN excluded.delivery_id ELSE r.delivery_id END,
    facts = r.facts | excluded.facts,
    merged_into = CASE WHEN excluded.merged_into <> '' THEN excluded.merged_into ELSE r.merged_into END
"""
#: `project` decides so within a batch.
MERGE_DELIVERIES = """
INSERT INTO deliveries AS d SELECT * FROM pg_temp.new_deliveries
ON CONFLICT (topic_id, partition, event_offset, connection, replay) DO UPDATE SET
    stage = excluded.stage, state = excluded.state, cause = excluded.cause, code = excluded.code, at = excluded.at,
    root_key = excluded.root_key, record = excluded.record, code_values = excluded.code_values,
    attempts = excluded.attempts, amount = excluded.amount, currency = excluded.currency,
    document_number = excluded.document_number, taken_in_at = coalesce(excluded.taken_in_at, d.taken_in_at)
WHERE CASE
    WHEN d.code = 'skipped' THEN excluded.at > d.at
    ELSE (excluded.state = ANY(%(ends)s), excluded.at) >= (d.state = ANY(%(ends)s), d.at)
END
"""
# A dead letter told twice is the same one; the later telling is the one whose bytes lie longer.
MERGE_DEAD_LETTERS = """
INSERT INTO dead_letters SELECT * FROM pg_temp.new_dead_letters
ON CONFLICT (id) DO UPDATE SET
    topic_id = excluded.topic_id, partition = excluded.partition, event_offset = excluded.event_offset,
    at = excluded.at, code = excluded.code, cause = excluded.cause,
    code_values = excluded.code_values, code_version = excluded.code_version, mapping = excluded.mapping,
    cause_version = excluded.cause_version
"""
MERGE_CROSS_REFERENCES = """
INSERT INTO cross_references SELECT * FROM pg_temp.new_cross_references
ON CONFLICT (canonical_id, connection, record, id_there) DO UPDATE SET
    since = excluded.since, root = excluded.root, mapping = excluded.mapping
"""
MERGE_ARRIVALS = """
INSERT INTO arrivals AS a SELECT * FROM pg_temp.new_arrivals
ON CONFLICT (topic, hour, topic_id, partition) DO UPDATE SET records = a.records + excluded.records
"""
DROP_CROSS_REFERENCE = """
DELETE FROM cross_references WHERE (canonical_id, connection, record, id_there) = (%s, %s, %s, %s)
"""

# Of a temporary table the planner knows nothing: it takes a batch of eight for a thousand rows and, for those, would
# read the large tables whole, again and again.
FIND_BY_KEY = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
MOVE = """
UPDATE positions AS p SET next = n.next
FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[]) AS n (topic_id, partition, expected, next)
WHERE p.topic_id = n.topic_id AND p.partition = n.partition AND p.next = n.expected
"""

#: Whole hours at once, so that no hour is told half by its rows and half by what was kept.
PRUNE_ROOTS = """
DELETE FROM roots r USING closed_hours h
WHERE h.topic = r.topic AND h.hour = date_trunc('hour', r.arrived_at, 'UTC')
    AND h.hour < now() - make_interval(days => %s)
    AND NOT EXISTS (
        SELECT FROM roots o WHERE o.topic = h.topic AND o.facts & 31 = 0
            AND o.arrived_at >= h.hour AND o.arrived_at < h.hour + interval '1 hour'
    )
"""
#: Named by something that came of them and never born: before the topic's first record, or pruned.
PRUNE_UNBORN_ROOTS = """
DELETE FROM roots r USING positions p
WHERE r.topic = '' AND p.topic_id = r.topic_id AND p.partition = r.partition AND r.event_offset < p.next
"""
#: What has not come to an end everywhere is kept: the accounts go on counting it.
PRUNE_RECORDS = """
DELETE FROM records r WHERE r.at < date_trunc('hour', now() - make_interval(days => %(days)s), 'UTC') AND (
    r.at < date_trunc('hour', now() - make_interval(days => %(longest)s), 'UTC')
    OR r.topic NOT IN (SELECT DISTINCT topic FROM delivery_accounts)
    OR (SELECT count(*) > 0 AND bool_and(d.state = ANY(%(ends)s)) FROM deliveries d
        WHERE (d.topic_id, d.partition, d.event_offset, d.replay) = (r.topic_id, r.partition, r.event_offset, '')))
"""
PRUNE_DELIVERIES = """
DELETE FROM deliveries d
WHERE d.at < now() - make_interval(days => %(days)s) AND d.state = ANY(%(ends)s) AND NOT EXISTS (
    SELECT FROM records r
    WHERE (r.topic_id, r.partition, r.event_offset) = (d.topic_id, d.partition, d.event_offset))
"""
PRUNE_ACCOUNTS = """
DELETE FROM delivery_accounts WHERE hour < date_trunc('hour', now() - make_interval(days => %(longest)s), 'UTC')
"""


class MovedError(Exception):
    """A position is not where this projector left it: the projection was emptied, or another one reads."""


def prepare(wire: Wire) -> None:
    """Make the temporary tables of this database session."""
    for table in STAGED:
        wire.execute(f"CREATE TEMPORARY TABLE new_{table} (LIKE {table}) ON COMMIT DELETE ROWS")
    accounts.prepare(wire)
    wire.commit()


def positions(wire: Wire) -> dict[tuple[str, int], int]:
    """How far each partition is read."""
    with wire.transaction():
        found = wire.execute("SELECT topic_id, partition, next FROM positions").fetchall()
    return {(topic_id, partition): following for topic_id, partition, following in found}


def begin(wire: Wire, topic: str, starts: Positions) -> None:
    """Write down where partitions never read before begin."""
    with wire.transaction():
        for (topic_id, partition), start in starts.items():
            wire.execute(
                "INSERT INTO positions (topic_id, partition, topic, first, next) VALUES (%s, %s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                [topic_id, partition, topic, start, start],
            )


def write(wire: Wire, rows: Rows, expected: Positions, following: Positions) -> None:
    """Add a batch and move the positions behind it, or nothing at all.

    Raises:
        MovedError: a position is not at `expected`; nothing was written.
        FatalError: the tables were migrated meanwhile; nothing was written.
    """
    with wire.transaction():
        keep_version(wire)
        # first, as its row locks hold off whoever empties the projection
        _move(wire, expected, following)
        wire.execute(FIND_BY_KEY)
        _copy(wire, "outcomes", rows.outcomes)
        _write_roots(wire, rows)
        _write_events(wire, rows)
        _merge(wire, "dead_letters", MERGE_DEAD_LETTERS, ((id_, *row) for id_, row in rows.dead_letters.items()))
        _merge(wire, "arrivals", MERGE_ARRIVALS, ((*key, records) for key, records in rows.arrivals.items()))
        known = ((*key, *row) for key, row in rows.cross_references.items() if row is not None)
        _merge(wire, "cross_references", MERGE_CROSS_REFERENCES, known)
        for key, row in rows.cross_references.items():
            if row is None:
                wire.execute(DROP_CROSS_REFERENCE, [_storable(part) for part in key])
        # `project` puts the root key there
        judge(wire, {_storable(record[6]) for record in rows.records} - {""})


def close_hours(wire: Wire, since: datetime, until: datetime, now: datetime) -> int:
    """Keep the accounts of hours in which everything has come to an end; one that opens again is told by its rows.

    Args:
        wire: The projection.
        since: In the first hour; it counts from its beginning.
        until: In the hour behind the last; everything stamped before it must have been read.
        now: When they are closed.
    """
    with wire.transaction():
        keep_version(wire)
        return accounts.close(wire, since, until, now, ENDS)


def prune(wire: Wire) -> None:
    """Drop what closed hours and topics no longer need."""
    with wire.transaction():
        keep_version(wire)
        wire.execute(PRUNE_ROOTS, [ROOTS_DAYS])
        wire.execute(PRUNE_UNBORN_ROOTS)
        wire.execute(PRUNE_RECORDS, {"days": ROOTS_DAYS, "longest": OUTCOMES_DAYS, "ends": list(ENDS)})
        # never before its record, which would seem lost; other clocks stamped those
        wire.execute(PRUNE_DELIVERIES, {"days": ROOTS_DAYS + 1, "ends": list(ENDS)})
        wire.execute(PRUNE_ACCOUNTS, {"longest": OUTCOMES_DAYS})
        wire.execute("DELETE FROM outcomes WHERE at < now() - make_interval(days => %s)", [OUTCOMES_DAYS])
        wire.execute(
            "DELETE FROM letter_states WHERE id IN"
            " (SELECT id FROM dead_letters WHERE at < now() - make_interval(days => %s))",
            [OUTCOMES_DAYS],
        )
        wire.execute("DELETE FROM dead_letters WHERE at < now() - make_interval(days => %s)", [OUTCOMES_DAYS])


def _write_roots(wire: Wire, rows: Rows) -> None:
    if not _copy(wire, "pg_temp.new_roots", (_root(position, root) for position, root in rows.roots.items())):
        return
    accounts.count_roots(wire, -1)
    wire.execute(MERGE_ROOTS)
    accounts.count_roots(wire, 1)
    wire.execute(accounts.MOVE_ROOTS)


def _write_events(wire: Wire, rows: Rows) -> None:
    touched = accounts.touch(wire, rows.touched)
    if touched:
        accounts.count_events(wire, -1)
    _copy(wire, "records", rows.records)
    told = (_delivery(*item) for item in rows.deliveries.items())
    _merge(wire, "deliveries", MERGE_DELIVERIES, told, {"ends": list(ENDS)})
    if touched:
        accounts.count_events(wire, 1)
        wire.execute(accounts.MOVE_EVENTS)


def _move(wire: Wire, expected: Positions, following: Positions) -> None:
    places = list(following)
    moved = wire.execute(
        MOVE,
        [
            [topic_id for topic_id, _ in places],
            [partition for _, partition in places],
            [expected[place] for place in places],
            [following[place] for place in places],
        ],
    ).rowcount
    if moved != len(places):
        raise MovedError(f"{len(places) - moved} of {len(places)} positions were moved by somebody else")


def _merge(
    wire: Wire, table: str, statement: str, rows: Iterable[tuple[Any, ...]], values: Mapping[str, Any] | None = None
) -> None:
    if _copy(wire, f"pg_temp.new_{table}", rows):
        wire.execute(statement, values)


def _copy(wire: Wire, table: str, rows: Iterable[tuple[Any, ...]]) -> int:
    listed = list(rows)
    if listed:
        with wire.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for row in listed:
                copy.write_row([_storable(value) for value in row])
    return len(listed)


def _storable(value: Any) -> Any:
    """As PostgreSQL keeps it: no zero byte in a text nor in JSON, and what came from outside may hold one."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return msgspec.json.encode({_storable(name): _storable(text) for name, text in value.items()}).decode()
    return value


def _root(position: Position, root: RootRow) -> tuple[Any, ...]:
    return (
        *position,
        root.topic,
        root.arrived_at,
        root.root_key,
        root.connection,
        root.record,
        root.cause,
        root.source_version,
        root.delivery_id,
        int(root.facts),
        root.merged_into,
    )


def _delivery(key: tuple[str, int, int, str, str], row: tuple[Any, ...]) -> tuple[Any, ...]:
    topic_id, partition, offset, connection, replay = key
    return (connection, topic_id, partition, offset, *row, replay)
