"""The compiled codecs beside fastavro: the same bytes, the same values; for any other bytes an error and no more."""

import contextlib
import io
import json
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from random import Random
from typing import Annotated, Any, NamedTuple

import fastavro
import msgspec
import pytest
from msgspec import inspect as types

from bus.avro import Schema, type_of
from bus.avro_read import Reading, read_whole, reader
from bus.avro_values import amount_from_bytes, read_amounts
from bus.avro_write import writer
from bus.wire import HEADER
from errors import ConfigurationError, DecodeError
from schemas.topics import TO_COME, TOPICS, avro_schema

FRONT = b"\0" * HEADER
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RECORDS = [topic.record for topic in (*TOPICS, *TO_COME) if topic.record is not None]
#: A number in as many bytes as there are for one: what a length would fill the memory with.
ENORMOUS = b"\xfe\xff\xff\xff\xff\xff\xff\xff\x0e"
#: The same below zero: of a block that tells its size.
ENORMOUS_BLOCK = b"\xff\xff\xff\xff\xff\xff\xff\xff\x1e"


class Colour(StrEnum):
    RED = "red"
    NONE = ""
    GREEN = "grün"


class Shape(NamedTuple):
    """A type as both sides know it, and how a value of it is made."""

    schema: Schema
    annotation: Any
    value: Callable[[Random], Any]


def list_of(annotation: Any) -> Any:
    return tuple.__class_getitem__((annotation, ...))


def map_of(annotation: Any) -> Any:
    return dict.__class_getitem__((str, annotation))


def decimal(schema: dict[str, Any], precision: int, scale: int) -> Shape:
    meant = {"logicalType": "decimal", "precision": precision, "scale": scale}
    return Shape(
        schema | meant,
        Annotated[Decimal, msgspec.Meta(extra={"precision": precision, "scale": scale})],
        lambda random: an_amount(random, precision, scale),
    )


def an_amount(random: Random, precision: int, scale: int) -> Decimal:
    most = 10 ** random.randint(0, precision) - 1
    return Decimal(f"{random.randint(-most, most)}E-{scale}")


def a_number(random: Random) -> int:
    bits = random.choice([0, 3, 6, 7, 8, 13, 14, 49, 50, 55, 56, 62, 63])
    wide = 1 << bits
    return random.choice([wide - 1, -wide, random.randrange(-wide, wide)])


def a_text(random: Random) -> str:
    return random.choice(["", "", f"SKU-{random.random()}", "é€𝄞\0", "a" * 63, "a" * 64, "é" * 4095 + "a", "a" * 8192])


SINGLE = [
    Shape("string", str, a_text),
    Shape("bytes", bytes, lambda random: random.randbytes(random.choice([0, 1, 64, 9000]))),
    Shape("boolean", bool, lambda random: random.random() < 0.5),
    Shape("int", int, lambda random: random.randrange(-(2**31), 2**31)),
    Shape("long", int, a_number),
    Shape("float", float, lambda random: random.choice([0.0, -1.5, 0.25])),
    Shape("double", float, Random.random),
    Shape(
        {"type": "long", "logicalType": "timestamp-micros"},
        datetime,
        lambda random: EPOCH + timedelta(microseconds=random.randrange(-(10**16), 10**17)),
    ),
    decimal({"type": "bytes"}, 19, 5),
    decimal({"type": "bytes"}, 4, 0),
    Shape({"type": "string"}, Colour, lambda random: random.choice(list(Colour))),
]


