"""Money that moved, or was promised, for an order: what an ERP books as cash receipt, refund and journal entry."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from schemas.types import Amount

ZERO = Decimal(0)


class PaymentApplicationKind(StrEnum):
    """Values of `PaymentApplication.kind`."""

    ORDER = "order"
    INVOICE = "invoice"
    RETURN = "return"
    UNKNOWN = "unknown"


class LedgerLineKind(StrEnum):
    """Values of `LedgerLine.kind`."""

    CASH = "cash"
    RECEIVABLE = "receivable"
    FEE = "fee"
    DEPOSIT = "deposit"
    TAX = "tax"
    DISCOUNT = "discount"
    ROUNDING = "rounding"
    UNKNOWN = "unknown"


class PaymentKind(StrEnum):
    """Values of `Payment.kind`."""

    AUTHORISATION = "authorisation"
    CAPTURE = "capture"
    SALE = "sale"
    REFUND = "refund"
    VOID = "void"
    CHARGEBACK = "chargeback"
    UNKNOWN = "unknown"


class PaymentState(StrEnum):
    """Values of `Payment.state`."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class PaymentApplication(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a payment pays."""

    #: `order`, `invoice`, `return` or `unknown`.
    kind: str = PaymentApplicationKind.UNKNOWN.value
    #: Id of that record.
    id: str = ""
    #: The document's number as people know it.
    number: str = ""
    amount: Amount = ZERO


class LedgerLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the journal entry; either debit or credit is 0, neither is negative."""

    #: The account as the ERP writes it, segments included.
    account: str = ""
    debit: Amount = ZERO
    credit: Amount = ZERO
    #: What it is: `cash`, `receivable`, `fee`, `deposit`, `tax`, `discount`, `rounding` or `unknown`.
    kind: str = LedgerLineKind.UNKNOWN.value
    description: str = ""


class Payment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One payment or refund; its message key is its id. Debits of the ledger lines equal their credits."""

    #: `<order's root key>/<payment's id at the store>`.
    id: str
    #: The source's own change number, or microseconds since 1970 of the read.
    source_version: int
    occurred_at: datetime
    connection: str = ""
    #: Root key of the order.
    order_id: str = ""
    #: The order's number as people know it.
    order_number: str = ""
    #: The account at the store; empty for a guest.
    customer_id: str = ""
    customer_email: str = ""
    #: The payment's number as people know it.
    number: str = ""
    #: `authorisation`, `capture`, `sale`, `refund`, `void`, `chargeback` or `unknown`; it tells which way money went.
    kind: str = PaymentKind.UNKNOWN.value
    #: `pending`, `done`, `failed`, `cancelled` or `unknown`; only what is done is booked.
    state: str = PaymentState.UNKNOWN.value
    #: As the store calls it: `Credit Card`, `Purchase Order`.
    method: str = ""
    #: Who processed it; with method and state it decides the checkbook and the accounts.
    gateway: str = ""
    #: The gateway's own id.
    transaction_id: str = ""
    authorisation_code: str = ""
    #: Only these of a card, ever.
    card_brand: str = ""
    card_last_digits: str = ""
    #: ISO 4217.
    currency: str = ""
    #: Never negative.
    amount: Amount = ZERO
    #: What the gateway keeps of it, never negative.
    fee: Amount = ZERO
    #: When the money arrives at the bank; absent: not known.
    settled_at: datetime | None = None
    #: The gateway's payout it is part of.
    payout_id: str = ""
    applied: tuple[PaymentApplication, ...] = ()
    #: The journal entry, where the source knows it; empty: the mapping to the ERP decides the accounts.
    ledger_lines: tuple[LedgerLine, ...] = ()
    custom: dict[str, str] = {}
