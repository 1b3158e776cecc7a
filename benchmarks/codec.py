"""How long a record takes to Avro and back: an order of three lines, and a captured row of stock.

.venv/bin/python -m benchmarks.codec
"""

import io
import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import fastavro

from bus.codec import Codecs
from bus.registry import MemoryRegistry
from schemas import topics
from schemas.canonical.address import Address
from schemas.canonical.order import Order, OrderLine
from schemas.systems.dynamics_gp.captured import ItemSiteRow

REPEATS = 7
CALLS = 3000


def main() -> None:
    """Print the median of several runs, and the fastest."""
    registry = MemoryRegistry()
    codecs = Codecs(registry)
    orders, rows = codecs.of(topics.ORDERS), codecs.captured(topics.GP_IV00102, ItemSiteRow)
    order = an_order()
    encoded, captured = orders.encode(order), a_captured_row(registry)
    print(f"order of three lines, {len(encoded)} bytes; captured row, {len(captured)} bytes")
    measure("encode order", lambda: orders.encode(order))
    measure("decode order", lambda: orders.decode(encoded))
    measure("decode captured row", lambda: rows.decode(captured))


def measure(what: str, call: Callable[[], object]) -> None:
    """Microseconds of processor time for one call; the clock would count other work on the machine."""
    runs = []
    for _ in range(REPEATS):
        started = time.process_time()
        for _ in range(CALLS):
            call()
        runs.append((time.process_time() - started) / CALLS * 1e6)
    print(f"{what:20} {statistics.median(runs):6.1f} us median  {min(runs):6.1f} us fastest")


def an_order() -> Order:
    """As most orders are: two addresses, three lines, some amounts zero."""
    address = Address(
        name="Ann Example", lines=("1 Main Street",), city="Springfield", postal_code="12345", country="US"
    )
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    lines = tuple(
        OrderLine(
            line_id=str(number),
            sku=f"SKU-{number}",
            description="A thing",
            quantity=Decimal(2),
            unit_price=Decimal("5.25"),
            extended=Decimal("10.50"),
        )
        for number in range(3)
    )
    return Order(
        id="clarity-main:1001",
        source_version=1,
        ordered_at=at,
        updated_at=at,
        connection="clarity-main",
        number="1001",
        state="open",
        currency="USD",
        billing=address,
        shipping=address,
        lines=lines,
        subtotal=Decimal("31.50"),
        tax=Decimal("2.52"),
        total=Decimal("34.02"),
    )


def a_captured_row(registry: MemoryRegistry) -> bytes:
    """An update of IV00102 as Debezium writes it."""
    schema = _envelope()
    row: dict[str, Any] = {"ITEMNMBR": "SKU-77".ljust(31), "LOCNCODE": "MAIN".ljust(11), "RCRDTYPE": 2}
    row |= {name: Decimal("12.00000") for name in ("QTYONHND", "ATYALLOC", "QTYONORD", "QTYBKORD")}
    source = {"name": "gp-two", "ts_ms": 1, "ts_us": 1000, "table": "IV00102", "snapshot": "false", "lsn": 9}
    out = io.BytesIO()
    out.write(b"\0" + registry.id_of("row", json.dumps(schema)).to_bytes(4, "big"))
    fastavro.schemaless_writer(
        out, fastavro.parse_schema(schema), {"before": row, "after": row, "source": source, "op": "u", "ts_ms": 1}
    )
    return out.getvalue()


def _envelope() -> dict[str, Any]:
    number = {"type": "bytes", "logicalType": "decimal", "precision": 19, "scale": 5}
    columns: list[dict[str, Any]] = [{"name": name, "type": "string"} for name in ("ITEMNMBR", "LOCNCODE")]
    columns.append({"name": "RCRDTYPE", "type": "int"})
    columns += [{"name": name, "type": number} for name in ("QTYONHND", "ATYALLOC", "QTYONORD", "QTYBKORD")]
    said: dict[str, str] = {"name": "string", "ts_ms": "long", "ts_us": "long", "table": "string", "snapshot": "string"}
    source = [{"name": name, "type": kind} for name, kind in (said | {"lsn": "long"}).items()]
    return {
        "type": "record",
        "name": "Envelope",
        "fields": [
            {"name": "before", "type": ["null", {"type": "record", "name": "Value", "fields": columns}]},
            {"name": "after", "type": ["null", "Value"]},
            {"name": "source", "type": {"type": "record", "name": "Source", "fields": source}},
            {"name": "op", "type": "string"},
            {"name": "ts_ms", "type": "long"},
        ],
    }


if __name__ == "__main__":
    main()
