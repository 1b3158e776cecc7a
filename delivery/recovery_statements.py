"""The SQL of a recovery, in its order; each is run once, on a store nobody works on."""
# ruff: noqa: S608 - what is put together here are constants of these pages; values are always parameters

from typing import Final

from delivery import statements

# When the store did something for the last time; each of them is written at nearly all it does.
MOMENT = """
SELECT greatest(
    (SELECT max(moved_at) FROM positions), (SELECT max(ended_at) FROM history), (SELECT max(taken_in_at) FROM rows),
    (SELECT max(written_at) FROM outbox), (SELECT max(since) FROM cross_references))
"""

HEAR = """
INSERT INTO heard AS h (queue, topic_id, partition, event_offset, replay, message_key, record, source_version, state,
    cause, code, code_values, attempts, reference, document_number, mapping_out, is_end, at)
SELECT o.queue, o.topic_id, o.partition, o.event_offset, o.replay, o.message_key, o.record, o.source_version, o.state,
    o.cause, o.code, o.code_values::jsonb, o.attempts, o.reference, o.document_number, o.mapping_out, o.is_end, o.at
FROM unnest(%(queues)s::text[], %(topic_ids)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[],
            %(replays)s::text[], %(message_keys)s::text[], %(records)s::text[], %(source_versions)s::bigint[],
            %(states)s::text[], %(causes)s::text[], %(codes)s::text[], %(values)s::text[], %(attempts)s::integer[],
            %(references)s::text[], %(numbers)s::text[], %(mappings)s::text[], %(ends)s::boolean[],
            %(ats)s::timestamptz[])
    AS o (queue, topic_id, partition, event_offset, replay, message_key, record, source_version, state, cause, code,
          code_values, attempts, reference, document_number, mapping_out, is_end, at)
ON CONFLICT (queue, topic_id, partition, event_offset, replay) DO UPDATE
    SET state = excluded.state, cause = excluded.cause, code = excluded.code, code_values = excluded.code_values,
        attempts = excluded.attempts, reference = excluded.reference, document_number = excluded.document_number,
        mapping_out = excluded.mapping_out, is_end = excluded.is_end, at = excluded.at
    WHERE excluded.is_end OR NOT h.is_end
"""

