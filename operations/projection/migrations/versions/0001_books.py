"""The first projection: where each event came from, what became of it, and how far we have read."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Rows change once or twice soon after they came: room on the page for HOT updates.
WARM = "WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0)"

PROGRESS = f"""
CREATE TABLE positions (
    topic_id text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    topic text NOT NULL,
    -- Where we began: with what arrived, it tells whether a record was left out.
    first bigint NOT NULL,
    next bigint NOT NULL,
    PRIMARY KEY (topic_id, partition)
) WITH (fillfactor = 50);

-- Records that arrived, by the topic's own time stamps.
CREATE TABLE arrivals (
    topic text COLLATE "C" NOT NULL,
    topic_id text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    hour timestamptz NOT NULL,
    records bigint NOT NULL,
    PRIMARY KEY (topic, hour, topic_id, partition)
) {WARM};
"""

INTAKE = f"""
-- The source events. A fact may be read before the event itself, as topics are read side by side: then arrived_at is
-- still empty. Facts are bits (project.py, Fact).
CREATE TABLE roots (
    topic_id text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    event_offset bigint NOT NULL,
    topic text COLLATE "C" NOT NULL DEFAULT '',
    arrived_at timestamptz,
    root_key text COLLATE "C" NOT NULL DEFAULT '',
    connection text NOT NULL DEFAULT '',
    record text NOT NULL DEFAULT '',
    cause text NOT NULL DEFAULT '',
    source_version bigint NOT NULL DEFAULT 0,
    delivery_id text NOT NULL DEFAULT '',
    facts integer NOT NULL DEFAULT 0,
    merged_into text NOT NULL DEFAULT '',
    PRIMARY KEY (topic_id, partition, event_offset)
) {WARM};
CREATE INDEX roots_by_arrival ON roots (topic, arrived_at);
CREATE INDEX roots_by_key ON roots (root_key) WHERE root_key <> '';
-- What has not come to an end: small, and what the ledger asks for.
CREATE INDEX roots_open ON roots (topic_id, partition, event_offset) WHERE facts & 31 = 0;

-- Records made from a root on their way: routed changes, documents read whole, canonical records.
CREATE TABLE records (
    topic_id text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    event_offset bigint NOT NULL,
    topic text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    root text COLLATE "C" NOT NULL,
    root_key text COLLATE "C" NOT NULL,
    message_key text COLLATE "C" NOT NULL,
    mapping text NOT NULL,
    origin text NOT NULL,
    source_version bigint NOT NULL,
    PRIMARY KEY (topic_id, partition, event_offset)
);
CREATE INDEX records_by_key ON records (root_key);
CREATE INDEX records_by_root ON records (root);
CREATE INDEX records_by_time ON records (topic, at);

CREATE TABLE closed_hours (
    topic text COLLATE "C" NOT NULL,
    hour timestamptz NOT NULL,
    accepted bigint NOT NULL,
    mapped bigint NOT NULL,
    merged bigint NOT NULL,
    filtered bigint NOT NULL,
    suppressed bigint NOT NULL,
    dead bigint NOT NULL,
    closed_at timestamptz NOT NULL,
    PRIMARY KEY (topic, hour)
);
"""

OUTCOMES = f"""
-- Position of the outcome itself, with the id of its topic, as a recreated one begins again at 0.
CREATE TABLE outcomes (
    topic_id text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    event_offset bigint NOT NULL,
    at timestamptz NOT NULL,
    stage text NOT NULL,
    state text NOT NULL,
    code text COLLATE "C" NOT NULL,
    code_values jsonb NOT NULL,
    connection text COLLATE "C" NOT NULL,
    topic text NOT NULL,
    source_topic_id text COLLATE "C" NOT NULL,
    source_partition integer NOT NULL,
    source_offset bigint NOT NULL,
    root text NOT NULL,
    root_key text COLLATE "C" NOT NULL,
    message_key text NOT NULL,
    record text NOT NULL,
    cause text NOT NULL,
    attempts integer NOT NULL,
    reference text NOT NULL,
    document_number text COLLATE "C" NOT NULL,
    mapping_in text NOT NULL,
    mapping_out text NOT NULL,
    command_id text NOT NULL,
    amount numeric(19, 5) NOT NULL,
    currency text NOT NULL,
    merged_into text NOT NULL,
    taken_in_at timestamptz,
    who text NOT NULL,
    why text NOT NULL,
    PRIMARY KEY (topic_id, partition, event_offset)
);
CREATE INDEX outcomes_by_key ON outcomes (root_key);
CREATE INDEX outcomes_by_time ON outcomes (at);
CREATE INDEX outcomes_by_document ON outcomes (document_number) WHERE document_number <> '';

-- What became of an event in a connection's queue: its last outcome there.
CREATE TABLE deliveries (
    connection text COLLATE "C" NOT NULL,
    topic_id text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    event_offset bigint NOT NULL,
    stage text NOT NULL,
    state text NOT NULL,
    cause text NOT NULL,
    code text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (topic_id, partition, event_offset, connection)
) {WARM};

CREATE TABLE dead_letters (
    id text COLLATE "C" PRIMARY KEY,
    -- Where the dead letter itself lies: its bytes stay there.
    topic_id text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    event_offset bigint NOT NULL,
    at timestamptz NOT NULL,
    stage text NOT NULL,
    code text COLLATE "C" NOT NULL,
    code_values jsonb NOT NULL,
    connection text NOT NULL,
    record text NOT NULL,
    topic text NOT NULL,
    source_topic_id text COLLATE "C" NOT NULL,
    source_partition integer NOT NULL,
    source_offset bigint NOT NULL,
    root text NOT NULL,
    root_key text COLLATE "C" NOT NULL,
    size_bytes integer NOT NULL,
    code_version text NOT NULL,
    mapping text NOT NULL,
    reference text NOT NULL
) {WARM};
CREATE INDEX dead_letters_by_time ON dead_letters (at);
CREATE INDEX dead_letters_by_key ON dead_letters (root_key);

CREATE TABLE cross_references (
    canonical_id text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL,
    record text COLLATE "C" NOT NULL,
    id_there text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    root text NOT NULL,
    mapping text NOT NULL,
    PRIMARY KEY (canonical_id, connection, record, id_there)
);
CREATE INDEX cross_references_there ON cross_references (id_there);
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(PROGRESS)
    op.execute(INTAKE)
    op.execute(OUTCOMES)
