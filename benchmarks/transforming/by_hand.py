"""The work of every contender without a mapping language: bytes in, the same mapping on plain dicts, bytes out.

Imports nothing of the bus, so that it runs in the peers' environment as well.
"""

import io
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import fastavro

HERE: Final = Path(__file__).parent
#: In the wire format: a zero and the schema's id in four bytes.
SOURCE_HEADER: Final = b"\0\0\0\0\1"
TARGET_HEADER: Final = b"\0\0\0\0\2"

STORE_ORDER: Final = fastavro.parse_schema(json.loads((HERE / "store_order.avsc").read_text()))
PLACED_ORDER: Final = fastavro.parse_schema(json.loads((HERE / "placed_order.avsc").read_text()))
#: The bus's own envelope of a document read whole.
FETCHED: Final = fastavro.parse_schema(
    json.loads((HERE.parent.parent / "schemas" / "bus" / "fetched.avsc").read_text())
)
CENT: Final = Decimal("0.01")
AMOUNTS: Final = ("shipping", "tax", "total")
LINE_AMOUNTS: Final = ("quantity", "price")

Transform = Callable[[bytes], bytes]


def transform_of(form: str) -> Transform:
    """The whole way of a record's bytes; `form` is that of the source: `avro` or `json`."""
    return {"avro": from_avro, "json": from_json}[form]


def from_avro(value: bytes) -> bytes:
    """An Avro order."""
    return encoded(placed(_read(value, STORE_ORDER)))


def from_json(value: bytes) -> bytes:
    """An Avro envelope with an order as JSON."""
    order = json.loads(_read(value, FETCHED)["body"])
    order["placed_at"] = datetime.fromisoformat(order["placed_at"])
    for name in AMOUNTS:
        order[name] = Decimal(order[name])
    for line in order["lines"]:
        for name in LINE_AMOUNTS:
            line[name] = Decimal(line[name])
    return encoded(placed(order))


def placed(order: dict[str, Any]) -> dict[str, Any]:
    """The mapping; as `order.yaml` says it."""
    lines = []
    subtotal = Decimal(0)
    for line in order["lines"]:
        quantity, price = line["quantity"], line["price"]
        if not line["sku"]:
            raise ValueError("lines.sku: missing")
        if quantity <= 0:
            raise ValueError(f"lines.quantity: {quantity} is not positive")
        extended = (quantity * price).quantize(CENT)
        subtotal += extended
        lines.append(
            {
                "sku": line["sku"],
                "description": line["name"].strip(),
                "quantity": quantity,
                "unit_price": price,
                "extended": extended,
            }
        )
    if not lines:
        raise ValueError("lines: the order has no lines")
    if subtotal + order["shipping"] + order["tax"] != order["total"]:
        raise ValueError("total: parts do not add up")
    return {
        "id": f"{order['connection']}:{order['number']}",
        "source_version": order["source_version"],
        "ordered_at": order["placed_at"],
        "number": order["number"],
        "currency": order["currency"].upper(),
        "customer_name": order["customer_name"].strip(),
        "customer_email": order["customer_email"],
        "purchase_order": order["purchase_order"].strip(),
        "lines": lines,
        "subtotal": subtotal,
        "shipping": order["shipping"],
        "tax": order["tax"],
        "total": order["total"],
        "note": order["note"].strip(),
    }


def encoded(order: dict[str, Any]) -> bytes:
    """As it lies on the target topic."""
    out = io.BytesIO()
    out.write(TARGET_HEADER)
    fastavro.schemaless_writer(out, PLACED_ORDER, order)
    return out.getvalue()


def decoded(value: bytes) -> dict[str, Any]:
    """What lies on the target topic."""
    assert value.startswith(TARGET_HEADER), value[:5]
    return _read(value, PLACED_ORDER)


def _read(value: bytes, schema: Any) -> dict[str, Any]:
    body = io.BytesIO(value)
    body.seek(len(SOURCE_HEADER))
    found: dict[str, Any] = fastavro.schemaless_reader(body, schema, None)  # type: ignore[assignment,unused-ignore]
    return found
