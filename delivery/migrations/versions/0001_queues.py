"""The first connection store: queues, what is known of the other end, and what waits to be announced."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Small, hot tables: room on the page for HOT updates, and vacuum that neither waits nor sleeps.
HOT = """
    WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
          autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05,
          autovacuum_vacuum_cost_delay = 0)
"""

# What rows and history have in common, in this order.
EVENT = """
    id bigint NOT NULL,
    queue text COLLATE "C" NOT NULL,
    topic text NOT NULL,
    topic_id text NOT NULL,
    partition integer NOT NULL,
    event_offset bigint NOT NULL,
    root text NOT NULL,
    root_key text COLLATE "C" NOT NULL,
    message_key text COLLATE "C" NOT NULL,
    record text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('state', 'document')),
    source_version bigint NOT NULL,
    state text NOT NULL,
    cause text,
    attempts integer NOT NULL DEFAULT 0,
    due timestamptz,
    epoch bigint NOT NULL DEFAULT 0,
    code text NOT NULL DEFAULT '',
    code_values jsonb NOT NULL DEFAULT '{}',
    intent bytea,
    reference text,
    document_number text,
    payload bytea,
    payload_digest text NOT NULL,
    mapping_in text NOT NULL,
    mapping_out text NOT NULL DEFAULT '',
    command_id text NOT NULL,
    origin text NOT NULL,
    hops integer NOT NULL,
    traceparent text NOT NULL,
    amount numeric(19, 5) NOT NULL,
    currency text NOT NULL,
    taken_in_at timestamptz NOT NULL DEFAULT clock_timestamp()
"""

QUEUES = f"""
-- Rising ids are the order of a key, because they are drawn while the key is locked. Epochs are never used twice in a
-- store, so that a key's row may be deleted when nothing of it is open and no old owner can be taken for a new one.
CREATE SEQUENCE row_ids CACHE 1;
CREATE SEQUENCE epochs CACHE 1;

CREATE TABLE positions (
    queue text COLLATE "C" NOT NULL,
    topic_id text NOT NULL,
    partition integer NOT NULL,
    topic text NOT NULL,
    next bigint NOT NULL,
    moved_at timestamptz NOT NULL,
    PRIMARY KEY (queue, topic_id, partition)
) {HOT};

-- Open rows only: an ended one moves to history in the transaction that ends it.
CREATE TABLE rows (
    {EVENT},
    PRIMARY KEY (id),
    CHECK (state IN ('ready', 'sending', 'unknown', 'parked')),
    CHECK ((state = 'parked') = (cause IS NOT NULL)),
    CHECK (state NOT IN ('sending', 'unknown') OR intent IS NOT NULL),
    CHECK (due IS NOT NULL OR (state = 'parked' AND cause IN ('refused', 'operator', 'loop', 'person')))
) {HOT};
ALTER TABLE rows ALTER id SET DEFAULT nextval('row_ids');
ALTER TABLE rows ALTER payload SET NOT NULL;
CREATE INDEX rows_in_order ON rows (queue, root_key, id);

-- One entry for every key with open rows: the unit of order, leasing and parking.
CREATE TABLE keys (
    queue text COLLATE "C" NOT NULL,
    root_key text COLLATE "C" NOT NULL,
    state text NOT NULL CHECK (state IN ('ready', 'leased', 'parked')),
    due timestamptz,
    lease_owner text,
    lease_until timestamptz,
    epoch bigint NOT NULL,
    PRIMARY KEY (queue, root_key),
    CHECK (state <> 'ready' OR due IS NOT NULL),
    CHECK ((state = 'leased') = (lease_owner IS NOT NULL AND lease_until IS NOT NULL))
) {HOT};
CREATE INDEX keys_ready ON keys (queue, due) WHERE state = 'ready';
-- Not on lease_until: renewing a lease stays a HOT update, and leased keys are few.
CREATE INDEX keys_leased ON keys (queue, lease_owner) WHERE state = 'leased';

CREATE TABLE history (
    {EVENT},
    merged_into text NOT NULL DEFAULT '',
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp()
) PARTITION BY RANGE (ended_at);
CREATE INDEX history_of_key ON history (root_key, id);
-- Catches what no day's partition was made for; stays empty.
CREATE TABLE history_default PARTITION OF history DEFAULT;

CREATE TABLE versions (
    queue text COLLATE "C" NOT NULL,
    message_key text COLLATE "C" NOT NULL,
    record text COLLATE "C" NOT NULL,
    taken_in bigint NOT NULL,
    settled bigint NOT NULL DEFAULT 0,
    at timestamptz NOT NULL,
    PRIMARY KEY (queue, message_key, record)
) {HOT};
"""

KNOWLEDGE = f"""
CREATE TABLE last_seen (
    record text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    digest text NOT NULL,
    source_version bigint NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (record, key)
) {HOT};

CREATE TABLE cross_references (
    canonical_id text COLLATE "C" NOT NULL,
    record text COLLATE "C" NOT NULL,
    id_there text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (canonical_id, record, id_there)
);

-- Who is behind the connection: a restored, refreshed or swapped database has another identity.
CREATE TABLE identity (
    the_one boolean PRIMARY KEY DEFAULT true CHECK (the_one),
    identity text NOT NULL,
    since timestamptz NOT NULL
);
"""

EDGES = f"""
-- Deleted when the broker has it; refused: the broker will never take it, kept for a person.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    row_id bigint NOT NULL,
    what text NOT NULL CHECK (what IN ('outcome', 'dead_letter', 'cross_reference', 'publication')),
    topic text NOT NULL,
    key text NOT NULL,
    value bytea NOT NULL,
    digest text NOT NULL,
    root text NOT NULL,
    origin text NOT NULL,
    mapping text NOT NULL,
    hops integer NOT NULL,
    traceparent text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    refused text
) {HOT};
CREATE INDEX outbox_unsent ON outbox (id) WHERE refused IS NULL;

CREATE TABLE webhook_ids (
    id text COLLATE "C" PRIMARY KEY,
    first_seen timestamptz NOT NULL
);
CREATE INDEX webhook_ids_by_age ON webhook_ids (first_seen);

-- How far a poller has read, and who may read on; the relay's turn is one without a cursor.
CREATE TABLE cursors (
    name text COLLATE "C" PRIMARY KEY,
    cursor text NOT NULL DEFAULT '',
    lease_owner text,
    lease_until timestamptz,
    epoch bigint NOT NULL
) {HOT};
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(QUEUES)
    op.execute(KNOWLEDGE)
    op.execute(EDGES)
