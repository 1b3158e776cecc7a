"""How far an order has got at the ERP that works on it; owned by the ERP, told to the store."""

from datetime import datetime
from enum import StrEnum

import msgspec


class OrderState(StrEnum):
    """Values of `OrderStatus.status`."""

    RECEIVED = "received"
    PROCESSING = "processing"
    BACKORDERED = "backordered"
    PARTIALLY_SHIPPED = "partially_shipped"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class OrderStatus(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The one status of an order; its root key is the order's."""

    #: Root key of the order.
    id: str
    #: Microseconds since 1970 of the snapshot it was read in.
    source_version: int
    occurred_at: datetime
    #: The ERP connection that says so.
    connection: str = ""
    #: An `OrderState`.
    status: str = OrderState.UNKNOWN.value
    #: The document's number at the ERP.
    document_number: str = ""
