"""Quantities and prices in other units of measure, by a lookup table of factors of the deployment.

A row `CASE:EACH` with 12 says that one CASE is 12 EACH; `TP-1001:CASE:EACH` says so for one item, and goes first.
One row serves both ways.
"""

from decimal import Decimal
from fractions import Fraction

from mapping.functions.amounts import quantized
from mapping.functions.faults import EXACT, FunctionError, finite, places, shown
from mapping.port import Lookups

#: Decimals a factor is given with where it does not end.
_FACTOR_DECIMALS = 10


def unit_factor(lookups: Lookups, from_unit: str, to_unit: str, item: str = "", table: str = "units") -> Decimal:
    """How many of one unit another one is; rounded to 10 decimals where it does not end.

    The row is `CASE:EACH`, or for one item `TP-1001:CASE:EACH`, which goes first: how many EACH one CASE is. Where no
    such row is, the row `EACH:CASE` serves from the other side.

    Example:
        unit_factor("CASE", "EACH") == 12
    """
    factor = _factor(lookups, from_unit, to_unit, item, table)
    return quantized(_decimal(factor), _FACTOR_DECIMALS, "half_even")


def convert_quantity(
    lookups: Lookups,
    quantity: Decimal,
    from_unit: str,
    to_unit: str,
    item: str = "",
    decimals: int = 5,
    table: str = "units",
) -> Decimal:
    """A quantity in another unit, exactly; refused when so many decimals cannot hold it (0: whole units only).

    Example:
        convert_quantity(3, "CASE", "EACH") == 36
        convert_quantity(30, "EACH", "CASE") == 2.5
        convert_quantity(30, "EACH", "PACK", "TP-1001", 0) == 5
    """
    exact = Fraction(finite(quantity)) * _factor(lookups, from_unit, to_unit, item, table)
    held = quantized(_decimal(exact), places(decimals), "half_even")
    if Fraction(held) != exact:
        kept = "a whole number" if decimals == 0 else f"a number of {decimals} decimals"
        raise FunctionError(f"{quantity} {from_unit} is not {kept} of {to_unit}")
    return held


def convert_unit_price(
    lookups: Lookups,
    unit_price: Decimal,
    from_unit: str,
    to_unit: str,
    item: str = "",
    decimals: int = 5,
    table: str = "units",
) -> Decimal:
    """The price of one unit from the price of another, rounded half-even.

    Example:
        convert_unit_price(30.00, "CASE", "EACH") == 2.50
    """
    price = Fraction(finite(unit_price)) / _factor(lookups, from_unit, to_unit, item, table)
    return quantized(_decimal(price), places(decimals), "half_even")


def _decimal(number: Fraction) -> Decimal:
    return EXACT.divide(Decimal(number.numerator), Decimal(number.denominator))


def _factor(lookups: Lookups, from_unit: str, to_unit: str, item: str, table: str) -> Fraction:
    source, target = from_unit.strip(), to_unit.strip()
    if source == target:
        return Fraction(1)
    for before in [f"{item.strip()}:", ""] if item.strip() else [""]:
        direct = lookups.find(table, f"{before}{source}:{target}")
        if direct is not None:
            return _positive(direct, table, f"{before}{source}:{target}")
        other = lookups.find(table, f"{before}{target}:{source}")
        if other is not None:
            return 1 / _positive(other, table, f"{before}{target}:{source}")
    raise FunctionError(f"no row {source + ':' + target!r} in lookup table {table!r}: add how many {target} one is")


def _positive(text: str, table: str, key: str) -> Fraction:
    try:
        factor = finite(Decimal(text.strip()))
    except ArithmeticError:
        factor = Decimal(0)
    if factor <= 0:
        raise FunctionError(f"row {key!r} of lookup table {table!r}: {shown(text)} is not a positive number")
    return Fraction(factor)
