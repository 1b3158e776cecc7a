"""What a mapping made that stands: canonical records that are still the newest of their key, and deliveries of them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from operations.projection.migrate import Wire
from operations.projection.stories import RECORD, RecordTold, read

#: By which of its mappings a delivery is looked for.
INBOUND, OUTBOUND = "mapping_in", "mapping_out"


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """A target record a mapping wrote, and the last delivery of it."""

    connection: str
    record: str
    root_key: str
    message_key: str
    document_number: str
    at: datetime
    mapping_in: str
    mapping_out: str
    amount: Decimal
    currency: str
    last_at: datetime
    last_mapping_in: str
    last_mapping_out: str


_OWN = ", ".join(f"m.{name}" for name in Delivered.__struct_fields__ if not name.startswith("last_"))
_DELIVERED = """
WITH m AS (
    SELECT DISTINCT ON (connection, record, message_key) * FROM outcomes
    WHERE state = 'delivered' AND stage = 'consumers'
        AND ({column} = %(mapping)s OR starts_with({column}, %(mapping)s || '+'))
    ORDER BY connection, record, message_key, at DESC)
SELECT {own}, l.at, l.mapping_in, l.mapping_out FROM m
CROSS JOIN LATERAL (
    SELECT at, mapping_in, mapping_out FROM outcomes o
    WHERE (o.root_key, o.connection, o.record, o.message_key) = (m.root_key, m.connection, m.record, m.message_key)
        AND o.state = 'delivered' AND o.stage = 'consumers'
    ORDER BY at DESC LIMIT 1) l
ORDER BY m.at, m.connection, m.message_key
"""
_RECORDS = f"""
SELECT {RECORD} FROM records r
WHERE r.topic = ANY(%(topics)s) AND (r.mapping = %(mapping)s OR starts_with(r.mapping, %(mapping)s || '+'))
    AND NOT EXISTS (
        SELECT FROM records n
        WHERE (n.root_key, n.topic, n.message_key) = (r.root_key, r.topic, r.message_key)
            AND (n.at, n.event_offset) > (r.at, r.event_offset))
ORDER BY r.at, r.message_key
"""  # noqa: S608 - column names of ours


def delivered(wire: Wire, mapping: str, by: str) -> tuple[Delivered, ...]:
    """Target records written by a mapping, or made of records it wrote; the oldest first.

    Args:
        wire: The projection.
        mapping: `id@version`, or a whole stamp.
        by: `INBOUND` or `OUTBOUND`.
    """
    if by not in {INBOUND, OUTBOUND}:
        raise ValueError(f"no column {by}")
    return read(wire, _DELIVERED.format(column=by, own=_OWN), {"mapping": mapping}, Delivered)


def standing(wire: Wire, mapping: str, topics: Sequence[str]) -> tuple[RecordTold, ...]:
    """Records on these topics that it made and no other took the place of; the oldest first."""
    return read(wire, _RECORDS, {"mapping": mapping, "topics": list(topics)}, RecordTold)


def ways(wire: Wire, root_keys: Sequence[str]) -> dict[str, list[RecordTold]]:
    """All records on their way of these keys, by key."""
    statement = f"SELECT {RECORD} FROM records WHERE root_key = ANY(%(keys)s)"  # noqa: S608 - column names of ours
    found: dict[str, list[RecordTold]] = {}
    for each in read(wire, statement, {"keys": list(root_keys)}, RecordTold):
        found.setdefault(each.root_key, []).append(each)
    return found