class Schemas:
    """Makes schemas up; every record, enum and fixed has a name of its own."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._named = 0

    def record(self, depth: int = 2) -> Shape:
        # more fields than one call takes arguments
        fields = {f"f{number}": self.shape(depth) for number in range(self._random.choice([0, 1, 2, 3, 17]))}
        name = self._name()
        made = msgspec.defstruct(name, [self._field(name, each) for name, each in fields.items()], kw_only=True)
        schema = {
            "type": "record",
            "name": name,
            "namespace": "of.tests",
            "fields": [{"name": field, "type": each.schema} for field, each in fields.items()],
        }
        return Shape(schema, made, lambda random: made(**{field: each.value(random) for field, each in fields.items()}))

    def shape(self, depth: int) -> Shape:  # noqa: PLR0911 - one for each type
        held = ["optional", "array", "map", "record"] if depth else []
        match self._random.choice(["single", "single", "fixed", "amount", "enum", *held]):
            case "fixed":
                size = self._random.randint(1, 5)
                schema = {"type": "fixed", "name": self._name(), "size": size}
                return Shape(schema, bytes, lambda random: random.randbytes(size))
            case "amount":
                return decimal({"type": "fixed", "name": self._name(), "size": 9}, 19, 5)
            case "enum":
                schema = {"type": "enum", "name": self._name(), "symbols": ["A", "B"]}
                return Shape(schema, str, lambda random: random.choice("AB"))
            case "optional":
                inner = self.shape(depth - 1)
                if isinstance(inner.schema, list):
                    return inner
                union = self._random.choice([["null", inner.schema], [inner.schema, "null"]])
                return Shape(union, inner.annotation | None, lambda random: random.choice([None, inner.value(random)]))
            case "array":
                inner = self.shape(depth - 1)
                return Shape(
                    {"type": "array", "items": inner.schema},
                    list_of(inner.annotation),
                    lambda random: tuple(inner.value(random) for _ in range(random.choice([0, 1, 3]))),
                )
            case "map":
                inner = self.shape(depth - 1)
                return Shape(
                    {"type": "map", "values": inner.schema},
                    map_of(inner.annotation),
                    lambda random: {a_text(random): inner.value(random) for _ in range(random.choice([0, 1, 3]))},
                )
            case "record":
                return self.record(depth - 1)
        return self._random.choice(SINGLE)

    def _field(self, name: str, shape: Shape) -> Any:
        """Required or not; the default is no value it could have."""
        return (name, shape.annotation, ()) if self._random.random() < 0.5 else (name, shape.annotation)

    def _name(self) -> str:
        self._named += 1
        return f"T{self._named}"


@pytest.mark.parametrize("seed", range(8))
def test_records_of_any_schema_are_the_bytes_fastavro_writes_and_come_back(seed: int) -> None:
    random = Random(seed)
    for _ in range(20):
        shape = Schemas(random).record()
        schema = fastavro.parse_schema(shape.schema)
        write, read = writer(schema, shape.annotation, FRONT), reader(schema, schema, shape.annotation)
        for _ in range(3):
            record = shape.value(random)

            written = write(record)

            assert written == FRONT + by_fastavro(schema, record)
            assert read_whole(read, written, "it") == record


def by_fastavro(schema: Schema, record: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, built_in(record))
    return out.getvalue()


def built_in(value: Any) -> Any:
    match value:
        case msgspec.Struct():
            return {name: built_in(getattr(value, name)) for name in value.__struct_fields__}
        case tuple():
            return [built_in(each) for each in value]
        case dict():
            return {key: built_in(each) for key, each in value.items()}
        case StrEnum():
            return value.value
        case _:
            return value


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_record_of_ours_is_the_bytes_fastavro_writes(record: type[msgspec.Struct]) -> None:
    random = Random(record.__name__)
    schema = fastavro.parse_schema(json.loads(avro_schema(record)))
    write, read = writer(schema, record, FRONT), reader(schema, schema, record)
    for _ in range(5):
        made = of_type(types.type_info(record), random)

        written = write(made)

        assert written == FRONT + by_fastavro(schema, made)
        assert read_whole(read, written, "it") == made


def of_type(kind: types.Type, random: Random) -> Any:  # noqa: PLR0911 - one for each type
    match kind:
        case types.Metadata(extra={"precision": int(precision), "scale": int(scale)}):
            return an_amount(random, precision, scale)
        case types.DateTimeType():
            return EPOCH + timedelta(microseconds=random.randrange(-(10**16), 10**17))
        case types.StructType():
            return kind.cls(**{each.name: of_type(each.type, random) for each in kind.fields})
        case types.VarTupleType():
            return tuple(of_type(kind.item_type, random) for _ in range(random.choice([0, 1, 3])))
        case types.DictType():
            return {a_text(random): of_type(kind.value_type, random) for _ in range(random.choice([0, 2]))}
        case types.EnumType():
            return random.choice(list(kind.cls))
        case types.UnionType():
            return of_type(random.choice(kind.types), random)
        case types.NoneType():
            return None
    (single,) = (each for each in SINGLE[:5] if types.type_info(each.annotation) == kind and each.schema != "int")
    return single.value(random)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    sku: str
    count: float = 0.5
    note: bytes = b"none"


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    number: str
    total: float | None = None
    lines: tuple[Line, ...] = ()
    by_name: dict[str, int] = {}
    mood: str = "calm"


OURS: dict[str, Any] = {
    "type": "record",
    "name": "Sale",
    "namespace": "of.tests",
    "fields": [
        {"name": "number", "type": "string"},
        {"name": "total", "type": ["null", "double"], "default": None},
        {
            "name": "lines",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Line",
                    "fields": [
                        {"name": "sku", "type": "string", "aliases": ["article"]},
                        {"name": "count", "type": "double", "default": 0.5},
                        {"name": "note", "type": "bytes", "default": "none"},
                    ],
                },
            },
        },
        {"name": "by_name", "type": {"type": "map", "values": "long"}, "default": {}},
        {
            "name": "mood",
            "type": {"type": "enum", "name": "Mood", "symbols": ["calm", "glad"], "default": "calm"},
            "default": "calm",
        },
    ],
}


def of_another_writer(random: Random) -> tuple[Schema, dict[str, Any]]:
    """A writer's schema that ours can read, fields added, left out, renamed, moved, narrower, and a value."""
    line: dict[str, tuple[Schema, Any]] = {}
    sku = random.choice(["sku", "article"])
    line[sku] = random.choice([("string", a_text(random)), ("bytes", a_text(random).encode())])
    line["count"] = random.choice([("int", 3), ("long", -(2**40)), ("float", 0.25), ("double", 0.1)])
    line["note"] = random.choice([("bytes", b"b"), ("string", a_text(random))])
    line["tree"] = ({"type": "record", "name": "Tree", "fields": TREE}, A_TREE)
    line = some_of(line, random, needed={sku, "note"})
    items = record_of("of.others.Line", line)
    sale = {
        "number": random.choice([("string", a_text(random)), (["int", "string"], a_text(random))]),
        "total": random.choice(
            [("int", 7), (["null", "float"], None), (["float", "null", "int"], 0.5), ("null", None)]
        ),
        "lines": ({"type": "array", "items": items}, [{name: value for name, (_, value) in line.items()}] * 3),
        "by_name": ({"type": "map", "values": random.choice(["int", "long"])}, {"a": 1, "é": -2}),
        "mood": ({"type": "enum", "name": "Mood", "symbols": ["glad", "calm"]}, "glad"),
        "skipped": ({"type": "map", "values": {"type": "array", "items": "double"}}, {"a": [1.0, 2.0], "b": []}),
        "fixed": ({"type": "fixed", "name": "Fixed", "size": 3}, b"abc"),
        "either": (["null", "string", "boolean", "float"], random.choice([None, "x" * 200, True, 0.5])),
        "empty": ({"type": "array", "items": "null"}, [None] * 3),
    }
    sale = some_of(sale, random, needed={"number"})
    return record_of("of.tests.Sale", sale), {name: value for name, (_, value) in sale.items()}


