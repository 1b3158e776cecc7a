"""Rows that operators lay over lookup tables: which of them stand, and what the tables say with them; pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from schemas.bus.lookup_row import LookupRow

#: Table and key to the row that stands; what was taken off the topic is missing.
Rows = dict[tuple[str, str], LookupRow]


def message_key(table: str, key: str) -> str:
    """Of a row on its topic."""
    return f"{table}/{key}"


def place_of(message_key: str) -> tuple[str, str]:
    """Table and key, of a message key; a table's name has no `/`."""
    table, _, key = message_key.partition("/")
    return table, key


def apply(rows: Rows, message_key: str, row: LookupRow | None) -> None:
    """Take in the next record of the topic; None: a tombstone."""
    if row is None:
        rows.pop(place_of(message_key), None)
    else:
        rows[row.table, row.key] = row


def standing(rows: Iterable[LookupRow], now: datetime) -> list[LookupRow]:
    """Those whose time is not over."""
    return [row for row in rows if row.until is None or now < row.until]


def next_end(rows: Iterable[LookupRow], now: datetime) -> datetime | None:
    """When the first of those that stand ends."""
    return min((row.until for row in standing(rows, now) if row.until is not None), default=None)


def laid_over(
    tables: Mapping[str, Mapping[str, str]], rows: Iterable[LookupRow], now: datetime
) -> dict[str, Mapping[str, str]]:
    """What the tables say; a table nothing is laid over is the very same one.

    Args:
        tables: As their files say, key to value.
        rows: The newest of each key.
        now: Rows that ended before then count as not there.
    """
    made: dict[str, Mapping[str, str]] = dict(tables)
    changed: dict[str, dict[str, str]] = {}
    for row in standing(rows, now):
        if row.table not in changed:
            made[row.table] = changed[row.table] = dict(tables.get(row.table, {}))
        if row.value is None:
            changed[row.table].pop(row.key, None)
        else:
            changed[row.table][row.key] = row.value
    return made
