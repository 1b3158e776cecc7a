"""Which store this is and how far it has come, so that one that was restored is known; events that may be done."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INCARNATION = """
CREATE TABLE incarnation (
    the_one boolean PRIMARY KEY DEFAULT true CHECK (the_one),
    store_id text NOT NULL DEFAULT gen_random_uuid()::text,
    -- Not a sequence: those jump ahead of what was committed when a copy of the server is started.
    counter bigint NOT NULL DEFAULT 0,
    -- Why nobody may work on it; empty: anybody may.
    held text NOT NULL DEFAULT '',
    since timestamptz NOT NULL DEFAULT statement_timestamp()
);
INSERT INTO incarnation DEFAULT VALUES;
"""

RECOVERY = """
-- It may have been sent by a store that was lost: looked for before it is sent.
ALTER TABLE rows ADD COLUMN doubt boolean NOT NULL DEFAULT false;

-- Up to where a topic's events may have been worked on by a store that was lost.
CREATE TABLE horizons (
    queue text COLLATE "C" NOT NULL,
    topic_id text NOT NULL,
    partition integer NOT NULL,
    until bigint NOT NULL,
    PRIMARY KEY (queue, topic_id, partition)
);

-- What a recovered store has heard of its own past: the ends of events it takes in again.
CREATE TABLE heard (
    queue text COLLATE "C" NOT NULL,
    topic_id text NOT NULL,
    partition integer NOT NULL,
    event_offset bigint NOT NULL,
    -- The replay it was part of; empty: live.
    replay text COLLATE "C" NOT NULL,
    message_key text COLLATE "C" NOT NULL,
    record text COLLATE "C" NOT NULL,
    source_version bigint NOT NULL,
    state text NOT NULL,
    cause text NOT NULL,
    code text NOT NULL,
    code_values jsonb NOT NULL,
    attempts integer NOT NULL,
    reference text NOT NULL,
    document_number text NOT NULL,
    mapping_out text NOT NULL,
    is_end boolean NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (queue, topic_id, partition, event_offset, replay)
);
"""


def upgrade() -> None:
    """Make the tables, with this store in the first."""
    op.execute(INCARNATION)
    op.execute(RECOVERY)


def downgrade() -> None:
    """Take them away."""
    op.execute("DROP TABLE heard; DROP TABLE horizons; ALTER TABLE rows DROP COLUMN doubt; DROP TABLE incarnation")
