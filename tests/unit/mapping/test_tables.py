"""A mapping's tables are there, and invert where it says so, before the first record."""

import pytest

from errors import ConfigurationError
from mapping.port import Lookups
from mapping.tables import doubled, missing, refuse_unfit
from tests.doubles.small_mappings import mapping

TEXT = """
lookups: {items: {inverts: true}, sites: {}}
fields:
  note: lookup("items", order.number, "") or lookup("sites", order.number, "")
"""
DOUBLED = Lookups({"items": {"A": "1", "B": "2", "C": "1"}, "sites": {"N": "1", "S": "1"}})


def test_a_table_that_is_not_there_is_told_with_its_mapping() -> None:
    told = missing(mapping(TEXT), Lookups({"items": {}}))

    assert told == [
        "lookups/sites.csv: missing, and try/it reads it: a table without rows is a file with the line `key,value`"
    ]
    assert missing(mapping(TEXT), DOUBLED) == []


def test_two_keys_with_one_value_are_told_of_a_table_that_inverts() -> None:
    (told,) = doubled(mapping(TEXT), DOUBLED)

    assert told.startswith("lookups/items.csv: 'A' and 'C' are both '1', and try/it reads it back")
    assert doubled(mapping(TEXT), Lookups({"items": {"A": "1", "B": "2"}})) == []


def test_nothing_starts_with_tables_that_do_not_fit() -> None:
    ours, own = mapping(TEXT), mapping(TEXT)

    with pytest.raises(ConfigurationError, match=r"items\.csv: missing.*sites\.csv: missing"):
        refuse_unfit([own], [ours], Lookups({}))
    with pytest.raises(ConfigurationError, match="'A' and 'C'"):
        refuse_unfit([ours], [ours], DOUBLED)
    # ours leave as it is what a deployment has no table for
    refuse_unfit([ours], [ours], Lookups({}))
    refuse_unfit([own, None], [ours], Lookups({"items": {}, "sites": {}}))  # type: ignore[list-item]  # no data
