"""What a field says of its values beyond their kind: how many digits, from where to where, how long.

Where a value is written down this is asked when the mapping is loaded; else the code asks it of each record, unless the
value comes from a field that says the same.
"""

from collections.abc import Callable
from decimal import (
    ROUND_HALF_EVEN,
    Clamped,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    Rounded,
    Subnormal,
    Underflow,
)
from typing import Any

from errors import MappingError
from mapping.shapes import Integer, ListOf, MapOf, Number, Optional, Text, Type, as_number, bare, span

Guard = Callable[[Any], Any]
_SHOWN = 40
#: Wide enough that amount times rate times factor loses no digit; far below what costs time.
CONTEXT = Context(
    prec=60, Emin=-200, Emax=200, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow]
)
#: As many digits as an amount has. What comes out is what `CONTEXT` gives, to the digit, or an error.
AMOUNT = Context(
    prec=19,
    Emin=-200,
    Emax=200,
    rounding=ROUND_HALF_EVEN,
    traps=[InvalidOperation, DivisionByZero, Overflow, Inexact, Rounded, Subnormal, Underflow, Clamped],
)


def guard(given: Type, wanted: Type) -> tuple[str, Guard] | None:  # noqa: PLR0911 - one for each kind
    """What a value goes through to a field, with a name for it; None where it fits whatever it is."""
    # what may be absent has a guard of another name: it cannot be asked without looking
    absent, given, wanted = "_or_none" if isinstance(given, Optional) else "", bare(given), bare(wanted)
    match wanted, given:
        case Number(scale, precision), Number() | Integer() if not _holds(wanted, as_number(given)):
            if scale is None:
                return None if wanted.handed_on else (f"_finite{absent}", finite)
            return f"_amount_{precision or 0}_{scale}{absent}", _amount(scale, precision)
        case Integer(), Integer() if not _within(span(given), span(wanted)):
            least, most = span(wanted)
            return f"_whole_{least}_{most}".replace("-", "m"), _whole(least, most)
        case Text(None, least, most), Text() if not _fits(given, least, most):
            return f"_text_{least}_{most}", _text(least, most)
        case (ListOf(one), ListOf(other)):
            inner = guard(other, one)
            return None if inner is None else (f"_each{inner[0]}", _each(inner[1]))
        case (MapOf(one), MapOf(other)):
            inner = guard(other, one)
            return None if inner is None else (f"_values{inner[0]}", _values(inner[1]))
        case _:
            return None


def finite(number: Any) -> Any:
    """A number that is one, or nothing.

    Raises:
        MappingError: NaN or Infinity, which some readers take for numbers.
    """
    if number is not None and not number.is_finite():
        raise MappingError("", f"{number} is no number")
    return number


def _holds(wanted: Number, given: Number) -> bool:
    if not given.finite or wanted.scale is None:
        return given.finite
    if given.scale is None or not given.exact or given.scale > wanted.scale:
        return False
    digits = None if given.precision is None else given.precision - given.scale
    return wanted.precision is None or (digits is not None and digits <= wanted.precision - wanted.scale)


def _within(given: tuple[int | None, int | None], wanted: tuple[int | None, int | None]) -> bool:
    low = wanted[0] is None or (given[0] is not None and given[0] >= wanted[0])
    return low and (wanted[1] is None or (given[1] is not None and given[1] <= wanted[1]))


def _fits(given: Text, least: int, most: int | None) -> bool:
    if given.values is not None:
        return True  # asked when the mapping was loaded
    return given.least >= least and (most is None or (given.most is not None and given.most <= most))


def _amount(scale: int, precision: int | None) -> Guard:
    # of its digits, so that no bounds of whoever loads the mapping have to do with it
    smallest, digits = Decimal((0, (1,), -scale)), (precision or 100) - scale
    # a remainder of the smallest unit, its quotient no longer than the field, tells too many decimals, too many digits
    # and NaN at once: nothing is left but of what fits; this runs for every amount
    left = Context(prec=precision or 100, traps=[]).remainder

    def amount(number: Decimal | None) -> Decimal | None:
        if number is None or not left(number, smallest):
            return number
        if finite(number) and number.adjusted() >= digits:
            raise MappingError("", f"{_shown(number)} has more than {digits} digits before the point")
        raise MappingError("", f"{_shown(number)} has more than {scale} decimals: write round(…, {scale})")

    return amount


def _whole(least: int | None, most: int | None) -> Guard:
    def whole(number: int | None) -> int | None:
        if number is not None and ((least is not None and number < least) or (most is not None and number > most)):
            raise MappingError("", outside(number, least, most))
        return number

    return whole


def outside(number: int, least: int | None, most: int | None) -> str:
    """What is said of a number that is out of its field's range."""
    if most is None:
        return f"{_shown(number)} is less than {least}, the least there"
    return f"{_shown(number)} is more than {most}, the most there" if number > most else outside(number, least, None)


def _text(least: int, most: int | None) -> Guard:
    def text(value: str | None) -> str | None:
        if value is not None and (len(value) < least or (most is not None and len(value) > most)):
            raise MappingError("", lengthy(value, least, most))
        return value

    return text


def lengthy(value: str, least: int, most: int | None) -> str:
    """What is said of a text that is too long or too short for its field."""
    if most is not None and len(value) > most:
        return f"has {len(value)} characters, and the field holds {most}: write cut(…, {most})"
    return f"has {len(value)} characters, and the field wants {least} or more"


def _each(inner: Guard) -> Guard:
    return lambda items: None if items is None else tuple(map(inner, items))


def _values(inner: Guard) -> Guard:
    return lambda items: None if items is None else {key: inner(value) for key, value in items.items()}


def _shown(number: object) -> str:
    text = str(number)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
