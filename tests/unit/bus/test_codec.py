"""Records to Avro and back: exactly, or refused by name; bytes of strangers are never more than undecodable."""

import contextlib
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect as types

from bus.codec import Codec, Codecs
from bus.registry import MemoryRegistry
from errors import ConfigurationError, DecodeError, MappingError
from schemas import topics
from schemas.bus.change import Cause, Change
from schemas.canonical.address import Address
from schemas.canonical.order import Order, OrderLine
from schemas.topics import TOPICS, Topic, avro_schema

OURS = [topic for topic in TOPICS if topic.record is not None]
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def order(**fields: Any) -> Order:
    given: dict[str, Any] = {"id": "shop:1", "source_version": 1, "ordered_at": NOON, "updated_at": NOON}
    return Order(**(given | fields))


def values(kind: types.Type) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one for each type
    match kind:
        case types.Metadata(extra={"precision": int(precision), "scale": int(scale)}):
            most = 10**precision - 1
            return st.integers(-most, most).map(lambda number: Decimal(f"{number}E-{scale}"))
        case types.StrType():
            return st.text(max_size=20)
        case types.BoolType():
            return st.booleans()
        case types.IntType():
            return st.integers(-(2**63), 2**63 - 1)
        case types.BytesType():
            return st.binary(max_size=30)
        case types.DateTimeType():
            return st.datetimes(min_value=datetime(1601, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware
        case types.StructType():
            return records(kind.cls)
        case types.VarTupleType():
            return st.lists(values(kind.item_type), max_size=3).map(tuple)
        case types.DictType():
            return st.dictionaries(st.text(max_size=5), values(kind.value_type), max_size=3)
        case types.UnionType():
            return st.one_of([st.none() if isinstance(part, types.NoneType) else values(part) for part in kind.types])
        case _:
            raise TypeError(kind)


def records(record: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {field.name: values(types.type_info(field.type)) for field in msgspec.structs.fields(record)}
    ).map(lambda given: record(**given))


@pytest.fixture(scope="module")
def codecs() -> Codecs:
    return Codecs(MemoryRegistry())


@pytest.mark.parametrize("topic", OURS, ids=lambda topic: topic.name)
@given(data=st.data())
def test_every_record_comes_back_as_it_went(topic: Topic, codecs: Codecs, data: st.DataObject) -> None:
    assert topic.record is not None
    record = data.draw(records(topic.record))
    codec = codecs.of(topic)

    assert codec.decode(codec.encode(record)) == record


@given(data=st.binary(max_size=200))
def test_bytes_of_strangers_are_undecodable_and_nothing_worse(codecs: Codecs, data: bytes) -> None:
    codec = codecs.of(topics.ORDERS)
    for bytes_ in (data, b"\0\0\0\0\1" + data):
        try:
            codec.decode(bytes_)
        except DecodeError:
            continue


@given(at=st.integers(0, 400), to=st.binary(min_size=1, max_size=4))
def test_spoilt_records_are_undecodable_and_nothing_worse(codecs: Codecs, at: int, to: bytes) -> None:
    codec = codecs.of(topics.ORDERS)
    whole = codec.encode(order(lines=(OrderLine(sku="A", quantity=Decimal(2)),), custom={"a": "b"}))
    spoilt = whole[: at % len(whole)] + to + whole[at % len(whole) + len(to) :]
    with contextlib.suppress(DecodeError):
        codec.decode(spoilt)


@given(st.integers(1, 400))
def test_cut_record_is_undecodable(codecs: Codecs, length: int) -> None:
    codec = codecs.of(topics.ORDERS)
    whole = codec.encode(order(number="1001"))

    with pytest.raises(DecodeError):
        codec.decode(whole[: -(length % len(whole)) or 0])


def test_tombstone_is_undecodable_as_a_record(codecs: Codecs) -> None:
    with pytest.raises(DecodeError):
        codecs.of(topics.ORDERS).decode(None)


def test_bytes_after_the_record_are_undecodable(codecs: Codecs) -> None:
    codec = codecs.of(topics.ORDERS)

    with pytest.raises(DecodeError, match="left after"):
        codec.decode(codec.encode(order()) + b"\0")


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        ("0.000001", "more than 5 decimals"),
        ("100000000000000", "more than 14 digits"),
        ("99999999999999.999999", "more than 5 decimals"),
        ("0.12345678901234567890123456789012345678901", "more than 5 decimals"),
        ("1234567890123456789012345678901234567890", "more than 14 digits"),
        ("NaN", "not a number"),
        ("Infinity", "not a number"),
        ("1E+40000", "more than 14 digits"),
    ],
)
def test_amount_that_does_not_fit_is_refused_by_field(codecs: Codecs, amount: str, told: str) -> None:
    with pytest.raises(MappingError) as refused:
        codecs.of(topics.ORDERS).encode(order(total=Decimal(amount)))

    assert refused.value.field == "total"
    assert told in refused.value.reason


@pytest.mark.parametrize("amount", ["99999999999999.99999", "-99999999999999.99999", "0.00001", "-0.00001", "0"])
def test_amount_at_the_edge_fits(codecs: Codecs, amount: str) -> None:
    codec = codecs.of(topics.ORDERS)

    assert codec.decode(codec.encode(order(total=Decimal(amount)))).total == Decimal(amount)


