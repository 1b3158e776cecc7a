"""What a canonical order amounts to stands with it: the daily statement adds up before anything is told of it."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what is there is filled from what was told of it, a rebuild fills in the rest."""
    op.execute("""
        ALTER TABLE records ADD amount numeric(19, 5) NOT NULL DEFAULT 0, ADD currency text NOT NULL DEFAULT '';
        UPDATE records r SET amount = d.amount, currency = d.currency FROM deliveries d
        WHERE (d.topic_id, d.partition, d.event_offset) = (r.topic_id, r.partition, r.event_offset)
            AND d.stage = 'consumers' AND d.currency <> '';
    """)


def downgrade() -> None:
    """Take them away."""
    op.execute("ALTER TABLE records DROP amount, DROP currency")
