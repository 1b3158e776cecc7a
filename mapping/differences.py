"""Where two records differ, field by field, as people read it: `lines[1].unit_price: 22.50 -> 21.83333`."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec

#: What is shown of a value where one line has to do.
_WIDEST = 72
#: Items of lists that are shown of one value.
_MOST_ITEMS = 10_000


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One field that is not the same; lists are counted from 1."""

    field: str
    #: As text; None: it is not there.
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.field}: {_said(self.before)} -> {_said(self.after)}"


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Each field in which two records differ, in their order; numbers are compared as numbers."""
    fields = _fields(before), _fields(after)
    if None not in fields:
        one, other = fields
        for name in dict.fromkeys((*(one or ()), *(other or ()))):
            inner = f"{path}{name}" if name.startswith("[") or not path else f"{path}.{name}"
            yield from differences((one or {}).get(name, ABSENT), (other or {}).get(name, ABSENT), inner)
    elif before is ABSENT or after is ABSENT or before != after:
        yield Difference(field=path, before=_text(before), after=_text(after))


def shown(value: Any) -> str:  # noqa: PLR0911 - one for each kind
    """A value as text; records as JSON."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case str():
            return msgspec.json.encode(str(value)).decode()
        case Decimal():
            return f"{value:f}"
        case datetime() | date():
            return value.isoformat()
        case int():
            return str(int(value))
    try:
        return msgspec.json.encode(_some_of(value, [_MOST_ITEMS]), enc_hook=str).decode()
    except (TypeError, ValueError, msgspec.MsgspecError):
        return str(value)


def _some_of(value: Any, room: list[int]) -> Any:
    """As much of a value as there is room for: a list may hold the same list so often that no memory held its text."""
    match value:
        case list() | tuple():
            some = []
            for each in value:
                if room[0] <= 0:
                    some.append("…")
                    break
                room[0] -= 1
                some.append(_some_of(each, room))
            return some
        case dict():
            return {key: _some_of(each, room) for key, each in islice(value.items(), max(room[0], 0))}
        case _:
            return value


def in_one_line(text: str) -> str:
    """As much of a text as one line of a terminal holds."""
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


ABSENT: Any = object()


def _fields(value: Any) -> Mapping[str, Any] | None:
    """What stands inside by name; None for a value without parts."""
    match value:
        case msgspec.Struct():
            return {name: getattr(value, name) for name in value.__struct_fields__}
        case Mapping():
            return {str(name): each for name, each in value.items()}
        case tuple() | list():
            return {f"[{number}]": each for number, each in enumerate(value, 1)}
    return None


def _text(value: Any) -> str | None:
    return None if value is ABSENT else shown(value)


def _said(text: str | None) -> str:
    return "nothing there" if text is None else in_one_line(text)
