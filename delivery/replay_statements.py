"""The SQL of replays in a connection's store, beside `statements.py`, whose order of locks it keeps.

A replay is locked before its range, that before keys, those before rows: so a portion and a stop wait for each other.
"""
# ruff: noqa: S608 - what is put together here are constants of this page; values are always parameters

from delivery.statements import KEPT, ROW

ADD = """
INSERT INTO replays (id, queue, command, state) VALUES (%(id)s, %(queue)s, %(command)s, %(state)s)
ON CONFLICT DO NOTHING
"""
# Nothing beyond the live position: that comes by itself.
ADD_RANGES = """
INSERT INTO replay_ranges (replay, queue, topic_id, partition, topic, record, first, next, last)
SELECT %(id)s, queue, topic_id, partition, topic, record, first, first, last
FROM (
    SELECT p.queue, p.topic_id, p.partition, p.topic, s.record, %(first)s::bigint AS first,
        LEAST(p.next, %(last)s::bigint) AS last
    FROM positions p
    JOIN unnest(%(topic_ids)b::text[], %(records)b::text[], %(partitions)b::integer[]) AS s (topic_id, record, asked)
        ON s.topic_id = p.topic_id AND (s.asked < 0 OR s.asked = p.partition)
    WHERE p.queue = %(queue)s) AS r
WHERE first < last
ON CONFLICT DO NOTHING
RETURNING last - first
"""

_COLUMNS = """id, command, state, holds, begun_at, ended_at, taken_in, queued, superseded, suppressed, read, unreadable,
    known, epoch"""
LEASE = f"""
UPDATE replays SET lease_owner = %(owner)s, lease_until = statement_timestamp() + make_interval(secs => %(lease_s)s),
    epoch = nextval('epochs')
WHERE (id, queue) = (
    SELECT id, queue FROM replays
    WHERE queue = %(queue)s AND state = %(state)s
        AND (lease_owner IS NULL OR lease_owner = %(owner)s OR lease_until <= statement_timestamp())
    ORDER BY begun_at, id LIMIT 1
    FOR UPDATE SKIP LOCKED)
RETURNING {_COLUMNS}
"""
RANGES = """
SELECT topic, topic_id, partition, record, first, next, last, gone FROM replay_ranges
WHERE replay = %(id)s AND queue = %(queue)s ORDER BY topic, partition
"""
RENEW = """
UPDATE replays SET lease_until = statement_timestamp() + make_interval(secs => %(lease_s)s), holds = %(holds)s
WHERE id = %(id)s AND queue = %(queue)s AND epoch = %(epoch)s AND state = %(state)s
"""
GIVE_BACK = """
UPDATE replays SET lease_owner = NULL, lease_until = NULL
WHERE id = %(id)s AND queue = %(queue)s AND epoch = %(epoch)s
"""
KNOW = "UPDATE replays SET known = %(known)s WHERE id = %(id)s AND queue = %(queue)s AND epoch = %(epoch)s"

# Locks the replay until the portion is in, so that a stop comes before or behind it.
COUNT_PORTION = """
UPDATE replays SET taken_in = taken_in + %(taken_in)s, read = read + %(read)s, unreadable = unreadable + %(unreadable)s,
    holds = '', lease_until = statement_timestamp() + make_interval(secs => %(lease_s)s)
WHERE id = %(id)s AND queue = %(queue)s AND epoch = %(epoch)s AND state = 'running'
"""
COUNT_PLACES = """
UPDATE replays SET queued = queued + %(queued)s, superseded = superseded + %(superseded)s,
    suppressed = suppressed + %(suppressed)s
WHERE id = %(id)s AND queue = %(queue)s
"""
MOVE_RANGE = """
UPDATE replay_ranges SET next = %(next)s, gone = gone + %(gone)s
WHERE replay = %(id)s AND queue = %(queue)s AND topic_id = %(topic_id)s AND partition = %(partition)s
    AND next = %(expected)s
"""
BEGIN_RANGE = """
UPDATE replay_ranges SET first = %(first)s, next = %(first)s
WHERE replay = %(id)s AND queue = %(queue)s AND topic_id = %(topic_id)s AND partition = %(partition)s
    AND next = %(expected)s AND first = next
"""

