"""Less is written for each event: nothing that nobody reads, and no index entries when a row is about to be sent."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

LESS = """
ALTER TABLE versions DROP COLUMN settled;
-- Entries are named by their ids among those that are not sent yet: one index does for both.
ALTER TABLE outbox DROP CONSTRAINT outbox_pkey;
-- The intent makes a row about twice as long: with this room it stays on its page, and its index entries stand.
ALTER TABLE rows SET (fillfactor = 50);
"""


def upgrade() -> None:
    """Take them away."""
    op.execute(LESS)


def downgrade() -> None:
    """Bring them back."""
    op.execute("""
        ALTER TABLE rows SET (fillfactor = 70);
        ALTER TABLE outbox ADD PRIMARY KEY (id);
        ALTER TABLE versions ADD settled bigint NOT NULL DEFAULT 0;
    """)