TREE = [
    {"name": "leaf", "type": "string"},
    {"name": "twigs", "type": {"type": "array", "items": "null"}},
    {"name": "below", "type": {"type": "array", "items": "Tree"}},
]
A_TWIG = {"leaf": "one", "twigs": [None] * 2, "below": []}
A_TREE = {"leaf": "top", "twigs": [], "below": [A_TWIG, A_TWIG | {"below": [A_TWIG]}]}


def some_of(fields: dict[str, Any], random: Random, needed: set[str]) -> dict[str, Any]:
    names = [name for name in fields if name in needed or random.random() < 0.7]
    random.shuffle(names)
    return {name: fields[name] for name in names}


def record_of(name: str, fields: dict[str, tuple[Schema, Any]]) -> Schema:
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": field, "type": schema} for field, (schema, _) in fields.items()],
    }


def test_what_another_writer_wrote_is_read_as_fastavro_reads_it() -> None:
    random = Random(7)
    ours = fastavro.parse_schema(OURS)
    for _ in range(100):
        theirs, value = of_another_writer(random)
        out = io.BytesIO(FRONT)
        out.seek(HEADER)
        fastavro.schemaless_writer(out, fastavro.parse_schema(theirs), value)
        out.seek(HEADER)
        expected: Any = fastavro.schemaless_reader(out, theirs, lines_may_be_missing(OURS))

        read = read_whole(reader(fastavro.parse_schema(theirs), ours, Sale), out.getvalue(), "Sale")

        assert built_in(read) == expected


