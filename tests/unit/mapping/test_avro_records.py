"""Records of which there is an Avro schema alone: all that one may hold, and what of it cannot be read."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from mapping.avro import from_avro
from mapping.data import DataMapping
from mapping.messages import BrokenMappingError
from mapping.port import Lookups
from mapping.records import Records, type_of
from mapping.shapes import Record
from tests.doubles.small_mappings import NOW

D = Decimal
AMOUNT = {"type": "bytes", "logicalType": "decimal", "precision": 19, "scale": 2}
ODD: dict[str, Any] = {
    "double": "double",
    "float": {"type": "float"},
    "either": ["null", "string", "long"],
    "sealed": {"type": "fixed", "name": "Sealed", "size": 3},
    "sealed_again": "Sealed",
    "price": {"type": "fixed", "name": "Price", "size": 8, "logicalType": "decimal", "precision": 10, "scale": 2},
    "clock": {"type": "int", "logicalType": "time-millis"},
    "local": {"type": "long", "logicalType": "local-timestamp-micros"},
    "nested": {"type": {"type": "string"}},
    "state": {"type": "enum", "name": "State", "symbols": ["open", "shut"]},
    "state_again": "State",
    "any": {"type": "map", "values": ["null", "string", "double", "boolean"]},
    "class": "string",
    "_id": ["null", "string"],
    "stranger": "ns.Unheard",
}


def record(name: str, /, **fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": kind} for key, kind in fields.items()]}


TREE = record("Tree", name="string", kids={"type": "array", "items": "Tree"}, parent=["null", "Tree"])
GIVEN = {
    "key": "k", "double": 0.1, "float": 2.5, "either": 7, "price": D("1.50"), "class": "gold", "state": "open",
    "any": {"weight": 1.5, "gift": "yes", "no": None, "flag": True},
    "tree": {"name": "root", "kids": [{"name": "leaf", "kids": []}]},
}  # fmt: skip
TARGET = record("Target", key="string", double=["null", "double"], either=["null", "string", "double"], texts={
    "type": "array", "items": "string"}, amount=AMOUNT, doubles={"type": "array", "items": "double"})  # fmt: skip
for each in TARGET["fields"][1:]:
    each["default"] = {"texts": [], "doubles": [], "amount": "\u0000"}.get(each["name"])


def compiled(text: str, target: dict[str, Any] | None = None) -> DataMapping:
    source, made = from_avro(record("Source", key="string", tree=TREE, **ODD)), from_avro(target or TARGET)
    assert isinstance(source, Record)
    assert isinstance(made, Record)
    text = f"mapping: a/b\nversion: 1\nfrom: {{it: x.Source}}\nto: x.Target\n{text}"
    return DataMapping(text.encode(), "it.yaml", records=Records({"x.Source": source, "x.Target": made}))


def worth(field: str, expression: str) -> Any:
    text = f"fields:\n  {field}: |-\n    {expression}\n" + ("" if field == "key" else "  key: it.key\n")
    return compiled(text)(GIVEN, Lookups({}), NOW)[field]


def said(field: str, expression: str) -> str:
    with pytest.raises(BrokenMappingError) as caught:
        worth(field, expression)
    return caught.value.message


def test_odd_fields_that_nobody_reads_spoil_nothing() -> None:
    assert worth("key", "it.nested if it.key != it.key else it.state + it.key") == "openk"


@pytest.mark.parametrize(
    ("field", "expression", "value"),
    [
        ("amount", "round(decimal_of(it.double), 2)", D("0.10")),
        ("amount", "it.price", D("1.50")),
        ("amount", 'round(decimal_of(it.any["weight"], 0), 2)', D("1.50")),
        ("amount", "round(decimal_of(it.either, 0), 2)", D("7.00")),
        ("double", "it.double", 0.1),
        ("double", "decimal_of(it.double) + 0.2", 0.3),
        ("doubles", "[it.price, 2]", (1.5, 2.0)),
        ("either", "it.price", 1.5),
        ("either", "it.key", "k"),
        ("either", "none", None),
        ("key", 'it["class"]', "gold"),
        ("key", 'default(it["_id"], "absent")', "absent"),
        ("key", 'it["_id"] if it["_id"] is not none else "-"', "-"),
        ("key", 'to_text(it.any["gift"], "")', "yes"),
        ("key", 'to_text(it.any["no"], "-") + to_text(it.any["none"], "-")', "--"),
        ("key", '"y" if boolean_of(it.any["flag"], false) else "n"', "y"),
        ("key", "default(it.tree.kids[0].name, it.tree.parent.name, '')", "leaf"),
        ("key", 'default(it.tree.parent.kids[0].name, "orphan")', "orphan"),
        ("texts", "[kid.name for kid in it.tree.kids]", ("leaf",)),
    ],
)
def test_each_kind_of_value_can_be_read_and_made(field: str, expression: str, value: Any) -> None:
    found = worth(field, expression)

    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("field", "expression", "what"),
    [
        ("key", "f'{it.clock}'", "it.clock cannot be read: it is what mappings do not know (time-millis)"),
        ("key", "it.stranger", "it.stranger cannot be read: it is what mappings do not know (ns.Unheard)"),
        ("amount", "it.double", "write decimal_of(it.double)"),
        ("amount", "it.double + 1", "write decimal_of(it.double)"),
        ("amount", "round(it.double, 2)", "write decimal_of(it.double)"),
        ("amount", 'default(it.any["weight"], 0)', 'write decimal_of(it.any["weight"], 0)'),
        ("amount", 'decimal_of(it.any["weight"])', 'write decimal_of(it.any["weight"], …)'),
        ("key", 'default(it.any["gift"], "")', 'write to_text(it.any["gift"], "")'),
        ("key", '"y" if it.any["gift"] == "yes" else "n"', "to_text("),
        ("key", "f'{it.double}'", "decimal_of("),
        ("key", "it.class", 'write ["class"] for a field called so'),
        ("key", "it._id", 'write ["_id"] for a field called so'),
        ("either", "it.any", "is a map"),
    ],
)
def test_what_cannot_be_read_or_made_so_is_said_with_what_to_write(field: str, expression: str, what: str) -> None:
    assert what in said(field, expression)


def test_records_within_a_record_have_their_names_for_parts() -> None:
    text = """
