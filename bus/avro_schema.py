"""Schemas of strangers, parsed and checked: what they say is compiled, and decides about memory and time."""

import json
from collections.abc import Iterator
from typing import Any

import fastavro

from bus.avro import Schema
from errors import DecodeError

#: Characters of a schema; an envelope of a thousand columns has half of it.
_LONGEST = 262_144
#: Objects and lists within each other.
_DEEPEST = 100
#: Bytes of a fixed.
_WIDEST = 1 << 20
#: Digits of a decimal: as many as PostgreSQL lets a column have.
_DIGITS = 1000
_SINGLE = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}


def parsed(text: str) -> Schema:
    """A writer's schema as fastavro parses it; sizes, digits and names are what they have to be.

    Raises:
        DecodeError: it is none that this bus reads; says why.
    """
    if len(text) > _LONGEST:
        raise DecodeError(f"a schema of {len(text)} characters is longer than {_LONGEST}")
    try:
        said = json.loads(text, object_hook=_without_marks)
        _refuse_depth(said)
        schema = fastavro.parse_schema(said)
        for each in _types(schema):
            _check(each)
    except (DecodeError, MemoryError):
        raise
    except Exception as error:  # whatever a text from outside makes a parser raise
        raise DecodeError(f"no Avro schema: {type(error).__name__}: {str(error)[:200]}") from error
    return schema


def _without_marks(said: dict[str, Any]) -> dict[str, Any]:
    """What bears marks of fastavro's it takes as parsed before, and does not look at."""
    return {name: value for name, value in said.items() if not name.startswith("__")}


def _refuse_depth(said: Any) -> None:
    level = [said]
    for _ in range(_DEEPEST):
        level = [inner for each in level if isinstance(each, dict | list) for inner in _held(each)]
        if not level:
            return
    raise DecodeError(f"a schema nested deeper than {_DEEPEST}")


def _held(said: dict[str, Any] | list[Any]) -> Iterator[Any]:
    return iter(said.values() if isinstance(said, dict) else said)


def _types(schema: Schema) -> Iterator[dict[str, Any]]:
    """Every type that is an object, wherever it stands."""
    if isinstance(schema, list):
        if any(isinstance(part, list) for part in schema):
            raise DecodeError("a union within a union")
        for part in schema:
            yield from _types(part)
    elif isinstance(schema, dict):
        yield schema
        for field in schema.get("fields", ()):
            if not isinstance(field["name"], str):
                raise DecodeError(f"{field['name']!r} is no name of a field")
            yield from _types(field["type"])
        for inner in (schema.get("items"), schema.get("values")):
            yield from _types(inner)


def _check(schema: dict[str, Any]) -> None:
    name = schema.get("name", "")
    if name in _SINGLE:
        raise DecodeError(f"a type cannot be named {name}")
    if schema["type"] == "fixed":
        _within(schema.get("size"), 0, _WIDEST, f"the size of {name}")
    if schema.get("logicalType") == "decimal":
        _within(schema.get("precision"), 1, _DIGITS, "the precision of a decimal")
        _within(schema.get("scale", 0), 0, _DIGITS, "the scale of a decimal")


def _within(number: object, least: int, most: int, what: str) -> None:
    # True is a number to Python
    if type(number) is not int or not least <= number <= most:
        raise DecodeError(f"{what} is {str(number)[:40]!r}, and not a number from {least} to {most}")
