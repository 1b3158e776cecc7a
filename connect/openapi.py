"""The records of an OpenAPI document (3.x, or the older Swagger 2.0); names and types only; pure.

Descriptions, examples, defaults and lists of values are left out: people write what they like there.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from connect.discovered import Field, Kind, Record
from errors import DecodeError

OF_TYPES = {"integer": Kind.WHOLE, "number": Kind.DECIMAL, "boolean": Kind.FLAG}
OF_FORMATS = {"date-time": Kind.MOMENT, "date": Kind.MOMENT, "byte": Kind.BYTES, "binary": Kind.BYTES}
#: A schema within a schema, as deep as anybody reads.
_DEEPEST = 30


def records(document: bytes) -> tuple[Record, ...]:
    """Every named schema with fields, and those that stand inside of one under `Outer_field`; none: it names none.

    Raises:
        DecodeError: it is no such document.
    """
    try:
        said = msgspec.json.decode(document)
    except msgspec.DecodeError as error:
        raise DecodeError(f"no OpenAPI document: {error}") from error
    if not isinstance(said, dict) or not ({"openapi", "swagger"} & said.keys()):
        raise DecodeError("no OpenAPI document: it names no version")
    reader = _Reader(_table(_table(said.get("components")).get("schemas")) or _table(said.get("definitions")))
    return reader.read()


class _Reader:
    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas
        self._made: dict[str, Record] = {}

    def read(self) -> tuple[Record, ...]:
        for name, schema in self._schemas.items():
            self._record(name, _table(schema), 0)
        return tuple(self._made[name] for name in sorted(self._made))

    def _record(self, name: str, schema: Mapping[str, Any], depth: int) -> bool:
        """Whether it has fields."""
        properties, required = self._properties(schema, depth)
        if not properties:
            return False
        fields = tuple(
            self._field(name, each, _table(inner), each in required, depth) for each, inner in properties.items()
        )
        self._made[name] = Record(name=name, fields=fields)
        return True

    def _properties(self, schema: Mapping[str, Any], depth: int) -> tuple[dict[str, Any], set[str]]:
        """Its own, and those of what it is all of."""
        found: dict[str, Any] = {}
        required: set[str] = set()
        if depth > _DEEPEST:
            return found, required
        for part in _list(schema.get("allOf")):
            inner, needed = self._properties(self._followed(_table(part)), depth + 1)
            found |= inner
            required |= needed
        return found | _table(schema.get("properties")), required | {
            str(each) for each in _list(schema.get("required"))
        }

    def _followed(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        return _table(self._schemas.get(_named(schema), schema)) if "$ref" in schema else schema

    def _field(self, outer: str, name: str, schema: Mapping[str, Any], required: bool, depth: int) -> Field:
        said = str(schema.get("format") or schema.get("type") or "")
        items = schema.get("items")
        if isinstance(items, dict):
            inner = self._field(outer, name, items, False, depth + 1)
            return msgspec.structs.replace(inner, repeated=True, required=required, nullable=False)
        kind, record = self._kind(outer, name, schema, depth)
        types = schema.get("type")
        nullable = bool(schema.get("nullable")) or (isinstance(types, list) and "null" in types)
        length = schema.get("maxLength")
        return Field(
            name=name,
            kind=kind,
            record=record,
            length=length if isinstance(length, int) and kind is Kind.TEXT else 0,
            nullable=nullable,
            required=required,
            said=said if isinstance(types, str) or not types else "",
        )

    def _kind(self, outer: str, name: str, schema: Mapping[str, Any], depth: int) -> tuple[Kind, str]:
        if depth > _DEEPEST:
            return Kind.ANY, ""
        if "$ref" in schema:
            of = _named(schema)
            target = self._followed(schema)
            properties, _ = self._properties(target, depth)
            return (Kind.RECORD, of) if properties else self._kind(outer, name, _without_ref(target), depth + 1)
        for way in ("allOf", "oneOf", "anyOf"):
            parts = [each for each in _list(schema.get(way)) if _table(each).get("type") != "null"]
            if len(parts) == 1 and not schema.get("properties"):
                return self._kind(outer, name, _table(parts[0]), depth + 1)
        simple = _simple(schema)
        if simple is not None:
            return simple, ""
        inner = f"{outer}_{name}"
        if self._record(inner, schema, depth + 1):
            return Kind.RECORD, inner
        return (Kind.MAP if "additionalProperties" in schema else Kind.ANY), ""


def _simple(schema: Mapping[str, Any]) -> Kind | None:
    """What a value without parts is."""
    types = schema.get("type")
    type_ = next((each for each in types if each != "null"), "") if isinstance(types, list) else types
    if type_ == "string":
        return OF_FORMATS.get(str(schema.get("format")), Kind.TEXT)
    return OF_TYPES.get(str(type_))


def _named(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _without_ref(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Of what refers to itself nothing is left."""
    return {name: value for name, value in schema.items() if name != "$ref"}


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
