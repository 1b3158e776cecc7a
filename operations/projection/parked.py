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
    """Parked events that wait for one thing, in one currency."""

    connection: str
    stage: str
    cause: str
    code: str
    #: The missing thing, where they wait for one.
    waits_for: str
    currency: str
    count: int
    amount: Decimal
    oldest: datetime
    sample: str


COLUMNS = ", ".join(ParkedTold.__struct_fields__)
#: Columns a list may be narrowed by.
FILTERS = frozenset({"connection", "stage", "root_key", "record", "cause", "code"})


def listed(wire: Wire, filters: Mapping[str, str], limit: int) -> tuple[ParkedTold, ...]:
    """Those parked longest first."""
    statement = f"SELECT {COLUMNS} FROM deliveries WHERE {_where(filters)} ORDER BY at LIMIT %(limit)s"  # noqa: S608  names of ours
    return read(wire, statement, {**filters, "limit": limit}, ParkedTold)


def grouped(wire: Wire, filters: Mapping[str, str]) -> tuple[Group, ...]:
    """How many wait for what, most first."""
    statement = f"""
        SELECT connection, stage, cause, code, coalesce(code_values->>'waits_for', ''), currency, count(*), sum(amount),
            min(at), (array_agg(root_key ORDER BY at))[1]
        FROM deliveries WHERE {_where(filters)} GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 7 DESC, 1, 2, 3, 4, 5, 6
    """  # noqa: S608  names of ours
    return read(wire, statement, filters, Group)


def _where(filters: Mapping[str, str]) -> str:
    unknown = filters.keys() - FILTERS
    if unknown:
        raise ValueError(f"no column {', '.join(sorted(unknown))}")
    return " AND ".join(["state = 'parked'", *(f"{name} = %({name})s" for name in filters)])
