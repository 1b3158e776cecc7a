"""What stands still is counted as it changes: a screen of a million parked events reads a few rows."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

LETTERS = """
-- What became of each dead letter (judging.py), with what the counts below are told apart by.
CREATE TABLE letter_states (
    id text COLLATE "C" PRIMARY KEY,
    status text COLLATE "C" NOT NULL,
    -- The head of its parked key: told of by its delivery.
    held boolean NOT NULL,
    amount numeric(19, 5) NOT NULL,
    currency text NOT NULL,
    connection text COLLATE "C" NOT NULL,
    stage text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    -- Whether it is known whose it is.
    known boolean NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX dead_letters_by_event ON dead_letters (source_topic_id, source_partition, source_offset);
-- Not by `at` itself: the first of its kind is found by this index, and by none that is in the order of time alone.
CREATE INDEX letter_states_oldest ON letter_states (connection, stage, code, known, (at AT TIME ZONE 'UTC'))
    WHERE status = 'standing' AND NOT held;
CREATE INDEX deliveries_oldest ON deliveries (connection, stage, state, cause, code,
    (coalesce(code_values->>'waits_for', '')), currency, (at AT TIME ZONE 'UTC'))
    WHERE state IN ('parked', 'unknown');
"""
COUNTS = """
-- Parked and doubtful events.
CREATE TABLE stuck_counts (
    connection text COLLATE "C" NOT NULL,
    stage text NOT NULL,
    state text NOT NULL,
    cause text NOT NULL,
    code text NOT NULL,
    waits_for text NOT NULL,
    currency text NOT NULL,
    count bigint NOT NULL,
    amount numeric NOT NULL,
    PRIMARY KEY (connection, stage, state, cause, code, waits_for, currency)
) WITH (fillfactor = 50);
-- Dead letters that stand and are no head of a parked key.
CREATE TABLE letter_counts (
    connection text COLLATE "C" NOT NULL,
    stage text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    known boolean NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (connection, stage, code, known)
) WITH (fillfactor = 50);
"""
COUNT_STUCK = """
INSERT INTO stuck_counts AS c
SELECT connection, stage, state, cause, code, coalesce(code_values->>'waits_for', ''), currency,
    {sign} count(*), {sign} sum(amount)
FROM {rows} WHERE state IN ('parked', 'unknown') GROUP BY 1, 2, 3, 4, 5, 6, 7
ON CONFLICT (connection, stage, state, cause, code, waits_for, currency) DO UPDATE SET
    count = c.count + excluded.count, amount = c.amount + excluded.amount;
"""
COUNT_LETTERS = """
INSERT INTO letter_counts AS c
SELECT connection, stage, code, known, {sign} count(*)
FROM {rows} WHERE status = 'standing' AND NOT held GROUP BY 1, 2, 3, 4
ON CONFLICT (connection, stage, code, known) DO UPDATE SET count = c.count + excluded.count;
"""
FUNCTION = """
CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        TRUNCATE {counts};
        RETURN NULL;
    END IF;
    IF TG_OP <> 'DELETE' THEN {add} END IF;
    IF TG_OP <> 'INSERT' THEN {take} END IF;
    DELETE FROM {counts} WHERE count = 0;
    RETURN NULL;
END $$;
CREATE TRIGGER {function}_added AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION {function}();
CREATE TRIGGER {function}_changed AFTER UPDATE ON {table} REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION {function}();
CREATE TRIGGER {function}_gone AFTER DELETE ON {table} REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION {function}();
CREATE TRIGGER {function}_emptied AFTER TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {function}();
"""
#: As judging.py does it, for what is there.
JUDGE = """
INSERT INTO letter_states (id, status, held, amount, currency, connection, stage, code, known, at)
SELECT l.id,
    CASE
        WHEN d.state IS NULL AND l.root_key <> '' AND l.mapping <> '' AND EXISTS (
            SELECT FROM records r WHERE r.root_key = l.root_key AND r.at > l.at
                AND split_part(r.mapping, '@', 1) = split_part(l.mapping, '@', 1)) THEN 'cured'
        WHEN d.state IS NULL OR (d.state = 'parked' AND d.cause = 'refused') THEN 'standing'
        WHEN d.state = 'dead' AND d.code = 'skipped' THEN 'skipped'
        WHEN d.state = 'dead' THEN 'standing'
        WHEN d.state = 'discarded' THEN 'discarded'
        WHEN d.state IN ('delivered', 'filtered', 'merged', 'superseded', 'suppressed') THEN 'cured'
        ELSE 'tried again'
    END,
    coalesce(d.state = 'parked', false), coalesce(d.amount, 0), coalesce(d.currency, ''),
    l.connection, l.stage, l.code, l.root_key <> '', l.at
FROM dead_letters l LEFT JOIN deliveries d ON d.topic_id = l.source_topic_id AND d.partition = l.source_partition
    AND d.event_offset = l.source_offset AND d.connection = l.connection AND d.replay = l.replay
"""


def upgrade() -> None:
    """Make the counts, from what is kept so far."""
    op.execute(LETTERS)
    op.execute(COUNTS)
    for table, counts, counting in (
        ("deliveries", "stuck_counts", COUNT_STUCK),
        ("letter_states", "letter_counts", COUNT_LETTERS),
    ):
        add, take = counting.format(sign="", rows="new_rows"), counting.format(sign="-", rows="old_rows")
        op.execute(FUNCTION.format(function=f"count_{counts}", table=table, counts=counts, add=add, take=take))
    op.execute(COUNT_STUCK.format(sign="", rows="deliveries"))
    op.execute(JUDGE)


def downgrade() -> None:
    """Take them away."""
    op.execute("""
        DROP TABLE letter_states;
        DROP TRIGGER count_stuck_counts_added ON deliveries; DROP TRIGGER count_stuck_counts_changed ON deliveries;
        DROP TRIGGER count_stuck_counts_gone ON deliveries; DROP TRIGGER count_stuck_counts_emptied ON deliveries;
        DROP FUNCTION count_stuck_counts(); DROP FUNCTION count_letter_counts();
        DROP TABLE stuck_counts; DROP TABLE letter_counts;
        DROP INDEX deliveries_oldest; DROP INDEX dead_letters_by_event;
    """)
