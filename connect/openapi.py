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
_OF_VALUES = {str: Kind.TEXT, int: Kind.WHOLE, float: Kind.DECIMAL, bool: Kind.FLAG}
_EITHER = ("oneOf", "anyOf")
#: A schema within a schema, as deep as anybody reads.
_DEEPEST = 30
#: Parts of schemas looked at; those that are each twice another one would double without end.
_MOST = 500_000


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
        self._looked = 0

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
        self._looked += 1
        if depth > _DEEPEST or self._looked > _MOST:
            return found, required
        for part in _list(schema.get("allOf")):
            inner, needed = self._properties(self._followed(_table(part)), depth + 1)
            found |= inner
            required |= needed
        for part in (each for way in _EITHER for each in _list(schema.get(way))):
            # one or the other: each field may be missing, and what two call alike may be either
            inner, _ = self._properties(self._followed(_table(part)), depth + 1)
            found |= {name: {} if found.get(name, each) != each else each for name, each in inner.items()}
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
            if inner.repeated:
                # no record has lists of lists
                inner = Field(name=name, kind=Kind.ANY)
            return msgspec.structs.replace(inner, repeated=True, required=required, nullable=False)
        kind, record = self._kind(outer, name, schema, depth)
        types = schema.get("type")
        nullable = bool(schema.get("nullable")) or _may_be_null(schema)
        length = next((each["maxLength"] for each in (schema, *_parts(schema)) if "maxLength" in each), None)
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
        for way in ("allOf", *_EITHER):
            parts = [each for each in _list(schema.get(way)) if _table(each).get("type") != "null"]
            if len(parts) == 1 and not schema.get("properties"):
                return self._kind(outer, name, _table(parts[0]), depth + 1)
        simple = _simple(schema) or next((kind for each in _parts(schema) if (kind := _simple(each)) is not None), None)
        if simple is not None:
            return simple, ""
        inner = f"{outer}_{name}"
        if self._record(inner, schema, depth + 1):
            return Kind.RECORD, inner
        return (Kind.MAP if "additionalProperties" in schema else Kind.ANY), ""


def _parts(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those it is all of."""
    return [_table(each) for each in _list(schema.get("allOf"))]


def _may_be_null(schema: Mapping[str, Any]) -> bool:
    types = schema.get("type")
    either = [_table(each).get("type") for way in _EITHER for each in _list(schema.get(way))]
    return types == "null" or (isinstance(types, list) and "null" in types) or "null" in either


def _simple(schema: Mapping[str, Any]) -> Kind | None:
    """What a value without parts is."""
    types = schema.get("type")
    type_ = next((each for each in types if each != "null"), "") if isinstance(types, list) else types
    values = [schema["const"]] if "const" in schema else _list(schema.get("enum"))
    if type_ is None and values:
        # the values of a list are not kept, their type is
        kinds = {_OF_VALUES.get(type(each)) for each in values if each is not None}
        return kinds.pop() if len(kinds) == 1 else None
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
