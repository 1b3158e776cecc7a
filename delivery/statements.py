"""The SQL of a connection's store, in the order of the protocol; for `store.py` and for whoever reads its plan.

What all of it rests on:

- A key is locked before its rows: take-in, intend, settle and the sweeps lock entries of `keys` in the order of
  `root_key`, or skip what is locked. So they cannot deadlock, and ids of a key's rows rise in the order of commits.
- What is decided about a key's rows is read in a statement of its own after the key is locked: a statement's snapshot
  is older than the locks it waited for.
- `statement_timestamp()` is the time: `now()` stands still inside a transaction, and `clock_timestamp()` is no index
  condition. It is PostgreSQL's clock everywhere, so that workers' clocks may differ.
- A batch is a statement: columns go in as arrays. What claims, intends and settles is planned once
  (`Database.in_one_go`), maybe while the tables are empty. So it leaves the planner no way but by index, whatever it
  believes of their sizes: leases, rows and heads are looked up in lateral subqueries, and written by their place.
"""
# ruff: noqa: S608 - what is put together here are constants of this page; values are always parameters

from typing import LiteralString

#: Columns of an event in the order of `_EVENT_VALUES`.
EVENT = """queue, topic, topic_id, partition, event_offset, root, root_key, message_key, record, kind, source_version,
    payload_digest, mapping_in, origin, hops, traceparent, command_id, replay, amount, currency"""

#: Columns of a row as they are read; `columns.py` reads them by position.
ROW = """r.id, r.queue, r.topic, r.topic_id, r.partition, r.event_offset, r.root, r.root_key, r.message_key, r.record,
    r.kind, r.source_version, r.state, r.cause, r.code, r.attempts, r.due, r.intent, r.reference, r.document_number,
    r.payload, r.payload_digest, r.mapping_in, r.mapping_out, r.command_id, r.origin, r.hops, r.traceparent, r.amount,
    r.currency, r.taken_in_at, r.replay, COALESCE(r.waits_for, ''), r.asked,
    GREATEST(EXTRACT(epoch FROM r.settles_at - statement_timestamp()), 0)::float8, r.doubt"""

#: Columns that move from rows to history unchanged.
KEPT = """id, queue, topic, topic_id, partition, event_offset, root, root_key, message_key, record, kind,
    source_version, payload_digest, mapping_in, origin, hops, traceparent, command_id, replay, amount, currency,
    taken_in_at"""

#: Read along with what begins work: a store that was put back under a running worker is known by it.
_INCARNATION = "(SELECT ARRAY[store_id, counter::text, held] FROM incarnation)"
INCARNATION = f"SELECT {_INCARNATION}"

# ---- take in

#: Events below it may have been worked on by a store that was lost.
_HORIZON = """(SELECT until FROM horizons h
    WHERE h.queue = p.queue AND h.topic_id = p.topic_id AND h.partition = p.partition)"""

POSITIONS = "SELECT partition, next FROM positions WHERE queue = %(queue)s AND topic_id = %(topic_id)s"

_MOVES = """unnest(%(partitions)b::bigint[], %(expected)b::bigint[], %(nexts)b::bigint[])
    AS m (partition, expected, next)"""
FIRST_POSITIONS = f"""
INSERT INTO positions AS p (queue, topic_id, partition, topic, next, moved_at)
SELECT %(queue)s, %(topic_id)s, m.partition, %(topic)s, m.next, statement_timestamp() FROM {_MOVES} ORDER BY 3
ON CONFLICT DO NOTHING
RETURNING p.partition, {_HORIZON}, {_INCARNATION}
"""

# locked in one order: two workers that believe to own the same partitions wait for each other in vain otherwise
MOVE_POSITIONS = f"""
WITH here AS MATERIALIZED (
    SELECT p.partition, m.next
    FROM {_MOVES}
    JOIN positions p
    ON p.queue = %(queue)s AND p.topic_id = %(topic_id)s AND p.partition = m.partition AND p.next = m.expected
    ORDER BY p.partition
    FOR UPDATE OF p
)
UPDATE positions p SET next = here.next, moved_at = statement_timestamp()
FROM here
WHERE p.queue = %(queue)s AND p.topic_id = %(topic_id)s AND p.partition = here.partition
RETURNING p.partition, {_HORIZON}, {_INCARNATION}
"""

# WHERE false: an entry that exists is locked and not written.
LOCK_KEYS = """
INSERT INTO keys (queue, root_key, state, due, epoch)
SELECT %(queue)s, root_key, 'ready', statement_timestamp(), 0 FROM unnest(%(root_keys)b::text[]) AS k (root_key)
ORDER BY root_key COLLATE "C"
ON CONFLICT (queue, root_key) DO UPDATE SET due = excluded.due WHERE false
"""

VERSIONS = """
SELECT a.message_key, a.record, v.taken_in
FROM unnest(%(message_keys)b::text[], %(records)b::text[]) AS a (message_key, record)
CROSS JOIN LATERAL (
    SELECT taken_in FROM versions
    WHERE queue = %(queue)s AND message_key = a.message_key AND record = a.record OFFSET 0) v
"""

