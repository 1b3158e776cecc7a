"""What the customer owes for what was delivered, as the ERP billed it."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from schemas.canonical.address import Address
from schemas.types import Amount

ZERO = Decimal(0)


class InvoiceState(StrEnum):
    """Values of `Invoice.state`."""

    OPEN = "open"
    PARTLY_PAID = "partly_paid"
    PAID = "paid"
    VOIDED = "voided"
    UNKNOWN = "unknown"


class InvoiceLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One billed item."""

    #: The order line's id at the store; empty where the ERP added it.
    line_id: str = ""
    sku: str = ""
    description: str = ""
    quantity: Amount = ZERO
    unit: str = "EACH"
    #: Price of one unit before discounts, in the invoice's currency.
    unit_price: Amount = ZERO
    #: What is taken off the whole line, not negative.
    discount: Amount = ZERO
    #: quantity x unit price - discount, rounded to the currency's minor unit.
    extended: Amount = ZERO
    tax: Amount = ZERO
    tax_code: str = ""
    #: Number of the shipment that delivered it.
    shipment_number: str = ""


class Invoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An invoice; its message key is its id. Total = sum of lines' extended - discount + shipping + handling + tax."""

    #: `<order's root key>/<invoice's number at the ERP>`; the ERP's own order stands where no store has it.
    id: str
    #: Microseconds since 1970 of the snapshot it was read in.
    source_version: int
    invoiced_at: datetime
    connection: str = ""
    #: Root key of the order.
    order_id: str = ""
    #: The order's number at the store.
    order_number: str = ""
    #: The invoice's number at the ERP.
    number: str = ""
    #: `open`, `partly_paid`, `paid`, `voided` or `unknown`.
    state: str = InvoiceState.UNKNOWN.value
    #: The ERP's number of the customer.
    customer_number: str = ""
    purchase_order_number: str = ""
    payment_terms: str = ""
    due_at: datetime | None = None
    #: ISO 4217.
    currency: str = ""
    billing: Address = Address()
    shipping: Address = Address()
    lines: tuple[InvoiceLine, ...] = ()
    #: Sum of the lines' extended amounts.
    subtotal: Amount = ZERO
    #: What discounts on the whole invoice take off, not negative.
    discount: Amount = ZERO
    shipping_amount: Amount = ZERO
    handling_amount: Amount = ZERO
    tax: Amount = ZERO
    total: Amount = ZERO
    paid: Amount = ZERO
    #: What is still owed: total - paid.
    balance: Amount = ZERO
    note: str = ""
    custom: dict[str, str] = {}
