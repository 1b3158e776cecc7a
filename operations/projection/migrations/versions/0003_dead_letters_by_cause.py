"""What stands behind a dead letter or a parked event: its key, money, values; dead letters by cause."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# What is kept so far does not have them: it is read again from the topics.
COLUMNS = """
TRUNCATE positions, arrivals, roots, records, outcomes, deliveries, dead_letters, cross_references;
ALTER TABLE deliveries
    ADD root_key text COLLATE "C" NOT NULL DEFAULT '',
    ADD record text NOT NULL DEFAULT '',
    ADD code_values jsonb NOT NULL DEFAULT '{}',
    ADD attempts integer NOT NULL DEFAULT 0,
    ADD amount numeric(19, 5) NOT NULL DEFAULT 0,
    ADD currency text NOT NULL DEFAULT '',
    ADD document_number text NOT NULL DEFAULT '',
    ADD taken_in_at timestamptz;
CREATE INDEX deliveries_parked ON deliveries (connection, at) WHERE state = 'parked';
CREATE INDEX deliveries_by_key ON deliveries (root_key) WHERE root_key <> '';
ALTER TABLE dead_letters ADD cause text COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX dead_letters_by_cause ON dead_letters (cause);
CREATE INDEX outcomes_by_command ON outcomes (command_id) WHERE command_id <> '';
"""


def upgrade() -> None:
    """Add the columns."""
    op.execute(COLUMNS)


def downgrade() -> None:
    """Take them away."""
    op.execute("""
        DROP INDEX outcomes_by_command; DROP INDEX dead_letters_by_cause; DROP INDEX deliveries_by_key;
        DROP INDEX deliveries_parked;
        ALTER TABLE dead_letters DROP cause;
        ALTER TABLE deliveries DROP root_key, DROP record, DROP code_values, DROP attempts, DROP amount, DROP currency,
            DROP document_number, DROP taken_in_at;
    """)