RAISE_VERSIONS = """
INSERT INTO versions (queue, message_key, record, taken_in, event_offset, at)
SELECT %(queue)s, message_key, record, version, event_offset, statement_timestamp()
FROM unnest(%(message_keys)b::text[], %(records)b::text[], %(versions)b::bigint[], %(offsets)b::bigint[])
    AS k (message_key, record, version, event_offset)
ON CONFLICT (queue, message_key, record) DO UPDATE
    SET taken_in = excluded.taken_in, event_offset = excluded.event_offset, at = excluded.at
    WHERE versions.taken_in <= excluded.taken_in
"""

# The first row of a leased key is in somebody's hands and is left alone: else a key that changes faster than it is
# delivered would never be.
REPLACE = f"""
WITH newer AS MATERIALIZED (
    SELECT %(queue)s::text AS queue, n.*
    FROM unnest(%(root_keys)b::text[], %(message_keys)b::text[], %(records)b::text[], %(states)b::text[],
                %(merged_into)b::text[]) AS n (root_key, message_key, record, new_state, new_merged_into)
), in_hand AS MATERIALIZED (
    SELECT h.id
    FROM (SELECT DISTINCT queue, root_key FROM newer) n
    JOIN keys k ON k.queue = n.queue AND k.root_key = n.root_key AND k.lease_owner IS NOT NULL
    CROSS JOIN LATERAL (
        SELECT id FROM rows r WHERE r.queue = k.queue AND r.root_key = k.root_key ORDER BY id LIMIT 1) h
), replaced AS (
    DELETE FROM rows r
    USING newer n
    WHERE r.queue = n.queue AND r.root_key = n.root_key AND r.message_key = n.message_key AND r.record = n.record
        AND (r.state = 'ready' OR (r.state = 'parked' AND r.cause IN ('backoff', 'dependency', 'refused')))
        AND r.id NOT IN (SELECT id FROM in_hand)
    RETURNING r.*, n.new_state, n.new_merged_into
), kept AS (
    INSERT INTO history ({KEPT}, state, code, attempts, reference, document_number, mapping_out, merged_into)
    SELECT {KEPT}, new_state, new_state, attempts, reference, document_number, mapping_out, new_merged_into
    FROM replaced
)
SELECT {ROW}, r.new_state, r.new_merged_into FROM replaced r
"""

_ARRIVALS = """unnest(%(partitions)b::bigint[], %(offsets)b::bigint[],
    %(roots)b::text[], %(root_keys)b::text[], %(message_keys)b::text[],
    %(records)b::text[], %(kinds)b::text[], %(source_versions)b::bigint[], %(payload_digests)b::text[],
    %(mappings_in)b::text[], %(origins)b::text[], %(hops)b::bigint[], %(traceparents)b::text[],
    %(command_ids)b::text[], %(replays)b::text[], %(amounts)b::text[], %(currencies)b::text[], {more})
    WITH ORDINALITY
    AS a (partition, event_offset, root, root_key, message_key, record, kind, source_version, payload_digest,
          mapping_in, origin, hops, traceparent, command_id, replay, amount, currency, {names}, place)"""
_EVENT_VALUES = """%(queue)s, %(topic)s, %(topic_id)s, partition, event_offset, root, root_key, message_key, record,
    kind, source_version, payload_digest, mapping_in, origin, hops, traceparent, command_id, replay, amount::numeric,
    currency"""

_ENDED = _ARRIVALS.format(
    more="%(states)b::text[], %(codes)b::text[], %(merged_into)b::text[]", names="state, code, merged_into"
)
INSERT_ENDED = f"""
INSERT INTO history (id, {EVENT}, state, code, merged_into)
SELECT nextval('row_ids'), {_EVENT_VALUES}, state, code, merged_into
FROM {_ENDED}
ORDER BY place
"""

# An event that is in the queue, or was.
_THIS_EVENT = """queue = %(queue)s AND root_key = %(root_key)s AND topic_id = %(topic_id)s AND partition = %(partition)s
    AND event_offset = %(offset)s AND replay = ''"""
IS_KNOWN = f"""
SELECT 1 FROM rows WHERE {_THIS_EVENT} UNION ALL SELECT 1 FROM history WHERE {_THIS_EVENT} LIMIT 1
"""

# Ends that were heard of are needed once; a horizon that is reached, no more.
TAKE_HEARD = """
WITH reached AS (
    DELETE FROM horizons
    WHERE queue = %(queue)s AND topic_id = %(topic_id)s AND partition = %(partition)s AND until <= %(next)s
)
DELETE FROM heard
WHERE queue = %(queue)s AND topic_id = %(topic_id)s AND partition = %(partition)s AND event_offset < %(next)s
    AND replay = ''
RETURNING event_offset, state, code
"""

DROP_EMPTY_KEYS = """
DELETE FROM keys k
WHERE k.queue = %(queue)s AND k.root_key = ANY(%(root_keys)b::text[]) AND k.state <> 'leased'
    AND NOT EXISTS (SELECT 1 FROM rows r WHERE r.queue = k.queue AND r.root_key = k.root_key)
"""

NOTIFY = "SELECT pg_notify(%(channel)s, %(queue)s)"

# ---- claim

# Nobody paused it, and no stranger is behind the connection.
_NOT_PAUSED = """NOT EXISTS (
    SELECT 1 FROM pauses WHERE queue = %(queue)s AND (until IS NULL OR until > statement_timestamp()))
    AND NOT EXISTS (SELECT 1 FROM identity WHERE the_one AND held <> '')"""

