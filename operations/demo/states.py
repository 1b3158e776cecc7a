"""How far an order has got, told from GP's rows anew: the rule under test is not asked. Pure."""

from collections.abc import Iterable
from decimal import Decimal

from operations.demo.facts import GpDocument

ZERO = Decimal(0)
CANCELLED = "cancelled"

#: The status a store shows for each.
STORE_STATUS = {
    "received": "Confirmed",
    "processing": "Processing",
    "backordered": "Backordered",
    "partially_shipped": "Processing",
    "shipped": "Shipped",
    CANCELLED: "Void",
}


def state_of(order: GpDocument, invoices: Iterable[GpDocument]) -> str:
    """One word for an order with all that came of it."""
    wanted = sum((line.quantity - line.cancelled for line in order.lines), ZERO)
    left = sum((line.quantity for each in invoices if not each.voided for line in each.lines), ZERO)
    if order.voided or wanted <= ZERO:
        return CANCELLED
    if left >= wanted:
        return "shipped"
    if left > ZERO:
        return "partially_shipped"
    if any(line.allocated or line.fulfilled for line in order.lines):
        return "processing"
    return "backordered" if any(line.back_ordered for line in order.lines) else "received"
