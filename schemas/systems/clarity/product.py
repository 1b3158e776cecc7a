"""A product of the store, as far as the bus asks for it."""

from decimal import Decimal

from schemas.systems.clarity.wire import Ticks, Wire

ZERO = Decimal(0)


class ClarityProduct(Wire, frozen=True, kw_only=True):
    """What the store knows of it."""

    #: The SKU.
    custom_key: str
    id: int = 0
    active: bool = True
    updated_date: Ticks | None = None
    name: str = ""
    description: str = ""
    unit_of_measure: str = ""
    weight: Decimal = ZERO
    price_base: Decimal = ZERO
    price_sale: Decimal | None = None
    is_taxable: bool = True
    tax_code: str = ""
    allow_back_order: bool = False
    category_key: str = ""
