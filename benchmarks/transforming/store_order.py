"""The order that is read: what a store says."""

from datetime import datetime

import msgspec

from schemas.types import Amount


class StoreLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ordered item."""

    sku: str
    name: str
    quantity: Amount
    price: Amount


class StoreOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order with its lines."""

    connection: str
    number: str
    source_version: int
    placed_at: datetime
    currency: str
    customer_name: str
    customer_email: str
    purchase_order: str
    lines: tuple[StoreLine, ...]
    shipping: Amount
    tax: Amount
    total: Amount
    note: str
