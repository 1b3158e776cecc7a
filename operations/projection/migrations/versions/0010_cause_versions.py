"""Which version of the classes and the normaliser a dead letter's cause was told by: another one tells it anew."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what is kept so far is of no version, and derived anew."""
    op.execute("""
        ALTER TABLE dead_letters ADD cause_version integer NOT NULL DEFAULT 0;
        CREATE INDEX dead_letters_by_cause_version ON dead_letters (cause_version);
    """)


def downgrade() -> None:
    """Take it away."""
    op.execute("ALTER TABLE dead_letters DROP cause_version")
