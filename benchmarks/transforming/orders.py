"""The orders all contenders are given: made of their number alone, so that anybody can say what must come of one."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import fastavro

from benchmarks.transforming.by_hand import FETCHED, SOURCE_HEADER, STORE_ORDER

#: What a line is called in an order of many lines, as these are the long ones: a line is then about a hundred bytes.
LONG: Final = ", dotted, recycled paper, thread-bound, with an elastic band and a pocket"
START: Final = datetime(2026, 11, 21, 8, tzinfo=UTC)
CONNECTION: Final = "store-main"


def order(number: int, lines: int) -> dict[str, Any]:
    """One order of so many lines."""
    more = LONG if lines > 3 else ""
    ordered: list[dict[str, Any]] = [
        {
            "sku": f"TP-{1000 + (number + at) % 900}",
            "name": f"Field notebook, {12 + at % 80} pages{more}",
            "quantity": Decimal(1 + (number + at) % 4),
            "price": Decimal(495 + 10 * (at % 90)).scaleb(-2),
        }
        for at in range(lines)
    ]
    subtotal = sum((line["quantity"] * line["price"] for line in ordered), Decimal(0))
    shipping, tax = Decimal("7.95"), (subtotal * 8 / 100).quantize(Decimal("0.01"))
    return {
        "connection": CONNECTION,
        "number": str(1_000_000 + number),
        "source_version": 639_000_000_000_000_000 + number,
        "placed_at": START + timedelta(milliseconds=number),
        "currency": "usd",
        "customer_name": " Ann Example ",
        "customer_email": f"ann.{number % 5000}@shop.example",
        "purchase_order": f"PO-{number % 9000}",
        "lines": ordered,
        "shipping": shipping,
        "tax": tax,
        "total": subtotal + shipping + tax,
        "note": "Leave it with the neighbour at number 12 if nobody answers the door, and ring twice, please.",
    }


def key_of(number: int) -> bytes:
    """Its key on both topics."""
    return f"{CONNECTION}:{1_000_000 + number}".encode()


def number_of(key: bytes) -> int:
    """The other way."""
    return int(key.rpartition(b":")[2]) - 1_000_000


def value_of(number: int, lines: int, form: str) -> bytes:
    """As it lies on the source topic; `form` is `avro` or `json`."""
    made = order(number, lines)
    out = io.BytesIO()
    out.write(SOURCE_HEADER)
    if form == "avro":
        fastavro.schemaless_writer(out, STORE_ORDER, made)
    else:
        envelope = {
            "connection": made["connection"],
            "id": made["number"],
            "read_at": made["placed_at"],
            "source_version": made["source_version"],
            "media_type": "application/json",
            "body": json.dumps(made, default=_as_text).encode(),
        }
        fastavro.schemaless_writer(out, FETCHED, envelope)
    return out.getvalue()


def records(count: int, lines: int, form: str, keys: int) -> Iterator[tuple[bytes, bytes]]:
    """So many keys and values, of so many different orders at most, spread over all the numbers there are."""
    for at in range(count):
        number = at % keys if keys < count else at * keys // count
        yield key_of(number), value_of(number, lines, form)


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else f"{value}"
