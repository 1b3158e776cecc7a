"""Envelopes of change data capture to `Captured`: read with the writer's schema, rows in the table's own record.

How a column is told apart from its wire type is in the writer's schema (`connect.name`); the converters are put
together once for each schema, as a table that gains a column only brings another schema id.
"""

import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar

import fastavro
import msgspec
from msgspec import inspect as types

from bus.registry import Schemas
from bus.wire import HEADER, id_of
from errors import DecodeError
from schemas.systems.captured import Captured

Row = TypeVar("Row", bound=msgspec.Struct)
Convert = Callable[[Any], Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Dynamics GP's way to say "no date".
NO_DATE = date(1900, 1, 1)
#: What stands for a value the database did not log.
UNAVAILABLE = "__debezium_unavailable_value"


class CapturedCodec(Generic[Row]):
    """Rows of one captured table."""

    def __init__(self, topic: str, row: type[Row], registry: Schemas) -> None:
        self._topic = topic
        self._row = row
        self._registry = registry
        self._readers: dict[int, tuple[Any, Callable[[dict[str, Any]], Row]]] = {}

    def decode(self, data: bytes | None) -> Captured[Row] | None:
        """The change; None for a tombstone, which only says that a key is gone.

        Raises:
            DecodeError: it is no envelope of this table, or a column the row needs is missing.
            RetryableError: its schema was never seen before and the registry is away.
        """
        if data is None:
            return None
        schema_id = id_of(data)
        if schema_id not in self._readers:
            self._readers[schema_id] = self._reader(schema_id)
        schema, to_row = self._readers[schema_id]
        body = io.BytesIO(data)
        body.seek(HEADER)
        try:
            envelope: Any = fastavro.schemaless_reader(body, schema, None)
            captured = _captured(envelope, to_row)
        except DecodeError:
            raise
        except Exception as error:  # whatever bytes from outside make fastavro raise
            raise DecodeError(f"no envelope of {self._topic}: {type(error).__name__}: {error}") from error
        if body.tell() != len(data):
            raise DecodeError(f"bytes are left after the envelope of {self._topic}")
        return captured

    def _reader(self, schema_id: int) -> tuple[Any, Callable[[dict[str, Any]], Row]]:
        text = self._registry.schema_of(schema_id)
        if text is None:
            raise DecodeError(f"schema id {schema_id} is unknown to the registry", schema_id=schema_id)
        try:
            schema = json.loads(text)
            return fastavro.parse_schema(schema), _row_reader(_columns(schema), self._row)
        except DecodeError:
            raise
        except Exception as error:
            raise DecodeError(f"schema id {schema_id} is no envelope", schema_id=schema_id) from error


def _captured(envelope: dict[str, Any], to_row: Callable[[dict[str, Any]], Row]) -> Captured[Row]:
    source = envelope["source"]
    ts_us = source.get("ts_us") or source["ts_ms"] * 1000
    before, after = envelope.get("before"), envelope.get("after")
    return Captured(
        before=None if before is None else to_row(before),
        after=None if after is None else to_row(after),
        op=envelope["op"],
        connection=source["name"],
        table=source.get("table") or "",
        at=EPOCH + timedelta(microseconds=ts_us),
        snapshot=source.get("snapshot") not in {None, "false", "", False},
        lsn=str(source.get("lsn") or source.get("commit_lsn") or ""),
    )


def _columns(envelope: Any) -> dict[str, Any]:
    """The row's columns in the writer's schema: name -> type without null."""
    for field in envelope["fields"]:
        if field["name"] == "before":
            row = next(part for part in field["type"] if isinstance(part, dict))
            return {column["name"]: _without_null(column["type"]) for column in row["fields"]}
    raise DecodeError("the schema has no field `before`: no envelope")


def _without_null(kind: Any) -> Any:
    if isinstance(kind, list):
        return next((part for part in kind if part != "null"), "null")
    return kind


def _row_reader(columns: dict[str, Any], row: type[Row]) -> Callable[[dict[str, Any]], Row]:
    known = {field.encode_name: field for field in msgspec.structs.fields(row)}
    missing = [name for name, field in known.items() if field.required and name not in columns]
    if missing:
        raise DecodeError(f"the table no longer has what {row.__name__} needs: {', '.join(missing)}")
    converts = [
        (field.encode_name, field.name, _column(columns[name], types.type_info(field.type)), _may_be_none(field.type))
        for name, field in known.items()
        if name in columns
    ]
    defaulted = {field.name for field in known.values() if not field.required}

    def read(values: dict[str, Any]) -> Row:
        made: dict[str, Any] = {}
        for column, field, convert, may_be_none in converts:
            value = values[column]
            if value is not None:
                value = convert(value)
            if value is None and not may_be_none:
                if field in defaulted:
                    continue
                raise DecodeError(f"column {column} is null, {row.__name__} needs it")
            made[field] = value
        return row(**made)

    return read


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