# A key that was written since the statement began is not found in its place: it is claimed the next time.
CLAIM = f"""
WITH due AS MATERIALIZED (
    SELECT ctid AS place FROM keys
    WHERE queue = %(queue)s AND state = 'ready' AND due <= statement_timestamp() AND {_NOT_PAUSED}
    ORDER BY due LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE keys k
SET state = 'leased', due = NULL, lease_owner = %(owner)s, epoch = nextval('epochs'),
    lease_until = statement_timestamp() + make_interval(secs => %(lease_s)s)
FROM due WHERE k.ctid = due.place
RETURNING k.root_key, k.epoch, {_INCARNATION}
"""

HEADS = f"""
SELECT {ROW}
FROM unnest(%(root_keys)b::text[]) AS k (root_key)
CROSS JOIN LATERAL (
    SELECT * FROM rows WHERE queue = %(queue)s AND root_key = k.root_key ORDER BY id LIMIT 1) r
"""

FORGET_LEASED = """
DELETE FROM keys WHERE queue = %(queue)s AND root_key = ANY(%(root_keys)b::text[])
    AND state = 'leased' AND lease_owner = %(owner)s
"""

DUE_IN = f"""
SELECT EXTRACT(epoch FROM due - statement_timestamp())::float8
FROM keys WHERE queue = %(queue)s AND state = 'ready' AND {_NOT_PAUSED} ORDER BY due LIMIT 1
"""

# ---- intend

# Rows in hand, as far as their leases are ours: keys locked in their order, then each row's place, found by whichever
# index holds its id. The place is as good as the lease: while that is ours, nobody else writes the row.
_IN_HAND = """mine AS MATERIALIZED (
    SELECT c.*, r.place
    FROM (
        SELECT * FROM unnest(%(ids)b::bigint[], %(root_keys)b::text[], %(epochs)b::bigint[], {columns})
            AS c (id, root_key, epoch, {names})
        ORDER BY root_key COLLATE "C") c
    CROSS JOIN LATERAL (
        SELECT 1 FROM keys
        WHERE queue = %(queue)s AND root_key = c.root_key AND epoch = c.epoch AND lease_owner = %(owner)s {condition}
        FOR UPDATE) k
    CROSS JOIN LATERAL (
        SELECT ctid AS place FROM rows WHERE queue = %(queue)s AND root_key = c.root_key AND id = c.id OFFSET 0) r
)"""

_INTENDED = _IN_HAND.format(
    columns="%(intents)b::bytea[], %(references)b::text[], %(numbers)b::text[], %(mappings)b::text[]",
    names="intent, reference, document_number, mapping_out",
    condition="AND lease_until > statement_timestamp()",
)
# Found `sending` under an older lease it may have been sent: it is looked for, and not sent. Under ours it is the same
# call once more, whose answer was lost: it answers the same.
INTEND = f"""
WITH {_INTENDED}
UPDATE rows r
SET state = 'sending', cause = NULL, due = statement_timestamp(), epoch = mine.epoch, intent = mine.intent,
    reference = mine.reference, document_number = COALESCE(NULLIF(mine.document_number, ''), r.document_number),
    mapping_out = mine.mapping_out, waits_for = NULL
FROM mine
WHERE r.ctid = mine.place AND (r.state <> 'sending' OR r.epoch = mine.epoch)
RETURNING r.epoch
"""

# ---- settle

_MINE = """mine AS MATERIALIZED (
    SELECT k.queue, k.root_key, k.epoch
    FROM (
        SELECT * FROM unnest(%(root_keys)b::text[], %(epochs)b::bigint[]) AS c (root_key, epoch)
        ORDER BY root_key COLLATE "C") c
    CROSS JOIN LATERAL (
        SELECT queue, root_key, epoch FROM keys
        WHERE queue = %(queue)s AND root_key = c.root_key AND epoch = c.epoch AND lease_owner = %(owner)s
        FOR UPDATE) k
)"""
LOCK_MINE = f"WITH {_MINE} SELECT epoch FROM mine"

ANNOUNCE = """
INSERT INTO outbox (row_id, what, topic, key, value, digest, root, origin, mapping, hops, traceparent)
SELECT o.row_id, o.what, o.topic, o.key, o.value, o.digest, o.root, o.origin, o.mapping, o.hops, o.traceparent
FROM unnest(%(o_row_ids)b::bigint[], %(o_whats)b::text[], %(o_topics)b::text[], %(o_keys)b::text[],
            %(o_values)b::bytea[], %(o_digests)b::text[], %(o_roots)b::text[], %(o_origins)b::text[],
            %(o_mappings)b::text[], %(o_hops)b::bigint[], %(o_traceparents)b::text[]) WITH ORDINALITY
    AS o (row_id, what, topic, key, value, digest, root, origin, mapping, hops, traceparent, place)
"""
ANNOUNCE_ALL = ANNOUNCE + "ORDER BY o.place"

_TURNS = """%(states)b::text[], %(codes)b::text[], %(values)b::text[], %(attempts)b::bigint[],
        %(references)b::text[], %(numbers)b::text[], %(mappings)b::text[]"""
