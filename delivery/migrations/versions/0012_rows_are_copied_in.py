"""Rows come in by COPY: their times are those of the statement, and one index finds them by key and by id."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

COPIED = """
-- COPY writes page by page only where no default differs from row to row; numbers of a sequence may.
ALTER TABLE rows ALTER state SET DEFAULT 'ready', ALTER due SET DEFAULT statement_timestamp(),
    ALTER taken_in_at SET DEFAULT statement_timestamp();
-- Whoever looks for a row knows its key.
CREATE UNIQUE INDEX rows_of_keys ON rows (root_key, queue, id);
DROP INDEX rows_in_order;
ALTER TABLE rows DROP CONSTRAINT rows_pkey, ADD CONSTRAINT rows_in_order PRIMARY KEY USING INDEX rows_of_keys;
"""


def upgrade() -> None:
    """Set the defaults, make one index of two."""
    op.execute(COPIED)


def downgrade() -> None:
    """Bring both back."""
    op.execute("""
        ALTER TABLE rows DROP CONSTRAINT rows_in_order;
        ALTER TABLE rows ADD PRIMARY KEY (id);
        CREATE INDEX rows_in_order ON rows (queue, root_key, id);
        ALTER TABLE rows ALTER state DROP DEFAULT, ALTER due DROP DEFAULT,
            ALTER taken_in_at SET DEFAULT clock_timestamp();
    """)
