"""From text to numbers and truths and back, and what stands in where nothing was given."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from mapping.functions.faults import EXACT, ITEMS_LIMIT, FunctionError, bounded, finite, places, shown
from mapping.functions.moments import aware

#: Wider than any number with its separators.
_NUMBER_LIMIT = 64
_DIGITS = frozenset("0123456789")
_SPACES = frozenset("\u00a0\u2009\u202f")
YES = ("true", "yes", "y", "on", "1")
NO = ("false", "no", "n", "off", "0")


def to_decimal(text: str, thousands: str = "", decimal_point: str = ".") -> Decimal:
    """A number written as text, with the separators it is written with; refused when it is written otherwise.

    The sign stands before or, as accounts have it, behind it, or brackets stand around it. Groups have three digits, or
    two before the last (India).

    Example:
        to_decimal("1.234,50-", ".", ",") == -1234.50
        to_decimal(" 22.5 ") == 22.5
        to_decimal("(5.00)") == -5.00
    """
    check_separators(thousands, decimal_point)
    if len(text) > _NUMBER_LIMIT:
        raise _no_number(text)
    sign, plain = _sign(text.strip())
    whole, point, fraction = plain.partition(decimal_point)
    if thousands:
        whole = _ungrouped(whole, thousands, text)
    if not (whole or fraction) or not _DIGITS.issuperset(whole + fraction) or (point and not fraction):
        raise _no_number(text)
    return finite(Decimal(f"{sign}{whole or '0'}.{fraction or '0'}" if point else f"{sign}{whole}"))


def is_decimal(text: str, thousands: str = "", decimal_point: str = ".") -> bool:
    """Whether `to_decimal` can read a text.

    Example:
        is_decimal("n/a") == False
    """
    try:
        to_decimal(text, thousands, decimal_point)
    except FunctionError:
        return False
    return True


def to_integer(text: str, thousands: str = "") -> int:
    """A whole number written as text.

    Example:
        to_integer("1,200", ",") == 1200
    """
    return whole(to_decimal(text, thousands, "," if thousands == "." else "."))


def whole(number: Decimal) -> int:
    """A decimal without a fraction as an integer; refused when it has one.

    Example:
        whole(3.00) == 3
    """
    plain = finite(number)
    if plain != plain.to_integral_value():
        raise FunctionError(f"{shown(number)} is not a whole number")
    return int(plain)


def to_boolean(text: str, yes: Sequence[str] = YES, no: Sequence[str] = NO) -> bool:
    """A truth written as a word, in any case of letters; refused when it is none of the words.

    Example:
        to_boolean("Yes") == True
        to_boolean("N", ["J"], ["N"]) == False
    """
    word = text.strip().casefold()
    if word in {each.casefold() for each in yes}:
        return True
    if word in {each.casefold() for each in no}:
        return False
    raise FunctionError(f"{shown(text)} is none of {', '.join((*yes, *no))}")


def to_text(value: Any, fallback: str | None = None) -> str:
    """A value as plain text: numbers without exponent, dates and moments by ISO 8601, truths as `true` and `false`.

    With a fallback the value may be absent. Refused: a list, a map, a record.

    Example:
        to_text(22.50) == "22.50"
        to_text(True) == "true"
        to_text(None, "none") == "none"
    """
    match value:
        case str():
            return bounded(value)
        case bool():
            return "true" if value else "false"
        case int() | Decimal() | float():
            number = decimal_of(value)
            return f"{number or abs(number):f}"
        case datetime():
            return aware(value).astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case None if fallback is not None:
            return fallback
    raise _of_kind(value, "plain text")


def decimal_of(value: Any, fallback: Decimal | None = None) -> Decimal:
    """The number in a value that may be of any kind, as custom fields and other systems' floating numbers are.

    A text is read as `to_decimal` does; of a floating number the digits that people are shown. With a fallback it may
    be absent. Refused: what is no number.

    Example:
        decimal_of("22.5") == 22.5
        decimal_of(None, 0.00) == 0.00
    """
    match value:
        case bool():
            raise _of_kind(value, "a number")
        case int() | Decimal():
            return finite(Decimal(value))
        case float():
            return finite(Decimal(repr(value)))
        case str():
            return to_decimal(value)
        case None if fallback is not None:
            return fallback
    raise _of_kind(value, "a number")


def boolean_of(value: Any, fallback: bool | None = None) -> bool:
    """The truth in a value that may be of any kind: itself, or a word as `to_boolean` reads it.

    Example:
        boolean_of("yes") == True
        boolean_of(None, False) == False
    """
    match value:
        case bool():
            return value
        case str():
            return to_boolean(value)
        case None if fallback is not None:
            return fallback
    raise _of_kind(value, "true or false")


def list_of(value: Any) -> Sequence[Any]:
    """The values in a value that may be of any kind; none where it is absent.

    Example:
        list_of(None) == []
        [to_text(each) for each in list_of(["a", "b"])] == ["a", "b"]
    """
    if value is None or isinstance(value, list | tuple):
        return tuple(value or ())
    raise _of_kind(value, "a list")


def map_of(value: Any) -> Mapping[str, Any]:
    """The values by name in a value that may be of any kind; none where it is absent.

    Example:
        to_text(map_of({"gift": "yes"})["gift"], "") == "yes"
    """
    if value is None or isinstance(value, dict):
        return value or {}
    raise _of_kind(value, "a map")


def format_decimal(number: Decimal, decimals: int = 2, thousands: str = "", decimal_point: str = ".") -> str:
    """A number as text with that many decimals; refused when it has more of them: round it first.

    Example:
        format_decimal(-1234.5, 2, ".", ",") == "-1.234,50"
    """
    plain = finite(number)
    exact = plain.quantize(Decimal(1).scaleb(-places(decimals)), context=EXACT)
    if exact != plain:
        raise FunctionError(f"{shown(number)} has more than {decimals} decimals: round it first")
    check_separators(thousands, decimal_point)
    text = f"{exact or abs(exact):,f}"
    return text.replace(".", "\0").replace(",", thousands).replace("\0", decimal_point)


def if_blank(text: str | None, fallback: str) -> str:
    """The text, or the fallback where it is absent or has nothing but blanks.

    Example:
        if_blank("  ", "EACH") == "EACH"
    """
    return fallback if is_blank(text) else str(text)


def is_blank(text: str | None) -> bool:
    """Whether it is absent or has nothing but blanks.

    Example:
        is_blank(" ") == True
    """
    return text is None or not text.strip()


def first_filled(texts: Sequence[str | None]) -> str:
    """The first text that is not blank; empty where all are.

    Example:
        first_filled(["", None, "Larchfield", "Okonjo"]) == "Larchfield"
    """
    return next((text for text in texts[:ITEMS_LIMIT] if text and text.strip()), "")


_KINDS = {
    "str": "a text",
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "Decimal": "a number",
    "NoneType": "absent",
    "list": "a list",
    "tuple": "a list",
    "dict": "a map",
}


def _of_kind(value: object, wanted: str) -> FunctionError:
    found = _KINDS.get(type(value).__name__, f"a {type(value).__name__}")
    return FunctionError(f"is {found}, and {wanted} is needed")


def check_separators(thousands: str, decimal_point: str) -> None:
    """Look at what numbers are written with.

    Raises:
        FunctionError: they cannot be told apart.
    """
    if len(decimal_point) != 1 or len(thousands) > 1 or thousands == decimal_point:
        raise FunctionError("separators: one character each, and not the same one")


def _sign(text: str) -> tuple[str, str]:
    if text[:1] in {"-", "+", "−"}:
        return ("" if text[0] == "+" else "-"), text[1:].lstrip()
    if text.endswith("-"):
        return "-", text[:-1].rstrip()
    if text.startswith("(") and text.endswith(")"):
        return "-", text[1:-1].strip()
    return "", text


def _ungrouped(digits: str, thousands: str, text: str) -> str:
    """The digits without their separators."""
    if thousands == " ":
        digits = "".join(" " if c in _SPACES else c for c in digits)
    first, *rest = digits.split(thousands)
    # a comma where a point is meant makes a hundredfold amount: what is not grouped as groups are is refused
    if rest and (not 1 <= len(first) <= 3 or len(rest[-1]) != 3 or any(len(part) not in {2, 3} for part in rest)):
        raise FunctionError(f"{shown(text)} is not grouped by {thousands!r}")
    return first + "".join(rest)


def _no_number(text: str) -> FunctionError:
    return FunctionError(f"{shown(text)} is not a number written with these separators")