_NEW = "new_state, new_code, new_values, new_attempts, new_reference, new_number, new_mapping"
_ENDING = _IN_HAND.format(columns=_TURNS, names=_NEW, condition="")
_KEPT_OF_ROW = ", ".join(f"r.{name.strip()}" for name in KEPT.split(","))
# A row that is not there any more was settled before, by a try whose answer was lost. A dead row keeps its payload.
SETTLE = f"""
WITH {_ENDING}, gone AS (
    DELETE FROM rows r
    USING mine
    WHERE r.ctid = mine.place
    RETURNING {_KEPT_OF_ROW}, mine.new_state, mine.new_code, mine.new_values, mine.new_attempts, mine.new_reference,
        mine.new_number, mine.new_mapping, mine.epoch AS new_epoch,
        CASE WHEN mine.new_state = 'dead' THEN r.payload END AS left_payload
), kept AS (
    INSERT INTO history ({KEPT}, state, code, code_values, attempts, epoch, reference, document_number, mapping_out,
        payload)
    SELECT {KEPT}, new_state, new_code, new_values::jsonb, new_attempts, new_epoch, new_reference, new_number,
        new_mapping, left_payload
    FROM gone
), seen AS (
    INSERT INTO last_seen (record, key, digest, source_version, at)
    SELECT DISTINCT ON (s.record, s.key) s.record, s.key, s.digest, s.source_version, statement_timestamp()
    FROM unnest(%(s_ids)b::bigint[], %(s_records)b::text[], %(s_keys)b::text[], %(s_digests)b::text[],
                %(s_versions)b::bigint[]) WITH ORDINALITY AS s (id, record, key, digest, source_version, place)
    JOIN gone ON gone.id = s.id
    ORDER BY s.record, s.key, s.place DESC
    ON CONFLICT (record, key) DO UPDATE
        SET digest = excluded.digest, source_version = excluded.source_version, at = excluded.at
        WHERE excluded.source_version = 0 OR last_seen.source_version <= excluded.source_version
), referred AS (
    INSERT INTO cross_references (canonical_id, record, id_there, since)
    SELECT DISTINCT x.canonical_id, x.record, x.id_there, statement_timestamp()
    FROM unnest(%(x_ids)b::bigint[], %(x_canonical_ids)b::text[], %(x_records)b::text[], %(x_ids_there)b::text[])
        AS x (id, canonical_id, record, id_there)
    JOIN gone ON gone.id = x.id
    ORDER BY x.canonical_id, x.record, x.id_there
    ON CONFLICT DO NOTHING
    RETURNING canonical_id || '/' || %(connection)s || '/' || record || '/' || replace(id_there, '/', '%%2F') AS key
), announced AS (
    {ANNOUNCE}
    WHERE o.row_id IN (SELECT id FROM gone)
        -- What was announced before is not said again.
        AND (o.what <> 'cross_reference' OR o.key IN (SELECT key FROM referred))
    ORDER BY o.place
)
SELECT new_epoch FROM gone
"""
# psycopg keeps the parsed form of statements below 4096 characters only.
SETTLE = "\n".join(line.strip() for line in SETTLE.splitlines())

_WAITING = _IN_HAND.format(
    columns=f"""{_TURNS}, %(causes)b::text[], %(delays)b::float8[], %(intents)b::bytea[], %(waits_for)b::text[],
        %(asked)b::bigint[], %(settles_s)b::float8[]""",
    names=f"{_NEW}, new_cause, delay_s, new_intent, new_waits_for, new_asked, settles_s",
    condition="",
)
POSTPONE = f"""
WITH {_WAITING}, waiting AS (
    UPDATE rows r
    SET state = w.new_state, cause = w.new_cause, due = statement_timestamp() + make_interval(secs => w.delay_s),
        code = w.new_code, code_values = w.new_values::jsonb, attempts = w.new_attempts, epoch = w.epoch,
        intent = w.new_intent, reference = w.new_reference, document_number = w.new_number,
        mapping_out = w.new_mapping, waits_for = NULLIF(w.new_waits_for, ''), asked = w.new_asked,
        settles_at = COALESCE(statement_timestamp() + make_interval(secs => w.settles_s), r.settles_at)
    FROM mine w
    WHERE r.ctid = w.place
    RETURNING r.id, r.epoch
), announced AS (
    {ANNOUNCE}
    WHERE o.row_id IN (SELECT id FROM waiting)
    ORDER BY o.place
)
SELECT epoch FROM waiting
"""

# A key goes on with its lease while its next row may be tried at once and its owner wants it; else it goes to the end
# of those that are due, or waits as long as its first row does, or disappears with its last row. The keys that are ours
# are locked: they stay in their place. A lease that goes on is not written: whoever holds it renews it in time.
# What is open of a key is not older than the row in hand, behind whose index entry those of rows that ended lie thick.
GO_ON = f"""
WITH head AS MATERIALIZED (
    SELECT k.place, k.leased_epoch, k.wanted AND {_NOT_PAUSED} AS wanted, r.row_place, r.due
    FROM (
        SELECT leased.ctid AS place, w.root_key, w.epoch AS leased_epoch, w.wanted, w.in_hand
        FROM unnest(%(root_keys)b::text[], %(epochs)b::bigint[], %(wanted)b::boolean[], %(in_hand)b::bigint[])
            AS w (root_key, epoch, wanted, in_hand)
        CROSS JOIN LATERAL (
            SELECT ctid FROM keys
            WHERE queue = %(queue)s AND root_key = w.root_key AND epoch = w.epoch AND lease_owner = %(owner)s
            OFFSET 0) leased) k
    LEFT JOIN LATERAL (
        SELECT ctid AS row_place, due FROM rows
        WHERE queue = %(queue)s AND root_key = k.root_key AND id >= k.in_hand ORDER BY id LIMIT 1) r ON true
), gone AS (
    DELETE FROM keys k USING head WHERE k.ctid = head.place AND head.row_place IS NULL
), freed AS (
    UPDATE keys k
    SET state = CASE WHEN head.due IS NULL THEN 'parked' ELSE 'ready' END,
        due = CASE WHEN head.due IS NOT NULL THEN GREATEST(head.due, statement_timestamp()) END,
        lease_owner = NULL, lease_until = NULL
    FROM head
    WHERE k.ctid = head.place AND head.row_place IS NOT NULL
        AND NOT (head.wanted AND COALESCE(head.due <= statement_timestamp(), false))
)
SELECT {ROW}, head.leased_epoch
FROM head
CROSS JOIN LATERAL (SELECT * FROM rows WHERE ctid = head.row_place OFFSET 0) r
WHERE head.wanted AND head.due <= statement_timestamp()
"""