# What stands of a record: the newest version taken in with the offset it lay at, and whatever of it is still open.
STANDS = """
WITH asked AS MATERIALIZED (
    SELECT %(queue)s::text AS queue, a.*
    FROM unnest(%(root_keys)b::text[], %(message_keys)b::text[], %(records)b::text[])
        AS a (root_key, message_key, record)
)
SELECT a.message_key, a.record, COALESCE(v.taken_in, 0), COALESCE(v.event_offset, -1), '', -1, -1
FROM asked a LEFT JOIN versions v ON v.queue = a.queue AND v.message_key = a.message_key AND v.record = a.record
UNION ALL
SELECT a.message_key, a.record, r.source_version, -1, r.topic_id, r.partition, r.event_offset
FROM asked a CROSS JOIN LATERAL (
    SELECT * FROM rows
    WHERE queue = a.queue AND root_key = a.root_key AND message_key = a.message_key AND record = a.record) r
"""
# Of these events, those the record was last delivered from, by that mapping.
DELIVERED_BY = """
SELECT a.place
FROM unnest(%(root_keys)b::text[], %(message_keys)b::text[], %(records)b::text[], %(topic_ids)b::text[],
            %(partitions)b::integer[], %(offsets)b::bigint[]) WITH ORDINALITY
    AS a (root_key, message_key, record, topic_id, partition, event_offset, place)
CROSS JOIN LATERAL (
    SELECT topic_id, partition, event_offset, mapping_out FROM history h
    WHERE h.root_key = a.root_key AND h.queue = %(queue)s AND h.message_key = a.message_key AND h.record = a.record
        AND h.state = 'delivered'
    ORDER BY h.ended_at DESC LIMIT 1) l
WHERE l.topic_id = a.topic_id AND l.partition = a.partition AND l.event_offset = a.event_offset
    AND (l.mapping_out = %(mapping)s OR starts_with(l.mapping_out, %(mapping)s || '+'))
"""
# How many events the store remembers that fit, whether they are still on their topic or not.
KNOWN_OF_KEY = """
SELECT count(DISTINCT (h.topic_id, h.partition, h.event_offset)) FROM history h
JOIN replay_ranges g ON g.replay = %(id)s AND g.queue = %(queue)s AND g.topic_id = h.topic_id
    AND g.partition = h.partition AND h.event_offset >= g.first AND h.event_offset < g.last
WHERE h.root_key = %(root_key)s AND h.queue = %(queue)s AND h.replay = ''
"""
KNOWN_OF_MAPPING = """
SELECT count(*) FROM (
    SELECT DISTINCT ON (message_key, record) mapping_out, record FROM history
    WHERE queue = %(queue)s AND state = 'delivered'
    ORDER BY message_key, record, ended_at DESC) l
WHERE (l.mapping_out = %(mapping)s OR starts_with(l.mapping_out, %(mapping)s || '+'))
    AND (%(record)s = '' OR l.record = %(record)s)
"""

