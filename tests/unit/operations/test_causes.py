"""Which dead letters are cases of one cause."""

import hashlib
from pathlib import Path

import msgspec
import pytest

from operations.causes import CLASSES, PARTICULAR, VERSION, Cure, cause_of, class_of, cured_by
from operations.sentences import find


@pytest.mark.parametrize(
    ("code", "values", "cause"),
    [
        ("gp.90023", {"item": "SKU-77", "procedure": "taSopLineIvcInsert"}, "gp.90023 item=SKU-77"),
        ("gp.90023", {}, "gp.90023"),
        ("gp.90005", {"procedure": "taSopHdrIvcInsert"}, "gp.90005"),
        ("mapping", {"field": "lines[2].sku", "reason": "missing"}, "mapping field=lines*.sku reason=missing"),
        ("mapping", {"field": "total", "reason": "'12.40' is not 13"}, "mapping field=total reason=* is not *"),
        (
            "mapping",
            {"field": "status", "reason": "no row for 'P' in lookup table 't': add it", "table": "t", "key": "P"},
            "mapping table=t key=P",
        ),
    ],
)
def test_cause_leaves_out_what_differs_between_its_cases(code: str, values: dict[str, str], cause: str) -> None:
    assert cause_of(code, values) == cause


def test_missing_lookup_row_is_cured_by_that_row() -> None:
    assert class_of("mapping", {"table": "t", "key": "P"}).cure is Cure.LOOKUP
    assert class_of("mapping", {"field": "total", "reason": "too much"}).cure is Cure.MAPPING


@pytest.mark.parametrize(
    ("code", "values", "stage", "table", "row", "command"),
    [
        ("gp.90023", {"item": "SKU 77"}, "consumers", "gp_items", "SKU 77", "redrive --cause 'gp.90023 item=SKU 77'"),
        ("gp.90023", {}, "consumers", "", "", "redrive --cause gp.90023"),
        ("gp.90026", {"item": "SKU-77"}, "consumers", "", "", "redrive --cause 'gp.90026 item=SKU-77'"),
        ("mapping", {"table": "t", "key": "P", "field": "status"}, "streams", "t", "P", "redrive --cause"),
        ("gp.90003", {}, "consumers", "", "", "redrive --cause gp.90003"),
        ("gp.too_late", {}, "consumers", "", "", "skip --cause gp.too_late --why ..."),
        ("undecodable", {}, "streams", "", "", "discard --cause undecodable --why ..."),
        ("undecodable", {}, "consumers", "", "", "discard --cause undecodable --why ..."),
        ("no_root_key", {"key": "k"}, "consumers", "", "", "discard --cause no_root_key --why ..."),
    ],
)
def test_cure_names_the_row_and_the_act(
    code: str, values: dict[str, str], stage: str, table: str, row: str, command: str
) -> None:
    cure = cured_by(code, values, stage)

    assert (cure.table, cure.row) == (table, row)
    assert cure.command.startswith(f"towpath dead-letters {command}")


def test_change_of_what_is_written_raises_the_version() -> None:
    """What is projected already was recognised by the old classes: it has to be read anew."""
    written = msgspec.json.encode([{code: (each.values, each.worded) for code, each in CLASSES.items()}, PARTICULAR])

    assert (VERSION, hashlib.sha256(written).hexdigest()[:12]) == (3, "d688ea90a16c")


def test_every_lookup_that_cures_is_there() -> None:
    tables = {path.stem for path in Path("deployments/demo/lookups").glob("*.csv")}

    assert {each.table for each in CLASSES.values() if each.table} <= tables


def test_every_code_told_apart_has_a_sentence() -> None:
    assert [code for code in CLASSES if find(code) is None] == []
