"""What a system of record said when it was asked for a missing thing is found at once."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.execute("CREATE INDEX outcomes_of_things ON outcomes ((code_values->>'thing')) WHERE state = 'answered'")


def downgrade() -> None:
    """Take it away."""
    op.execute("DROP INDEX outcomes_of_things")
