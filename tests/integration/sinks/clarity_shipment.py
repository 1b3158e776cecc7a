"""Shipments at the simulated store: one shipment of that number, its tracking number once on the order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar

from bus.clock import now
from bus.codec import Codecs
from bus.registry import MemoryRegistry
from consumers.clarity.shipment_sink import ShipmentSink
from consumers.documents import Documents
from consumers.routes import SHIPMENT
from delivery.ports import Memory, Sink
from mapping.port import Lookups
from schemas import topics
from schemas.canonical.shipment import Shipment, ShipmentLine
from tests.integration.sinks.adapter import Event
from tests.integration.sinks.shop import CONNECTION, Shop

CODEC = Codecs(MemoryRegistry()).of(topics.SHIPMENTS)
SKU, ORDERED = "JUG-600", 5
UPSERT = "/Shipping/Shipment/Upsert"


class Shipments:
    """A shipment of an order; the store refuses more than was ordered."""

    sink: ClassVar[type[Sink]] = ShipmentSink
    simulator: ClassVar[str] = "shop"

    def __init__(self, there: Shop) -> None:
        self._shop = there

    def event(self) -> Event:
        return self._shipped(ORDERED)

    def event_it_refuses(self) -> Event:
        return self._shipped(ORDERED + 1)

    @asynccontextmanager
    async def opened(self, _memory: Memory) -> AsyncIterator[Sink]:
        async with self._shop.client() as site:
            yield ShipmentSink(site, CODEC, Documents(SHIPMENT, Lookups({}), now))

    def effects(self, event: Event) -> dict[str, int]:
        order_id = event.name.removeprefix("S")
        order = self._shop.order(order_id)
        return {
            "shipments": [each["key"] for each in order["shipments"]].count(event.name),
            "tracking numbers": (order["tracking_number"] or "").split(", ").count(f"1Z{order_id}"),
        }

    def throttle_once(self) -> None:
        self._shop.fail_next(UPSERT, 429, "before", retry_after_s=1)

    def lose_an_answer(self) -> None:
        self._shop.fail_next(UPSERT, 504, "after")

    def calm(self) -> None:
        self._shop.calm()

    def _shipped(self, quantity: int) -> Event:
        order_id = self._shop.place(SKU, ORDERED)
        key, number = f"{CONNECTION}:{order_id}", f"S{order_id}"
        shipment = Shipment(
            id=f"{key}/{number}",
            source_version=7,
            shipped_at=datetime(2026, 3, 2, tzinfo=UTC),
            order_id=key,
            number=number,
            carrier="UPS",
            tracking_numbers=(f"1Z{order_id}",),
            lines=(ShipmentLine(sku=SKU, quantity=Decimal(quantity)),),
        )
        return Event(shipment.id, CODEC.encode(shipment), number)
