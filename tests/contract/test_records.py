"""Records agree with their schemas; every topic has examples, and they decode, map, and come out as written down."""

import json
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from msgspec import inspect

from bus import settings
from bus.codec import Codecs
from bus.registry import MemoryRegistry
from operations import mapping_cases
from operations.mapping_files import Known, ours
from producers import routes as producer_routes
from schemas import topics
from schemas.bus.fetched import Fetched
from schemas.canonical.goods_return import Return
from schemas.canonical.invoice import Invoice
from schemas.canonical.order import Order
from schemas.canonical.payment import Payment
from schemas.topics import Topic, avro_schema
from streams import routes

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "schemas" / "examples"
DESCRIBED = topics.TOPICS + topics.TO_COME
RECORDS = sorted({topic.record for topic in DESCRIBED if topic.record is not None}, key=lambda record: record.__name__)


R = TypeVar("R", bound=msgspec.Struct)


def examples(topic: Topic) -> list[Path]:
    return sorted((EXAMPLES / topic.name).glob("*.json"))


def avro_type(kind: inspect.Type, namespace: str, seen: set[type]) -> Any:  # noqa: PLR0911 - one for each type
    match kind:
        case inspect.StrType():
            return "string"
        case inspect.BoolType():
            return "boolean"
        case inspect.IntType():
            return "long"
        case inspect.BytesType():
            return "bytes"
        case inspect.DateTimeType():
            return {"type": "long", "logicalType": "timestamp-micros"}
        case inspect.Metadata(extra={"precision": precision, "scale": scale}):
            return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
        case inspect.VarTupleType(item_type=item):
            return {"type": "array", "items": avro_type(item, namespace, seen)}
        case inspect.DictType(value_type=value):
            return {"type": "map", "values": avro_type(value, namespace, seen)}
        case inspect.UnionType(types=types):
            return ["null", *(avro_type(t, namespace, seen) for t in types if not isinstance(t, inspect.NoneType))]
        case inspect.StructType(cls=record):
            return f"{namespace}.{record.__name__}" if record in seen else avro_record(record, namespace, seen)
    raise AssertionError(f"no Avro type for {kind}")


def avro_record(record: type[msgspec.Struct], namespace: str, seen: set[type]) -> dict[str, Any]:
    seen.add(record)
    kind = inspect.type_info(record)
    assert isinstance(kind, inspect.StructType)
    fields = []
    for field in kind.fields:
        described = {"name": field.name, "type": avro_type(field.type, namespace, seen)}
        default = field.default_factory() if callable(field.default_factory) else field.default
        if default is not msgspec.NODEFAULT:
            described["default"] = avro_default(default)
        fields.append(described)
    return {"type": "record", "name": record.__name__, "namespace": namespace, "fields": fields}


def avro_default(value: Any) -> Any:
    match value:
        case Decimal():
            return "\u0000"
        case bytes():
            return value.decode("latin-1")
        case tuple():
            return [avro_default(item) for item in value]
        case msgspec.Struct():
            return {name: avro_default(part) for name, part in msgspec.structs.asdict(value).items()}
    return value


def without_docs(schema: Any) -> Any:
    match schema:
        case dict():
            return {name: without_docs(part) for name, part in schema.items() if name != "doc"}
        case list():
            return [without_docs(part) for part in schema]
    return schema


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_record_equals_its_avro_schema(record: type[msgspec.Struct]) -> None:
    schema = json.loads(avro_schema(record))

    assert without_docs(schema) == avro_record(record, schema["namespace"], set())


@pytest.mark.parametrize("topic", DESCRIBED, ids=lambda topic: topic.name)
def test_every_topic_has_an_example(topic: Topic) -> None:
    assert examples(topic)


def test_no_example_is_orphaned() -> None:
    # documents of a system lie on no topic: they stand under the mapping that makes them
    known = {topic.name for topic in DESCRIBED} | {mapping_cases.written_in(each).name for each in ours()}

    assert {folder.name for folder in EXAMPLES.iterdir()} <= known


def test_every_topic_is_read_or_written_by_somebody() -> None:
    routed = {topic.name for route in routes.ROUTES for topic in (route.source, route.target)}
    routed |= {row.target.name for row in producer_routes.WEBHOOKS} | {row.target.name for row in producer_routes.POLLS}
    routed |= {topic.name for table in producer_routes.CAPTURED for topic in (table.source, table.target)}
    routed |= {topic.name for fetch in producer_routes.FETCHES for topic in (fetch.source, fetch.target)}
    routed |= {topic.name for topic in (*topics.OF_STORES, topics.LOOKUPS)}

    assert routed == {topic.name for topic in topics.TOPICS}


