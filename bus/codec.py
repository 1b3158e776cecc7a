"""Records to and from Avro in the Confluent wire format: byte 0, the schema's id in four bytes, the body.

Converters between a Struct and what fastavro reads and writes are put together once for each topic. Decimals and
times are converted here and not by fastavro: exactly, or refused with the name of the field.
"""

import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from typing import Any, Generic, TypeVar

import fastavro
import msgspec
from msgspec import inspect as types

from bus.avro import Schema, cut_to, meanings, without_meaning
from bus.captured_codec import CapturedCodec
from bus.registry import Schemas
from bus.wire import HEADER, id_of, with_id
from errors import ConfigurationError, DecodeError, MappingError
from schemas.topics import Topic, avro_schema

R = TypeVar("R", bound=msgspec.Struct)
Row = TypeVar("Row", bound=msgspec.Struct)

#: A value on its way between a Struct's field and fastavro; None: it goes as it is.
Convert = Callable[[Any], Any]

ZERO = Decimal(0)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PLACE = re.compile(r"\[(\d+)\]")
#: Wide enough that no product of ours is ever rounded; if one were, it would say so.
_EXACT = Context(prec=100, traps=[Inexact, InvalidOperation, Overflow])


class Codecs:
    """One codec for each topic, made at first use; looks schemas up and never registers."""

    def __init__(self, registry: Schemas) -> None:
        self._registry = registry
        self._of: dict[str, Codec[Any]] = {}

    def of(self, topic: Topic) -> "Codec[Any]":
        """The codec of a topic's record.

        Raises:
            ConfigurationError: the topic has no record of ours, or the registry not our schema.
            RetryableError: the registry is away and the topic was never looked up before.
        """
        if topic.name not in self._of:
            if topic.record is None:
                raise ConfigurationError(topic.name, "brings its own schema: use `captured`")
            self._of[topic.name] = Codec(topic.record, avro_schema(topic.record), f"{topic.name}-value", self._registry)
        return self._of[topic.name]

    def captured(self, topic: Topic, row: type[Row]) -> CapturedCodec[Row]:
        """The codec of a captured table's envelopes, rows as `row`."""
        return CapturedCodec(topic.name, row, self._registry)

    def decoder(self, topic: Topic, row: type[msgspec.Struct] | None) -> Callable[[bytes | None], Any]:
        """What makes events of bytes on a topic of records of ours or, where a row is given, of captured rows.

        Raises:
            ConfigurationError: as `of`.
            RetryableError: as `of`.
        """
        return self.of(topic).decode if row is None else self.captured(topic, row).decode


class Codec(Generic[R]):
    """One record of ours to bytes and back."""

    def __init__(self, record: type[R], schema: str, subject: str, registry: Schemas) -> None:
        self.record = record
        self._registry = registry
        self._schema_text = schema
        self._plain = _parsed(json.loads(schema))
        self._id = registry.id_of(subject, schema)
        self._header = with_id(self._id)
        self._to_avro = _struct_to_avro(record)
        self._from_avro = _struct_from_avro(record)
        #: By id: the writer's schema, and ours cut to it; None where it is ours.
        self._writers: dict[int, tuple[Schema, Schema | None]] = {self._id: (self._plain, None)}

    def encode(self, record: R) -> bytes:
        """The record as it lies on its topic.

        Raises:
            MappingError: a value does not fit its field exactly; names the field.
        """
        out = io.BytesIO()
        out.write(self._header)
        try:
            fastavro.schemaless_writer(out, self._plain, self._to_avro(record))
        except MappingError:
            raise
        except Exception as error:
            raise _misfit(record, error) from error
        return out.getvalue()

    def decode(self, data: bytes | None) -> R:
        """The record, read with its writer's schema into ours.

        Raises:
            DecodeError: whatever else it is, it is not this record.
            RetryableError: its schema was never seen before and the registry is away.
        """
        written, reading = self._writer(id_of(data))
        body = io.BytesIO(data or b"")
        body.seek(HEADER)
        try:
            record: R = self._from_avro(fastavro.schemaless_reader(body, written, reading))
        except Exception as error:  # whatever bytes from outside make fastavro raise
            raise DecodeError(f"no {self.record.__name__}: {type(error).__name__}: {error}") from error
        if body.tell() != len(data or b""):
            raise DecodeError(f"bytes are left after the {self.record.__name__}")
        return record

    def _writer(self, schema_id: int) -> tuple[Schema, Schema | None]:
        if schema_id not in self._writers:
            text = self._registry.schema_of(schema_id)
            if text is None:
                raise DecodeError(f"schema id {schema_id} is unknown to the registry", schema_id=schema_id)
            self._writers[schema_id] = self._readable(text, schema_id)
        return self._writers[schema_id]

    def _readable(self, text: str, schema_id: int) -> tuple[Schema, Schema | None]:
        try:
            theirs, ours = json.loads(text), json.loads(self._schema_text)
            if theirs == ours:
                return self._plain, None
            said, meant = meanings(theirs), meanings(ours)
            for path in said.keys() & meant.keys():
                if said[path] != meant[path]:
                    raise DecodeError(f"schema id {schema_id}: {path} is {said[path]}, ours {meant[path]}")
            return _parsed(theirs), _parsed(cut_to(ours, theirs))
        except DecodeError:
            raise
        except Exception as error:
            raise DecodeError(f"schema id {schema_id} is no Avro schema", schema_id=schema_id) from error


