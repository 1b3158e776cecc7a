"""What must be decided about a store's order on its way to the canonical one."""

from decimal import Decimal

from errors import MappingError
from schemas.canonical.order import Order

ZERO = Decimal(0)


def taken_off(*discounts: Decimal) -> Decimal:
    """Sum of discounts as a positive amount; stores differ in the sign they write."""
    return sum((abs(discount) for discount in discounts), ZERO)


def require_sum(order: Order, said_total: Decimal) -> Order:
    """The order, if its parts add up to what the customer was told.

    Raises:
        MappingError: names the difference; an order that does not add up is never passed on.
    """
    parts = order.subtotal - order.discount + order.shipping_amount + order.handling_amount + order.tax
    if parts != said_total:
        raise MappingError(
            "total", f"parts add up to {parts}, the store says {said_total}: difference {said_total - parts}"
        )
    return order


def require_lines(order: Order) -> Order:
    """The order, if somebody ordered something.

    Raises:
        MappingError: no lines, or a line without item or with a quantity that is not positive.
    """
    if not order.lines:
        raise MappingError("lines", "the order has no lines")
    for number, line in enumerate(order.lines, start=1):
        if not line.sku:
            raise MappingError(f"lines[{number}].sku", "missing")
        if line.quantity <= ZERO:
            raise MappingError(f"lines[{number}].quantity", f"{line.quantity} is not positive")
    return order
