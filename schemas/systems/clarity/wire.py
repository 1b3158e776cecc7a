"""How Clarity eCommerce writes JSON: names, moments and numbers; for every record beside this module.

CEF answers in PascalCase and leaves out what has no value. Sites differ: some answer in camelCase, some write null,
or .NET's DateTime.MinValue for a date nobody set, some ServiceStack versions write `/Date(...)/`. All of that is read
into the same records; unknown members are ignored.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import cache, partial
from typing import TypeVar

import msgspec

from errors import DecodeError

TICKS_PER_SECOND = 10_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Initialisms CEF writes in capitals; every other word only gets its first letter raised.
_CAPITALS = {"id": "ID"}
#: A dictionary of the site's own names, which are nobody's members.
_FREE_NAMES = "SerializableAttributes"
#: CEF's names of moments end so.
_DATE = "Date"
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)
_SERVICE_STACK = re.compile(r"/Date\((-?\d{1,15})(?:[+-]\d{4})?\)/", re.ASCII)
#: DateTime.MinValue in any zone: the calendar's first day, in either way of writing.
_NEVER = "0001-01-01"
_NEVER_MS = -62_135_510_400_000
#: Wider than any amount or quantity; what lies beyond is a defect or an attack, not a price.
_WIDEST = 30

T = TypeVar("T", bound="Wire")


class Ticks(int):
    """A moment in ticks of 100 ns since 1970, the resolution of .NET's DateTime; it serves as the change number."""

    @property
    def moment(self) -> datetime:
        """The moment in aware UTC; the seventh decimal is lost."""
        return _EPOCH + timedelta(microseconds=self // 10)

    @property
    def text(self) -> str:
        """ISO 8601 in UTC with seven decimals, as .NET writes it."""
        seconds, fraction = divmod(self, TICKS_PER_SECOND)
        return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{fraction:07d}Z"


class FreeText(str):
    """A value of a custom field: the site may write text, a number or a truth, the bus reads text."""


#: Outside of it nobody sells; a moment beyond the calendar could not even be compared.
_FIRST = Ticks((datetime(1900, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1) * TICKS_PER_SECOND)
_END = Ticks((datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1) * TICKS_PER_SECOND)


def ticks_at(moment: datetime) -> Ticks:
    """The ticks of an aware moment."""
    return Ticks((moment - _EPOCH) // timedelta(microseconds=1) * 10)


def ticks_from(text: str, zone: tzinfo = UTC) -> Ticks:
    """The ticks of a moment as the store writes it; without an offset it is the site's local time.

    Raises:
        ValueError: the text is no moment between 1900 and 9998.
    """
    if service_stack := _SERVICE_STACK.fullmatch(text):
        return _sold_at(int(service_stack[1]) * 10_000)
    found = _ISO.fullmatch(text.strip())
    if found is None:
        raise ValueError("not a date and time")
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    local = datetime(year, month, day, hour, minute, second, tzinfo=_zone(found[8], zone))
    fraction = int((found[7] or "").ljust(7, "0")[:7])
    return _sold_at((local - _EPOCH) // timedelta(seconds=1) * TICKS_PER_SECOND + fraction)


def _sold_at(ticks: int) -> Ticks:
    if not _FIRST <= ticks < _END:
        raise ValueError("not a date anybody sells at")
    return Ticks(ticks)


def _zone(offset: str | None, otherwise: tzinfo) -> tzinfo:
    if offset is None:
        return otherwise
    if offset.upper() == "Z":
        return UTC
    minutes = int(offset[1:3]) * 60 + int(offset[-2:])
    if minutes >= 24 * 60:
        raise ValueError("not an offset from UTC")
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))


def pascal_case(name: str) -> str:
    """`sales_items` as CEF writes it: `SalesItems`."""
    return "".join(_CAPITALS.get(word, word[:1].upper() + word[1:]) for word in name.split("_"))


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename=pascal_case):
    """A record of the store; unknown members are ignored."""


def decode(body: bytes, record: type[T], zone: tzinfo = UTC) -> T:
    """The record in a body, whatever the site's case of names.

    Numbers become Decimal digit for digit. `zone` is the site's own, for moments written without an offset.

    Raises:
        DecodeError: the body is no such record; says where, never what stands there.
    """
    try:
        try:
            found: T = _decoder(record, zone).decode(body)
        except msgspec.ValidationError:
            # Another site's way of writing: camelCase, or null or a date never set where CEF leaves the member out.
            tree = msgspec.json.Decoder(float_hook=Decimal).decode(body)
            found = msgspec.convert(_normal(tree, _wire_names()), record, dec_hook=partial(_moment, zone))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise DecodeError(f"not a {record.__name__}: {_reason(error)}", record=record.__name__) from error
    if any(not _sensible(number) for number in _numbers(found)):
        raise DecodeError(f"not a {record.__name__}: a number out of range", record=record.__name__)
    return found


def encode(record: Wire) -> bytes:
    """JSON with decimals as numbers, digit for digit, and moments as .NET writes them."""
    return _ENCODER.encode(record)


def _as_text(value: object) -> str:
    if isinstance(value, Ticks):
        return value.text
    if isinstance(value, FreeText):
        return str(value)
    raise NotImplementedError


_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=_as_text)


@cache
def _decoder(record: type[T], zone: tzinfo) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(record, dec_hook=partial(_moment, zone))


def _moment(zone: tzinfo, kind: type, value: object) -> object:
    if kind is Ticks and isinstance(value, str):
        return ticks_from(value, zone)
    if kind is FreeText:
        return FreeText(value if isinstance(value, str) else msgspec.json.encode(value).decode())
    raise ValueError(f"not a {kind.__name__}")


def _wire_names() -> dict[str, str]:
    """Wire name by its lower case, over all records of this folder that are loaded."""
    names: dict[str, str] = {}
    waiting: list[type[Wire]] = [Wire]
    while waiting:
        record = waiting.pop()
        waiting.extend(record.__subclasses__())
        names |= {field.encode_name.lower(): field.encode_name for field in msgspec.structs.fields(record)}
    return names


def _normal(tree: object, names: dict[str, str]) -> object:
    if isinstance(tree, list):
        return [_normal(each, names) for each in tree]
    if not isinstance(tree, dict):
        return tree
    named = ((names.get(str(name).lower(), str(name)), value) for name, value in tree.items())
    return {
        name: {own: _normal(each, names) for own, each in value.items()}
        if name == _FREE_NAMES and isinstance(value, dict)
        else _normal(value, names)
        for name, value in named
        if not _is_nothing(name, value)
    }


def _is_nothing(name: str, value: object) -> bool:
    return value is None or (name.endswith(_DATE) and isinstance(value, str) and _is_never(value))


def _is_never(text: str) -> bool:
    if service_stack := _SERVICE_STACK.fullmatch(text):
        return int(service_stack[1]) <= _NEVER_MS
    return text.startswith(_NEVER)


def _numbers(value: object) -> Iterator[Decimal]:
    if isinstance(value, Decimal):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _numbers(getattr(value, name))
    elif isinstance(value, tuple):
        for each in value:
            yield from _numbers(each)


def _sensible(number: Decimal) -> bool:
    return number.is_finite() and abs(number.adjusted()) < _WIDEST


def _reason(error: Exception) -> str:
    """What is wrong, without the value: msgspec names types and the place, a codec would quote the bytes."""
    if isinstance(error, msgspec.DecodeError):
        return str(error)
    return "nested too deeply" if isinstance(error, RecursionError) else "not UTF-8 text"
