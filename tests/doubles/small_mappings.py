"""Small mappings to try the language with: a shop's order, told by an Avro schema."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from mapping import runtime
from mapping.avro import from_avro
from mapping.checker import Checker
from mapping.data import DataMapping
from mapping.expressions import Parsed
from mapping.port import Lookups
from mapping.records import Records
from mapping.scope import Scope, code_of
from mapping.shapes import Instant, Record
from mapping.signatures import library

NOW = datetime(2026, 3, 2, 16, tzinfo=UTC)


FUNCTIONS = library()


def _amount(scale: int = 5) -> dict[str, object]:
    return {"type": "bytes", "logicalType": "decimal", "precision": 19, "scale": scale}


def _record(name: str, /, **fields: object) -> dict[str, object]:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": kind} for key, kind in fields.items()]}


SHOP = _record(
    "ShopOrder",
    id="long",
    number="string",
    status={"type": "enum", "name": "Status", "symbols": ["new", "paid", "void"]},
    note=["null", "string"],
    discount=["null", _amount()],
    total=_amount(),
    rate=_amount(10),
    ordered={"type": "long", "logicalType": "timestamp-micros"},
    buyer=[
        "null",
        _record("Buyer", name="string", phone=["null", "string"], home=["null", _record("Home", city="string")]),
    ],
    lines={
        "type": "array",
        "items": _record(
            "Line", sku="string", quantity="long", price=_amount(), tags={"type": "array", "items": "string"}
        ),
    },
    extra={"type": "map", "values": "string"},
)
_LINE = _record("ErpLine", item="string", amount=_amount(2))
ERP: dict[str, object] = {
    "type": "record",
    "name": "ErpOrder",
    "fields": [
        {"name": "key", "type": "string"},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["open", "closed"]}, "default": "open"},
        {"name": "amount", "type": _amount(2), "default": "\u0000"},
        {"name": "whole", "type": "long", "default": 0},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}], "default": None},
        {"name": "lines", "type": {"type": "array", "items": _LINE}, "default": []},
        {"name": "texts", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "more", "type": {"type": "map", "values": "string"}, "default": {}},
        {"name": "home", "type": ["null", _record("ErpHome", city="string")], "default": None},
    ],
}

ORDER: dict[str, Any] = {
    "id": 7,
    "number": " W-7 ",
    "status": "paid",
    "note": None,
    "discount": None,
    "total": Decimal("20.00"),
    "rate": Decimal("1.25"),
    "ordered": NOW,
    "buyer": {"name": "Ada", "phone": None, "home": {"city": "Austin"}},
    "lines": [
        {"sku": "A", "quantity": 2, "price": Decimal("5.00"), "tags": ["x", "y"]},
        {"sku": "B", "quantity": 1, "price": Decimal("8.00"), "tags": []},
        {"sku": "A", "quantity": 3, "price": Decimal("1.00"), "tags": ["x"]},
    ],
    "extra": {"gift": "yes"},
}


def records() -> Records:
    """Both records by name."""
    shop, erp = from_avro(SHOP), from_avro(ERP)
    assert isinstance(shop, Record)
    assert isinstance(erp, Record)
    return Records({"shop.Order": shop, "erp.Order": erp})


def mapping(text: str, **rules: Any) -> DataMapping:
    """A mapping of the shop's order; what is not said of its head stands there already."""
    head = "" if "mapping:" in text else "mapping: try/it\nversion: 1\nfrom: {order: shop.Order}\nto: erp.Order\n"
    if "key:" not in text:
        text = re.sub(r"^fields:\n", "fields:\n  key: order.number\n", text, count=1, flags=re.MULTILINE)
        text = re.sub(r"^fields: {", "fields: {key: order.number, ", text, count=1, flags=re.MULTILINE)
    return DataMapping((head + text).encode(), "it.yaml", rules=rules, records=records())


def mapped(text: str, order: dict[str, Any] | None = None, lookups: Lookups | None = None) -> dict[str, Any]:
    """What comes of the order."""
    made: dict[str, Any] = mapping(text)({**ORDER, **(order or {})}, lookups or Lookups({}), NOW)
    return made


def worth(expression: str, order: dict[str, Any] | None = None, lookups: Lookups | None = None) -> Any:
    """What one expression is worth."""
    checker = Checker(FUNCTIONS, frozenset({"items"}))
    typed = checker.check(Parsed(expression), scope())
    code = f"def worth(order, _lookups, now, _steps):\n    return {code_of(typed)}"
    called = {name: function.call for name, function in checker.called.items()}
    space: dict[str, Any] = {"__builtins__": {}, **runtime.NAMES, **checker.constants, **called}
    exec(code, space)  # noqa: S102 - what the checker made
    return space["worth"]({**ORDER, **(order or {})}, lookups or Lookups({}), NOW, runtime.Steps())


def scope() -> Scope:
    """The order under its name."""
    return Scope(variables={"order": records().type_named("shop.Order"), "now": Instant()}, parts=frozenset({"order"}))
