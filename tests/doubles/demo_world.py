"""A small world in which store, GP and topics agree; tests break one thing in it."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from operations.demo.facts import (
    Company,
    GpDocument,
    GpLine,
    Parcel,
    Placed,
    Shop,
    Stock,
    StoreLine,
    StoreOrder,
)
from operations.demo.topic_facts import Arrival, OnTopics, Written
from schemas import topics
from schemas.canonical.inventory_level import InventoryLevel
from schemas.canonical.order import Order, OrderLine
from schemas.canonical.order_status import OrderStatus
from schemas.canonical.shipment import Shipment, ShipmentLine

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
STORE, ERP = "shop", "erp"
SHELF = ("TEA", "MAIN")


class World(msgspec.Struct, kw_only=True):
    """What everybody says."""

    placed: list[Placed]
    shop: Shop
    company: Company
    seen: OnTopics


def gp_line(quantity: int, **values: Decimal) -> GpLine:
    return GpLine(item="TEA", quantity=Decimal(quantity), **values)


def order_record(number: int, total: str, version: int = 1, state: str = "open") -> Order:
    return Order(
        id=f"{STORE}:{number}",
        source_version=version,
        ordered_at=AT,
        updated_at=AT,
        state=state,
        total=Decimal(total),
        lines=(OrderLine(sku="TEA", quantity=Decimal(3)),),
    )


def store_order(number: int, total: str, status: str, **values: object) -> StoreOrder:
    entry = StoreOrder(
        id=number,
        number=str(number),
        total=Decimal(total),
        status=status,
        lines=(StoreLine(sku="TEA", quantity=Decimal(3)),),
    )
    return msgspec.structs.replace(entry, **values)


def document(number: str, order: str, amount: str, **values: object) -> GpDocument:
    made = GpDocument(type=2, number=number, purchase_order=order, amount=Decimal(amount), lines=(gp_line(3),))
    return msgspec.structs.replace(made, **values)


def agreeing() -> World:
    """Order 1 has left whole, order 2 waits in GP, order 3 was cancelled before GP knew of it."""
    invoice = document(
        "INV1", "1", "30.00", type=3, origin_type=2, origin_number="ORD1", tracking_numbers=("1Z9", "FX8")
    )
    parcel = Parcel(key="INV1", tracking_number="1Z9, FX8", items={"TEA": Decimal("3.0000")})
    orders = (
        store_order(1, "30.00", "Shipped", parcels=(parcel,), tracking_number="1Z9, FX8", mails={"shipped": 1}),
        store_order(2, "12.50", "Confirmed"),
        store_order(3, "5.00", "Void"),
    )
    seen = OnTopics(
        arrivals={f"{STORE}:{n}": [Arrival(root=f"t/0/{n}", at=AT, cause="webhook")] for n in (1, 2, 3)},
        canonical={
            topics.ORDERS.name: [
                Written(key=f"{STORE}:1", offset=0, record=order_record(1, "30.00")),
                Written(key=f"{STORE}:2", offset=1, record=order_record(2, "12.50")),
                Written(key=f"{STORE}:3", offset=2, record=order_record(3, "5.00", version=2, state="cancelled")),
            ],
            topics.ORDER_STATUSES.name: [
                Written(key=f"{STORE}:{number}", offset=number, record=status(number, said))
                for number, said in ((1, "shipped"), (2, "received"))
            ],
            topics.SHIPMENTS.name: [Written(key=f"{STORE}:1/INV1", offset=0, record=shipment())],
            topics.INVENTORY_LEVELS.name: [Written(key=f"{ERP}:TEA@MAIN", offset=0, record=level(40, 3))],
        },
    )
    return World(
        placed=[
            Placed(order_id=1, number="1", story="plain", fate="ship"),
            Placed(order_id=2, number="2", story="plain", fate="leave"),
            Placed(order_id=3, number="3", story="cancels_at_once", fate="leave", changes=2, cancelled=True),
        ],
        shop=Shop(orders=orders, stock={SHELF: Stock(on_hand=Decimal(40), allocated=Decimal(3))}),
        company=Company(
            documents=(document("ORD1", "1", "30.00"), document("ORD2", "2", "12.50"), invoice),
            stock={SHELF: Stock(on_hand=Decimal("40.00000"), allocated=Decimal("3.00000"))},
            receipts={"ORD1": (f"{STORE}:1",), "ORD2": (f"{STORE}:2",)},
        ),
        seen=seen,
    )


def status(number: int, said: str, version: int = 1) -> OrderStatus:
    return OrderStatus(
        id=f"{STORE}:{number}", source_version=version, occurred_at=AT, status=said, document_number=f"ORD{number}"
    )


def shipment() -> Shipment:
    return Shipment(
        id=f"{STORE}:1/INV1",
        source_version=1,
        shipped_at=AT,
        order_id=f"{STORE}:1",
        number="INV1",
        tracking_numbers=("1Z9", "FX8"),
        lines=(ShipmentLine(sku="TEA", quantity=Decimal(3)),),
    )


def level(on_hand: int, allocated: int, version: int = 1) -> InventoryLevel:
    return InventoryLevel(
        id=f"{ERP}:TEA@MAIN",
        source_version=version,
        occurred_at=AT,
        sku="TEA",
        site="MAIN",
        on_hand=Decimal(on_hand),
        allocated=Decimal(allocated),
    )
