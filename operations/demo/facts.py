"""What the store says and what GP says, in a few words each; two sides of one comparison. Pure."""

from datetime import datetime
from decimal import Decimal

import msgspec

#: GP's document types.
ORDER = 2
INVOICE = 3


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """A shipment in the store."""

    key: str
    tracking_number: str = ""
    items: dict[str, Decimal] = {}


class StoreLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an order in the store."""

    sku: str
    quantity: Decimal
    unit_price: Decimal = Decimal(0)


class StoreOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the store's order book."""

    id: int
    number: str
    total: Decimal
    status: str
    tracking_number: str = ""
    lines: tuple[StoreLine, ...] = ()
    parcels: tuple[Parcel, ...] = ()
    #: How many mails of each kind the customer got.
    mails: dict[str, int] = {}


class GpLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a GP document."""

    item: str
    quantity: Decimal
    cancelled: Decimal = Decimal(0)
    allocated: Decimal = Decimal(0)
    fulfilled: Decimal = Decimal(0)
    back_ordered: Decimal = Decimal(0)


class GpDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A sales document, from work or history."""

    type: int
    number: str
    #: The store's order number, as the customer's purchase order.
    purchase_order: str
    amount: Decimal
    customer: str = ""
    voided: bool = False
    #: The document it came of.
    origin_type: int = 0
    origin_number: str = ""
    lines: tuple[GpLine, ...] = ()
    tracking_numbers: tuple[str, ...] = ()


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """How much of an item stands at a site."""

    on_hand: Decimal
    allocated: Decimal


#: (item, site)
Shelf = tuple[str, str]


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """GP's tables at one moment."""

    documents: tuple[GpDocument, ...] = ()
    stock: dict[Shelf, Stock] = {}
    customers: frozenset[str] = frozenset()
    #: Document number to the references of our receipts for it.
    receipts: dict[str, tuple[str, ...]] = {}


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """The store at one moment."""

    orders: tuple[StoreOrder, ...] = ()
    stock: dict[Shelf, Stock] = {}


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """What the customers did, as the store answered them at once."""

    order_id: int
    number: str
    story: str
    fate: str
    #: How often the customer changed the order, placing it included.
    changes: int = 1
    cancelled: bool = False
    #: The order as GP can have it at most: total before a change that came too late.
    total_before_late_edit: Decimal | None = None
    at: datetime | None = None
