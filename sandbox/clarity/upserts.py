"""What the store's API accepts in its Upsert routes, in CEF's names; an unknown member is refused.

A member left out or null stays as it is: a .NET DTO cannot tell the two apart.
"""

from decimal import Decimal
from typing import Annotated

import msgspec

from sandbox.clarity import money, records
from sandbox.clarity.clock import FIRST_STORABLE_TICK, LAST_STORABLE_TICK, ticks_from_iso

Key = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Text = Annotated[str, msgspec.Meta(max_length=255)]
LongText = Annotated[str, msgspec.Meta(max_length=4000)]
Identifier = Annotated[int, msgspec.Meta(ge=1, le=2**53)]

_MOST = Decimal(10) ** 9


class Upsert(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename=records.pascal_case):
    """A body of an Upsert route."""


class AttributeUpsert(Upsert, frozen=True, kw_only=True):
    value: LongText
    key: Key | None = None


class SalesOrderUpsert(Upsert, frozen=True, kw_only=True):
    custom_key: Key
    id: Identifier | None = None
    tracking_number: Text | None = None
    purchase_order_number: Text | None = None
    #: merged into what the order has, key by key
    serializable_attributes: dict[Key, AttributeUpsert] | None = None


class ShipmentItemUpsert(Upsert, frozen=True, kw_only=True):
    sku: Key
    quantity: Decimal

    def __post_init__(self) -> None:
        _check("Quantity", self.quantity, least=Decimal(0))
        if not self.quantity:
            raise ValueError("Quantity must be above zero")


class ShipmentUpsert(Upsert, frozen=True, kw_only=True):
    custom_key: Key
    #: needed for a new shipment
    sales_order_id: Identifier | None = msgspec.field(default=None, name="SalesOrderID")
    tracking_number: Text | None = None
    carrier_key: Text | None = None
    ship_date: Text | None = None
    #: the whole content
    items: Annotated[list[ShipmentItemUpsert], msgspec.Meta(max_length=1000)] | None = None

    def __post_init__(self) -> None:
        if self.ship_date is not None and not (
            FIRST_STORABLE_TICK <= ticks_from_iso(self.ship_date) <= LAST_STORABLE_TICK
        ):
            raise ValueError("ShipDate must be between the years 1753 and 9999")

    def wire_items(self) -> list[records.ShipmentItem] | None:
        if self.items is None:
            return None
        return [records.ShipmentItem(sku=item.sku, quantity=money.plain(item.quantity)) for item in self.items]


class StockUpsert(Upsert, frozen=True, kw_only=True):
    #: "<sku>|<section key>"
    custom_key: Key
    product_key: Key | None = None
    inventory_location_section_key: Key | None = None
    quantity: Decimal | None = None
    quantity_allocated: Decimal | None = None

    def __post_init__(self) -> None:
        # An ERP may well report less than nothing on hand.
        _check("Quantity", self.quantity, least=-_MOST)
        _check("QuantityAllocated", self.quantity_allocated, least=Decimal(0))


class ProductUpsert(Upsert, frozen=True, kw_only=True):
    custom_key: Key
    name: Text | None = None
    description: LongText | None = None
    unit_of_measure: Text | None = None
    weight: Decimal | None = None
    price_base: Decimal | None = None
    price_sale: Decimal | None = None
    is_taxable: bool | None = None
    tax_code: Text | None = None
    allow_back_order: bool | None = None
    active: bool | None = None

    def __post_init__(self) -> None:
        for name in ("weight", "price_base", "price_sale"):
            _check(records.pascal_case(name), getattr(self, name), least=Decimal(0))

    def members(self) -> dict[str, object]:
        """The members a product has, as it has them."""
        given: dict[str, object] = {
            name: getattr(self, name) for name in self.__struct_fields__ if name != "custom_key"
        }
        for name in ("price_base", "price_sale"):
            amount = getattr(self, name)
            given[name] = None if amount is None else money.price(amount, "USD")
        return given


def _check(name: str, amount: Decimal | None, *, least: Decimal) -> None:
    if amount is None:
        return
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or not least <= amount <= _MOST or exponent < -6:
        raise ValueError(f"{name} must be between {least} and {_MOST} with at most six decimals")