def lines_may_be_missing(schema: dict[str, Any]) -> Schema:
    fields = [field | {"default": []} if field["name"] == "lines" else field for field in schema["fields"]]
    return schema | {"fields": fields}


def written_sale(lines: int = 2) -> bytes:
    sale = Sale(
        number="é1", total=2.5, lines=tuple(Line(sku=f"S{n}") for n in range(lines)), by_name={"a": -1, "b": 2**40}
    )
    return writer(fastavro.parse_schema(OURS), Sale, FRONT)(sale)


def test_bytes_that_end_anywhere_are_undecodable() -> None:
    schema = fastavro.parse_schema(OURS)
    read, whole = reader(schema, schema, Sale), written_sale()

    for end in range(HEADER, len(whole)):
        with pytest.raises(DecodeError, match=r"^undecodable: no Sale"):
            read_whole(read, whole[:end], "Sale")
    with pytest.raises(DecodeError, match="bytes are left after the Sale"):
        read_whole(read, whole + b"\0", "Sale")


@pytest.mark.parametrize(
    "kind", ["string", "bytes", {"type": "fixed", "name": "F", "size": 4}, "float"], ids=json.dumps
)
def test_last_value_that_ends_too_early_is_undecodable(kind: Schema) -> None:
    schema = fastavro.parse_schema({"type": "record", "name": "T", "fields": [{"name": "a", "type": kind}]})
    value = {"string": "abcd", "float": 1.0}.get(str(kind), b"abcd")
    whole = FRONT + by_fastavro(schema, {"a": value})
    for fields in ([("a", held_as(kind))], []):
        read = reader(schema, schema, msgspec.defstruct("T", fields))
        read_whole(read, whole, "T")
        for end in range(HEADER, len(whole)):
            with pytest.raises(DecodeError):
                read_whole(read, whole[:end], "T")


def test_spoilt_bytes_are_undecodable_or_what_fastavro_makes_of_them() -> None:
    random, schema = Random(3), fastavro.parse_schema(OURS)
    read, whole = reader(schema, schema, Sale), written_sale()
    for _ in range(2000):
        spoilt = bytearray(whole)
        for _ in range(random.randint(1, 3)):
            spoilt[random.randrange(HEADER, len(spoilt))] = random.choice(
                [0, 1, 2, 3, 127, 128, 255, random.randrange(256)]
            )
        with contextlib.suppress(DecodeError):
            value = built_in(read_whole(read, bytes(spoilt), "Sale"))
            again = fastavro.schemaless_reader(io.BytesIO(spoilt[HEADER:]), schema, None)
            assert repr(value) == repr(again)


@pytest.mark.parametrize(
    "kind",
    [
        "string",
        "bytes",
        {"type": "array", "items": "string"},
        {"type": "array", "items": "null"},
        {"type": "array", "items": {"type": "array", "items": "null"}},
        {"type": "array", "items": {"type": "record", "name": "Empty", "fields": []}},
        {"type": "array", "items": {"type": "fixed", "name": "F", "size": 2}},
        {"type": "map", "values": "null"},
    ],
    ids=json.dumps,
)
def test_lengths_beyond_the_bytes_take_neither_memory_nor_time(kind: Schema) -> None:
    theirs = {"type": "record", "name": "T", "fields": [{"name": "a", "type": kind}]}
    field = held_as(kind)
    for name in ("a", "unread"):
        record = msgspec.defstruct("T", [(name, field)])
        ours = {"type": "record", "name": "T", "fields": [{"name": name, "type": kind}]}
        read = reader(fastavro.parse_schema(theirs), fastavro.parse_schema(ours), record)
        for data in (
            ENORMOUS,
            ENORMOUS + b"\0",
            b"\x02" + ENORMOUS,
            b"\x04" + ENORMOUS * 2,
            b"\x01" + ENORMOUS,
            ENORMOUS_BLOCK,
        ):
            tracemalloc.start()
            with pytest.raises(DecodeError):
                read_whole(read, FRONT + data, "T")
            assert tracemalloc.get_traced_memory()[1] < 2_000_000
            tracemalloc.stop()


