"""Amounts of money: rounding, net prices, and splits that add up to the cent."""

from collections.abc import Sequence
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Decimal,
)

from mapping.functions.faults import EXACT, ITEMS_LIMIT, FunctionError, finite, places, shown

ZERO = Decimal(0)
HUNDRED = Decimal(100)
ROUNDINGS = {
    "half_even": ROUND_HALF_EVEN,
    "half_up": ROUND_HALF_UP,
    "half_down": ROUND_HALF_DOWN,
    "up": ROUND_UP,
    "down": ROUND_DOWN,
    "ceiling": ROUND_CEILING,
    "floor": ROUND_FLOOR,
}


def absolute(amount: Decimal) -> Decimal:
    """The amount without its sign: stores differ in whether a discount is negative.

    Example:
        absolute(-5.00) == 5.00
    """
    return abs(finite(amount))


def adds_up(amount: Decimal, parts: Sequence[Decimal]) -> bool:
    """Whether the parts make up the amount to the last decimal.

    Example:
        adds_up(118.31, [103.50, -5.00, 9.95, 1.50, 8.36]) == True
    """
    return _sum(_list(parts)) == finite(amount)


def rounding_difference(amount: Decimal, parts: Sequence[Decimal], at_most: Decimal = Decimal("0.05")) -> Decimal:
    """What a rounding line must carry so that the parts make up the amount; refused when it is no rounding any more.

    Example:
        rounding_difference(10.00, [3.33, 3.33, 3.33]) == 0.01
    """
    difference = EXACT.subtract(finite(amount), _sum(_list(parts)))
    if abs(difference) > finite(at_most):
        raise FunctionError(f"the parts differ from {amount} by {difference}, which is more than {at_most}")
    return difference


def spread(amount: Decimal, weights: Sequence[Decimal], decimals: int = 2) -> tuple[Decimal, ...]:
    """An amount in shares by weight that add up to it exactly: freight, tax or a discount over lines.

    Each share is its exact part rounded down or up; the units that remain go to the largest remainders, the first of
    equals first. A negative weight (what is returned or credited) takes its share back; where it shall have none, as of
    freight, its weight is `max(line.extended, 0)`. Where all weights are 0 the shares are even. Refused: weights that
    come to nothing beside the largest of them, an amount with more decimals, nobody to share among.

    Example:
        spread(10.00, [1, 1, 1]) == [3.34, 3.33, 3.33]
        spread(-0.05, [3, 1, 0]) == [-0.04, -0.01, 0.00]
        spread(5.00, [60, -10]) == [6.00, -1.00]
    """
    parts, smallest = _list(weights), Decimal(1).scaleb(-places(decimals))
    units = finite(amount).scaleb(decimals, context=EXACT)
    if units != units.to_integral_value():
        raise FunctionError(f"{shown(amount)} has more than {decimals} decimals: round it first")
    whole, largest = _sum(parts), max(map(abs, parts), default=ZERO)
    # a hundredfold of the amount on one line, and as much less on another, is no share of it any more
    if units and abs(whole) * HUNDRED < largest:
        raise FunctionError(f"the weights come to {whole}, and the largest is {largest}: nothing can be shared by them")
    if units and not parts:
        raise FunctionError(f"{amount} cannot be shared among nobody")
    if not units:
        return (EXACT.multiply(ZERO, smallest),) * len(parts)
    shares = _largest_remainders(abs(int(units)), _integers(parts if whole >= 0 else [-part for part in parts]))
    sign = -1 if units < 0 else 1
    return tuple(EXACT.multiply(Decimal(sign * share), smallest) for share in shares)


def extended_price(
    unit_price: Decimal, quantity: Decimal, discount: Decimal = ZERO, decimals: int = 2, rounding: str = "half_even"
) -> Decimal:
    """Price of a line: quantity by unit price, less what is taken off the whole line.

    Example:
        extended_price(22.50, 3, 2.00) == 65.50
    """
    full = EXACT.multiply(finite(unit_price), finite(quantity))
    return quantized(EXACT.subtract(full, finite(discount)), decimals, rounding)


