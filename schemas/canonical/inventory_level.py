"""How much of one item stands at one site, as the ERP has it."""

from datetime import datetime
from decimal import Decimal

import msgspec

from schemas.types import Amount

ZERO = Decimal(0)


class InventoryLevel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stock of an item at a site, absolute; its root key is `<ERP connection>:<item>@<site>`."""

    id: str
    #: Microseconds since 1970 of the commit at the ERP.
    source_version: int
    occurred_at: datetime
    connection: str = ""
    sku: str = ""
    site: str = ""
    #: In the item's base unit, like the rest.
    on_hand: Amount = ZERO
    #: Promised to documents of the ERP.
    allocated: Amount = ZERO
    on_order: Amount = ZERO
    back_ordered: Amount = ZERO
    unit: str = "EACH"
