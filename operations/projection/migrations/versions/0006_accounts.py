"""Accounts of both books by hour, kept with every batch: a window is a sum of hours, however many events it holds."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

WARM = "WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0)"

TABLES = f"""
-- Roots by where they ended: the lowest of the first five bits of their facts; 0: open.
CREATE TABLE intake_accounts (
    topic_id text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    hour timestamptz NOT NULL,
    place integer NOT NULL,
    topic text COLLATE "C" NOT NULL,
    roots bigint NOT NULL,
    PRIMARY KEY (topic_id, partition, hour, place)
) {WARM};
CREATE INDEX intake_accounts_by_hour ON intake_accounts (hour);

-- Canonical records by the owner of their root: how many there are (target and state empty), and how many of them have
-- which last outcome at which target. A stretch is 1024 offsets: what nobody has told of is looked for in few of them.
CREATE TABLE delivery_accounts (
    topic_id text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    hour timestamptz NOT NULL,
    stretch bigint NOT NULL,
    owner text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    events bigint NOT NULL,
    PRIMARY KEY (topic_id, partition, hour, stretch, owner, target, state)
) {WARM};
CREATE INDEX delivery_accounts_by_hour ON delivery_accounts (hour);

CREATE TABLE closed_delivery_hours (
    topic text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    hour timestamptz NOT NULL,
    state text COLLATE "C" NOT NULL,
    events bigint NOT NULL,
    closed_at timestamptz NOT NULL,
    PRIMARY KEY (topic, hour, owner, target, state)
);

CREATE INDEX deliveries_open ON deliveries (topic_id, partition, event_offset)
    WHERE stage = 'consumers' AND replay = '' AND state IN ('ready', 'sending', 'unknown', 'parked');
"""
# What is there already is counted once; from then on the projector keeps it.
COUNT = """
INSERT INTO intake_accounts (topic_id, partition, hour, place, topic, roots)
SELECT topic_id, partition, date_trunc('hour', arrived_at, 'UTC'), (facts & 31) & -(facts & 31), topic, count(*)
FROM roots WHERE topic <> '' GROUP BY 1, 2, 3, 4, 5;

INSERT INTO delivery_accounts (topic_id, partition, hour, stretch, owner, target, state, topic, events)
SELECT r.topic_id, r.partition, date_trunc('hour', r.at, 'UTC'), r.event_offset >> 10, split_part(r.root_key, ':', 1),
    '', '', r.topic, count(*)
FROM records r WHERE r.topic LIKE 'canonical.%' GROUP BY 1, 2, 3, 4, 5, 8;

INSERT INTO delivery_accounts (topic_id, partition, hour, stretch, owner, target, state, topic, events)
SELECT r.topic_id, r.partition, date_trunc('hour', r.at, 'UTC'), r.event_offset >> 10, split_part(r.root_key, ':', 1),
    d.connection, d.state, r.topic, count(*)
FROM records r JOIN deliveries d USING (topic_id, partition, event_offset)
WHERE r.topic LIKE 'canonical.%' AND d.stage = 'consumers' AND d.replay = '' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
"""


def upgrade() -> None:
    """Make the tables and count what there is."""
    op.execute(TABLES)
    op.execute(COUNT)


def downgrade() -> None:
    """Take them away."""
    op.execute("""
        DROP INDEX deliveries_open; DROP TABLE closed_delivery_hours; DROP TABLE delivery_accounts;
        DROP TABLE intake_accounts;
    """)
