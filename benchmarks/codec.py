"""How long does a record take to Avro and back, ours beside fastavro? Writes benchmarks/results/codec.json.

Usage: python -m benchmarks.codec [--quick]
An order of three lines and a captured row of stock, record to bytes and bytes to record in one process. fastavro reads
and writes dicts with their logical types, msgspec turns those into the record and back, both compiled C. As amounts
repeat in a store's orders ours remembers them; the contenders named `no amount twice` never meet one it knows.
"""

import io
import json
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import cycle
from random import Random
from typing import Any

import fastavro
import msgspec

from benchmarks.harness.question import ask, environment
from benchmarks.harness.result import CPU_US_PER_EVENT, EVENTS_PER_S, Figures, Result, ratio, spreads, tell
from benchmarks.harness.rounds import Run, rounds
from bus.codec import Codecs
from bus.registry import MemoryRegistry
from bus.wire import HEADER
from schemas import topics
from schemas.canonical.address import Address
from schemas.canonical.order import Order, OrderLine
from schemas.systems.dynamics_gp.captured import ItemSiteRow
from schemas.topics import avro_schema

CALLS = 4000
QUICK_CALLS = 500
#: So many orders that none of their amounts is remembered when its turn comes again.
ORDERS = 3000


def main() -> int:
    """Ask, and write the answer down."""
    asked = ask(__doc__)
    registry = MemoryRegistry()
    codecs = Codecs(registry)
    orders, rows = codecs.of(topics.ORDERS), codecs.captured(topics.GP_IV00102, ItemSiteRow)
    order, row = an_order(), a_captured_row(registry)
    random = Random(1)
    others = [another(order, random) for _ in range(ORDERS)]
    schema = fastavro.parse_schema(json.loads(avro_schema(Order)))
    envelope = fastavro.parse_schema(_envelope())
    encoded = orders.encode(order)
    assert encoded[HEADER:] == written(schema, order)
    assert orders.decode(encoded) == msgspec.convert(read(schema, encoded), Order) == order
    calls = QUICK_CALLS if asked.quick else CALLS
    work: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = {
        "order to bytes, ours": (orders.encode, [order]),
        "order to bytes, ours, no amount twice": (orders.encode, others),
        "order to bytes, fastavro": (partial(written, schema), [order]),
        "bytes to order, ours": (orders.decode, [encoded]),
        "bytes to order, ours, no amount twice": (orders.decode, [orders.encode(each) for each in others]),
        "bytes to order, fastavro": (lambda data: msgspec.convert(read(schema, data), Order), [encoded]),
        "bytes to row, ours": (rows.decode, [row]),
        "bytes to dict of a row, fastavro": (partial(read, envelope), [row]),
    }
    runs: dict[str, Run] = {name: partial(run, do, given, calls) for name, (do, given) in work.items()}
    found = rounds(runs, asked.repeats)
    result = Result(
        environment=environment("codec", asked, "fastavro", "msgspec", order_bytes=len(encoded), row_bytes=len(row)),
        contenders=spreads(found),
        ratios={
            f"{name} / {to}": ratio(found, name, to)
            for name, to in (
                ("order to bytes, ours", "order to bytes, fastavro"),
                ("order to bytes, ours, no amount twice", "order to bytes, fastavro"),
                ("bytes to order, ours", "bytes to order, fastavro"),
                ("bytes to order, ours, no amount twice", "bytes to order, fastavro"),
                ("bytes to row, ours", "bytes to dict of a row, fastavro"),
            )
        },
    )
    return tell("codec", result, kept=asked.kept)


def run(do: Callable[[Any], object], given: Sequence[Any], calls: int) -> Figures:
    """Of so many calls, by processor time; the clock would count other work on the machine."""
    turns = cycle(given)
    begun = time.process_time()
    for _ in range(calls):
        do(next(turns))
    took_s = time.process_time() - begun
    return {EVENTS_PER_S: calls / took_s, CPU_US_PER_EVENT: took_s / calls * 1e6}


def written(schema: Any, order: Order) -> bytes:
    """By fastavro, from a dict."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, msgspec.to_builtins(order, builtin_types=(Decimal, datetime, bytes)))
    return out.getvalue()


def read(schema: Any, data: bytes) -> Any:
    """By fastavro, to a dict."""
    body = io.BytesIO(data)
    body.seek(HEADER)
    return fastavro.schemaless_reader(body, schema, None)


def another(order: Order, random: Random) -> Order:
    """The same with amounts of its own."""

    def amount() -> Decimal:
        return Decimal(f"{random.randrange(10**9)}E-5")

    lines = tuple(
        msgspec.structs.replace(line, quantity=amount(), unit_price=amount(), extended=amount()) for line in order.lines
    )
    return msgspec.structs.replace(order, lines=lines, subtotal=amount(), tax=amount(), total=amount())


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
    sys.exit(main())
