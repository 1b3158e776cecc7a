"""The record sample documents have in common; none of their values."""

from pathlib import Path

import msgspec
import pytest

from connect.discovered import Field, Kind, Record
from connect.samples import MOST_NAMES, records
from errors import DecodeError

EXAMPLES = Path(__file__).parents[3] / "schemas" / "examples"


def fields(*documents: object) -> dict[str, Field]:
    (found, *_) = records("order", [msgspec.json.encode(each) for each in documents])
    return {each.name: each for each in found.fields}


def test_a_field_has_the_type_all_its_values_have() -> None:
    found = fields(
        {"id": 1, "total": 5, "at": "2026-03-02T14:05:12Z", "note": None, "open": True, "mixed": 1},
        {"id": 2, "total": 5.5, "at": "", "note": "x", "open": False, "mixed": "a", "extra": [1]},
    )

    assert found == {
        "id": Field(name="id", kind=Kind.WHOLE, required=True),
        "total": Field(name="total", kind=Kind.DECIMAL, required=True),
        "at": Field(name="at", kind=Kind.MOMENT, required=True),
        "note": Field(name="note", kind=Kind.TEXT, nullable=True, required=True),
        "open": Field(name="open", kind=Kind.FLAG, required=True),
        "mixed": Field(name="mixed", kind=Kind.ANY, required=True),
        "extra": Field(name="extra", kind=Kind.WHOLE, repeated=True, nullable=True),
    }


def test_parts_are_records_of_their_own() -> None:
    first, second = records("order", [b'{"lines": [{"sku": "a"}, {"sku": "b", "qty": 1}]}'])

    assert first.fields == (Field(name="lines", kind=Kind.RECORD, record="order_lines", repeated=True, required=True),)
    assert second == Record(
        name="order_lines",
        fields=(
            Field(name="sku", kind=Kind.TEXT, required=True),
            Field(name="qty", kind=Kind.WHOLE, nullable=True),
        ),
    )


@pytest.mark.parametrize(
    "names", [["mara@example.com", "jo@example.com"], [f"n{number}" for number in range(MOST_NAMES + 1)]]
)
def test_names_that_are_somebodys_data_are_not_kept(names: list[str]) -> None:
    found = records("order", [msgspec.json.encode({"by_customer": dict.fromkeys(names, 1)})])

    assert found == (Record(name="order", fields=(Field(name="by_customer", kind=Kind.MAP, required=True),)),)


@pytest.mark.parametrize(
    "notes",
    [
        [{"john.smith": 1, "ada-lovelace": 2}],
        [{"john": 1, "ada": 2}, {"mara": 1}],
        [{"john": 1}, {"ada": 2}, {}],
        [{f"n{number}": 1, f"n{(number + 1) % 30}": 1} for number in range(60)],
    ],
)
def test_names_that_samples_seldom_share_are_data(notes: list[dict[str, int]]) -> None:
    assert fields(*({"notes": each} for each in notes))["notes"].kind is Kind.MAP


@pytest.mark.parametrize("parts", [[{"city": "x", "zip": "y"}], [{"sku": "a"}, {"sku": "b", "qty": 1}, {}]])
def test_names_that_samples_share_are_fields(parts: list[dict[str, object]]) -> None:
    assert fields(*({"part": each} for each in parts))["part"].kind is Kind.RECORD


def test_no_value_of_a_document_is_kept() -> None:
    document = (EXAMPLES / "clarity.orders.v1" / "full_order.json").read_bytes()
    found = msgspec.json.encode(records("order", [document])).decode()

    assert [text for text in texts(msgspec.json.decode(document)) if len(text) > 4 and f'"{text}"' in found] == []


def texts(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for each in value.values() for text in texts(each)]
        case list():
            return [text for each in value for text in texts(each)]
    return []


@pytest.mark.parametrize("document", [b"", b"[1]", b'"a"', b"\xff"])
def test_what_is_no_object_is_refused_by_its_number(document: bytes) -> None:
    with pytest.raises(DecodeError, match="sample 2"):
        records("order", [b"{}", document])
