"""What makes a purchase cheaper: a coupon with a code, or a promotion that applies by itself."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from schemas.types import Amount

ZERO = Decimal(0)


class PromotionState(StrEnum):
    """Values of `Promotion.state`."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    EXPIRED = "expired"
    DELETED = "deleted"
    UNKNOWN = "unknown"


class PromotionKind(StrEnum):
    """Values of `Promotion.kind`."""

    PERCENT = "percent"
    AMOUNT = "amount"
    FIXED_PRICE = "fixed_price"
    FREE_SHIPPING = "free_shipping"
    FREE_ITEM = "free_item"
    UNKNOWN = "unknown"


class PromotionAppliesTo(StrEnum):
    """Values of `Promotion.applies_to`."""

    ORDER = "order"
    LINE = "line"
    SHIPPING = "shipping"
    UNKNOWN = "unknown"


class Promotion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A coupon or promotion; its root key is its id."""

    #: Root key: `<connection>:<id there>`.
    id: str
    #: The source's own change number, or microseconds since 1970 of the read.
    source_version: int
    updated_at: datetime
    connection: str = ""
    #: What customers enter; empty: it applies by itself.
    code: str = ""
    name: str = ""
    description: str = ""
    #: `active`, `inactive`, `expired`, `deleted` or `unknown`.
    state: str = PromotionState.UNKNOWN.value
    #: `percent`, `amount`, `fixed_price`, `free_shipping`, `free_item` or `unknown`.
    kind: str = PromotionKind.UNKNOWN.value
    #: What it is taken off: `order`, `line`, `shipping` or `unknown`.
    applies_to: str = PromotionAppliesTo.UNKNOWN.value
    #: Percent from 0 to 100, or an amount, by kind.
    value: Amount = ZERO
    #: ISO 4217, of amounts.
    currency: str = ""
    #: Only from such a subtotal on.
    minimum_subtotal: Amount = ZERO
    #: At most so much; absent: no limit.
    maximum_discount: Amount | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    #: How often it may be used; absent: no limit.
    uses: int | None = None
    #: By one customer; absent: no limit.
    uses_per_customer: int | None = None
    #: How often it has been.
    used: int = 0
    #: Together with others.
    combinable: bool = True
    #: Only for these; empty: for all.
    skus: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    customer_groups: tuple[str, ...] = ()
    custom: dict[str, str] = {}
