"""What `order_renamed` makes, in our language and in JMESPath."""

from datetime import datetime

import msgspec

from schemas.types import Amount


class RenamedLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ordered item."""

    sku: str
    description: str
    quantity: Amount
    unit_price: Amount


class RenamedOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order with its lines."""

    id: str
    source_version: int
    ordered_at: datetime
    number: str
    currency: str
    customer_name: str
    customer_email: str
    purchase_order: str
    lines: tuple[RenamedLine, ...]
    items: Amount
    shipping: Amount
    tax: Amount
    total: Amount
    note: str
