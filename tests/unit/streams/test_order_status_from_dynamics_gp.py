"""How far a GP order has got."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from mapping.port import Lookups
from schemas.bus.seen import Seen
from schemas.canonical.order_status import OrderState
from schemas.systems.dynamics_gp.sales_order import SalesDocument, SalesLine, SalesOrder
from streams import routes


def line(
    quantity: int, *, allocated: int = 0, back_ordered: int = 0, cancelled: int = 0, component: int = 0
) -> SalesLine:
    return SalesLine(
        LNITMSEQ=16384,
        CMPNTSEQ=component,
        ITEMNMBR="COF-ESP-250",
        QUANTITY=Decimal(quantity),
        ATYALLOC=Decimal(allocated),
        QTYTBAOR=Decimal(back_ordered),
        QTYCANCE=Decimal(cancelled),
    )


def document(kind: int, *lines: SalesLine, void: int = 0) -> SalesDocument:
    return SalesDocument(SOPTYPE=kind, SOPNUMBE=f"DOC{kind}", in_history=False, VOIDSTTS=void, lines=lines)


def order(standing: SalesDocument | None, *others: SalesDocument) -> SalesOrder:
    return SalesOrder(
        number="ORD0000007",
        root_key="clarity-main:1001",
        connection="gp-two",
        read_at=datetime(2026, 3, 1, tzinfo=UTC),
        order=standing,
        others=others,
    )


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (order(document(2, line(3))), OrderState.RECEIVED),
        (order(document(2, line(3, allocated=1))), OrderState.PROCESSING),
        (order(document(2, line(3, back_ordered=3))), OrderState.BACKORDERED),
        (order(document(2, line(3)), document(3, line(1))), OrderState.PARTIALLY_SHIPPED),
        (order(document(2, line(3)), document(3, line(3))), OrderState.SHIPPED),
        (order(document(2, line(3, cancelled=2)), document(3, line(1))), OrderState.SHIPPED),
        (order(document(2, line(3)), document(3, line(3), void=1)), OrderState.RECEIVED),
        (order(document(2, line(3)), document(3, line(2)), document(3, line(1))), OrderState.SHIPPED),
        (order(document(2, line(3)), document(5, line(3))), OrderState.RECEIVED),
        (order(document(2, line(3, cancelled=3))), OrderState.CANCELLED),
        (order(document(2, line(3), void=1)), OrderState.CANCELLED),
        (order(None), OrderState.CANCELLED),
        (order(None, document(3, line(3))), OrderState.SHIPPED),
        (order(None, document(3, line(3), void=1)), OrderState.CANCELLED),
        (order(document(2, line(3), void=1), document(3, line(1))), OrderState.SHIPPED),
        (order(document(2, line(1), line(5, component=1)), document(3, line(1))), OrderState.SHIPPED),
    ],
)
def test_the_documents_tell_the_state(seen: SalesOrder, expected: OrderState) -> None:
    read = Seen(connection="gp-two", key=seen.root_key, read_at=seen.read_at, source_version=1, content=seen)

    assert routes.ORDER_STATUS_FROM_DYNAMICS_GP(read, Lookups({}), seen.read_at).status == expected
