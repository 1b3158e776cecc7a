"""Currencies by ISO 4217, and amounts from one into another at a rate of the deployment's table."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import cache

from mapping.functions.amounts import quantized
from mapping.functions.faults import EXACT, FunctionError, finite, shown
from mapping.port import Lookups

ONE = Decimal(1)
#: What a rate from the other side keeps, as the canonical records do.
_RATE_DECIMALS = 10


def currency_code(text: str) -> str:
    """A currency's code of three letters, trimmed and in capitals; refused when ISO 4217 has none such.

    Example:
        currency_code(" usd") == "USD"
    """
    code = text.strip().upper()
    if code not in _minor_units():
        raise FunctionError(f"{shown(text)} is no currency of ISO 4217, such as USD")
    return code


def is_currency(text: str) -> bool:
    """Whether a text is the code of a currency.

    Example:
        is_currency("US$") == False
    """
    return text.strip().upper() in _minor_units()


def minor_unit(currency: str) -> int:
    """Decimals of a currency's smallest unit by ISO 4217; refused where it has none (gold, say).

    Example:
        minor_unit("USD") == 2
        minor_unit("JPY") == 0
    """
    decimals = _minor_units()[currency_code(currency)]
    if decimals is None:
        raise FunctionError(f"{currency} has no smallest unit in ISO 4217")
    return decimals


def rounded_money(amount: Decimal, currency: str, rounding: str = "half_even") -> Decimal:
    """An amount in the smallest unit of its currency.

    Example:
        rounded_money(1234.5, "JPY") == 1234
    """
    return quantized(finite(amount), minor_unit(currency), rounding)


def exchange_rate(lookups: Lookups, from_currency: str, to_currency: str, at: date, table: str = "rates") -> Decimal:
    """How much of one currency a unit of another buys, by a lookup table of the deployment.

    The row is `EUR/USD@2026-03-02`, else of the month `EUR/USD@2026-03`, of the year `EUR/USD@2026`, else `EUR/USD`:
    what one EUR is in USD. Where no such row is, the rows of `USD/EUR` serve from the other side, and what has more
    than 10 decimals is rounded to them: an amount is turned by `convert`, which multiplies no rounded rate.

    Example:
        exchange_rate("EUR", "USD", to_date("2026-03-02")) == 1.25
    """
    multiplier, divisor = _factors(lookups, from_currency, to_currency, at, table)
    rate = EXACT.divide(multiplier, divisor)
    rounded = quantized(rate, _RATE_DECIMALS, "half_even")
    return rate if rate == rounded or divisor == ONE else rounded


def convert(
    lookups: Lookups,
    amount: Decimal,
    from_currency: str,
    to_currency: str,
    at: date,
    table: str = "rates",
    rounding: str = "half_even",
) -> Decimal:
    """An amount in another currency on a day, in its smallest unit; the rate as `exchange_rate` finds it.

    By a row of the other side the amount is divided, once: no rounded rate is multiplied.

    Example:
        convert(100.00, "EUR", "USD", to_date("2026-03-02")) == 125.00
        convert(125.00, "USD", "EUR", to_date("2026-03-02")) == 100.00
    """
    multiplier, divisor = _factors(lookups, from_currency, to_currency, at, table)
    converted = EXACT.divide(EXACT.multiply(finite(amount), multiplier), divisor)
    return quantized(converted, minor_unit(to_currency), rounding)


def _factors(lookups: Lookups, from_currency: str, to_currency: str, at: date, table: str) -> tuple[Decimal, Decimal]:
    """What an amount is multiplied and divided by."""
    source, target = currency_code(from_currency), currency_code(to_currency)
    if source == target:
        return ONE, ONE
    direct = _rate(lookups, table, f"{source}/{target}", at)
    if direct is not None:
        return direct, ONE
    other = _rate(lookups, table, f"{target}/{source}", at)
    if other is None:
        raise FunctionError(
            f"no rate {source}/{target} or {target}/{source} for {at} in lookup table {table!r}: add a row"
        )
    return ONE, other


def _rate(lookups: Lookups, table: str, pair: str, at: date) -> Decimal | None:
    day = at.isoformat()
    for key in (f"{pair}@{day}", f"{pair}@{day[:7]}", f"{pair}@{day[:4]}", pair):
        text = lookups.find(table, key)
        if text is not None:
            return _positive(text, table, key)
    return None


def _positive(text: str, table: str, key: str) -> Decimal:
    try:
        rate = finite(Decimal(text.strip()))
    except ArithmeticError:
        rate = Decimal(0)
    if rate <= 0:
        raise FunctionError(f"row {key!r} of lookup table {table!r}: {shown(text)} is not a positive number")
    return rate


def codes() -> Iterable[str]:
    """Codes of all currencies."""
    return _minor_units()


@cache
def _minor_units() -> dict[str, int | None]:
    import iso4217  # noqa: PLC0415 - reads a table of XML; a command that maps nothing does not wait for it

    return {each.value: each.exponent for each in iso4217.Currency}