# ---- leases

RENEW = f"""
WITH {_MINE}
UPDATE keys k SET lease_until = statement_timestamp() + make_interval(secs => %(lease_s)s)
FROM mine WHERE k.queue = mine.queue AND k.root_key = mine.root_key
RETURNING k.root_key, k.epoch
"""

# A new epoch first: whatever its old owner still wants to write is refused from here on.
TAKE_EXPIRED = """
WITH expired AS MATERIALIZED (
    SELECT queue, root_key FROM keys
    WHERE queue = %(queue)s AND state = 'leased' AND lease_until <= statement_timestamp()
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE keys k SET epoch = nextval('epochs'), lease_owner = %(owner)s
FROM expired WHERE k.queue = expired.queue AND k.root_key = expired.root_key
RETURNING k.root_key, k.epoch
"""

TAKE_OWN = """
WITH own AS MATERIALIZED (
    SELECT queue, root_key FROM keys
    WHERE queue = %(queue)s AND state = 'leased' AND lease_owner = %(owner)s
    ORDER BY root_key
    FOR UPDATE
)
UPDATE keys k SET epoch = nextval('epochs')
FROM own WHERE k.queue = own.queue AND k.root_key = own.root_key
RETURNING k.root_key, k.epoch
"""

DOUBT_SENDING = f"""
UPDATE rows r
SET state = 'unknown', due = statement_timestamp() + make_interval(secs => %(settling_delay_s)s),
    settles_at = statement_timestamp() + make_interval(secs => %(settling_delay_s)s), asked = 0, code = %(code)s,
    code_values = '{{}}'
WHERE r.queue = %(queue)s AND r.root_key = ANY(%(root_keys)b::text[]) AND r.state = 'sending'
RETURNING {ROW}
"""

# ---- things that are waited for

# Whoever registers and whoever brings lock the thing's entry, so that of two at one moment the second sees the first:
# a row that looked under a lease older than the arrival is due at once, and one that had registered is woken.
# Entries are locked behind keys, in the order of their names.
# Whoever wakes is told.
MEET = """
WITH met AS (
    INSERT INTO things AS t (name, arrival, awaited, pending, at)
    SELECT name, CASE WHEN brought THEN nextval('epochs') ELSE 0 END, awaited, false, statement_timestamp()
    FROM unnest(%(names)b::text[], %(brought)b::boolean[], %(awaited)b::boolean[]) AS n (name, brought, awaited)
    ORDER BY name COLLATE "C"
    ON CONFLICT (name) DO UPDATE
        SET arrival = GREATEST(t.arrival, excluded.arrival), awaited = t.awaited OR excluded.awaited,
            pending = t.pending OR (excluded.arrival > 0 AND t.awaited), at = excluded.at
    RETURNING name, arrival, pending
)
SELECT name, arrival, CASE WHEN pending THEN pg_notify(%(channel)s, %(notice)s) END FROM met
"""

AWAIT = """
UPDATE rows r
SET waits_for = w.name, due = CASE WHEN w.arrival > r.epoch THEN statement_timestamp() ELSE r.due END
FROM unnest(%(root_keys)b::text[], %(ids)b::bigint[], %(names)b::text[], %(arrivals)b::bigint[])
    AS w (root_key, id, name, arrival)
WHERE r.queue = %(queue)s AND r.root_key = w.root_key AND r.id = w.id
"""

# Whoever would bring a thing stands behind the first row of his key; if that one waits, too, it goes on from there.
CIRCLES = """
WITH RECURSIVE chain AS (
    SELECT a.id, a.root_key, a.name COLLATE "C" AS name, ARRAY[a.name COLLATE "C"] AS path, false AS closed
    FROM unnest(%(ids)b::bigint[], %(root_keys)b::text[], %(names)b::text[]) AS a (id, root_key, name)
    UNION ALL
    SELECT c.id, c.root_key, head.waits_for, CASE WHEN here.closed THEN c.path ELSE c.path || head.waits_for END,
        here.closed
    FROM chain c
    CROSS JOIN LATERAL (
        SELECT DISTINCT m.queue, m.root_key FROM rows m
        WHERE m.queue = ANY(%(queues)b::text[]) AND m.root_key = substr(c.name, strpos(c.name, ':') + 1)
            AND m.record = split_part(c.name, ':', 1)) m
    CROSS JOIN LATERAL (SELECT m.queue = %(queue)s AND m.root_key = c.root_key AS closed) here
    CROSS JOIN LATERAL (
        SELECT r.state, r.waits_for FROM rows r WHERE r.queue = m.queue AND r.root_key = m.root_key
        ORDER BY r.id LIMIT 1) head
    WHERE NOT c.closed AND cardinality(c.path) < %(longest)s
        AND (here.closed OR (head.state = 'parked' AND head.waits_for <> ALL(c.path)))
)
SELECT id, path FROM chain WHERE closed
"""

