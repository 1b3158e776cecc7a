"""The record that sample documents have in common: names and types, no value of any of them; pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from connect.discovered import Field, Kind, Record
from errors import DecodeError

#: Names of fields; what else stands for a name is somebody's data.
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.\-]{0,63}", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*", re.ASCII)
#: The share of objects that a field is in at least, half of all fields given.
SELDOM = 0.1
#: An object with more names than these over all samples has data for names.
MOST_NAMES = 300
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?\s*(Z|[+-]\d\d:?\d\d)?)?|/Date\(-?\d{1,15}([+-]\d{4})?\)/",
    re.ASCII | re.IGNORECASE,
)
_DEEPEST = 30


def records(name: str, documents: Iterable[bytes]) -> tuple[Record, ...]:
    """The record `name`, and one for each object inside of it, under `<outer>_<field>`.

    Raises:
        DecodeError: one is no JSON object; says which.
    """
    found = []
    for number, document in enumerate(documents, start=1):
        try:
            said = msgspec.json.decode(document)
        except msgspec.DecodeError as error:
            raise DecodeError(f"sample {number} is no JSON") from error
        if not isinstance(said, dict):
            raise DecodeError(f"sample {number} is no JSON object")
        found.append(said)
    made: dict[str, Record] = {}
    _record(name, found, made, 0)
    return tuple(made.values())


def _record(name: str, objects: Sequence[Mapping[str, Any]], made: dict[str, Record], depth: int) -> bool:
    """Whether the objects have names of fields in common."""
    names = dict.fromkeys(key for each in objects for key in each)
    if not names or len(names) > MOST_NAMES or depth > _DEEPEST or not all(_NAME.fullmatch(key) for key in names):
        return False
    if depth and _are_data([each for each in objects if each]):
        return False
    made[name] = Record(name=name, fields=())  # keeps its place before its parts
    fields = tuple(_field(name, key, [each.get(key) for each in objects], made, depth) for key in names)
    fields = tuple(
        msgspec.structs.replace(field, required=all(field.name in each for each in objects)) for field in fields
    )
    made[name] = Record(name=name, fields=fields)
    return True


def _are_data(objects: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the names are seldom shared, as those of people and things are; of one object its names have to tell."""
    met = Counter(key for each in objects for key in each)
    if len(objects) == 1:
        return not all(_PLAIN.fullmatch(key) for key in met)
    often = max(2, len(objects) * SELDOM)
    return 2 * sum(count >= often for count in met.values()) < len(met)


def _field(outer: str, name: str, values: Sequence[Any], made: dict[str, Record], depth: int) -> Field:
    there = [value for value in values if value is not None]
    nullable = any(value is None for value in values)
    if there and all(isinstance(value, list) for value in there):
        inner = _field(outer, name, [item for value in there for item in value], made, depth + 1)
        return msgspec.structs.replace(inner, repeated=True, nullable=nullable)
    kind, record = _kind(outer, name, there, made, depth)
    return Field(name=name, kind=kind, record=record, nullable=nullable)


def _kind(outer: str, name: str, there: Sequence[Any], made: dict[str, Record], depth: int) -> tuple[Kind, str]:
    if there and all(isinstance(value, dict) for value in there):
        inner = f"{outer}_{name}"
        return (Kind.RECORD, inner) if _record(inner, there, made, depth + 1) else (Kind.MAP, "")
    kinds = {_simple(value) for value in there}
    if kinds == {Kind.WHOLE, Kind.DECIMAL}:
        return Kind.DECIMAL, ""
    # an empty text among moments is one nobody set
    kinds -= {Kind.TEXT} if kinds == {Kind.TEXT, Kind.MOMENT} and _only_empty_texts(there) else set()
    return (kinds.pop(), "") if len(kinds) == 1 else (Kind.TEXT if kinds == {Kind.TEXT, Kind.MOMENT} else Kind.ANY, "")


def _only_empty_texts(there: Sequence[Any]) -> bool:
    return all(not value for value in there if _simple(value) is Kind.TEXT)


def _simple(value: Any) -> Kind:
    match value:
        case bool():
            return Kind.FLAG
        case int():
            return Kind.WHOLE
        case float():
            return Kind.DECIMAL
        case str():
            return Kind.MOMENT if _MOMENT.fullmatch(value) else Kind.TEXT
    return Kind.ANY
