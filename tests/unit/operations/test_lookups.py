"""Lookup tables as they stand: the files' rows with those laid over them."""

from datetime import UTC, datetime, timedelta

import pytest

from bus.laid_over import Rows
from bus.lookups import FileRow
from errors import ConfigurationError, NotFoundError
from operations.acting import By
from operations.lookups import export_of, row_by, rows_of, told

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MARA = By(who="mara", why="since noon", at=NOON)
FILE = {"north": FileRow("NORTH", "the first"), "south": FileRow("SOUTH"), "east": FileRow("EAST")}


def over(**values: str | None) -> Rows:
    return {("sites", key): row_by("sites", key, value, MARA) for key, value in values.items()}


def test_every_table_is_counted_and_what_the_file_says_as_well() -> None:
    rows = over(north="N", south="SOUTH", west="W", east=None)

    (sites,) = told({"sites": {key: row.value for key, row in FILE.items()}}, (), rows.values(), NOON)

    assert (sites.rows, sites.in_file, sites.laid_over, sites.as_the_file) == (3, 3, 4, 1)


def test_a_file_that_is_no_table_is_told_under_its_name() -> None:
    (sites,) = told({}, ("lookups/sites.csv: line 2 has no key",), (), NOON)

    assert (sites.table, sites.rows, sites.problem) == ("sites", 0, "lookups/sites.csv: line 2 has no key")


def test_a_row_tells_who_set_it_and_what_the_file_says() -> None:
    north, south, east, west = rows_of("sites", FILE, over(north="N", west="W", east=None), NOON)

    assert (north.value, north.file_says, north.who, north.note) == ("N", "NORTH", "mara", "the first")
    assert (south.value, south.who) == ("SOUTH", "")
    assert (east.value, east.file_says) == (None, "EAST")
    assert (west.value, west.file_says) == ("W", None)


def test_one_row_is_told_also_where_there_is_none() -> None:
    (found,) = rows_of("sites", FILE, {}, NOON, "nowhere")

    assert (found.value, found.who) == (None, "")
    # a file with its first line only is a table, too
    assert rows_of("sizes", {}, {}, NOON) == ()
    with pytest.raises(NotFoundError, match="no lookup table 'sizes'"):
        rows_of("sizes", None, over(north="N"), NOON)


def test_the_file_that_is_written_keeps_its_order_and_notes() -> None:
    rows = over(north="N", south="SOUTH", west="W", east=None)
    rows["sites", "up"] = row_by("sites", "up", "UP", MARA, NOON + timedelta(hours=1))

    found = export_of("sites", FILE, rows, NOON)

    assert found.text == "key,value,note\nnorth,N,since noon\nsouth,SOUTH,\nwest,W,since noon\n"
    assert (found.rows, found.left_out) == (3, ("up",))


def test_options_of_connections_are_no_table_to_set() -> None:
    with pytest.raises(ConfigurationError, match="small Latin letters"):
        row_by("connection:gp-two", "site", "MAIN", MARA)
