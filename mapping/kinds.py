"""Where a record is not what its fields say: looked for when a mapping failed on it, to tell people what was found."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from mapping.shapes import (
    Boolean,
    Bytes,
    Date,
    Instant,
    Integer,
    ListOf,
    MapOf,
    Nothing,
    Number,
    Optional,
    Record,
    Text,
    Type,
    bare,
)

#: Of what Python has, how people call it; a truth is a whole number to Python, and an instant a date.
_KINDS: tuple[tuple[Any, type[Type], str], ...] = (
    (str, Text, "text"),
    (bool, Boolean, "true or false"),
    (int, Integer, "a whole number"),
    (Decimal, Number, "a number"),
    (float, Number, "a float"),
    (datetime, Instant, "an instant"),
    (date, Date, "a date"),
    (bytes, Bytes, "bytes"),
    (list | tuple, ListOf, "a list"),
    (Mapping, MapOf, "a map"),
    (type(None), Nothing, "nothing"),
)
#: Values looked at; more tell nobody more.
_MOST = 10_000


def strange(value: Any, type_: Type, path: str) -> str:
    """What is first found that is not as its field says; empty where all is. It shows kinds, no values."""
    return next((found for found, _ in zip(_strange(value, type_, path), range(_MOST), strict=False) if found), "")


def _strange(value: Any, type_: Type, path: str) -> Iterator[str]:
    """A sentence for each value, empty where it is as it should be."""
    if value is None and isinstance(type_, Optional | Nothing):
        return
    match bare(type_):
        case Record(_, fields, maker):
            named = fields.values() if isinstance(value, Mapping if maker is None else maker) else ()
            if not named:
                yield f"{path} is {_kind(value)}, and its record says {type_}"
            for field in named:
                if not field.computed and maker is None and field.name not in value:
                    yield f"{path}.{field.name} is missing"
                elif not field.computed:
                    inner = value[field.name] if maker is None else getattr(value, field.name)
                    yield from _strange(inner, field.type, f"{path}.{field.name}")
        case ListOf(item) if isinstance(value, list | tuple):
            for place, each in enumerate(value, start=1):
                yield from _strange(each, item, f"{path}[{place}]")
        case MapOf(inner) if isinstance(value, Mapping):
            for each in value.values():
                yield from _strange(each, inner, f"{path}[…]")
        case wanted:
            yield "" if _is(value, wanted) else f"{path} is {_kind(value)}, and its record says {type_}"


def _is(value: Any, wanted: Type) -> bool:
    kinds = {kind: python for python, kind, _ in _KINDS if python is not float}
    python = kinds.get(type(wanted))
    return python is None or (isinstance(value, python) and (python is bool) == isinstance(value, bool))


def _kind(value: Any) -> str:
    return next((said for python, _, said in _KINDS if isinstance(value, python)), f"a {type(value).__name__}")
