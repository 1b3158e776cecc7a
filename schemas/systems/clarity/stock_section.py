"""Stock of one product in one section of one warehouse: CEF's ProductInventoryLocationSection."""

from decimal import Decimal

from schemas.systems.clarity.wire import Ticks, Wire

ZERO = Decimal(0)


class ClarityStockSection(Wire, frozen=True, kw_only=True):
    """What the store knows of it."""

    #: `<product key>|<section key>`.
    custom_key: str
    id: int = 0
    active: bool = True
    updated_date: Ticks | None = None
    product_key: str = ""
    inventory_location_section_key: str = ""
    inventory_location_section_inventory_location_key: str = ""
    quantity: Decimal = ZERO
    quantity_allocated: Decimal = ZERO


class UpsertStockSection(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """What the bus writes: absolute quantities, so that a repeat changes nothing."""

    custom_key: str
    product_key: str
    inventory_location_section_key: str
    quantity: Decimal
    #: None: the store's own count of what is promised stays.
    quantity_allocated: Decimal | None = None


def section_key(product_key: str, section: str) -> str:
    """CustomKey of the stock of a product in a section."""
    return f"{product_key}|{section}"
