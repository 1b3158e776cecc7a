"""The order that is written: what readers of the bus are told."""

from datetime import datetime

import msgspec

from schemas.types import Amount


class PlacedLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ordered item."""

    sku: str
    description: str
    quantity: Amount
    unit_price: Amount
    extended: Amount


class PlacedOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order with its lines and sums."""

    id: str
    source_version: int
    ordered_at: datetime
    number: str
    currency: str
    customer_name: str
    customer_email: str
    purchase_order: str
    lines: tuple[PlacedLine, ...]
    subtotal: Amount
    shipping: Amount
    tax: Amount
    total: Amount
    note: str