def _parsed(schema: Schema) -> Schema:
    return fastavro.parse_schema(without_meaning(schema))


def _struct_to_avro(record: type[msgspec.Struct]) -> Convert:
    """Struct -> dict; only fields that need it are touched, the rest is one call in C."""
    converts = [
        (field.name, convert)
        for field in msgspec.structs.fields(record)
        if (convert := _to_avro(types.type_info(field.type), field.name)) is not None
    ]
    asdict = msgspec.structs.asdict

    def to_avro(value: msgspec.Struct) -> dict[str, Any]:
        out = asdict(value)
        for name, convert in converts:
            out[name] = convert(out[name])
        return out

    return to_avro


def _to_avro(kind: types.Type, field: str) -> Convert | None:
    match kind:
        case types.Metadata(type=types.DecimalType(), extra={"precision": int(precision), "scale": int(scale)}):
            return _decimal_to_avro(field, precision, scale)
        case types.DateTimeType():
            return _time_to_avro(field)
        case types.StructType():
            return _struct_to_avro(kind.cls)
        case types.VarTupleType() | types.ListType():
            item = _to_avro(kind.item_type, field)
            return None if item is None else lambda values: [item(value) for value in values]
        case types.UnionType():
            inner = _to_avro(_only(kind), field)
            return None if inner is None else lambda value: None if value is None else inner(value)
        case _:
            return None


def _struct_from_avro(record: type[msgspec.Struct]) -> Convert:
    """Dict -> Struct; fastavro has seen to the types of what is not touched here."""
    converts = [
        (field.name, convert)
        for field in msgspec.structs.fields(record)
        if (convert := _from_avro(types.type_info(field.type), field.name)) is not None
    ]

    def from_avro(value: dict[str, Any]) -> msgspec.Struct:
        for name, convert in converts:
            if name in value:
                value[name] = convert(value[name])
        return record(**value)

    return from_avro


def _from_avro(kind: types.Type, field: str) -> Convert | None:  # noqa: PLR0911 - one for each type
    match kind:
        case types.Metadata(type=types.DecimalType(), extra={"precision": int(precision), "scale": int(scale)}):
            return _decimal_from_avro(field, precision, scale)
        case types.DateTimeType():
            return lambda micros: EPOCH + timedelta(microseconds=micros)
        case types.StructType():
            return _struct_from_avro(kind.cls)
        case types.EnumType():
            return kind.cls
        case types.VarTupleType():
            item = _from_avro(kind.item_type, field)
            return tuple if item is None else lambda values: tuple([item(value) for value in values])
        case types.UnionType():
            inner = _from_avro(_only(kind), field)
            return None if inner is None else lambda value: None if value is None else inner(value)
        case _:
            return None


def _only(union: types.UnionType) -> types.Type:
    """What an optional field holds when it holds something."""
    (inner,) = (part for part in union.types if not isinstance(part, types.NoneType))
    return inner


def _decimal_to_avro(field: str, precision: int, scale: int) -> Convert:
    limit, multiply, unit = 10**precision, _EXACT.multiply, Decimal(10) ** scale

    def convert(value: Decimal) -> bytes:
        if value == 0:  # most amounts of most records
            return b"\0"
        try:
            exact = multiply(value, unit)
            number = int(exact)
        except (DecimalException, ValueError, OverflowError, TypeError) as error:
            raise MappingError(field, f"{value!r} is not a number with {scale} decimals") from error
        if number != exact:
            raise MappingError(field, f"{value} has more than {scale} decimals")
        if not -limit < number < limit:
            raise MappingError(field, f"{value} has more than {precision - scale} digits before the point")
        return number.to_bytes((number.bit_length() + 8) // 8, "big", signed=True)

    return convert


def _decimal_from_avro(field: str, precision: int, scale: int) -> Convert:
    limit, from_bytes, scaleb = 10**precision, int.from_bytes, _EXACT.scaleb

    def convert(value: bytes) -> Decimal:
        if value == b"\0":
            return ZERO
        number = from_bytes(value, "big", signed=True)
        if not -limit < number < limit:
            raise ValueError(f"{field} is beyond {precision} digits")
        return scaleb(Decimal(number), -scale)

    return convert


def _time_to_avro(field: str) -> Convert:
    def convert(value: datetime) -> int:
        try:
            since = value - EPOCH
        except TypeError as error:
            raise MappingError(field, "a time without its zone") from error
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds

    return convert


def _misfit(record: msgspec.Struct, error: Exception) -> MappingError:
    """Which field holds a value of the wrong type: Structs are not checked when they are made."""
    try:
        msgspec.convert(msgspec.to_builtins(record, builtin_types=(Decimal, datetime, bytes)), type(record))
    except msgspec.ValidationError as found:
        reason, _, field = str(found).partition(" - at `$.")
        # people count from 1
        field = _PLACE.sub(lambda place: f"[{int(place[1]) + 1}]", field.rstrip("`"))
        return MappingError(field or type(record).__name__, reason)
    except (TypeError, ValueError):
        pass
    return MappingError(type(record).__name__, f"cannot be written: {error}")
