"""A customer's order as the store holds it; what ERPs are told and data teams read."""

from datetime import datetime
from decimal import Decimal

import msgspec

from schemas.canonical.address import Address
from schemas.types import Amount

ZERO = Decimal(0)


class OrderLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ordered item."""

    #: The line's own id at the store, stable over edits.
    line_id: str = ""
    #: The item as the store names it, trimmed.
    sku: str = ""
    description: str = ""
    quantity: Amount = ZERO
    #: Unit of measure the quantity and the price are given in.
    unit: str = "EACH"
    #: Price of one unit before discounts, in the order's currency.
    unit_price: Amount = ZERO
    #: What the line's own discounts take off the whole line, not negative.
    discount: Amount = ZERO
    #: quantity x unit price - discount, rounded to the currency's minor unit.
    extended: Amount = ZERO
    tax: Amount = ZERO
    tax_code: str = ""
    #: Warehouse the store wants it shipped from; empty: the ERP decides.
    site: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order; its root key is its id. Total = sum of lines' extended - discount + shipping + handling + tax."""

    #: Root key: `<store connection>:<id there>`.
    id: str
    #: 100 ns ticks since 1970 of the store's last change of it.
    source_version: int
    ordered_at: datetime
    updated_at: datetime
    #: The store connection that owns it.
    connection: str = ""
    #: The order's number as people know it.
    number: str = ""
    #: `open`, `cancelled` or `unknown`; how far it got at the ERP is the order status's.
    state: str = "unknown"
    #: ISO 4217.
    currency: str = ""
    #: The account at the store; empty for a guest.
    customer_id: str = ""
    customer_name: str = ""
    customer_email: str = ""
    purchase_order_number: str = ""
    billing: Address = Address()
    shipping: Address = Address()
    ship_method: str = ""
    lines: tuple[OrderLine, ...] = ()
    #: Sum of the lines' extended amounts.
    subtotal: Amount = ZERO
    #: What discounts on the whole order take off, not negative.
    discount: Amount = ZERO
    shipping_amount: Amount = ZERO
    handling_amount: Amount = ZERO
    tax: Amount = ZERO
    total: Amount = ZERO
    payment_method: str = ""
    note: str = ""
    custom: dict[str, str] = {}
