"""What nobody reads of the source: told by its place, or kept as texts."""

from typing import Any

import pytest

from mapping.avro import from_avro
from mapping.data import DataMapping
from mapping.messages import BrokenMappingError
from mapping.port import Lookups
from mapping.records import Records
from mapping.shapes import Record
from tests.doubles.small_mappings import NOW, mapped, mapping


def record(name: str, /, **fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": kind} for key, kind in fields.items()]}


PLACE = record("Place", city="string", phone=["null", "string"])
SOURCE = record(
    "Source",
    number="string",
    billing=PLACE,
    shipping=["null", "Place"],
    others={"type": "array", "items": "Place"},
    raw="bytes",
)
TARGET = record("Target", a="string", b="string", more={"type": "map", "values": "string"})


def of_places(text: str) -> DataMapping:
    source, target = from_avro(SOURCE), from_avro(TARGET)
    assert isinstance(source, Record)
    assert isinstance(target, Record)
    whole = f"mapping: a/b\nversion: 1\nfrom: {{o: x.S}}\nto: x.T\n{text}"
    return DataMapping(whole.encode(), "it.yaml", records=Records({"x.S": source, "x.T": target}))


def unread(text: str) -> str:
    mapping_ = of_places("unmapped: refuse\n" + text.replace("fields: {", "fields: {more: '{}', "))
    try:
        return "" if mapping_.digest else "no digest"
    except BrokenMappingError as error:
        return "; ".join(each.text for each in error.messages).removeprefix("nobody reads ")


PART = "parts:\n  p: {from: {given: Place, x: text}, to: text, value: given.city + x}\n"


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("fields: {a: o.number, b: o.billing.city}", "o.billing.phone, o.shipping, o.others, o.raw"),
        (
            "fields: {a: o.number + o.billing.city, b: 'default(o.shipping.phone, o.others[0].city, \"\")'}",
            "o.billing.phone, o.shipping.city, o.others[].phone, o.raw",
        ),
        (
            f"{PART}fields: {{a: 'p(o.billing, o.number)', b: 'join([p(each, \"\") for each in o.others], \"\")'}}",
            "o.billing.phone, o.shipping, o.others[].phone, o.raw",
        ),
        (
            "let: {one: o.shipping if o.shipping is not none else o.billing}\n"
            "fields: {a: o.number, b: 'one.city + default(one.phone, \"\")'}",
            "o.others, o.raw",
        ),
        (
            "let: {all: '[o.billing] + [each for each in o.others if each.city]'}\n"
            'fields: {a: o.number, b: \'join([default(each.phone, "") for each in all], "")\'}',
            "o.billing.city, o.shipping, o.raw",
        ),
        (
            "ignored: [Place.phone, o.raw, o.others, o.shipping]\nfields: {a: o.number, b: o.number}",
            "o.billing",
        ),
        ("ignored: [Place.phone, o.raw, o.others, o.shipping]\nfields: {a: o.number, b: o.billing.city}", ""),
    ],
)
def test_what_nobody_reads_is_told_by_its_place(text: str, places: str) -> None:
    assert unread(text) == places


def test_what_is_ignored_must_be_there() -> None:
    assert unread(
        "ignored: [o.biling.phone, o.raw, o.billing, o.shipping, o.others]\nfields: {a: o.number, b: o.number}"
    ) == ("the source has no o.biling.phone")


def test_every_kind_of_value_is_kept_under_its_own_name() -> None:
    order = {"discount": None, "note": "", "lines": [{"sku": "A", "quantity": 2, "price": 1, "tags": ["x", "y"]}]}
    text = """
unmapped: keep in more
ignored: [Line.price, order.rate]
fields:
  key: order.number
  texts: "[line.sku for line in order.lines]"
  more: '{"own": order.status}'
"""

    assert mapped(text, order)["more"] == {
        "id": "7",
        "total": "20.00",
        "ordered": "2026-03-02T16:00:00Z",
        "buyer.name": "Ada",
        "buyer.home.city": "Austin",
        "lines[1].quantity": "2",
        "lines[1].tags[1]": "x",
        "lines[1].tags[2]": "y",
        "extra.gift": "yes",
        "own": "paid",
    }


def test_what_cannot_be_kept_is_said() -> None:
    with pytest.raises(BrokenMappingError, match=r"o\.raw cannot be kept as texts: map them, or name them under"):
        _ = of_places("unmapped: keep in more\nfields: {a: o.number, b: o.number, more: '{}'}").compiled

    kept = of_places("unmapped: keep in more\nignored: [o.raw]\nfields: {a: o.number, b: o.number, more: '{}'}")
    given: dict[str, Any] = {"number": "1", "billing": {"city": "c"}, "shipping": None, "others": [], "raw": b""}
    assert kept(given, Lookups({}), NOW)["more"] == {"billing.city": "c"}


def test_a_field_that_takes_no_texts_keeps_nothing() -> None:
    with pytest.raises(BrokenMappingError, match="has no map lines of texts"):
        _ = mapping("unmapped: keep in lines\nfields: {}\n").compiled
