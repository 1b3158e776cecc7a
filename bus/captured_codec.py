"""Envelopes of change data capture to `Captured`: read with the writer's schema, rows in the table's own record.

How a column is told apart from its wire type is in the writer's schema (`connect.name`); the converters are put
together once for each schema, as a table that gains a column only brings another schema id.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import inspect as types

from bus.avro import Schema, type_of
from bus.avro_read import Read, Reading, read_whole
from bus.readers import Readers
from bus.registry import Schemas
from bus.wire import id_of
from errors import DecodeError
from schemas.systems.captured import Captured

Row = TypeVar("Row", bound=msgspec.Struct)
Convert = Callable[[Any], Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Dynamics GP's way to say "no date".
NO_DATE = date(1900, 1, 1)
#: What stands for a value the database did not log.
UNAVAILABLE = "__debezium_unavailable_value"
#: What is read of a change's source; the rest is the connector's own.
_SOURCE = ("name", "table", "ts_us", "ts_ms", "snapshot", "lsn", "commit_lsn", "txId")


class CapturedCodec(Generic[Row]):
    """Rows of one captured table."""

    def __init__(self, topic: str, row: type[Row], registry: Schemas) -> None:
        self._topic = topic
        self._readers = Readers(registry, lambda envelope: _envelope_reader(envelope, row))

    def decode(self, data: bytes | None) -> Captured[Row] | None:
        """The change; None for a tombstone, which only says that a key is gone.

        Raises:
            DecodeError: it is no envelope of this table, or a column the row needs is missing.
            RetryableError: its schema was never seen before and the registry is away.
        """
        if data is None:
            return None
        captured: Captured[Row] = read_whole(self._readers[id_of(data)], data, f"envelope of {self._topic}")
        return captured


def _envelope_reader(envelope: Any, row: type[Row]) -> Read:
    reading = Reading(envelope)
    given = {"before": "None", "after": "None"} | dict.fromkeys(_SOURCE, "None")
    for field in envelope["fields"]:
        name = field["name"]
        match name:
            case "before" | "after":
                given[name] = reading.new(name)
                _read_row(reading, field["type"], row, given[name])
            case "source":
                for each in reading.defined(field["type"])["fields"]:
                    if each["name"] in _SOURCE:
                        given[each["name"]] = reading.new("source")
                        reading.plain(each["type"], given[each["name"]])
                    else:
                        reading.skip(each["type"])
            case "op":
                given["op"] = "op"
                reading.plain(field["type"], "op")
            case _:
                reading.skip(field["type"])
    for needed in ("before", "op", "name"):
        if given.get(needed, "None") == "None":
            raise DecodeError(f"the schema has no field `{needed}`: no envelope")
    told = ", ".join(given[each] for each in ("before", "after", "op", *_SOURCE))
    return reading.function(f"{reading.keep('captured', _captured)}({told})")


def _captured(
    before: Any,
    after: Any,
    op: str,
    name: str,
    table: Any,
    ts_us: Any,
    ts_ms: Any,
    snapshot: Any,
    lsn: Any,
    commit: Any,
    transaction: Any,
) -> Captured[Any]:
    return Captured(
        before=before,
        after=after,
        op=op,
        connection=name,
        table=table or "",
        at=EPOCH + timedelta(microseconds=ts_us or ts_ms * 1000),
        snapshot=snapshot not in {None, "false", "", False},
        lsn=str(lsn or commit or ""),
        # SQL Server's commit position names the transaction
        transaction=str(transaction or commit or ""),
    )


def _read_row(reading: Reading, image: Schema, row: type[Row], into: str) -> None:
    def read(part: Schema) -> None:
        part = reading.defined(part)
        if part == "null":
            reading.line(f"{into} = None")
        else:
            _read_columns(reading, part["fields"], row, into)

    if isinstance(image, list):
        reading.either(image, read)
    else:
        read(image)


def _read_columns(reading: Reading, columns: list[dict[str, Any]], row: type[Row], into: str) -> None:
    known = {field.encode_name: field for field in msgspec.structs.fields(row)}
    there = {column["name"] for column in columns}
    missing = [name for name, field in known.items() if field.required and name not in there]
    if missing:
        raise DecodeError(f"the table no longer has what {row.__name__} needs: {', '.join(missing)}")
    given = {}
    for column in columns:
        name, kind = column["name"], column["type"]
        if name not in known:
            reading.skip(kind)
            continue
        field, value = known[name], reading.new("v")
        _read_column(reading, kind, types.type_info(field.type), value)
        if not _may_be_none(field.type):
            if field.required:
                absent = f"{reading.keep('absent', _absent)}({name!r}, {row.__name__!r})"
            else:
                default = reading.keep("default", field)
                absent = f"{reading.keep('otherwise', _otherwise)}({default})"
            reading.line(f"if {value} is None: {value} = {absent}")
        given[field.name] = value
    reading.made(row, given, into)


def _read_column(reading: Reading, wire: Schema, kind: types.Type, into: str) -> None:
    inner = _without_null(wire)
    if isinstance(wire, list):

        def read(part: Schema) -> None:
            if part == "null":
                reading.line(f"{into} = None")
            else:
                _read_column(reading, part, kind, into)

        reading.either(wire, read)
        return
    reading.plain(wire, into)
    plain = type_of(inner) == "string" and not (isinstance(inner, dict) and "logicalType" in inner)
    if plain and _column(inner, kind) is _text:
        # char(n) comes padded
        reading.line(f"{into} = {into}.rstrip(' ')\nif {into} == {UNAVAILABLE!r}: {into} = None")
    else:
        reading.line(f"if {into} is not None: {into} = {reading.keep('column', _column(inner, kind))}({into})")


def _otherwise(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default is not msgspec.NODEFAULT else field.default_factory()


def _absent(column: str, row: str) -> None:
    raise DecodeError(f"column {column} is null, {row} needs it")


def _without_null(kind: Any) -> Any:
    if isinstance(kind, list):
        return next((part for part in kind if part != "null"), "null")
    return kind


def _may_be_none(annotation: Any) -> bool:
    kind = types.type_info(annotation)
    return isinstance(kind, types.UnionType) and any(isinstance(part, types.NoneType) for part in kind.types)


def _column(wire: Any, kind: types.Type) -> Convert:  # noqa: PLR0911 - one for each type
    """From what fastavro reads to what the row's field holds."""
    optional = isinstance(kind, types.UnionType)
    if isinstance(kind, types.UnionType):
        kind = next(part for part in kind.types if not isinstance(part, types.NoneType))
    if isinstance(kind, types.Metadata):
        kind = kind.type
    match kind:
        case types.StrType():
            return _text
        case types.DecimalType():
            return _number
        case types.DateTimeType():
            return _or_no_date(_time(wire)) if optional else _time(wire)
        case types.DateType():
            day = _day(wire)
            return _or_no_date(day) if optional else day
        case types.BoolType():
            return bool
        case types.IntType():
            return int
        case _:
            return lambda value: value


