"""Deliveries by time, as they are pruned by it."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.execute("CREATE INDEX deliveries_by_time ON deliveries (at)")


def downgrade() -> None:
    """Take it away."""
    op.execute("DROP INDEX deliveries_by_time")
