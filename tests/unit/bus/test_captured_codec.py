"""Envelopes of change data capture: read with the writer's schema, padded texts trimmed, no-dates left out."""

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.captured_codec import CapturedCodec
from bus.registry import MemoryRegistry
from errors import DecodeError


class Row(msgspec.Struct, frozen=True, kw_only=True):
    SOPNUMBE: str
    SUBTOTAL: Decimal
    DOCDATE: date
    SHIPDATE: date | None = None
    CREATED: datetime | None = None
    MISSING: str = "default"
    NULLED: int = 3


COLUMNS: list[dict[str, Any]] = [
    {"name": "SOPNUMBE", "type": "string"},
    {
        "name": "SUBTOTAL",
        "type": {
            "type": "bytes",
            "logicalType": "decimal",
            "scale": 5,
            "precision": 19,
            "connect.name": "org.apache.kafka.connect.data.Decimal",
        },
    },
    {"name": "DOCDATE", "type": {"type": "int", "connect.name": "io.debezium.time.Date"}},
    {"name": "SHIPDATE", "type": ["null", {"type": "long", "connect.name": "io.debezium.time.MicroTimestamp"}]},
    {"name": "CREATED", "type": ["null", {"type": "long", "connect.name": "io.debezium.time.MicroTimestamp"}]},
    {"name": "NULLED", "type": ["null", "int"]},
    {"name": "UNKNOWN", "type": "string"},
]


def envelope(columns: list[dict[str, Any]] = COLUMNS) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "Envelope",
        "fields": [
            {
                "name": "before",
                "type": ["null", {"type": "record", "name": "Value", "fields": columns}],
                "default": None,
            },
            {"name": "after", "type": ["null", "Value"], "default": None},
            {
                "name": "source",
                "type": {
                    "type": "record",
                    "name": "Source",
                    "fields": [
                        {"name": "name", "type": "string"},
                        {"name": "ts_ms", "type": "long"},
                        {"name": "snapshot", "type": ["null", "string"]},
                        {"name": "table", "type": "string"},
                        {"name": "ts_us", "type": ["null", "long"]},
                        {"name": "lsn", "type": ["null", "long"]},
                        {"name": "txId", "type": ["null", "long"]},
                    ],
                },
            },
            {"name": "op", "type": "string"},
            {"name": "ts_ms", "type": ["null", "long"]},
        ],
    }


def row(**columns: Any) -> dict[str, Any]:
    return {
        "SOPNUMBE": "ORD1                 ",
        "SUBTOTAL": Decimal("12.50000"),
        "DOCDATE": 20_000,
        "SHIPDATE": None,
        "CREATED": None,
        "NULLED": None,
        "UNKNOWN": "ignored",
    } | columns


def written(registry: MemoryRegistry, schema: dict[str, Any], **said: Any) -> bytes:
    source = {"name": "gp-two", "ts_ms": 5, "snapshot": "false", "table": "SOP10100", "ts_us": 5001, "lsn": 77}
    source["txId"] = 91
    value = {"before": None, "after": row(), "op": "c", "ts_ms": 9, "source": source} | said
    out = io.BytesIO()
    out.write(b"\0" + registry.id_of("x", json.dumps(schema)).to_bytes(4, "big"))
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


def test_change_is_read_in_the_rows_own_types(registry: MemoryRegistry) -> None:
    codec = CapturedCodec("t", Row, registry)

    change = codec.decode(written(registry, envelope()))

    assert change is not None
    assert change.after == Row(SOPNUMBE="ORD1", SUBTOTAL=Decimal("12.5"), DOCDATE=date(2024, 10, 4))
    assert (change.before, change.op, change.connection, change.table) == (None, "c", "gp-two", "SOP10100")
    assert change.at == datetime(1970, 1, 1, 0, 0, 0, 5001, UTC)
    assert (change.snapshot, change.lsn, change.transaction) == (False, "77", "91")
    assert change.row is change.after


def test_date_that_means_none_is_none_where_the_field_may_be(registry: MemoryRegistry) -> None:
    codec = CapturedCodec("t", Row, registry)
    no_date = -2_208_988_800_000_000

    change = codec.decode(
        written(registry, envelope(), after=row(DOCDATE=-25_567, SHIPDATE=no_date, CREATED=no_date + 1))
    )

    assert change is not None
    assert change.after is not None
    assert (date(1900, 1, 1), None, None) == (change.after.DOCDATE, change.after.SHIPDATE, change.after.CREATED)


def test_deleted_row_is_what_it_was(registry: MemoryRegistry) -> None:
    change = CapturedCodec("t", Row, registry).decode(written(registry, envelope(), before=row(), after=None, op="d"))

    assert change is not None
    assert change.after is None
    assert change.row == change.before