PENDING = "SELECT name, arrival FROM things WHERE pending ORDER BY name LIMIT %(limit)s"

# What is due already is looked at without being told.
WAITING = """
SELECT id, queue, root_key FROM rows
WHERE waits_for = %(name)s AND id > %(after)s AND state IN ('parked', 'unknown')
    AND (due IS NULL OR due > statement_timestamp())
ORDER BY id LIMIT %(limit)s
"""
LOCK_WAITING = """
SELECT k.queue, k.root_key
FROM (
    SELECT queue, root_key FROM unnest(%(queues)b::text[], %(root_keys)b::text[]) AS w (queue, root_key)
    ORDER BY queue COLLATE "C", root_key COLLATE "C") w
CROSS JOIN LATERAL (
    SELECT queue, root_key FROM keys WHERE queue = w.queue AND root_key = w.root_key AND state <> 'leased'
    FOR UPDATE) k
"""
# In a person's hands: let go, as he would.
WAKE = """
WITH woken AS (
    UPDATE rows r
    SET state = CASE WHEN r.due IS NOT NULL THEN r.state WHEN r.intent IS NULL THEN 'ready' ELSE 'unknown' END,
        cause = CASE WHEN r.due IS NOT NULL THEN r.cause END, due = statement_timestamp(), asked = 0
    FROM unnest(%(queues)b::text[], %(root_keys)b::text[]) AS k (queue, root_key)
    WHERE r.queue = k.queue AND r.root_key = k.root_key AND r.id = ANY(%(ids)b::bigint[])
        AND r.state IN ('parked', 'unknown') AND r.waits_for = %(name)s
    RETURNING r.queue, r.root_key
)
UPDATE keys k SET state = 'ready', due = statement_timestamp()
FROM woken w WHERE k.queue = w.queue AND k.root_key = w.root_key
RETURNING k.queue
"""
LOCK_THING = "SELECT 1 FROM things WHERE name = %(name)s FOR UPDATE"
ALL_WOKEN = """
UPDATE things SET pending = false, awaited = EXISTS (SELECT 1 FROM rows WHERE waits_for = %(name)s)
WHERE name = %(name)s AND arrival = %(arrival)s
"""
# Longer than any lease lasts; `at` is checked again on what was touched meanwhile.
FORGET_THINGS = """
DELETE FROM things t
WHERE NOT pending AND at < statement_timestamp() - interval '1 day'
    AND NOT EXISTS (SELECT 1 FROM rows r WHERE r.waits_for = t.name)
"""

# Whoever died between taking a thing and asking for it asks the next time.
TO_ASK = """
UPDATE things SET asked_at = statement_timestamp()
WHERE name IN (
    SELECT name FROM things t
    WHERE awaited AND (asked_at IS NULL OR asked_at < statement_timestamp() - make_interval(secs => 60 * %(every_min)s))
        AND EXISTS (
            SELECT 1 FROM rows r
            WHERE r.waits_for = t.name AND r.cause = 'dependency' AND r.due > statement_timestamp())
    ORDER BY asked_at NULLS FIRST, name LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING name
"""
# How many wait for it.
ASKED = """
WITH asked AS (UPDATE things SET asked_at = statement_timestamp() WHERE name = %(name)s)
SELECT count(*) FROM rows WHERE waits_for = %(name)s AND cause = 'dependency'
"""

# ---- commands

BEGIN_COMMAND = """
INSERT INTO commands AS c (id, queue, act, who, why) VALUES (%(id)s, %(queue)s, %(act)s, %(who)s, %(why)s)
ON CONFLICT (id, queue) DO UPDATE SET begun_at = c.begun_at
RETURNING done_at IS NOT NULL
"""
COUNT_COMMAND = "UPDATE commands SET rows = rows + %(rows)s WHERE id = %(id)s AND queue = %(queue)s"
FINISH_COMMAND = """
UPDATE commands SET done_at = statement_timestamp() WHERE id = %(id)s AND queue = %(queue)s RETURNING rows
"""

