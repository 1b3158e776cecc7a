"""What became of an event in a replay stands beside what became of it live."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; nothing kept so far was a replay's."""
    op.execute("""
        ALTER TABLE outcomes ADD replay text NOT NULL DEFAULT '';
        ALTER TABLE dead_letters ADD replay text NOT NULL DEFAULT '';
        ALTER TABLE deliveries ADD replay text COLLATE "C" NOT NULL DEFAULT '';
        ALTER TABLE deliveries DROP CONSTRAINT deliveries_pkey;
        ALTER TABLE deliveries ADD PRIMARY KEY (topic_id, partition, event_offset, connection, replay);
        CREATE INDEX deliveries_of_replay ON deliveries (replay) WHERE replay <> '';
        CREATE INDEX outcomes_of_replays ON outcomes (command_id, at) WHERE state = 'replay';
    """)


def downgrade() -> None:
    """Take them away, and with them what replays did."""
    op.execute("""
        DROP INDEX outcomes_of_replays; DROP INDEX deliveries_of_replay;
        DELETE FROM deliveries WHERE replay <> '';
        ALTER TABLE deliveries DROP CONSTRAINT deliveries_pkey;
        ALTER TABLE deliveries ADD PRIMARY KEY (topic_id, partition, event_offset, connection);
        ALTER TABLE deliveries DROP replay;
        ALTER TABLE dead_letters DROP replay;
        ALTER TABLE outcomes DROP replay;
    """)
