"""How many events a store remembers that a replay should find on its topic."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; null: not asked."""
    op.execute("ALTER TABLE replays ADD known bigint")


def downgrade() -> None:
    """Take it away."""
    op.execute("ALTER TABLE replays DROP known")
