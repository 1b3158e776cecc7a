"""Decimals and times as Avro has them: exactly, or refused with the name of the field; remembered, as they repeat."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from functools import cache

from bus.varint import LENGTHS, written
from errors import MappingError

ZERO = Decimal(0)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: So many values are remembered of a kind; then it begins anew, as what is remembered must not grow.
_REMEMBERED = 8192
#: Wide enough that no product of ours is ever rounded; if one were, it would say so.
_EXACT = Context(prec=100, traps=[Inexact, InvalidOperation, Overflow])


_WRITTEN: dict[tuple[int, int, int | None], dict[Decimal, bytes]] = {}
_READ: dict[tuple[int, int], dict[bytes, Decimal]] = {}


def written_amounts(precision: int, scale: int, size: int | None) -> dict[Decimal, bytes]:
    """What decimals of that width were written as: so many bytes, or as few as it takes with their length in front."""
    return _WRITTEN.setdefault((precision, scale, size), {})


def read_amounts(precision: int, scale: int) -> dict[bytes, Decimal]:
    """What bytes of decimals of that width were read as."""
    return _READ.setdefault((precision, scale), {})


@cache
def plain_amounts(precision: int, scale: int) -> "PlainAmounts":
    """Bytes to decimals of another's schema, remembered."""
    return PlainAmounts(precision, scale)


class PlainAmounts(dict[bytes, Decimal]):
    """Bytes to decimals as a database has them, zeros with their decimals; remembered."""

    def __init__(self, precision: int, scale: int) -> None:
        super().__init__()
        self._precision = precision
        self._scale = scale
        self._exact = _EXACT.copy()
        self._exact.prec = max(_EXACT.prec, precision)

    def __missing__(self, value: bytes) -> Decimal:
        # one of megabytes would take minutes, and be remembered
        if len(value) > _longest(self._precision):
            raise ValueError(f"a decimal is beyond {self._precision} digits")
        if len(self) >= _REMEMBERED:
            self.clear()
        made = self[value] = self._exact.scaleb(Decimal(int.from_bytes(value, "big", signed=True)), -self._scale)
        return made


@cache
def read_moments() -> dict[int, datetime]:
    """What numbers, their sign in the last bit, were read as."""
    return {}


def moment(raw: int) -> datetime:
    """The time that so many microseconds since 1970 are, their sign in the last bit; remembered."""
    known = read_moments()
    if len(known) >= _REMEMBERED:
        known.clear()
    made = known[raw] = EPOCH + timedelta(microseconds=raw >> 1 ^ -(raw & 1))
    return made


def moment_to_bytes(field: str) -> Callable[[datetime], bytes]:
    """Writes a field's times.

    Raises:
        MappingError: the time has no zone.
    """

    def convert(value: datetime) -> bytes:
        try:
            since = value - EPOCH
        except TypeError as error:
            raise MappingError(field, "a time without its zone") from error
        return written((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)

    return convert


def amount_to_bytes(field: str, precision: int, scale: int, size: int | None) -> Callable[[Decimal], bytes]:
    """Writes a field's decimals, and remembers them.

    Raises:
        MappingError: it does not fit the field.
    """
    limit, multiply, unit = 10**precision, _EXACT.multiply, Decimal(10) ** scale
    known = written_amounts(precision, scale, size)

    def convert(value: Decimal) -> bytes:
        try:
            exact = multiply(value, unit)
            number = int(exact)
        except (DecimalException, ValueError, OverflowError, TypeError) as error:
            raise MappingError(field, f"{value!r} is not a number with {scale} decimals") from error
        if number != exact:
            raise MappingError(field, f"{value} has more than {scale} decimals")
        if not -limit < number < limit:
            raise MappingError(field, f"{value} has more than {precision - scale} digits before the point")
        if size is None:
            needed = (number.bit_length() + 8) // 8
            made = LENGTHS[needed] + number.to_bytes(needed, "big", signed=True)
        else:
            made = number.to_bytes(size, "big", signed=True)
        if len(known) >= _REMEMBERED:
            known.clear()
        if type(value) is Decimal:
            known[value] = made
        return made

    return convert


def amount_from_bytes(field: str, precision: int, scale: int) -> Callable[[bytes], Decimal]:
    """Reads a field's decimals, and remembers them.

    Raises:
        ValueError: it has more digits than the field.
    """
    limit, from_bytes, scaleb = 10**precision, int.from_bytes, _EXACT.scaleb
    known, longest = read_amounts(precision, scale), _longest(precision)

    def convert(value: bytes) -> Decimal:
        if value == b"\0":
            return ZERO
        number = from_bytes(value, "big", signed=True)
        if not -limit < number < limit:
            raise ValueError(f"{field} is beyond {precision} digits")
        made = scaleb(Decimal(number), -scale)
        if len(known) >= _REMEMBERED:
            known.clear()
        # any number of zeros may stand in front
        if len(value) <= longest:
            known[value] = made
        return made

    return convert


def _longest(precision: int) -> int:
    """Bytes that a number of so many digits takes."""
    limit: int = 10**precision
    return limit.bit_length() // 8 + 1
