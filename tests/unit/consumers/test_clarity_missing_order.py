"""What hangs on an order the store does not show waits for it, whatever it is."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from connect.systems.clarity.client import ClarityClient
from consumers import routes
from consumers.clarity.order_status_sink import ACTIONS, KEYS, OrderStatusSink
from consumers.clarity.shipment_sink import ShipmentSink
from consumers.documents import Documents
from delivery.ports import Memory
from errors import DependencyError
from mapping.data import DataMapping
from mapping.port import Lookups
from schemas.canonical.order_status import OrderStatus
from schemas.canonical.shipment import Shipment
from schemas.systems.clarity.site import CEF
from tests.unit.delivery.test_decide import a_row

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOOKUPS = Lookups({ACTIONS: {"shipped": "Ship"}, KEYS: {"shipped": "Shipped"}})


class NoOrders:
    """A store that shows none."""

    site = CEF

    async def order(self, _: str) -> None:
        return None


class Says:
    """A decoder of one record."""

    def __init__(self, record: Any) -> None:
        self._record = record

    def decode(self, _: bytes) -> Any:
        return self._record


STORE = cast("ClarityClient", NoOrders())
STATUS = OrderStatus(id="shop:1001", source_version=1, status="shipped", occurred_at=NOON, connection="erp")
SHIPMENT = Shipment(
    id="shop:1001/INV1", source_version=1, order_id="shop:1001", number="INV1", shipped_at=NOON, connection="erp"
)


def documents(mapping: DataMapping) -> Documents:
    return Documents(mapping, LOOKUPS, lambda: NOON)


@pytest.mark.parametrize(
    "sink",
    [
        OrderStatusSink(
            STORE, Says(STATUS), Documents(routes.ORDER_STATUS, LOOKUPS, lambda: NOON), cast("Memory", None)
        ),
        ShipmentSink(STORE, Says(SHIPMENT), Documents(routes.SHIPMENT, LOOKUPS, lambda: NOON)),
    ],
    ids=["status", "shipment"],
)
async def test_it_waits_for_the_order(sink: OrderStatusSink | ShipmentSink) -> None:
    with pytest.raises(DependencyError) as missing:
        await sink.prepare(a_row())

    assert missing.value.waits_for == "order:shop:1001"