def _text(value: Any) -> str | None:
    text = str(value).rstrip(" ")  # char(n) comes padded
    return None if text == UNAVAILABLE else text


def _number(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _or_no_date(convert: Convert) -> Convert:
    def optional(value: Any) -> Any:
        made = convert(value)
        day = made.date() if isinstance(made, datetime) else made
        return None if day == NO_DATE else made

    return optional


def _time(wire: Any) -> Convert:
    """Columns without a zone are taken as UTC; what zone the system means is its mapping's to know."""
    name = wire.get("connect.name", "") if isinstance(wire, dict) else ""
    match name.rsplit(".", 1)[-1]:
        case "MicroTimestamp":
            return lambda value: EPOCH + timedelta(microseconds=value)
        case "NanoTimestamp":
            return lambda value: EPOCH + timedelta(microseconds=value // 1000)
        case "Timestamp":
            return lambda value: (
                value.replace(tzinfo=value.tzinfo or UTC)
                if isinstance(value, datetime)
                else EPOCH + timedelta(milliseconds=value)
            )
        case "ZonedTimestamp":
            return lambda value: datetime.fromisoformat(value).astimezone(UTC)
        case "Date":
            return lambda value: (
                datetime(value.year, value.month, value.day, tzinfo=UTC)
                if isinstance(value, date)
                else EPOCH + timedelta(days=value)
            )
        case _:
            return _time_by_logical_type


def _time_by_logical_type(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC)
    raise DecodeError(f"{type(value).__name__} is no time, and the schema does not say how to read it as one")


def _day(wire: Any) -> Convert:
    to_time = _time(wire)
    return lambda value: to_time(value).date()