# Waiting: those a deliverer may take now or has in hand. What is parked waits for something else.
FEED = """
SELECT EXISTS (SELECT 1 FROM pauses WHERE queue = %(queue)s AND (until IS NULL OR until > statement_timestamp())),
    EXISTS (SELECT 1 FROM identity WHERE held <> ''),
    (SELECT count(*) FROM rows r JOIN keys k ON k.queue = r.queue AND k.root_key = r.root_key
     WHERE r.replay <> '' AND r.queue = %(queue)s
        AND (k.state = 'leased' OR (k.state = 'ready' AND k.due <= statement_timestamp()))),
    (SELECT count(*) FROM rows WHERE replay = %(id)s AND replay <> '' AND queue = %(queue)s),
    COALESCE((SELECT EXTRACT(epoch FROM statement_timestamp() - due)::float8 FROM keys
     WHERE queue = %(queue)s AND state = 'ready' ORDER BY due LIMIT 1), 0),
    (SELECT count(*) FROM outbox WHERE refused IS NULL)
"""
PLACES = """
SELECT state, '', count(*) FROM history WHERE replay = %(id)s AND replay <> '' AND queue = %(queue)s GROUP BY 1
UNION ALL
SELECT state, COALESCE(cause, ''), count(*) FROM rows WHERE replay = %(id)s AND replay <> '' AND queue = %(queue)s
GROUP BY 1, 2
"""
# What would go on by itself is waited for; what waits for a person is not.
UNFINISHED = """
SELECT EXISTS (SELECT 1 FROM rows r JOIN keys k ON k.queue = r.queue AND k.root_key = r.root_key
    WHERE r.replay = %(id)s AND r.replay <> '' AND r.queue = %(queue)s AND k.state <> 'parked')
"""

FACT_NAMES = ("holds", "taken_in", "read", "unreadable", "offsets", "left", "gone", "known")
FACTS = """
SELECT p.holds, p.taken_in, p.read, p.unreadable, COALESCE(sum(g.last - g.first), 0)::bigint,
    COALESCE(sum(g.last - g.next), 0)::bigint, COALESCE(sum(g.gone), 0)::bigint, p.known
FROM replays p LEFT JOIN replay_ranges g ON g.replay = p.id AND g.queue = p.queue
WHERE p.id = %(id)s AND p.queue = %(queue)s
GROUP BY p.id, p.queue
"""

FINISH = """
UPDATE replays SET state = 'done', ended_at = statement_timestamp(), lease_owner = NULL, lease_until = NULL, holds = ''
WHERE id = %(id)s AND queue = %(queue)s AND epoch = %(epoch)s AND state = 'running'
"""
STOP = """
UPDATE replays SET state = 'stopped', ended_at = statement_timestamp(), holds = ''
WHERE id = %(id)s AND queue = %(queue)s AND state IN ('running', 'planned')
RETURNING command
"""
FORGET = "DELETE FROM replays WHERE id = %(id)s AND queue = %(queue)s AND epoch = %(epoch)s AND state = 'planned'"
FORGET_RANGES = "DELETE FROM replay_ranges WHERE replay = %(id)s AND queue = %(queue)s"

# A row that waits for a person may be of a replay that ended long ago.
FORGET_ENDED = """
WITH gone AS (
    DELETE FROM replays p
    WHERE p.ended_at < statement_timestamp() - make_interval(days => %(days)s)
        AND NOT EXISTS (SELECT FROM rows r WHERE r.replay = p.id AND r.replay <> '')
    RETURNING p.id, p.queue
)
DELETE FROM replay_ranges g USING gone WHERE g.replay = gone.id AND g.queue = gone.queue
"""

KEYS_OF = "SELECT DISTINCT root_key FROM rows WHERE replay = %(id)s AND replay <> '' AND queue = %(queue)s"
# What was sent and may be there is left alone.
END_ROWS = f"""
WITH gone AS (
    DELETE FROM rows r
    WHERE r.replay = %(id)s AND r.replay <> '' AND r.queue = %(queue)s AND r.root_key = ANY(%(root_keys)b::text[])
        AND r.intent IS NULL AND r.state IN ('ready', 'parked')
    RETURNING r.*
), kept AS (
    INSERT INTO history ({KEPT}, state, code, code_values, attempts, epoch, reference, document_number, mapping_out)
    SELECT {KEPT.replace("command_id", "%(command_id)s")}, 'discarded', %(code)s, code_values, attempts, epoch,
        reference, document_number, mapping_out
    FROM gone
)
SELECT {ROW.replace("r.payload,", "''::bytea,")} FROM gone r
"""