def test_a_topic_to_come_is_none_that_is_there() -> None:
    assert not {topic.name for topic in topics.TO_COME} & {topic.name for topic in topics.TOPICS}


def own_examples() -> Iterator[Any]:
    for topic in DESCRIBED:
        if topic.record is not None and topic.record is not Fetched:
            for path in examples(topic):
                yield pytest.param(topic, path, id=f"{topic.name}/{path.stem}")


@pytest.mark.parametrize(("topic", "path"), list(own_examples()))
def test_an_example_survives_the_wire(topic: Topic, path: Path) -> None:
    assert topic.record is not None
    record = msgspec.json.decode(path.read_bytes(), type=topic.record)
    codec = Codecs(MemoryRegistry()).of(topic)

    assert codec.decode(codec.encode(record)) == record


def test_what_a_field_says_it_may_hold_is_what_its_enum_has() -> None:
    """A closed set is text on the topic, so that it can grow; the enum beside the record is for code."""
    for topic in topics.TO_COME:
        assert topic.record is not None
        module = sys.modules[topic.record.__module__]
        sets: dict[str, type[StrEnum]] = {
            name: each
            for name, each in vars(module).items()
            if isinstance(each, type) and issubclass(each, StrEnum) and each is not StrEnum
        }
        for schema in records_within(json.loads(avro_schema(topic.record))):
            for field in schema["fields"]:
                if field.get("default") == "unknown":
                    enum = sets.pop(schema["name"] + field["name"].title().replace("_", ""))
                    assert re.findall(r"`(\w+)`", field["doc"]) == [each.value for each in enum]
        assert sets == {}


def records_within(schema: Any) -> Iterator[dict[str, Any]]:
    match schema:
        case {"type": "record", "fields": fields}:
            yield schema
            for field in fields:
                yield from records_within(field["type"])
        case {"items": kind} | {"values": kind} | {"type": dict(kind)}:
            yield from records_within(kind)


def test_documents_of_examples_add_up() -> None:
    for order in records(topics.ORDERS, Order):
        assert order.subtotal == sum(line.extended for line in order.lines)
        assert order.total == charged(order)
        assert order.taxes == () or order.tax == sum(tax.amount for tax in order.taxes)
        assert order.payments == () or order.total == sum(payment.amount for payment in order.payments)
        taken_off = order.discount + sum(line.discount for line in order.lines)
        assert order.discounts == () or taken_off == sum(each.amount for each in order.discounts)
    for invoice in records(to_come("invoices"), Invoice):
        assert invoice.subtotal == sum(line.extended for line in invoice.lines)
        assert invoice.total == charged(invoice)
        assert invoice.balance == invoice.total - invoice.paid
    for back in records(to_come("returns"), Return):
        assert back.subtotal == sum(line.extended for line in back.lines)
        assert back.total == back.subtotal + back.shipping_amount + back.tax - back.restocking_fee
    for payment in records(to_come("payments"), Payment):
        assert payment.amount == sum(each.amount for each in payment.applied)
        assert sum(line.debit for line in payment.ledger_lines) == sum(line.credit for line in payment.ledger_lines)


def charged(document: Order | Invoice) -> Decimal:
    extras = document.shipping_amount + document.handling_amount + document.tax
    return document.subtotal - document.discount + extras


def to_come(record: str) -> Topic:
    return next(topic for topic in topics.TO_COME if topic.name == f"canonical.{record}.v1")


def records(topic: Topic, kind: type[R]) -> list[R]:
    return [msgspec.json.decode(path.read_bytes(), type=kind) for path in examples(topic)]


def tried() -> Iterator[Any]:
    for each in ours():
        for case in mapping_cases.cases(each):
            yield pytest.param(each, case.name, id=f"{each.mapping.id}/{case.name}")


@pytest.mark.parametrize(("each", "name"), list(tried()))
def test_an_example_maps_to_what_is_written_down(each: Known, name: str) -> None:
    lookups = mapping_cases.lookups_of(each, settings.demo())
    found = next(case for case in mapping_cases.tested(each, lookups).cases if case.name == name)

    said = [*map(str, found.differences), found.refused, "nothing is written down" if found.new else ""]
    assert not [text for text in said if text], f"{found.example}: see `towpath mapping test {each.mapping.id}`"
