"""A customer's order as the store holds it; what ERPs are told and data teams read."""

from datetime import datetime
from decimal import Decimal

import msgspec

from schemas.canonical.address import Address
from schemas.types import Amount, Rate

ZERO = Decimal(0)


class OrderDiscount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One discount of an order; all together they are what `discount` of the order and its lines say."""

    #: Coupon or promotion code.
    code: str = ""
    description: str = ""
    #: The line it is taken off; empty: the whole order.
    line_id: str = ""
    #: What it takes off, not negative.
    amount: Amount = ZERO


class OrderTax(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tax of an order; all together they are the order's tax."""

    #: Of the store's tax engine: an authority, a rate's name.
    code: str = ""
    description: str = ""
    #: In percent; 0 where the store does not tell.
    percent: Rate = ZERO
    #: What it is taken of; 0 where the store does not tell.
    taxable: Amount = ZERO
    amount: Amount = ZERO
    #: The line it is of; empty: the order, or its shipping.
    line_id: str = ""
    #: Already in the prices.
    included: bool = False


class OrderPayment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an order is paid, as far as it tells itself; money that moved is a `Payment`."""

    #: The payment's own id at the store.
    payment_id: str = ""
    method: str = ""
    gateway: str = ""
    #: The gateway's own id.
    transaction_id: str = ""
    #: `pending`, `authorised`, `paid`, `failed`, `cancelled`, `refunded` or `unknown`.
    state: str = "unknown"
    amount: Amount = ZERO
    card_brand: str = ""
    card_last_digits: str = ""


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
    #: The line's own custom fields and chosen options.
    custom: dict[str, str] = {}


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
    discounts: tuple[OrderDiscount, ...] = ()
    taxes: tuple[OrderTax, ...] = ()
    payments: tuple[OrderPayment, ...] = ()
    #: `pending`, `authorised`, `partly_paid`, `paid`, `failed`, `cancelled`, `refunded` or `unknown`.
    payment_state: str = "unknown"
    #: When the customer wants it shipped; absent: as soon as possible.
    requested_at: datetime | None = None
