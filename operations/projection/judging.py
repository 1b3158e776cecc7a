"""Which dead letters stand: judged where the projector writes something that bears on it, so that nobody has to count.

A letter of a connection's queue is the head of its parked key: what the queue last told of its event says whether the
letter still stands. Letters of other stages hold no key, and stand until they are answered or their document's next
version came through.
"""

from collections.abc import Collection
from enum import StrEnum

from delivery.states import ENDS, ParkedFor, State
from operations.projection.migrate import Wire


class Status(StrEnum):
    """What became of a dead letter since."""

    STANDING = "standing"
    #: A redrive let it go and it has not come to an end.
    TRIED_AGAIN = "tried again"
    #: Its event came to an end after all, or a newer one made it needless.
    CURED = "cured"
    SKIPPED = "skipped"
    DISCARDED = "discarded"


STATUS = f"""
CASE
    -- a stage without a queue holds no key: the document's next version carries everything
    WHEN d.state IS NULL AND l.root_key <> '' AND l.mapping <> '' AND EXISTS (
        SELECT FROM records r WHERE r.root_key = l.root_key AND r.at > l.at
            AND split_part(r.mapping, '@', 1) = split_part(l.mapping, '@', 1)) THEN '{Status.CURED}'
    WHEN d.state IS NULL OR (d.state = '{State.PARKED}' AND d.cause = '{ParkedFor.REFUSED}') THEN '{Status.STANDING}'
    WHEN d.state = '{State.DEAD}' AND d.code = 'skipped' THEN '{Status.SKIPPED}'
    WHEN d.state = '{State.DEAD}' THEN '{Status.STANDING}'
    WHEN d.state = '{State.DISCARDED}' THEN '{Status.DISCARDED}'
    WHEN d.state IN ({", ".join(f"'{state}'" for state in sorted(ENDS))}) THEN '{Status.CURED}'
    ELSE '{Status.TRIED_AGAIN}'
END
"""
# The letters themselves, those of events told of, and those of keys of which something came through.
JUDGE = f"""
WITH touched AS (
    SELECT id FROM pg_temp.new_dead_letters
    UNION SELECT l.id FROM pg_temp.new_deliveries n JOIN dead_letters l ON l.source_topic_id = n.topic_id
        AND l.source_partition = n.partition AND l.source_offset = n.event_offset AND l.connection = n.connection
        AND l.replay = n.replay
    UNION SELECT l.id FROM unnest(%(keys)s::text[]) AS k JOIN dead_letters l ON l.root_key = k
)
INSERT INTO letter_states AS s (id, status, held, amount, currency, connection, stage, code, known, at)
SELECT l.id, {STATUS}, coalesce(d.state = '{State.PARKED}', false), coalesce(d.amount, 0), coalesce(d.currency, ''),
    l.connection, l.stage, l.code, l.root_key <> '', l.at
FROM touched JOIN dead_letters l USING (id)
LEFT JOIN deliveries d ON d.topic_id = l.source_topic_id AND d.partition = l.source_partition
    AND d.event_offset = l.source_offset AND d.connection = l.connection AND d.replay = l.replay
ON CONFLICT (id) DO UPDATE SET status = excluded.status, held = excluded.held, amount = excluded.amount,
    currency = excluded.currency, connection = excluded.connection, stage = excluded.stage, code = excluded.code,
    known = excluded.known, at = excluded.at
WHERE (s.status, s.held, s.amount, s.currency, s.code, s.at) IS DISTINCT FROM
    (excluded.status, excluded.held, excluded.amount, excluded.currency, excluded.code, excluded.at)
"""  # noqa: S608  constants of ours


def judge(wire: Wire, root_keys: Collection[str]) -> None:
    """Judge anew what a batch bears on, inside its transaction and after everything else of it.

    Args:
        wire: The projection, with the batch's dead letters and deliveries in their temporary tables.
        root_keys: Of the batch's records.
    """
    # the temporary tables have no statistics: no letter but those touched is looked at, however many there are
    wire.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
    wire.execute(JUDGE, {"keys": sorted(root_keys)})
