"""Which SKU of the store a shipped item is, where the ERP calls it otherwise."""

from collections.abc import Sequence

import msgspec

from schemas.canonical.shipment import Shipment, ShipmentLine


def named_as_ordered(shipment: Shipment, skus: Sequence[str]) -> Shipment:
    """With the store's own SKUs where the ERP calls an item otherwise (a row of `gp_items`).

    A line says which of the order's it is. That is believed where its item is none of the order's, and where another
    line of the shipment is that very item of the order: one changed meanwhile may have other lines in their places.

    Args:
        shipment: As the ERP names its items.
        skus: Of the order's lines, in their order.
    """
    own = {line.sku for line in shipment.lines if _ordered(line, skus) == line.sku}
    lines = tuple(
        msgspec.structs.replace(line, sku=ordered)
        if (ordered := _ordered(line, skus)) and (line.sku not in skus or line.sku in own)
        else line
        for line in shipment.lines
    )
    return msgspec.structs.replace(shipment, lines=lines)


def _ordered(line: ShipmentLine, skus: Sequence[str]) -> str:
    """The SKU of the order's line it is; empty: not known."""
    return skus[line.order_line - 1] if 0 < line.order_line <= len(skus) else ""
