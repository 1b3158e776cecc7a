"""What a customer sends back, and the credit he gets for it; the word itself belongs to Python."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from schemas.types import Amount

ZERO = Decimal(0)


class ReturnLineCondition(StrEnum):
    """Values of `ReturnLine.condition`."""

    SELLABLE = "sellable"
    DAMAGED = "damaged"
    DESTROYED = "destroyed"
    UNKNOWN = "unknown"


class ReturnKind(StrEnum):
    """Values of `Return.kind`."""

    RETURN = "return"
    CREDIT = "credit"
    EXCHANGE = "exchange"
    UNKNOWN = "unknown"


class ReturnState(StrEnum):
    """Values of `Return.state`."""

    REQUESTED = "requested"
    APPROVED = "approved"
    RECEIVED = "received"
    CREDITED = "credited"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class ReturnLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of one ordered item comes back; amounts are what is credited, not negative."""

    #: The order line's id at the store.
    line_id: str = ""
    sku: str = ""
    description: str = ""
    quantity: Amount = ZERO
    unit: str = "EACH"
    #: Price of one unit as it was charged, discounts off.
    unit_price: Amount = ZERO
    #: quantity x unit price, rounded to the currency's minor unit.
    extended: Amount = ZERO
    tax: Amount = ZERO
    tax_code: str = ""
    reason: str = ""
    #: `sellable`, `damaged`, `destroyed` or `unknown`.
    condition: str = ReturnLineCondition.UNKNOWN.value
    #: Whether it goes back into stock.
    restock: bool = False
    #: Warehouse it comes back to.
    site: str = ""


class Return(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A return or credit; its message key is its id. Total = lines' extended + shipping + tax - restocking fee."""

    #: `<order's root key>/<return's id at its owner>`.
    id: str
    #: The source's own change number, or microseconds since 1970 of the read.
    source_version: int
    requested_at: datetime
    connection: str = ""
    #: Root key of the order.
    order_id: str = ""
    #: The order's number as people know it.
    order_number: str = ""
    #: The return's number as people know it.
    number: str = ""
    #: `return`, `credit` (nothing comes back), `exchange` or `unknown`.
    kind: str = ReturnKind.UNKNOWN.value
    #: `requested`, `approved`, `received`, `credited`, `refused`, `cancelled` or `unknown`.
    state: str = ReturnState.UNKNOWN.value
    #: The ERP's number of the credit document.
    credit_number: str = ""
    #: Number of the invoice it credits.
    invoice_number: str = ""
    customer_id: str = ""
    customer_email: str = ""
    reason: str = ""
    #: ISO 4217.
    currency: str = ""
    lines: tuple[ReturnLine, ...] = ()
    #: Sum of the lines' extended amounts.
    subtotal: Amount = ZERO
    #: Freight that is given back.
    shipping_amount: Amount = ZERO
    #: What is kept for the trouble, not negative.
    restocking_fee: Amount = ZERO
    tax: Amount = ZERO
    #: What the customer gets.
    total: Amount = ZERO
    note: str = ""
    custom: dict[str, str] = {}
