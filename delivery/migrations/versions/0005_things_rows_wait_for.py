"""What rows wait for, by name, and what came since: so that whoever waits is woken when it arrives."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

THINGS = """
-- waits_for: the missing thing of a row that waits for one; of a row in doubt, the document whose reading tells.
-- settles_at: until then the target may still be at work on what was sent. asked: looks that told nothing.
ALTER TABLE rows ADD waits_for text COLLATE "C", ADD settles_at timestamptz, ADD asked integer NOT NULL DEFAULT 0;
UPDATE rows SET waits_for = code_values->>'waits_for' WHERE state = 'parked' AND cause = 'dependency';
CREATE INDEX rows_waiting ON rows (waits_for, id) WHERE waits_for IS NOT NULL;

-- A thing that arrived or is waited for. Whoever looked under a lease older than its arrival may have missed it.
CREATE TABLE things (
    name text COLLATE "C" PRIMARY KEY,
    arrival bigint NOT NULL,
    awaited boolean NOT NULL,
    pending boolean NOT NULL,
    at timestamptz NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
      autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05,
      autovacuum_vacuum_cost_delay = 0);
CREATE INDEX things_pending ON things (name) WHERE pending;

INSERT INTO things (name, arrival, awaited, pending, at)
SELECT DISTINCT waits_for, 0, true, false, statement_timestamp() FROM rows WHERE waits_for IS NOT NULL;
"""


def upgrade() -> None:
    """Make the table and the columns."""
    op.execute(THINGS)


def downgrade() -> None:
    """Take them away."""
    op.execute(
        "DROP TABLE things; DROP INDEX rows_waiting; ALTER TABLE rows DROP waits_for, DROP settles_at, DROP asked"
    )
