"""Rows that operators lay over lookup tables."""

from datetime import UTC, datetime, timedelta

from bus.laid_over import Rows, apply, laid_over, message_key, next_end
from schemas.bus.lookup_row import LookupRow

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
FILES = {"sites": {"north": "NORTH", "south": "SOUTH"}, "sizes": {"S": "small"}}


def row(key: str, value: str | None, until: datetime | None = None, table: str = "sites") -> LookupRow:
    return LookupRow(table=table, key=key, value=value, who="mara", why="new", at=NOON, until=until)


def taken_in(*told: tuple[str, LookupRow | None]) -> Rows:
    rows: Rows = {}
    for key, each in told:
        apply(rows, key, each)
    return rows


def test_a_row_stands_instead_of_the_files_and_beside_them() -> None:
    rows = [row("north", "N1"), row("west", "WEST"), row("south", None), row("a", "b", table="new")]

    assert laid_over(FILES, rows, NOON) == {
        "sites": {"north": "N1", "west": "WEST"},
        "sizes": {"S": "small"},
        "new": {"a": "b"},
    }
    assert FILES["sites"] == {"north": "NORTH", "south": "SOUTH"}


def test_a_row_ends_and_the_file_speaks_again() -> None:
    rows = [row("north", "N1", until=NOON + timedelta(hours=1))]

    assert laid_over(FILES, rows, NOON)["sites"]["north"] == "N1"
    assert laid_over(FILES, rows, NOON + timedelta(hours=1))["sites"]["north"] == "NORTH"
    assert next_end(rows, NOON) == NOON + timedelta(hours=1)
    assert next_end(rows, NOON + timedelta(hours=1)) is None


def test_the_newest_of_a_key_counts_and_a_tombstone_takes_it_off() -> None:
    key = message_key("sites", "a/b:c")

    rows = taken_in((key, row("a/b:c", "1")), (key, row("a/b:c", "2")), ("sites/x", row("x", "3")), ("sites/x", None))

    assert [each.value for each in rows.values()] == ["2"]
    assert taken_in((key, row("a/b:c", "1")), (key, None)) == {}