# Parked rows are the first of their keys.
_SELECTED = """
FROM rows r
WHERE queue = %(queue)s AND cause IS NOT NULL AND id > %(after)s AND cause = ANY(%(causes)b::text[])
    AND (%(command_id)s = '' OR command_id <> %(command_id)s)
    -- A store made anew reads commands from their beginning: those of long ago are not about what came since.
    AND taken_in_at <= %(at)s + interval '1 minute'
    AND (%(root_key)s = '' OR root_key = %(root_key)s) AND (%(record)s = '' OR record = %(record)s)
    AND (%(code)s = '' OR code = %(code)s) AND code_values @> %(values)s::jsonb
    AND (%(topic_id)s = '' OR topic_id = %(topic_id)s) AND (%(partition)s < 0 OR partition = %(partition)s)
    AND (%(offset)s < 0 OR event_offset = %(offset)s)
ORDER BY id LIMIT %(limit)s
"""
SELECTED = f"SELECT id, root_key, cause {_SELECTED}"
# With whether a newer version of the same record waits behind it.
SELECTED_ROWS = f"""
SELECT {ROW}, EXISTS (
    SELECT 1 FROM rows n WHERE n.queue = r.queue AND n.root_key = r.root_key AND n.id > r.id
        AND n.message_key = r.message_key AND n.record = r.record)
{_SELECTED}
"""
LOCK_FREE = """
SELECT root_key FROM keys
WHERE queue = %(queue)s AND root_key = ANY(%(root_keys)b::text[]) AND state <> 'leased'
ORDER BY root_key FOR UPDATE
"""
_BARE_ROW = ROW.replace("r.payload,", "''::bytea,")
# What was sent and may be there is looked for first; the rest is prepared anew.
LET_GO = f"""
UPDATE rows r
SET state = CASE WHEN r.intent IS NULL THEN 'ready' ELSE 'unknown' END, cause = NULL, attempts = 0, asked = 0,
    waits_for = CASE WHEN r.intent IS NOT NULL THEN r.waits_for END,
    due = statement_timestamp() + make_interval(secs => %(pace_s)s * (
        t.place - 1 + (SELECT c.rows FROM commands c WHERE c.id = %(command_id)s AND c.queue = %(queue)s))),
    command_id = %(command_id)s
FROM unnest(%(ids)b::bigint[]) WITH ORDINALITY AS t (id, place)
WHERE r.queue = %(queue)s AND r.root_key = ANY(%(root_keys)b::text[]) AND r.id = t.id AND r.state = 'parked'
RETURNING {_BARE_ROW}
"""
END = f"""
WITH gone AS (
    DELETE FROM rows r
    WHERE r.queue = %(queue)s AND r.root_key = ANY(%(root_keys)b::text[]) AND r.id = ANY(%(ids)b::bigint[])
        AND r.state = 'parked'
    RETURNING r.*
), kept AS (
    INSERT INTO history ({KEPT}, state, code, code_values, attempts, epoch, reference, document_number, mapping_out,
        payload)
    SELECT {KEPT.replace("command_id", "%(command_id)s")}, %(state)s, %(code)s, code_values, attempts, epoch, reference,
        document_number, mapping_out, CASE WHEN %(state)s = 'dead' THEN payload END
    FROM gone
)
SELECT {_BARE_ROW} FROM gone r
"""
# What a person skipped and wants after all; what a newer version was taken in for since stays where it is.
TAKE_BACK = f"""
WITH gone AS (
    DELETE FROM history h
    WHERE h.root_key = %(root_key)s AND h.queue = %(queue)s AND h.topic_id = %(topic_id)s
        AND h.partition = %(partition)s AND h.event_offset = %(offset)s AND h.replay = ''
        AND h.state = 'dead' AND h.code = 'skipped' AND h.payload IS NOT NULL
        AND NOT EXISTS (
            SELECT 1 FROM versions v WHERE v.queue = h.queue AND v.message_key = h.message_key AND v.record = h.record
                AND h.source_version > 0 AND v.taken_in > h.source_version)
    RETURNING h.*
), r AS (
    INSERT INTO rows ({EVENT}, state, due, payload, taken_in_at)
    SELECT {EVENT.replace("command_id", "%(command_id)s")}, 'ready', statement_timestamp(), payload, taken_in_at
    FROM gone
    RETURNING *
)
SELECT {_BARE_ROW} FROM r
"""
# A key that nobody holds waits as its first row does, or disappears with its last one.
FREE = """
WITH head AS MATERIALIZED (
    SELECT %(queue)s::text AS of_queue, k.root_key AS of_key, r.id, r.due
    FROM unnest(%(root_keys)b::text[]) AS k (root_key)
    LEFT JOIN LATERAL (
        SELECT id, due FROM rows WHERE queue = %(queue)s AND root_key = k.root_key ORDER BY id LIMIT 1) r ON true
), gone AS (
    DELETE FROM keys k USING head
    WHERE k.queue = head.of_queue AND k.root_key = head.of_key AND k.state <> 'leased' AND head.id IS NULL
)
UPDATE keys k
SET state = CASE WHEN head.due IS NULL THEN 'parked' ELSE 'ready' END,
    due = CASE WHEN head.due IS NOT NULL THEN GREATEST(head.due, statement_timestamp()) END
FROM head
WHERE k.queue = head.of_queue AND k.root_key = head.of_key AND k.state <> 'leased' AND head.id IS NOT NULL
"""

PAUSE = """
INSERT INTO pauses (queue, since, until, who, why, command_id)
VALUES (%(queue)s, statement_timestamp(), %(until)s, %(who)s, %(why)s, %(id)s)
ON CONFLICT (queue) DO UPDATE SET until = excluded.until, who = excluded.who, why = excluded.why,
    command_id = excluded.command_id
"""
RESUME = "DELETE FROM pauses WHERE queue = %(queue)s"

# ---- who is behind the connection

IDENTITY = "SELECT known, life, seen, held, accepted_by FROM identity"
LOCK_IDENTITY = f"{IDENTITY} FOR UPDATE"
FIRST_IDENTITY = "INSERT INTO identity (known) VALUES (%(known)s) ON CONFLICT DO NOTHING"
REMEMBER_IDENTITY = """
UPDATE identity SET known = %(known)s, life = %(life)s, seen = %(seen)s, held = %(held)s, accepted_by = %(accepted_by)s,
    since = CASE WHEN held <> %(held)s OR life <> %(life)s THEN statement_timestamp() ELSE since END
"""

# ---- relay