REFER = """
INSERT INTO cross_references (canonical_id, record, id_there, since) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
FORGET_REFERENCE = """
DELETE FROM cross_references
WHERE canonical_id || '/' || %(connection)s || '/' || record || '/' || replace(id_there, '/', '%%2F') = %(key)s
"""

ANSWER = """
INSERT INTO commands (id, queue, act, who, why, rows, begun_at, done_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (id, queue) DO UPDATE SET done_at = coalesce(commands.done_at, excluded.done_at)
"""
PAUSE = """
INSERT INTO pauses (queue, since, until, who, why, command_id)
VALUES (%(queue)s, %(since)s, %(until)s, %(who)s, %(why)s, %(id)s)
ON CONFLICT (queue) DO UPDATE SET since = excluded.since, until = excluded.until, who = excluded.who,
    why = excluded.why, command_id = excluded.command_id
"""

DOUBT_LAST_FETCHES = """
UPDATE heard SET is_end = false
WHERE queue = 'fetchers' AND at > (SELECT max(at) FROM heard WHERE queue = 'fetchers') - interval '1 minute'
"""

# Said already: nothing goes to the outbox.
END_HEARD = f"""
WITH gone AS (
    DELETE FROM rows r USING heard h
    WHERE h.is_end AND r.queue = h.queue AND r.topic_id = h.topic_id AND r.partition = h.partition
        AND r.event_offset = h.event_offset AND r.replay = h.replay
    RETURNING r.*, h.state AS end_state, h.code AS end_code, h.code_values AS end_values,
        h.attempts AS end_attempts, h.reference AS end_reference, h.document_number AS end_number,
        h.mapping_out AS end_mapping
)
INSERT INTO history ({statements.KEPT}, state, code, code_values, attempts, epoch, reference, document_number,
    mapping_out, payload)
SELECT {statements.KEPT}, end_state, end_code, end_values, end_attempts, epoch, nullif(end_reference, ''),
    nullif(end_number, ''), end_mapping, CASE WHEN end_state = 'dead' THEN payload END
FROM gone
"""

# Parked for a person since, or let go since.
STAND_AS_HEARD = """
UPDATE rows r
SET state = CASE WHEN h.state = 'parked' THEN 'parked' ELSE 'ready' END,
    cause = CASE WHEN h.state = 'parked' THEN h.cause END, code = h.code, code_values = h.code_values,
    attempts = h.attempts, intent = NULL, waits_for = NULL,
    due = CASE WHEN h.state <> 'parked' THEN statement_timestamp() END
FROM heard h
WHERE NOT h.is_end AND r.queue = h.queue AND r.topic_id = h.topic_id AND r.partition = h.partition
    AND r.event_offset = h.event_offset AND r.replay = h.replay
    AND ((h.state = 'parked' AND h.cause IN ('refused', 'operator', 'loop', 'person'))
        OR (h.state <> 'parked' AND r.state = 'parked' AND r.cause IN ('refused', 'operator', 'loop', 'person')))
"""

DOUBT = """
UPDATE rows
SET doubt = true, state = CASE WHEN state = 'sending' THEN 'unknown' ELSE state END,
    -- What it waits for may have come since.
    due = CASE WHEN cause = 'dependency' THEN statement_timestamp() ELSE due END
"""

ORDER_KEYS: Final = (
    "DELETE FROM keys k WHERE NOT EXISTS (SELECT FROM rows r WHERE r.queue = k.queue AND r.root_key = k.root_key)",
    """
    UPDATE keys k
    SET state = CASE WHEN head.due IS NULL THEN 'parked' ELSE 'ready' END, due = head.due, lease_owner = NULL,
        lease_until = NULL, epoch = nextval('epochs')
    FROM (SELECT DISTINCT ON (queue, root_key) queue, root_key, due FROM rows ORDER BY queue, root_key, id) head
    WHERE k.queue = head.queue AND k.root_key = head.root_key
    """,
)

# Only of what has ended: what was merely taken in is taken in again.
RAISE_VERSIONS = """
INSERT INTO versions (queue, message_key, record, taken_in, at)
SELECT queue, message_key, record, max(source_version), statement_timestamp()
FROM heard WHERE is_end AND source_version > 0 GROUP BY 1, 2, 3
ON CONFLICT (queue, message_key, record) DO UPDATE
    SET taken_in = greatest(versions.taken_in, excluded.taken_in), at = excluded.at
"""

FORGET_NEEDLESS = """
DELETE FROM heard h WHERE NOT h.is_end OR h.replay <> '' OR EXISTS (
    SELECT FROM positions p WHERE p.queue = h.queue AND p.topic_id = h.topic_id AND p.partition = h.partition
        AND p.next > h.event_offset)
"""
SET_HORIZON = """
INSERT INTO horizons AS h (queue, topic_id, partition, until) VALUES (%s, %s, %s, %s)
ON CONFLICT (queue, topic_id, partition) DO UPDATE SET until = greatest(h.until, excluded.until)
"""
FORGET_REACHED = """
DELETE FROM horizons h USING positions p
WHERE p.queue = h.queue AND p.topic_id = h.topic_id AND p.partition = h.partition AND p.next >= h.until
"""

BE_BORN = """
UPDATE incarnation
SET store_id = gen_random_uuid()::text, counter = greatest(counter, %s) + 1, held = '', since = statement_timestamp()
RETURNING store_id, counter
"""

# Ids drawn by the lost store are never drawn again, however far it had come.
GO_BEYOND = """
SELECT setval(quote_ident(sequencename)::regclass, (coalesce(last_value, 0) / %(beyond)s + 1) * %(beyond)s)
FROM pg_sequences WHERE schemaname = current_schema() AND sequencename = ANY(%(names)s)
"""
