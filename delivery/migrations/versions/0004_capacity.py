"""Queues that hold as much as they may; parked rows found without an index on the state."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CAPACITY = """
CREATE TABLE full_queues (
    queue text COLLATE "C" PRIMARY KEY,
    since timestamptz NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    most_rows bigint NOT NULL,
    most_bytes bigint NOT NULL
);

-- A row is parked exactly when it has a cause. Its state changes with every try: in an index's condition it would keep
-- each of these updates from being HOT.
CREATE INDEX rows_with_cause ON rows (queue, id) WHERE cause IS NOT NULL;
DROP INDEX rows_parked;
"""


def upgrade() -> None:
    """Make the table and the index."""
    op.execute(CAPACITY)


def downgrade() -> None:
    """Take them away."""
    op.execute("""
        CREATE INDEX rows_parked ON rows (queue, id) WHERE state = 'parked';
        DROP INDEX rows_with_cause;
        DROP TABLE full_queues;
    """)