OUTBOX = f"""
SELECT {_INCARNATION}, id, row_id, what, topic, key, value, digest, root, origin, mapping, hops, traceparent, written_at
FROM outbox WHERE refused IS NULL ORDER BY id LIMIT %(limit)s
"""
OUTBOX_SENT = """
WITH sent AS (DELETE FROM outbox WHERE refused IS NULL AND id = ANY(%(ids)b::bigint[]))
UPDATE incarnation SET counter = counter + 1 RETURNING ARRAY[store_id, counter::text, held]
"""
OUTBOX_REFUSED = "UPDATE outbox SET refused = %(reason)s WHERE refused IS NULL AND id = %(id)s"

# ---- knowledge

LAST_SEEN = "SELECT record, key, digest, source_version FROM last_seen WHERE record = %(record)s AND key = %(key)s"
SEEN_VERSIONS = "SELECT key, source_version FROM last_seen WHERE record = %(record)s AND key = ANY(%(keys)s::text[])"
# Of every queue of the key; open rows are few.
UNDER_WAY = "SELECT intent FROM rows WHERE root_key = %(root_key)s AND state IN ('sending', 'unknown')"
KNOWN_AS = """
SELECT id_there FROM cross_references WHERE canonical_id = %(canonical_id)s AND record = %(record)s
ORDER BY since DESC, id_there LIMIT 1
"""
SEEN_WEBHOOKS = "SELECT id FROM webhook_ids WHERE id = ANY (%(ids)s)"
# in one order, so that two gateways never wait for each other
REMEMBER_WEBHOOKS = """
INSERT INTO webhook_ids (id, first_seen)
SELECT id, statement_timestamp() FROM unnest(%(ids)s::text[]) AS id ORDER BY id
ON CONFLICT DO NOTHING
"""
FORGET_WEBHOOKS = """
DELETE FROM webhook_ids WHERE first_seen < statement_timestamp() - make_interval(secs => %(older_than_s)s)
"""

# ---- cursors

CURSOR = "SELECT cursor FROM cursors WHERE name = %(name)s"
LEASE_CURSOR = f"""
INSERT INTO cursors AS c (name, lease_owner, lease_until, epoch)
VALUES (%(name)s, %(owner)s, statement_timestamp() + make_interval(secs => %(lease_s)s), nextval('epochs'))
ON CONFLICT (name) DO UPDATE
    SET lease_owner = excluded.lease_owner, lease_until = excluded.lease_until, epoch = excluded.epoch
    WHERE c.lease_owner IS NULL OR c.lease_owner = excluded.lease_owner OR c.lease_until <= statement_timestamp()
RETURNING cursor, epoch, {_INCARNATION}
"""
ADVANCE_CURSOR = """
UPDATE cursors SET cursor = %(cursor)s, lease_until = statement_timestamp() + make_interval(secs => %(lease_s)s)
WHERE name = %(name)s AND epoch = %(epoch)s AND lease_owner = %(owner)s
"""
RELEASE_CURSOR = """
UPDATE cursors SET lease_owner = NULL, lease_until = NULL
WHERE name = %(name)s AND epoch = %(epoch)s AND lease_owner = %(owner)s
"""

# ---- capacity

# Of parked keys, and of those that wait for their time, nothing counts: however many are refused, the rest goes on.
# Stops counting behind the mark.
AT_WORK_OR_DUE = """
SELECT count(*), COALESCE(sum(size), 0)::bigint
FROM (
    SELECT r.size
    FROM (
        SELECT root_key FROM keys WHERE queue = %(queue)s AND state = 'leased'
        UNION ALL
        SELECT root_key FROM keys WHERE queue = %(queue)s AND state = 'ready' AND due <= statement_timestamp()) k
    CROSS JOIN LATERAL (
        SELECT octet_length(payload) AS size FROM rows WHERE queue = %(queue)s AND root_key = k.root_key OFFSET 0) r
    LIMIT %(most_rows)s + 1) held
"""
FULL_SINCE = "SELECT since FROM full_queues WHERE queue = %(queue)s"
FILLED = """
INSERT INTO full_queues (queue, since, rows, bytes, most_rows, most_bytes)
VALUES (%(queue)s, statement_timestamp(), %(rows)s, %(bytes)s, %(most_rows)s, %(most_bytes)s) ON CONFLICT DO NOTHING
"""
ROOM_AGAIN = "DELETE FROM full_queues WHERE queue = %(queue)s"

# ---- looking in

OPEN_BY_STATE = """
SELECT queue, record, state, COALESCE(cause, ''), count(*) FROM rows GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
OPEN_BY_PARTITION = """
SELECT queue, topic, topic_id, partition, count(*) FROM rows GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
UNSENT = "SELECT count(*) FILTER (WHERE refused IS NULL), count(*) FILTER (WHERE refused IS NOT NULL) FROM outbox"

HISTORY_PARTITIONS = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'history'::regclass AND c.relname <> 'history_default' ORDER BY 1
"""

#: With the names of the partition and the bounds of its day put in.
ADD_DAY: tuple[LiteralString, ...] = (
    "CREATE TABLE {day} (LIKE history INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
    """
    WITH early AS (DELETE FROM history_default WHERE ended_at >= {first} AND ended_at < {last} RETURNING *)
    INSERT INTO {day} SELECT * FROM early
    """,
    "ALTER TABLE history ATTACH PARTITION {day} FOR VALUES FROM ({first}) TO ({last})",
)
