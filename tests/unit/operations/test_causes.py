"""Which dead letters are cases of one cause."""

import pytest

from operations.causes import CLASSES, Cure, cause_of, class_of
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


def test_every_code_told_apart_has_a_sentence() -> None:
    assert [code for code in CLASSES if find(code) is None] == []
