"""What left the warehouse for an order: carrier, tracking numbers, lines, often a part of it."""

from datetime import datetime
from decimal import Decimal

import msgspec

from schemas.types import Amount

ZERO = Decimal(0)


class ShipmentLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of one item left."""

    sku: str = ""
    quantity: Amount = ZERO
    unit: str = "EACH"
    #: Which line of the order it is, from 1: an ERP may call the item otherwise. 0: not known, or none of the order's.
    order_line: int = 0


class Shipment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One shipment; its message key is `<order's root key>/<number>`."""

    #: `<order's root key>/<shipment's number at the ERP>`.
    id: str
    #: Microseconds since 1970 of the snapshot it was read in.
    source_version: int
    shipped_at: datetime
    connection: str = ""
    #: Root key of the order.
    order_id: str = ""
    #: The shipping document's number at the ERP.
    number: str = ""
    carrier: str = ""
    tracking_numbers: tuple[str, ...] = ()
    lines: tuple[ShipmentLine, ...] = ()
    #: True when the shipment was taken back.
    voided: bool = False
