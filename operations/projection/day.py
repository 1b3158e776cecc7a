"""The orders of a pair that matter to a day: those that came in it, were told of in it, or were open when it began."""

from datetime import datetime
from decimal import Decimal

import msgspec

from delivery.states import ENDS, OPEN
from operations.projection import books
from operations.projection.migrate import Wire
from operations.projection.project import Position
from operations.projection.stories import read as rows_of
from operations.readers import Routed


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an order, on its way to the ERP."""

    root_key: str
    topic_id: str
    partition: int
    event_offset: int
    at: datetime
    amount: Decimal
    currency: str

    @property
    def event(self) -> Position:
        return self.topic_id, self.partition, self.event_offset


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An outcome of a version at the ERP."""

    source_topic_id: str
    source_partition: int
    source_offset: int
    at: datetime
    state: str
    cause: str
    code: str
    code_values: dict[str, str]
    document_number: str

    @property
    def event(self) -> Position:
        return self.source_topic_id, self.source_partition, self.source_offset


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """All of it at one moment."""

    events: tuple[OrderEvent, ...]
    told: tuple[Told, ...]
    #: Source events of the store on the day that ended before an order was made of them.
    refused_before: int
    being_read: int


KEYS = """
CREATE TEMPORARY TABLE of_day ON COMMIT DROP AS
SELECT root_key FROM records WHERE topic = %(topic)s AND at >= %(since)s AND at < %(until)s
    AND split_part(root_key, ':', 1) = %(owner)s
UNION
SELECT r.root_key FROM (
    SELECT * FROM deliveries WHERE at >= %(since)s
    UNION ALL
    SELECT * FROM deliveries WHERE stage = 'consumers' AND replay = ''
        AND state IN ('ready', 'sending', 'unknown', 'parked') AND at < %(since)s
) AS d JOIN records r USING (topic_id, partition, event_offset)
WHERE d.connection = %(target)s AND d.stage = 'consumers' AND d.replay = '' AND r.topic = %(topic)s AND r.at < %(until)s
    AND split_part(r.root_key, ':', 1) = %(owner)s
UNION
SELECT unnest(%(untold)s::text[])
"""
EVENTS = f"""
SELECT {", ".join(OrderEvent.__struct_fields__)} FROM records JOIN of_day USING (root_key)
WHERE topic = %(topic)s AND at < %(until)s
"""  # noqa: S608  names of ours
TOLD = f"""
SELECT {", ".join(Told.__struct_fields__)} FROM outcomes JOIN of_day USING (root_key)
WHERE connection = %(target)s AND stage = 'consumers' AND replay = '' AND at < %(until)s AND state = ANY(%(states)s)
"""  # noqa: S608  names of ours
BEFORE = """
SELECT count(*) FILTER (WHERE facts & 3 = 2), count(*) FILTER (WHERE facts & 31 = 0) FROM roots
WHERE arrived_at >= %(since)s AND arrived_at < %(until)s AND connection = %(owner)s AND record = %(record)s
    AND topic = ANY(SELECT DISTINCT topic FROM positions)
"""


def read(wire: Wire, way: Routed, since: datetime, until: datetime) -> Day:
    """What a statement of the way's orders is drawn up from.

    Args:
        wire: A connection that is in no transaction.
        way: Of the orders.
        since: The day's beginning.
        until: Its end; exclusive.
    """
    with wire.transaction():
        wire.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        window = {
            "topic": way.topic,
            "owner": way.owner,
            "target": way.target,
            "record": way.record,
            "since": since,
            "until": until,
            "states": [*OPEN, *ENDS],
            "untold": [each.root_key for each in books.untold(wire, [way], until)],
        }
        wire.execute(KEYS, window)
        wire.execute("ANALYZE of_day")
        refused_before, being_read = wire.execute(BEFORE, window).fetchone() or (0, 0)
        return Day(
            events=rows_of(wire, EVENTS, window, OrderEvent),
            told=rows_of(wire, TOLD, window, Told),
            refused_before=refused_before,
            being_read=being_read,
        )
