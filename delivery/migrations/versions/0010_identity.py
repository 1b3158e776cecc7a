"""Who is behind the connection, as a whole, and whether a stranger is there now; nothing was remembered so far."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

IDENTITY = """
DROP TABLE identity;
CREATE TABLE identity (
    the_one boolean PRIMARY KEY DEFAULT true CHECK (the_one),
    -- What is known of the system, and what it said when it was a stranger; as JSON.
    known text NOT NULL,
    seen text,
    -- Rises with each system a person accepted.
    life bigint NOT NULL DEFAULT 1,
    -- Why nothing is delivered; empty: it is the one that is known.
    held text NOT NULL DEFAULT '',
    since timestamptz NOT NULL DEFAULT statement_timestamp(),
    -- The command that accepted the system last.
    accepted_by text NOT NULL DEFAULT '',
    CHECK ((held = '') = (seen IS NULL))
);
"""

BEFORE = """
DROP TABLE identity;
CREATE TABLE identity (
    the_one boolean PRIMARY KEY DEFAULT true CHECK (the_one),
    identity text NOT NULL,
    since timestamptz NOT NULL
);
"""


def upgrade() -> None:
    """Make the table anew."""
    op.execute(IDENTITY)


def downgrade() -> None:
    """Forget who it is."""
    op.execute(BEFORE)
