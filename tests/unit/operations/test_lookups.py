"""Lookup tables as they stand: the files' rows with those laid over them."""

from datetime import UTC, datetime, timedelta

import pytest

from bus.laid_over import Aside, Rows
from bus.lookups import FileRow
from consumers.clarity.order_status_sink import ACTIONS, KEYS
from errors import ConfigurationError, NotFoundError
from mapping.port import Lookups
from operations.acting import By
from operations.lookups import drop_of, export_of, lacking, row_by, rows_of, told
from operations.tables_at_work import OnTopic
from schemas.systems.clarity.site import CEF
from tests.doubles.small_mappings import mapping

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


STATUSES = Lookups({ACTIONS: {"shipped": "Ship"}, KEYS: {"shipped": "Shipped"}})


@pytest.mark.parametrize(
    ("table", "value", "names"), [(ACTIONS, "Shipp", "'Shipp' is no action"), (KEYS, "Sent", "'Sent' is no such")]
)
def test_a_status_the_store_has_not_is_no_row_to_set(table: str, value: str, names: str) -> None:
    with pytest.raises(ConfigurationError, match=names):
        lacking(STATUSES, {}, row_by(table, "shipped", value, MARA), (), [CEF])


def test_a_status_set_in_one_of_its_tables_only_is_told() -> None:
    first, second = row_by(ACTIONS, "received", "Confirm", MARA), row_by(KEYS, "received", "Confirmed", MARA)

    (told_,) = lacking(STATUSES, {}, first, (), [CEF])

    assert f"lookups/{KEYS}.csv" in told_
    assert lacking(STATUSES, {(ACTIONS, "received"): first}, second, (), [CEF]) == ()


def test_a_value_that_a_table_read_backwards_has_is_no_row_to_set() -> None:
    reads = mapping("""
lookups: {items: {inverts: true}}
fields:
  note: lookup("items", order.number, "")
""")
    files = Lookups({"items": {"A": "1", "B": "2"}})

    with pytest.raises(ConfigurationError, match="'A' and 'C' are both '1'"):
        lacking(files, {}, row_by("items", "C", "1", MARA), [reads], ())
    assert lacking(files, {}, row_by("items", "A", "3", MARA), [reads], ()) == ()


@pytest.mark.parametrize(
    ("by", "before", "then", "changes"),
    [
        ((), {}, "NORTH", False),
        (("streams",), {}, "NORTH", True),
        (("streams",), {"north": "N1"}, "N1", True),
        (("streams",), {"north": None}, None, True),
        (("streams",), {"north": "N2"}, "N2", False),
    ],
)
def test_what_comes_of_dropping_a_row_is_known_before(
    by: tuple[str, ...], before: dict[str, str | None], then: str | None, changes: bool
) -> None:
    aside = Aside(table="sites", key="north", why="there is no N2", by=by)
    topic = OnTopic(rows=over(north="N2"), at_work=over(**before), aside=(aside,))

    found = drop_of(topic, {"north": "NORTH"}, "sites", "north", NOON)

    assert (found.says, found.then, found.changes) == ("N2", then, changes)
    assert (found.message_key, found.instead) == ("sites/north", topic.at_work.get(("sites", "north")))
    with pytest.raises(NotFoundError, match="there are: sites north"):
        drop_of(topic, {}, "sites", "south", NOON)


def test_what_stands_instead_of_a_row_only_until_it_ends() -> None:
    was = row_by("sites", "north", "N1", MARA, NOON - timedelta(hours=1))
    aside = Aside(table="sites", key="north", why="there is no N2", by=("streams",))
    topic = OnTopic(rows=over(north="N2"), at_work={("sites", "north"): was}, aside=(aside,))

    assert drop_of(topic, {}, "sites", "north", NOON).then is None
