"""Replays to this connection: which run, how far each has read, and which rows are theirs."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

REPLAYS = """
-- A question (plan) is carried out like a replay that queues nothing, and deleted when it is answered.
CREATE TABLE replays (
    id text COLLATE "C" NOT NULL,
    queue text COLLATE "C" NOT NULL,
    -- The command, as its topic has it, encoded.
    command bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('planned', 'running', 'stopped', 'done')),
    -- What it waits for, as a code of the sentence catalogue; empty: it goes on.
    holds text NOT NULL DEFAULT '',
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    -- Events that fit, each in one of the three places below or a row of the queue.
    taken_in bigint NOT NULL DEFAULT 0,
    queued bigint NOT NULL DEFAULT 0,
    superseded bigint NOT NULL DEFAULT 0,
    suppressed bigint NOT NULL DEFAULT 0,
    -- Records read, whether they fit or not, and those nobody could read.
    read bigint NOT NULL DEFAULT 0,
    unreadable bigint NOT NULL DEFAULT 0,
    lease_owner text,
    lease_until timestamptz,
    epoch bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (id, queue)
);

-- What of each partition is read for a replay; its end stands fast from the command on.
CREATE TABLE replay_ranges (
    replay text COLLATE "C" NOT NULL,
    queue text COLLATE "C" NOT NULL,
    topic_id text NOT NULL,
    partition integer NOT NULL,
    topic text NOT NULL,
    record text NOT NULL,
    first bigint NOT NULL,
    next bigint NOT NULL,
    last bigint NOT NULL,
    -- Offsets between `first` and `next` that hold no record any more.
    gone bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (replay, queue, topic_id, partition)
);

ALTER TABLE rows ADD replay text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE history ADD replay text COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX rows_of_replay ON rows (replay) WHERE replay <> '';
CREATE INDEX history_of_replay ON history (replay) WHERE replay <> '';
-- Where the newest event of a record lay: of two with one version the later one stands. -1: taken in before this.
ALTER TABLE versions ADD event_offset bigint NOT NULL DEFAULT -1;
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(REPLAYS)


def downgrade() -> None:
    """Take them away."""
    op.execute("""
        ALTER TABLE versions DROP event_offset;
        ALTER TABLE history DROP replay;
        ALTER TABLE rows DROP replay;
        DROP TABLE replay_ranges; DROP TABLE replays;
    """)
