"""Rounding of money and of quantities to what the store prints.  Pure."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

#: ISO 4217 minor units that are not two.
_MINOR_UNITS = {"JPY": 0, "KRW": 0, "CLP": 0, "ISK": 0, "VND": 0, "BHD": 3, "JOD": 3, "KWD": 3, "OMR": 3, "TND": 3}

ZERO = Decimal(0)


def money(amount: Decimal, currency: str) -> Decimal:
    """An amount in the currency's minor unit, half up, as the store rounds."""
    return amount.quantize(Decimal(1).scaleb(-_MINOR_UNITS.get(currency, 2)), rounding=ROUND_HALF_UP)


def price(amount: Decimal, currency: str) -> Decimal:
    """A price of one unit: at least the minor unit's decimals, more where the price has them."""
    rounded = money(amount, currency)
    return rounded if rounded == amount else plain(amount)


def total(amounts: Iterable[Decimal], currency: str) -> Decimal:
    return money(sum(amounts, ZERO), currency)


def plain(amount: Decimal) -> Decimal:
    """Without trailing zeros and without an exponent."""
    return Decimal(format(amount.normalize(), "f"))
