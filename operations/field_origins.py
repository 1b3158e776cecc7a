"""Where each field of a record came from and went to, told by equal values: pure.

Mappings are functions: which of a source's fields one of theirs was made of can not be read off them. What can be told
is where the same value stands in the document it was made of and in the document made of it; a value that stands
nowhere else was made by the mapping, a lookup table or a rule.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

#: So many places of one value are told.
MOST = 3
_INDEX = re.compile(r"\[(\d+)\]")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
#: Below this, a number or a short text stands in too many places to tell anything by itself: the name must fit, too.
_TELLING_LENGTH = 4


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a canonical record."""

    field: str
    value: str
    #: Places of the same value in the document it was made of: `SalesItems[1].Sku`, counted from 1.
    source: tuple[str, ...]
    #: And in the document made of it.
    target: tuple[str, ...]


def origins(record: object, source: object = None, target: object = None) -> tuple[Origin, ...]:
    """Each field of a record that says something, beside where its value stands in the two documents.

    Args:
        record: Plain data, as `msgspec.to_builtins` gives it.
        source: Of which it was made; None: not known.
        target: Made of it; None: not known.
    """
    there, beyond = list(leaves(source)), list(leaves(target))
    return tuple(
        Origin(field=field, value=value, source=places(field, value, there), target=places(field, value, beyond))
        for field, value in leaves(record)
    )


def leaves(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Path and text of every value in plain data; what is empty says nothing and is left out."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for number, inner in enumerate(value, 1):
            yield from leaves(inner, f"{path}[{number}]")
    elif value is not None and value != "":
        yield path, _text(value)


def places(field: str, value: str, candidates: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Where the same value stands, the likeliest first."""
    wanted = _alike(value)
    same = [path for path, text in candidates if _alike(text) == wanted]
    if len(wanted) < _TELLING_LENGTH or wanted in {"true", "false"}:
        same = [path for path in same if _words(field) & _words(path)]
    indexes = _INDEX.findall(field)
    in_step = [path for path in same if _INDEX.findall(path)[: len(indexes)] == indexes]
    named = sorted(in_step or same, key=lambda path: -len(_words(field) & _words(path)))
    return tuple(named[:MOST])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _alike(text: str) -> str:
    """One form for what two systems write in their own ways: amounts, times, case, blanks around."""
    bare = text.strip()
    try:
        number = Decimal(bare)
        return f"{number.normalize():f}" if number.is_finite() else bare
    except InvalidOperation:
        pass
    if len(bare) > 10 and bare[4:5] == "-":
        try:
            moment = datetime.fromisoformat(bare)
        except ValueError:
            return bare.casefold()
        return moment.astimezone(UTC).isoformat() if moment.tzinfo else moment.isoformat()
    return bare.casefold()


def _words(path: str) -> set[str]:
    """Of the last name of a path: `SalesItems[1].UnitPrice` has unit and price."""
    return {word.lower() for word in _WORD.findall(path.rsplit(".", 1)[-1]) if len(word) > 1}