def test_amount_that_is_no_decimal_is_refused(codecs: Codecs) -> None:
    # remembered, and equal to one of the wrong ones
    codecs.of(topics.ORDERS).encode(order(total=Decimal("1.5")))

    for wrong in (None, "", "12", 1.5):
        with pytest.raises(MappingError):
            codecs.of(topics.ORDERS).encode(order(total=wrong))


def test_time_of_another_zone_is_the_same_moment(codecs: Codecs) -> None:
    codec = codecs.of(topics.ORDERS)
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))

    back = codec.decode(codec.encode(order(ordered_at=there)))

    assert back.ordered_at == NOON
    assert back.ordered_at.tzinfo is UTC


def test_time_without_a_zone_is_refused(codecs: Codecs) -> None:
    with pytest.raises(MappingError) as refused:
        codecs.of(topics.ORDERS).encode(order(updated_at=NOON.replace(tzinfo=None)))

    assert refused.value.field == "updated_at"


def test_value_of_the_wrong_type_is_refused_by_field(codecs: Codecs) -> None:
    with pytest.raises(MappingError) as refused:
        codecs.of(topics.ORDERS).encode(order(lines=(OrderLine(sku=7),)))  # type: ignore[arg-type]  # that is the point

    assert refused.value.field == "lines[1].sku"


def test_enum_is_written_as_its_text(codecs: Codecs) -> None:
    codec = codecs.of(topics.CLARITY_CHANGES)
    change = Change(connection="shop", record="order", id="1", noticed_at=NOON, cause=Cause.WEBHOOK)

    assert codec.decode(codec.encode(change)).cause == "webhook"


def test_record_of_an_older_writer_is_read_with_defaults() -> None:
    registry = MemoryRegistry()
    older = json.loads(avro_schema(Order))
    address = next(field for field in older["fields"] if field["name"] == "billing")["type"]
    older["fields"] = [
        field for field in older["fields"] if field["name"] not in {"note", "custom", "handling_amount", "billing"}
    ]
    next(field for field in older["fields"] if field["name"] == "shipping").update(type=address)
    older_id = registry.id_of("canonical.orders.v1-value", json.dumps(older))
    codec = Codecs(registry).of(topics.ORDERS)
    whole = msgspec.structs.asdict(order(number="7", total=Decimal("3.50000")))

    back = codec.decode(written(older, older_id, whole))

    assert (back.number, back.total, back.note, back.custom) == ("7", Decimal("3.5"), "", {})
    assert (back.handling_amount, back.billing) == (Decimal(0), Address())


def test_nested_record_of_an_older_writer_is_read_with_defaults() -> None:
    registry = MemoryRegistry()
    text = avro_schema(Order)
    older = json.loads(text)
    line = next(field for field in older["fields"] if field["name"] == "lines")["type"]["items"]
    line["fields"] = [field for field in line["fields"] if field["name"] not in {"tax", "site"}]
    older_id = registry.id_of("x", json.dumps(older))
    codec = Codecs(registry).of(topics.ORDERS)
    lines = [msgspec.structs.asdict(OrderLine(sku="A", quantity=Decimal("2.00000")))]

    back = codec.decode(written(older, older_id, msgspec.structs.asdict(order()) | {"lines": lines}))

    assert back.lines == (OrderLine(sku="A", quantity=Decimal(2)),)


def test_record_of_a_newer_writer_is_read_without_what_is_new() -> None:
    registry = MemoryRegistry()
    newer = json.loads(avro_schema(Order))
    newer["fields"].append({"name": "gift_wrap", "type": "string", "default": ""})
    newer_id = registry.id_of("x", json.dumps(newer))
    codec = Codecs(registry).of(topics.ORDERS)

    back = codec.decode(written(newer, newer_id, msgspec.structs.asdict(order(number="7")) | {"gift_wrap": "yes"}))

    assert back == order(number="7")


def test_writer_with_another_scale_is_undecodable_and_not_misread() -> None:
    registry = MemoryRegistry()
    other = json.loads(avro_schema(Order).replace('"scale": 5', '"scale": 2'))
    other_id = registry.id_of("x", json.dumps(other))
    codec = Codecs(registry).of(topics.ORDERS)

    with pytest.raises(DecodeError, match="decimal"):
        codec.decode(written(other, other_id, msgspec.structs.asdict(order(total=Decimal("3.50")))))


def test_unknown_schema_id_is_undecodable(codecs: Codecs) -> None:
    with pytest.raises(DecodeError, match="schema id 77"):
        codecs.of(topics.ORDERS).decode(b"\0\0\0\0\x4d" + b"x")


def test_topic_without_a_record_of_ours_has_no_codec(codecs: Codecs) -> None:
    with pytest.raises(ConfigurationError):
        codecs.of(topics.GP_IV00102)


def test_codec_is_made_once(codecs: Codecs) -> None:
    assert isinstance(codecs.of(topics.ORDERS), Codec)
    assert codecs.of(topics.ORDERS) is codecs.of(topics.ORDERS)


def written(schema: Any, schema_id: int, record: dict[str, Any]) -> bytes:
    """As another library would write it, with its own handling of logical types."""
    out = io.BytesIO()
    out.write(b"\0" + schema_id.to_bytes(4, "big"))
    plain = record | {
        "billing": msgspec.structs.asdict(record["billing"]),
        "shipping": msgspec.structs.asdict(record["shipping"]),
    }
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), plain)
    return out.getvalue()