def net_unit_price(
    unit_price: Decimal, quantity: Decimal, discount: Decimal, decimals: int = 5, rounding: str = "half_even"
) -> Decimal:
    """Price of one unit after what is taken off the whole line (its discounts and its share of promotions).

    Times quantity it may miss the line's price by a little: an ERP that checks this wants rounding `ceiling` and the
    difference as a discount of the document.

    Example:
        net_unit_price(22.50, 3, 2.00) == 21.83333
        net_unit_price(22.50, 3, 2.00, 2, "ceiling") == 21.84
    """
    count = finite(quantity)
    if not count:
        raise FunctionError("the quantity is 0: there is no price of one unit")
    full = EXACT.subtract(EXACT.multiply(finite(unit_price), count), finite(discount))
    return quantized(EXACT.divide(full, count), decimals, rounding)


def discounted(price: Decimal, percents: Sequence[Decimal], decimals: int = 2, rounding: str = "half_even") -> Decimal:
    """A price after discounts in percent, each of what the ones before it left.

    Example:
        discounted(100.00, [10, 5]) == 85.50
    """
    left = finite(price)
    for percent in _list(percents):
        if not 0 <= percent <= HUNDRED:
            raise FunctionError(f"discount {shown(percent)}: from 0 to 100 percent")
        left = finite(quantized(EXACT.divide(EXACT.multiply(left, HUNDRED - percent), 100), 15, rounding))
    return quantized(left, decimals, rounding)


def percent_of(amount: Decimal, percent: Decimal, decimals: int = 2, rounding: str = "half_even") -> Decimal:
    """So many percent of an amount: a tax, a fee.

    Example:
        percent_of(65.50, 8.25) == 5.40
    """
    return quantized(EXACT.multiply(finite(amount), EXACT.divide(finite(percent), 100)), decimals, rounding)


def without_tax(gross: Decimal, percent: Decimal, decimals: int = 2, rounding: str = "half_even") -> Decimal:
    """The net of an amount that has so many percent of tax in it.

    Example:
        without_tax(119.00, 19) == 100.00
    """
    if finite(percent) <= -HUNDRED:
        raise FunctionError(f"tax {shown(percent)}: more than -100 percent")
    return quantized(EXACT.divide(finite(gross), EXACT.add(1, EXACT.divide(percent, 100))), decimals, rounding)


def quantized(amount: Decimal, decimals: int, rounding: str) -> Decimal:
    """The number with so many decimals, and no negative zero."""
    result = amount.quantize(Decimal(1).scaleb(-places(decimals)), rounding_of(rounding), EXACT)
    return result or abs(result)


def rounding_of(word: str) -> str:
    """What Python calls a way to round.

    Raises:
        FunctionError: it is none of the ways.
    """
    if word not in ROUNDINGS:
        raise FunctionError(f"rounding {shown(word)}: one of {', '.join(ROUNDINGS)}")
    return ROUNDINGS[word]


def _list(amounts: Sequence[Decimal]) -> list[Decimal]:
    if len(amounts) > ITEMS_LIMIT:
        raise FunctionError(f"{len(amounts)} amounts, more than {ITEMS_LIMIT}")
    return [finite(amount) for amount in amounts]


def _sum(amounts: list[Decimal]) -> Decimal:
    result = ZERO
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result


def _integers(weights: list[Decimal]) -> list[int]:
    """The same proportions in whole numbers, so that shares are exact; even ones where all are 0."""
    if not any(weights):
        return [1] * len(weights)
    finest = min(int(weight.as_tuple().exponent) for weight in weights)
    return [int(weight.scaleb(-finest, context=EXACT)) for weight in weights]


def _largest_remainders(units: int, weights: list[int]) -> list[int]:
    whole = sum(weights)
    shares = [units * weight // whole for weight in weights]
    rests = [units * weight % whole for weight in weights]
    by_rest = sorted(range(len(weights)), key=lambda place: -rests[place])
    for place in by_rest[: units - sum(shares)]:
        shares[place] += 1
    return shares
