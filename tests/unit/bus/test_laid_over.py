"""Rows that operators lay over lookup tables."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from bus.laid_over import (
    Aside,
    Faults,
    Laid,
    Rows,
    apply,
    fitting,
    laid_over,
    message_key,
    misplaced,
    next_end,
    no_faults,
    put_aside,
)
from mapping.port import Lookups, Unfit
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


def at(hour: int, key: str, value: str | None, until: datetime | None = None) -> LookupRow:
    return msgspec.structs.replace(row(key, value, until), at=NOON + timedelta(hours=hour))


def twice(tables: Lookups) -> list[Unfit]:
    """No two sites may have one name, and who has one in the north has one in the south."""
    sites = tables.rows()["sites"]
    found = [
        Unfit(places=(("sites", one), ("sites", other)), why=f"{one} and {other} are {sites[one]}")
        for one in sites
        for other in sites
        if one < other and sites[one] == sites[other]
    ]
    if ("north" in sites) != ("south" in sites):
        found.append(Unfit(places=(("sites", "north"), ("sites", "south")), why="one is missing"))
    return found


def by_place(*rows: LookupRow) -> Rows:
    return {each.place: each for each in rows}


def test_a_row_nobody_can_map_by_is_put_aside_and_what_stood_before_it_stands() -> None:
    rows = by_place(at(1, "west", "WEST"), at(3, "north", "SOUTH"), at(2, "east", "EAST"))

    kept, aside = fitting(FILES, rows, {("sites", "north"): [at(0, "north", "N0")]}, NOON, twice)
    of_file, _ = fitting(FILES, rows, {}, NOON, twice)

    assert aside == (Aside(table="sites", key="north", why="north and south are SOUTH"),)
    assert laid_over(FILES, kept.values(), NOON)["sites"] == {
        "north": "N0",
        "south": "SOUTH",
        "west": "WEST",
        "east": "EAST",
    }
    assert laid_over(FILES, of_file.values(), NOON)["sites"]["north"] == "NORTH"


def test_a_row_is_put_aside_by_the_processes_that_cannot_map_by_it() -> None:
    laid = Laid()
    laid.take("sites/north", at(1, "north", "SOUTH"))

    def told(**processes: Faults) -> list[tuple[str, tuple[str, ...]]]:
        return [(each.key, each.by) for each in put_aside(FILES, laid, NOON, processes)]

    assert told(streams=no_faults, erp=twice) == [("north", ("erp",))]
    assert told(streams=twice, erp=twice) == [("north", ())]
    assert told(streams=no_faults) == []


def test_of_rows_that_do_not_fit_together_the_newest_is_put_aside() -> None:
    rows = by_place(at(2, "west", "NEW"), at(1, "east", "NEW"))

    kept, aside = fitting(FILES, rows, {}, NOON, twice)

    assert list(kept) == [("sites", "east")]
    assert [each.key for each in aside] == ["west"]


def test_a_row_that_waits_for_another_is_put_aside_until_that_is_there() -> None:
    files: dict[str, dict[str, str]] = {"sites": {}}
    north, south = at(1, "north", "N"), at(2, "south", "S")

    assert fitting(files, by_place(north), {}, NOON, twice)[0] == {}
    assert fitting(files, by_place(north, south), {}, NOON, twice) == (by_place(north, south), ())


def test_what_a_file_says_wrong_by_itself_is_no_rows_fault() -> None:
    files = {"sites": {"north": "N", "south": "N"}}
    rows = by_place(at(1, "south", "N"), at(1, "west", "W"))

    assert fitting(files, rows, {}, NOON, twice) == (rows, ())


def test_a_row_that_was_worse_before_leaves_the_file_and_one_that_is_over_is_nobodys_trouble() -> None:
    worse = {("sites", "north"): [at(1, "north", "SOUTH")]}
    over = by_place(at(1, "north", "SOUTH", until=NOON))

    assert fitting(FILES, by_place(at(2, "north", "SOUTH")), worse, NOON, twice)[0] == {}
    assert fitting(FILES, over, {}, NOON, twice) == (over, ())


@pytest.mark.parametrize("settled", [True, False])
def test_the_last_row_that_fits_stands_however_many_do_not_after_it(settled: bool) -> None:
    laid = Laid()
    for hour, value in enumerate(["N0", "N1", "SOUTH", "SOUTH", "SOUTH"]):
        laid.take("sites/north", at(hour, "north", value))
        if settled:
            laid.settle(fitting(FILES, laid.rows, laid.former, NOON, twice)[0])

    kept, aside = fitting(FILES, laid.rows, laid.former, NOON, twice)
    laid.settle(kept)

    assert [each.value for each in kept.values()] == ["N1"]
    assert [each.key for each in aside] == ["north"]
    # a flood of such rows takes no memory
    assert laid.former == {("sites", "north"): [at(1, "north", "N1")]}


def test_a_row_that_did_not_fit_is_not_what_stood_before_the_next() -> None:
    laid = Laid()
    for hour, value in enumerate(["N0", "SOUTH", "N2"]):
        laid.take("sites/north", at(hour, "north", value))
        laid.settle(fitting(FILES, laid.rows, laid.former, NOON, twice)[0])
    assert laid.former == {("sites", "north"): [at(0, "north", "N0")]}

    laid.take("sites/north", at(3, "north", "N3"))
    laid.settle(fitting(FILES, laid.rows, laid.former, NOON, twice)[0])
    assert laid.former == {("sites", "north"): [at(2, "north", "N2")]}

    laid.take("sites/north", None)
    assert (laid.rows, laid.former) == ({}, {})


@pytest.mark.parametrize(
    ("key", "table", "own", "why"),
    [
        ("sites/north", "sites", "north", ""),
        ("sites/a/b", "sites", "a/b", ""),
        ("connection:gp-two/site", "connection:gp-two", "site", "no table's name"),
        ("sites/", "sites", "", "has no key"),
        ("sites/south", "sites", "north", "says it is row 'north' of sites"),
        ("sizes/north", "sites", "north", "says it is row 'north' of sites"),
    ],
)
def test_a_record_whose_row_no_table_can_have_is_told(key: str, table: str, own: str, why: str) -> None:
    said = misplaced(key, row(own, "X", table=table))

    assert why in said
    assert bool(said) is bool(why)
