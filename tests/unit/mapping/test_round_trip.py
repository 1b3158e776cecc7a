"""What is declared to come back comes back: status maps, lookup tables that invert, whole records."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.settings import ROOT
from consumers.routes import STOCK_SECTION
from mapping.data import DataMapping
from mapping.messages import BrokenMappingError
from mapping.port import Lookups
from mapping.round_trip import lost, misfits
from mapping.tables import doubled
from operations import mapping_files
from schemas.canonical.inventory_level import InventoryLevel
from tests.doubles.made_up_records import records_of
from tests.doubles.small_mappings import ORDER, mapping

NOW = datetime(2026, 3, 2, 16, tzinfo=UTC)
#: The how-to's example, whose number is that of the day it was written.
_EXAMPLES = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/how-to/write-a-mapping.md").read_text("utf-8"), re.DOTALL)
THERE, BACK = (each for each in _EXAMPLES if each.startswith("mapping: mappings/stock"))
THERE = re.sub(r"@\d+", f"@{STOCK_SECTION.version}", THERE)
TABLES = Lookups({"clarity_products": {"TP-1": "pruner", "TP-2": "can"}, "clarity_sections": {"MAIN": "front"}})
LEVELS = records_of(
    InventoryLevel,
    sku=st.sampled_from(["TP-1", "TP-2", "OTHER"]),
    site=st.sampled_from(["MAIN", "EAST"]),
)


def there(text: str = THERE) -> DataMapping:
    return DataMapping(text.encode(), "there.yaml", of=STOCK_SECTION)


def back(text: str = BACK) -> DataMapping:
    return DataMapping(text.encode(), "back.yaml")


THIS_WAY, BACK_AGAIN = there(), back()
FORGETFUL = back(BACK.replace("on_hand: section.quantity", "on_hand: section.quantity + 1"))


# the first of them compiles
@settings(deadline=None)
@given(LEVELS)
def test_a_declared_round_trip_brings_the_record_back(level: InventoryLevel) -> None:
    assert lost(THIS_WAY, BACK_AGAIN, level, TABLES, NOW) == []


@settings(deadline=None)
@given(LEVELS)
def test_what_does_not_come_back_is_told_by_its_field(level: InventoryLevel) -> None:
    assert [each.field for each in lost(THIS_WAY, FORGETFUL, level, TABLES, NOW)] == ["on_hand"]


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (THERE.replace("stock_back", "stock_bakc"), "there is no mapping mappings/stock_bakc: did you mean"),
        (
            THERE.replace("occurred_at]", "ocurred_at]"),
            "sets no ocurred_at: did you mean occurred_at",
        ),
        (THERE.replace("mappings/stock_back", "streams/orders/from_clarity"), "which is not the way back"),
    ],
)
def test_a_declared_way_back_that_is_none_is_told(declared: str, said: str) -> None:
    known = {each.mapping.id: each.mapping.spec for each in mapping_files.ours()} | {"mappings/stock_back": back().spec}

    assert any(said in str(each) for each in misfits(there(declared).spec, known))
    assert list(misfits(there().spec, known)) == []


def test_a_table_is_only_read_back_where_it_is_said_to_invert() -> None:
    with pytest.raises(BrokenMappingError, match="the table clarity_products is not said to invert: write lookups:"):
        _ = back(BACK.replace("clarity_products: {inverts: true}", "clarity_products: {}")).compiled


WORDS = st.text(st.sampled_from("abcxyz-"), min_size=1, max_size=6)


@settings(deadline=None)
@given(st.dictionaries(WORDS, WORDS, min_size=1, max_size=6))
def test_a_table_that_inverts_is_read_both_ways(rows: dict[str, str]) -> None:
    tables = Lookups({"clarity_products": rows})
    inverts = len(set(rows.values())) == len(rows)

    assert bool(doubled(BACK_AGAIN, tables)) is not inverts
    if inverts:
        assert [tables.keys_of("clarity_products", value) for value in rows.values()] == [(key,) for key in rows]


@given(st.dictionaries(WORDS, WORDS, min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_status_map_that_inverts_brings_every_status_back_and_another_is_refused(rows: dict[str, str]) -> None:
    pairs = ", ".join(f'"{key}": "{value}"' for key, value in rows.items())
    word = mapping(
        f"statuses: {{word: {{inverts: true, values: {{{pairs}}}}}}}\nfields:\n  note: word_back(word(order.number))\n"
    )

    if len(set(rows.values())) == len(rows):
        assert [word({**ORDER, "number": key}, Lookups({}), NOW)["note"] for key in rows] == list(rows)
    else:
        with pytest.raises(BrokenMappingError, match="word does not invert"):
            _ = word.compiled
