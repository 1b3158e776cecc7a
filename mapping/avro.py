"""The types of records that are known by an Avro schema alone; they are plain dicts in a mapping."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from mapping.messages import WrongError
from mapping.shapes import (
    Boolean,
    Bytes,
    Date,
    Field,
    Float,
    Instant,
    Integer,
    ListOf,
    MapOf,
    Nothing,
    Number,
    Record,
    Text,
    Type,
    Unreadable,
    union,
)

_SIMPLE: Mapping[str, Type] = {
    "string": Text(),
    "boolean": Boolean(),
    "int": Integer(least=-(2**31), most=2**31 - 1),
    "long": Integer(least=-(2**63), most=2**63 - 1),
    "float": Float(),
    "double": Float(),
    "bytes": Bytes(),
    "null": Nothing(),
}
_MOMENTS = {"timestamp-millis": 1000, "timestamp-micros": 1}
#: What readers make of these is neither the number that was written nor an instant.
_ODD = frozenset({"time-millis", "time-micros", "local-timestamp-millis", "local-timestamp-micros", "duration"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def from_avro(schema: Any, known: dict[str, Record] | None = None, namespace: str = "") -> Type:
    """The type of a value by its Avro schema. What mappings cannot read is told when one reads it.

    Args:
        schema: A parsed `.avsc`, or a part of one.
        known: Named records met so far, filled as they are met.
        namespace: Of the enclosing record.

    Raises:
        WrongError: a default that is no value of its field.
    """
    return _Schemas({} if known is None else known).type_of(schema, namespace)


class _Schemas:
    """Schemas with the names they have used so far."""

    def __init__(self, records: dict[str, Record]) -> None:
        self.records = records
        self.types: dict[str, Type] = {}
        self.schemas: dict[str, Any] = {}

    def type_of(self, schema: Any, space: str) -> Type:  # noqa: PLR0911, PLR0912, C901 - one for each kind
        match schema:
            case {"logicalType": "decimal", "precision": int(precision), "type": "bytes" | "fixed"}:
                return self._named(schema, Number(scale=schema.get("scale", 0), precision=precision), space)
            case {"logicalType": "date", "type": "int"}:
                return Date()
            case {"logicalType": str(logical), "type": "long"} if logical in _MOMENTS:
                return Instant()
            case {"logicalType": str(logical)} if logical in _ODD:
                return self._named(schema, Unreadable(logical), space)
            case {"type": "enum", "symbols": symbols}:
                return self._named(schema, Text(frozenset(symbols)), space)
            case {"type": "fixed"}:
                return self._named(schema, Bytes(), space)
            case {"type": "array", "items": items}:
                return ListOf(self.type_of(items, space))
            case {"type": "map", "values": values}:
                return MapOf(self.type_of(values, space))
            case {"type": "record", "name": name, "fields": fields}:
                return self._record(schema, _full(name, schema.get("namespace", space)), fields)
            case {"type": inner}:
                return self.type_of(inner, space)
            case [*branches]:
                return union([self.type_of(each, space) for each in branches])
            case str(name):
                found = self._found(name, space)
                return _SIMPLE.get(name) or self.records.get(found) or self.types.get(found) or Unreadable(name)
            case _:
                return Unreadable(str(schema)[:40])

    def _record(self, schema: Any, full: str, fields: list[Any]) -> Record:
        made: dict[str, Field] = {}
        record = Record(full, made)
        # known before its fields are: one may hold others of its own kind
        self.records[full], self.schemas[full] = record, schema
        space = full.rpartition(".")[0]
        for each in fields:
            default = self._default(each["type"], each["default"], space, each["name"]) if "default" in each else None
            type_ = self.type_of(each["type"], space)
            made[each["name"]] = Field(name=each["name"], type=type_, required="default" not in each, default=default)
        return record

    def _named(self, schema: Any, type_: Type, space: str) -> Type:
        if "name" in schema:
            full = _full(schema["name"], schema.get("namespace", space))
            self.types[full], self.schemas[full] = type_, schema
        return type_

    def _found(self, name: str, space: str) -> str:
        full = _full(name, space)
        return full if full in self.schemas or full in self.records else name

    def _default(self, schema: Any, value: Any, space: str, field: str) -> Any:
        try:
            return self._value(schema, value, space)
        except (TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError) as error:
            raise WrongError(f"the default of {field} is no value of its type") from error

    def _value(self, schema: Any, value: Any, space: str) -> Any:  # noqa: PLR0911 - one for each kind
        """A default as a reader would give it: schemas write it in JSON."""
        match schema:
            case [first, *others]:
                return self._value(others[0] if first == "null" and value is not None else first, value, space)
            case {"logicalType": "decimal", "type": "bytes" | "fixed"}:
                return Decimal(int.from_bytes(value.encode("latin-1"), signed=True)).scaleb(-schema.get("scale", 0))
            case {"logicalType": "date", "type": "int"}:
                return date.fromordinal(_EPOCH.toordinal() + value)
            case {"logicalType": str(logical), "type": "long"} if logical in _MOMENTS:
                return _EPOCH + timedelta(microseconds=value * _MOMENTS[logical])
            case "bytes" | {"type": "bytes" | "fixed"}:
                return value.encode("latin-1")
            case {"type": "array", "items": items}:
                return [self._value(items, each, space) for each in value]
            case {"type": "map", "values": values}:
                return {key: self._value(values, each, space) for key, each in value.items()}
            case {"type": "record", "fields": fields}:
                space = _full(schema["name"], schema.get("namespace", space)).rpartition(".")[0]
                return {
                    each["name"]: self._value(each["type"], value.get(each["name"], each.get("default")), space)
                    for each in fields
                }
            case {"type": dict() | list() as inner}:
                return self._value(inner, value, space)
            case str(name) if self._found(name, space) in self.schemas:
                return self._value(self.schemas[self._found(name, space)], value, space)
            case _:
                return value


def _full(name: str, space: str) -> str:
    return f"{space}.{name}" if space and "." not in name else name
