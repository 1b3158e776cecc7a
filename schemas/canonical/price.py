"""What an item costs: all of its prices in one record, so that a newer one stands for all; owned by the ERP."""

from datetime import datetime
from decimal import Decimal

import msgspec

from schemas.types import Amount

ZERO = Decimal(0)


class PriceLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One price, for whom and from how many."""

    #: The price list or level; empty: everybody's.
    level: str = ""
    #: Number of the one customer it is for; empty: everybody's of that level.
    customer_number: str = ""
    #: ISO 4217.
    currency: str = ""
    #: Unit of measure the price is of.
    unit: str = "EACH"
    #: From this many units on.
    from_quantity: Amount = ZERO
    #: Price of one unit, before taxes.
    amount: Amount = ZERO
    #: Not before; absent: as long as one remembers.
    starts_at: datetime | None = None
    #: Not from then on; absent: for good.
    ends_at: datetime | None = None


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All prices of an item; its root key is the item's."""

    #: Root key: `<owning connection>:<item>`.
    id: str
    #: Microseconds since 1970 of the snapshot they were read in.
    source_version: int
    occurred_at: datetime
    connection: str = ""
    sku: str = ""
    prices: tuple[PriceLine, ...] = ()