@pytest.mark.parametrize("unread", ["double", "boolean", {"type": "fixed", "name": "F", "size": 3}], ids=type_of)
def test_items_of_which_nothing_is_read_are_counted_by_their_bytes(unread: Schema) -> None:
    def schema(of: Schema, name: str) -> Schema:
        line = record_of("Line", {name: (of, None)})
        return fastavro.parse_schema(record_of("T", {"lines": ({"type": "array", "items": line}, None)}))

    line = msgspec.defstruct("Line", [("sku", str, "")])
    read = reader(schema(unread, "weight"), schema("string", "sku"), msgspec.defstruct("T", [("lines", list_of(line))]))

    # an event that is short of bytes, and one that is not by far
    for count in (b"\x80\xda\xc4\x09", ENORMOUS):
        tracemalloc.start()
        with pytest.raises(DecodeError, match="end inside"):
            read_whole(read, FRONT + count + b"\1" * 9, "T")
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
        tracemalloc.stop()
    one = {"double": 8, "boolean": 1}.get(str(unread), 3)
    assert read_whole(read, FRONT + b"\4" + b"\1" * 2 * one + b"\0", "T").lines == (line(), line())


def test_fixed_that_ends_too_early_is_not_kept_as_it_is() -> None:
    fixed = {"type": "fixed", "name": "F", "size": 4}
    schema = fastavro.parse_schema(record_of("T", {"a": ({"type": "array", "items": fixed}, None)}))
    read = reader(schema, schema, msgspec.defstruct("T", [("a", list_of(bytes))]))

    for count in (b"\2", b"\x80\xda\xc4\x09"):
        with pytest.raises(DecodeError, match="end inside"):
            read_whole(read, FRONT + count + b"abc", "T")


def test_memory_that_is_full_is_told_as_itself() -> None:
    def read(_data: bytes, _at: int) -> Any:
        raise MemoryError

    with pytest.raises(MemoryError):
        read_whole(read, FRONT, "T")


LEVELS = 40
FIXED = {"name": "fixed", "type": {"type": "fixed", "name": "F", "size": 3}}


def doubling(leaf: Schema) -> list[dict[str, Any]]:
    """Records that hold the one before twice: as many values as two to the power of their number."""
    return [
        {
            "name": f"f{level}",
            "type": record_of(f"R{level}", dict.fromkeys("ab", (f"R{level - 1}" if level else leaf, 0))),
        }
        for level in range(LEVELS)
    ]


@pytest.mark.parametrize("leaf", ["string", "null", "boolean", "F"])
def test_types_are_written_once_however_often_they_are_mentioned(leaf: Schema) -> None:
    theirs = fastavro.parse_schema({"type": "record", "name": "T", "fields": [FIXED, *doubling(leaf)]})
    reading = Reading(theirs)
    reading.skip(theirs)
    reading.plain(theirs, "v")
    read = reading.function("v")

    assert len(reading.text) < 1000 * LEVELS
    with pytest.raises(DecodeError, match=r"end inside|without a byte"):
        read_whole(read, FRONT + b"\0" * 9, "T")


def test_schema_of_too_long_a_reader_is_refused() -> None:
    branches = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}
    theirs = fastavro.parse_schema(record_of("T", {"a": ([branches, *["R"] * 20_000], None)}))
    struct = msgspec.defstruct("T", [("a", msgspec.defstruct("R", [("a", str)]))])

    with pytest.raises(DecodeError, match="longer than"):
        reader(theirs, fastavro.parse_schema(record_of("T", {"a": (branches, None)})), struct)


