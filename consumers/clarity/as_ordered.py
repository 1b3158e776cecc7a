"""Which SKU of the store a shipped item is, where the ERP calls it otherwise."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from schemas.canonical.shipment import Shipment, ShipmentLine


def named_as_ordered(shipment: Shipment, ordered: Sequence[tuple[str, Decimal]]) -> Shipment:
    """With the store's own SKUs where the ERP calls an item otherwise (a row of `gp_items`).

    A line says which of the order's it is. That is believed where its item is none of the order's, where another line
    of the shipment is that very item of the order, and where more of the item left than was ordered under its own name:
    an order changed meanwhile may have other lines in their places.

    Args:
        shipment: As the ERP names its items.
        ordered: SKU and quantity of the order's lines, in their order.
    """
    skus = [sku for sku, _ in ordered]
    own = {line.sku for line in shipment.lines if _ordered(line, skus) == line.sku}
    lines = tuple(
        msgspec.structs.replace(line, sku=sku)
        if (sku := _ordered(line, skus)) and (line.sku in own or line.quantity > _asked_for(line.sku, ordered))
        else line
        for line in shipment.lines
    )
    return msgspec.structs.replace(shipment, lines=lines)


def _asked_for(sku: str, ordered: Sequence[tuple[str, Decimal]]) -> Decimal:
    """How much of it; 0: it is none of the order's."""
    return sum((quantity for own, quantity in ordered if own == sku), Decimal(0))


def _ordered(line: ShipmentLine, skus: Sequence[str]) -> str:
    """The SKU of the order's line it is; empty: not known."""
    return skus[line.order_line - 1] if 0 < line.order_line <= len(skus) else ""