def test_tombstone_is_none(registry: MemoryRegistry) -> None:
    assert CapturedCodec("t", Row, registry).decode(None) is None


def test_column_the_row_needs_and_the_table_lost_is_named(registry: MemoryRegistry) -> None:
    schema = envelope([column for column in COLUMNS if column["name"] != "SUBTOTAL"])

    with pytest.raises(DecodeError, match="SUBTOTAL"):
        CapturedCodec("t", Row, registry).decode(written(registry, schema))


def test_null_in_a_column_the_row_needs_is_named(registry: MemoryRegistry) -> None:
    columns = [{"name": "SOPNUMBE", "type": ["null", "string"]}, *COLUMNS[1:]]

    with pytest.raises(DecodeError, match="SOPNUMBE is null"):
        CapturedCodec("t", Row, registry).decode(written(registry, envelope(columns), after=row(SOPNUMBE=None)))


@given(data=st.binary(max_size=120))
def test_bytes_of_strangers_are_undecodable_and_nothing_worse(data: bytes) -> None:
    registry = MemoryRegistry()
    registry.id_of("x", json.dumps(envelope()))
    codec = CapturedCodec("t", Row, registry)
    for bytes_ in (data, b"\0\0\0\0\1" + data):
        try:
            codec.decode(bytes_)
        except DecodeError:
            continue


def test_columns_of_every_kind_are_what_fastavro_reads(registry: MemoryRegistry) -> None:
    scaled = {"type": "record", "name": "Scaled", "fields": [{"name": "scale", "type": "int"}]}
    kinds: dict[str, tuple[Any, Any]] = {
        "amount": ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, Decimal("0.00")),
        "other": ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, Decimal("-1.50")),
        "day": ({"type": "int", "logicalType": "date"}, date(2026, 3, 2)),
        "at": ({"type": "long", "logicalType": "timestamp-millis"}, datetime(2026, 3, 2, 16, tzinfo=UTC)),
        "parts": ({"type": "array", "items": ["null", scaled]}, [None, {"scale": 3}]),
        "by_name": ({"type": "map", "values": "double"}, {"a": 0.5}),
        "kind": ({"type": "enum", "name": "Kind", "symbols": ["A", "B"]}, "B"),
        "some": (["null", "boolean"], True),
    }
    columns = [{"name": name, "type": kind} for name, (kind, _) in kinds.items()]
    values = {name: value for name, (_, value) in kinds.items()}
    row_type = msgspec.defstruct("AnyRow", [(name, Any) for name in kinds])

    change = CapturedCodec("t", row_type, registry).decode(written(registry, envelope(columns), after=values))

    assert change is not None
    assert repr(msgspec.structs.asdict(change.after)) == repr(values)  # type: ignore[arg-type]  # made up here


def test_decimal_of_more_bytes_than_its_type_has_digits_is_undecodable(registry: MemoryRegistry) -> None:
    wire = json.loads(json.dumps(envelope()).replace('"logicalType": "decimal", ', ""))
    long = written(registry, wire, after=row(SUBTOTAL=b"\1" * 20))
    said = registry.id_of("y", json.dumps(envelope()))

    with pytest.raises(DecodeError, match="beyond 19 digits"):
        CapturedCodec("t", Row, registry).decode(b"\0" + said.to_bytes(4, "big") + long[5:])


def test_envelope_that_does_not_tell_its_connection_is_none(registry: MemoryRegistry) -> None:
    whole = envelope()
    nameless = json.loads(json.dumps(whole).replace('{"name": "name", "type": "string"}, ', "", 1))
    assert nameless != whole

    with pytest.raises(DecodeError, match="no field `name`"):
        CapturedCodec("t", Row, registry).decode(written(registry, nameless))


def test_text_column_of_a_logical_type_is_its_text(registry: MemoryRegistry) -> None:
    id_ = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    columns = [{"name": "SOPNUMBE", "type": {"type": "string", "logicalType": "uuid"}}, *COLUMNS[1:]]

    change = CapturedCodec("t", Row, registry).decode(written(registry, envelope(columns), after=row(SOPNUMBE=id_)))

    assert change is not None
    assert change.row is not None
    assert id_ == change.row.SOPNUMBE


def test_decimal_of_more_than_a_hundred_digits_is_read_exactly(registry: MemoryRegistry) -> None:
    kind = {"type": "bytes", "logicalType": "decimal", "precision": 130, "scale": 5}
    columns = [COLUMNS[0], {"name": "SUBTOTAL", "type": kind}, *COLUMNS[2:]]
    wide = Decimal("9" * 125 + ".99999")

    change = CapturedCodec("t", Row, registry).decode(written(registry, envelope(columns), after=row(SUBTOTAL=wide)))

    assert change is not None
    assert change.row is not None
    assert wide == change.row.SUBTOTAL
