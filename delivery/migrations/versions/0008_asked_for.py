"""When the system of record was asked for a thing last, so that it is not asked for it again and again."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the column."""
    op.execute("ALTER TABLE things ADD asked_at timestamptz")


def downgrade() -> None:
    """Take it away."""
    op.execute("ALTER TABLE things DROP asked_at")
