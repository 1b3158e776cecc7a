"""What the last census of each source found; told by no topic, so that a rebuild keeps it."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.execute("""
        CREATE TABLE census (
            connection text COLLATE "C" PRIMARY KEY,
            -- When it was taken, and of which changes by the source's own time.
            at timestamptz NOT NULL,
            since timestamptz NOT NULL,
            until timestamptz NOT NULL,
            listed bigint NOT NULL,
            uncaptured bigint NOT NULL,
            -- The change of the oldest of those.
            oldest timestamptz
        );
    """)


def downgrade() -> None:
    """Take it away."""
    op.execute("DROP TABLE census")