parts:
  called: {from: {tree: Tree}, to: text, value: tree.name}
fields: {key: called(it.tree), texts: "[called(kid) for kid in it.tree.kids]"}
"""

    assert compiled(text)(GIVEN, Lookups({}), NOW)["key"] == "root"


def test_defaults_are_what_a_reader_would_give() -> None:
    target = record("Target", key="string")
    target["fields"] += [
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 1000},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}, "default": 1},
        {"name": "inner", "type": record("In", x="string", y=AMOUNT), "default": {"x": "", "y": "\u0001"}},
        {"name": "inner_again", "type": ["In", "null"], "default": {"x": "a", "y": "\u00ff"}},
        {"name": "many", "type": {"type": "array", "items": AMOUNT}, "default": ["\u0001"]},
        {"name": "by", "type": {"type": "map", "values": AMOUNT}, "default": {"a": "\u0002"}},
        {"name": "raw", "type": {"type": "fixed", "name": "R", "size": 1}, "default": "\u00ff"},
    ]

    assert compiled("fields: {key: it.key}\n", target)(GIVEN, Lookups({}), NOW) == {
        "key": "k",
        "at": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
        "day": date(1970, 1, 2),
        "inner": {"x": "", "y": D("0.01")},
        "inner_again": {"x": "a", "y": D("-0.01")},
        "many": [D("0.01")],
        "by": {"a": D("0.02")},
        "raw": b"\xff",
    }


class Category(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    weight: float
    children: "tuple[Category, ...]" = ()
    parent: "Category | None" = None
    odd: complex | None = None

    @property
    def first(self) -> "Category":
        return self.children[0]


def test_a_struct_may_hold_its_own_kind_and_what_no_mapping_knows() -> None:
    tree = type_of(Category)

    assert isinstance(tree, Record)
    assert str(tree.fields["weight"].type) == "a floating number"
    assert str(tree.fields["odd"].type).startswith("what mappings do not know")
    assert tree.fields["first"].type is tree
