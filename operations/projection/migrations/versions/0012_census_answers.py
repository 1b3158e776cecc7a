"""What a source said of the documents that are missing from it."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the columns."""
    op.execute("""
        -- How many of those are not there, as the source said of each, and when the first is asked for again.
        ALTER TABLE census ADD absent bigint NOT NULL DEFAULT 0, ADD again_at timestamptz;
    """)


def downgrade() -> None:
    """Take them away."""
    op.execute("ALTER TABLE census DROP absent, DROP again_at")
