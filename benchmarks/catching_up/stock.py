"""Waiting rows of stock, as Debezium writes them, and the canonical records that must come of them.

Made of their number alone. The second half of the module is the whole way of a record's bytes on plain dicts.
"""

import io
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import fastavro

from benchmarks.apart.bus import ERP

HEADER_BYTES: Final = 5
KEYS: Final = 100_000
#: Where one item lies.
SITES: Final = ("MAIN", "NORTH")
#: 2026-11-21 08:00 UTC, in microseconds.
START_US: Final = 1_795_248_000_000_000


def _envelope() -> dict[str, Any]:
    number = {"type": "bytes", "logicalType": "decimal", "precision": 19, "scale": 5}
    columns: list[dict[str, Any]] = [{"name": name, "type": "string"} for name in ("ITEMNMBR", "LOCNCODE")]
    columns.append({"name": "RCRDTYPE", "type": "int"})
    columns += [{"name": name, "type": number} for name in ("QTYONHND", "ATYALLOC", "QTYONORD", "QTYBKORD")]
    said = {"name": "string", "ts_ms": "long", "ts_us": "long", "table": "string", "snapshot": "string", "lsn": "long"}
    source = [{"name": name, "type": kind} for name, kind in said.items()]
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


ENVELOPE: Final = json.dumps(_envelope())
LEVEL: Final = (Path(__file__).parents[2] / "schemas" / "canonical" / "inventory_level.avsc").read_text()
_ENVELOPE: Final = fastavro.parse_schema(_envelope())
_LEVEL: Final = fastavro.parse_schema(json.loads(LEVEL))


def header(schema_id: int) -> bytes:
    """Of the wire format."""
    return b"\0" + schema_id.to_bytes(4, "big")


def records(count: int, begin: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of the first so many changes; `begin` is the header of their schema."""
    return ((_key(number), _value(number, begin)) for number in range(count))


def level_of(value: bytes, timestamp_ms: int, begin: bytes) -> tuple[bytes, bytes]:
    """Key and value of what must come of a row; the mapping as `streams/inventory_levels` says it."""
    body = io.BytesIO(value)
    body.seek(HEADER_BYTES)
    change: Any = fastavro.schemaless_reader(body, _ENVELOPE, None)
    row, source = change["after"], change["source"]
    if row is None or row["RCRDTYPE"] != 2:
        raise ValueError("not of one site")
    item, site = row["ITEMNMBR"].strip(), row["LOCNCODE"].strip()
    id_ = f"{source['name']}:{item}@{site}"
    out = io.BytesIO()
    out.write(begin)
    level = {
        "id": id_,
        "source_version": timestamp_ms * 1000,
        "occurred_at": source["ts_us"],
        "connection": source["name"],
        "sku": item,
        "site": site,
        "on_hand": row["QTYONHND"],
        "allocated": row["ATYALLOC"],
        "on_order": row["QTYONORD"],
        "back_ordered": row["QTYBKORD"],
    }
    fastavro.schemaless_writer(out, _LEVEL, level)
    return id_.encode(), out.getvalue()


def _key(number: int) -> bytes:
    shelf = number % KEYS
    return f"{ERP}:SKU-{shelf // len(SITES)}@{SITES[shelf % len(SITES)]}".encode()


def _value(number: int, begin: bytes) -> bytes:
    shelf = number % KEYS
    row = {
        "ITEMNMBR": f"SKU-{shelf // len(SITES)}".ljust(31),
        "LOCNCODE": SITES[shelf % len(SITES)].ljust(11),
        "RCRDTYPE": 2,
        "QTYONHND": Decimal(number % 1000).scaleb(0),
        "ATYALLOC": Decimal(number % 7),
        "QTYONORD": Decimal(0),
        "QTYBKORD": Decimal(0),
    }
    at_us = START_US + number * 1000
    source = {
        "name": ERP,
        "ts_ms": at_us // 1000,
        "ts_us": at_us,
        "table": "IV00102",
        "snapshot": "false",
        "lsn": number,
    }
    out = io.BytesIO()
    out.write(begin)
    change = {"before": row, "after": row, "source": source, "op": "u", "ts_ms": at_us // 1000}
    fastavro.schemaless_writer(out, _ENVELOPE, change)
    return out.getvalue()
