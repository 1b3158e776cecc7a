"""A shipment of an order, as the store shows it to its customer."""

from decimal import Decimal

from schemas.systems.clarity.wire import Ticks, Wire

ZERO = Decimal(0)


class ClarityShipmentItem(Wire, frozen=True, kw_only=True):
    """How much of one item left."""

    sku: str = ""
    quantity: Decimal = ZERO


class ClarityShipment(Wire, frozen=True, kw_only=True):
    """What the store knows of it."""

    #: The shipping document's number at the ERP.
    custom_key: str
    id: int = 0
    active: bool = True
    updated_date: Ticks | None = None
    sales_order_id: int = 0
    sales_order_key: str = ""
    tracking_number: str = ""
    carrier_key: str = ""
    ship_date: Ticks | None = None
    items: tuple[ClarityShipmentItem, ...] = ()


class UpsertShipment(Wire, frozen=True, kw_only=True):
    """What the bus writes: the whole shipment under its own key, so that a repeat changes nothing.

    Empty text too: what is left out stays as it is there, which a shipment taken back must not.
    """

    custom_key: str
    sales_order_id: int
    ship_date: Ticks
    items: tuple[ClarityShipmentItem, ...]
    tracking_number: str = ""
    carrier_key: str = ""
