"""Order statuses at the simulated store: the effect is the mail its customer gets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import ClassVar

from bus.clock import now
from bus.codec import Codecs
from bus.registry import MemoryRegistry
from consumers.clarity.order_status_sink import ACTIONS, KEYS, OrderStatusSink
from consumers.documents import Documents
from consumers.routes import ORDER_STATUS
from delivery.ports import Memory, Sink
from mapping.port import Lookups
from schemas import topics
from schemas.canonical.order_status import OrderStatus
from tests.integration.sinks.adapter import Event
from tests.integration.sinks.shop import CONNECTION, Shop

CODEC = Codecs(MemoryRegistry()).of(topics.ORDER_STATUSES)
LOOKUPS = Lookups({ACTIONS: {"received": "Confirm"}, KEYS: {"received": "Confirmed"}})


class OrderStatuses:
    """Confirms orders: an action the store carries out, and mails of, as often as it is asked to."""

    sink: ClassVar[type[Sink]] = OrderStatusSink
    simulator: ClassVar[str] = "shop"

    def __init__(self, there: Shop) -> None:
        self._shop = there

    def event(self) -> Event:
        return self._confirmed(self._shop.place())

    def event_it_refuses(self) -> Event:
        order_id = self._shop.place()
        self._shop.ship(order_id)
        return self._confirmed(order_id)

    @asynccontextmanager
    async def opened(self, memory: Memory) -> AsyncIterator[Sink]:
        async with self._shop.client() as site:
            yield OrderStatusSink(site, CODEC, Documents(ORDER_STATUS, LOOKUPS, now), memory)

    def effects(self, event: Event) -> dict[str, int]:
        order = self._shop.order(event.name)
        return {"mails": order["emails"].get("confirmed", 0), "status": int(order["status_key"] == "Confirmed")}

    def throttle_once(self) -> None:
        self._shop.fail_next("/Confirm/", 429, "before", retry_after_s=1)

    def lose_an_answer(self) -> None:
        self._shop.fail_next("/Confirm/", 504, "after")

    def calm(self) -> None:
        self._shop.calm()

    @staticmethod
    def _confirmed(order_id: str) -> Event:
        key = f"{CONNECTION}:{order_id}"
        status = OrderStatus(
            id=key, source_version=7, occurred_at=datetime(2026, 3, 2, tzinfo=UTC), connection="gp", status="received"
        )
        return Event(key, CODEC.encode(status), order_id)
