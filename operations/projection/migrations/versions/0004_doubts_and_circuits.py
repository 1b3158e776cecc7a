"""What is in doubt and where circuits stand is found at once, however long the books are."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the indexes."""
    op.execute("CREATE INDEX deliveries_unknown ON deliveries (connection, at) WHERE state = 'unknown'")
    op.execute("CREATE INDEX outcomes_of_circuits ON outcomes (connection, stage, at) WHERE state = 'circuit'")


def downgrade() -> None:
    """Take them away."""
    op.execute("DROP INDEX outcomes_of_circuits; DROP INDEX deliveries_unknown")
