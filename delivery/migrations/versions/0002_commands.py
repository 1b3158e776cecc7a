"""Operators' commands: which were carried out, which queues are paused, and parked rows found by cause."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COMMANDS = """
CREATE TABLE commands (
    id text COLLATE "C" NOT NULL,
    queue text COLLATE "C" NOT NULL,
    act text NOT NULL,
    who text NOT NULL,
    why text NOT NULL,
    rows bigint NOT NULL DEFAULT 0,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at timestamptz,
    PRIMARY KEY (id, queue)
);

CREATE TABLE pauses (
    queue text COLLATE "C" PRIMARY KEY,
    since timestamptz NOT NULL,
    until timestamptz,
    who text NOT NULL,
    why text NOT NULL,
    command_id text NOT NULL
);

CREATE INDEX rows_parked ON rows (queue, id) WHERE state = 'parked';
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(COMMANDS)


def downgrade() -> None:
    """Take them away."""
    op.execute("DROP INDEX rows_parked; DROP TABLE pauses; DROP TABLE commands")
