"""Parked events as the projection keeps them: which wait where, for what, since when and with how much money."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from operations.projection.migrate import Wire
from operations.projection.stories import read


class ParkedTold(msgspec.Struct, frozen=True, kw_only=True, rename={"code_values": "values"}):
    """One parked event: the head of its key."""

    connection: str
    stage: str
    root_key: str
    record: str
    cause: str
    code: str
    code_values: dict[str, str]
    at: datetime
    attempts: int
    amount: Decimal
    currency: str
    document_number: str
    topic_id: str
    partition: int
    event_offset: int


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Events that wait for the same thing at one queue, in one currency; parked, or in doubt."""

    connection: str
    stage: str
    state: str
    cause: str
    code: str
    #: The missing thing, where they wait for one.
    waits_for: str
    currency: str
    count: int
    amount: Decimal
    since: datetime
    #: Of the oldest.
    sample: str
    values: dict[str, str]


COLUMNS = ", ".join(ParkedTold.__struct_fields__)
#: Columns a list may be narrowed by.
FILTERS = frozenset({"connection", "stage", "root_key", "record", "cause", "code", "waits_for"})
_SQL_OF = {"waits_for": "code_values->>'waits_for'"}

STUCK = """
SELECT c.connection, c.stage, c.state, c.cause, c.code, c.waits_for, c.currency, c.count, c.amount, oldest.at,
    oldest.root_key, oldest.code_values
FROM stuck_counts c CROSS JOIN LATERAL (
    SELECT at, root_key, code_values FROM deliveries d
    WHERE d.state IN ('parked', 'unknown') AND d.connection = c.connection AND d.stage = c.stage AND d.state = c.state
        AND d.cause = c.cause AND d.code = c.code AND coalesce(d.code_values->>'waits_for', '') = c.waits_for
        AND d.currency = c.currency
    ORDER BY d.at AT TIME ZONE 'UTC' LIMIT 1
) oldest
"""


def listed(wire: Wire, filters: Mapping[str, str], limit: int) -> tuple[ParkedTold, ...]:
    """Those parked longest first."""
    statement = f"SELECT {COLUMNS} FROM deliveries WHERE {_where(filters)} ORDER BY at LIMIT %(limit)s"  # noqa: S608  names of ours
    return read(wire, statement, {**filters, "limit": limit}, ParkedTold)


def grouped(wire: Wire, filters: Mapping[str, str]) -> tuple[Group, ...]:
    """How many wait for what, most first."""
    statement = f"""
        SELECT connection, stage, state, cause, code, coalesce(code_values->>'waits_for', ''), currency, count(*),
            sum(amount), min(at), (array_agg(root_key ORDER BY at))[1], (array_agg(code_values ORDER BY at))[1]
        FROM deliveries WHERE {_where(filters)} GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 8 DESC, 1, 2, 4, 5, 6, 7
    """  # noqa: S608  names of ours
    return read(wire, statement, filters, Group)


def stuck(wire: Wire) -> tuple[Group, ...]:
    """All that are parked or in doubt, as they were counted; reads a few rows for each group, however large."""
    return read(wire, STUCK, {}, Group)


def _where(filters: Mapping[str, str]) -> str:
    unknown = filters.keys() - FILTERS
    if unknown:
        raise ValueError(f"no column {', '.join(sorted(unknown))}")
    return " AND ".join(["state = 'parked'", *(f"{_SQL_OF.get(name, name)} = %({name})s" for name in filters)])