@pytest.mark.parametrize(
    "inner", ["string", {"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]}]
)
@pytest.mark.parametrize("outer", ["array", "map"])
def test_deeply_nested_values_are_passed_over_and_read_plainly(inner: Schema, outer: str) -> None:
    kind, held = inner, "items" if outer == "array" else "values"
    value: Any = "x" if inner == "string" else {"a": -7}
    for _ in range(25):
        kind, value = {"type": outer, held: kind}, [value] if outer == "array" else {"k": value}
    schema = fastavro.parse_schema(record_of("T", {"a": (kind, None)}))
    whole = FRONT + by_fastavro(schema, {"a": value})
    plain = Reading(schema)
    plain.plain(schema, "v")

    assert read_whole(reader(schema, schema, msgspec.defstruct("T", [])), whole, "T") is not None
    assert read_whole(plain.function("v"), whole, "T") == {"a": value}


def test_type_that_holds_itself_is_read_plainly() -> None:
    schema = fastavro.parse_schema({"type": "record", "name": "Tree", "fields": TREE})
    plain = Reading(schema)
    plain.plain(schema, "v")

    assert read_whole(plain.function("v"), FRONT + by_fastavro(schema, A_TREE), "Tree") == A_TREE


def test_error_is_a_record() -> None:
    error = {"type": "error", "name": "E", "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "long"}]}
    schema = fastavro.parse_schema(record_of("T", {"z": (error, None), "a": ("string", None)}))
    held = msgspec.defstruct("E", [("a", int), ("b", int)])
    for fields in ([("a", str)], [("z", held), ("a", str)]):
        read = reader(schema, schema, msgspec.defstruct("T", fields))
        assert read_whole(read, FRONT + b"\2\4\2x", "T").a == "x"


def test_type_that_is_none_is_refused() -> None:
    with pytest.raises(DecodeError, match="tuple is no type"):
        Reading("null").skip({"type": "tuple"})


def test_symbol_the_reader_does_not_have_is_its_default_or_refused() -> None:
    def schema(**said: Any) -> Schema:
        return fastavro.parse_schema(record_of("T", {"m": ({"type": "enum", "name": "M"} | said, None)}))

    struct = msgspec.defstruct("T", [("m", str)])
    theirs = schema(symbols=["new", "calm"])

    calm = reader(theirs, schema(symbols=["glad", "calm"], default="glad"), struct)
    assert [read_whole(calm, FRONT + place, "T").m for place in (b"\0", b"\2")] == ["glad", "calm"]
    strict = reader(theirs, schema(symbols=["glad", "calm"]), struct)
    assert read_whole(strict, FRONT + b"\2", "T").m == "calm"
    with pytest.raises(DecodeError, match="m: a symbol that M does not have"):
        read_whole(strict, FRONT + b"\0", "T")


def test_padded_amounts_are_read_and_not_remembered() -> None:
    amount = amount_from_bytes("a", 19, 5)
    long = b"\0" * 1000 + b"\7\7\7"

    assert amount(long) == Decimal("4.60551")
    assert long not in read_amounts(19, 5)
    assert amount(long[-9:]) == Decimal("4.60551")
    assert long[-9:] in read_amounts(19, 5)


def held_as(kind: Schema) -> Any:
    if isinstance(kind, str):
        return {"string": str, "bytes": bytes, "float": float, "null": None}[kind]
    if kind["type"] == "record":
        return msgspec.defstruct("Empty", [])
    if kind["type"] == "fixed":
        return bytes
    inner: Any = held_as(kind.get("items", kind.get("values")))
    return map_of(inner) if kind["type"] == "map" else list_of(inner)


def test_numbers_wider_than_64_bits_are_undecodable() -> None:
    schema = fastavro.parse_schema({"type": "record", "name": "T", "fields": [{"name": "a", "type": "long"}]})
    read = reader(schema, schema, msgspec.defstruct("T", [("a", int)]))

    for data in (b"\xff" * 9 + b"\x02", b"\x80" * 10 + b"\0", b"\xff" * 40):
        with pytest.raises(DecodeError, match="64 bits"):
            read_whole(read, FRONT + data, "T")
    assert read_whole(read, FRONT + b"\xff" * 9 + b"\x01", "T").a == -(2**63)


def test_blocks_that_tell_their_size_are_read() -> None:
    schema = fastavro.parse_schema(OURS)
    sale = Sale(number="1", by_name={"a": 1, "b": 2})
    whole = writer(schema, Sale, FRONT)(sale)
    plain, sized = b"\x04\x02a\x02\x02b\x04\0", b"\x01\x06\x02a\x02\x01\x06\x02b\x04\0"
    assert whole.count(plain) == 1

    assert read_whole(reader(schema, schema, Sale), whole.replace(plain, sized), "Sale") == sale


def test_what_cannot_be_resolved_is_told_by_field() -> None:
    theirs = fastavro.parse_schema(record_of("Sale", {"number": ("long", 1)}))

    with pytest.raises(DecodeError, match="number: long is not string"):
        read_whole(reader(theirs, fastavro.parse_schema(OURS), Sale), FRONT + b"\x02", "Sale")


def test_schema_that_is_not_the_records_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="Line"):
        writer(fastavro.parse_schema(OURS), Line, FRONT)
