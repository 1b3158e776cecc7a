"""Stock at the simulated store: the section has the quantity, and changed once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar

from bus.clock import now
from bus.codec import Codecs
from bus.registry import MemoryRegistry
from consumers.clarity.inventory_level_sink import InventoryLevelSink
from consumers.documents import Documents
from consumers.routes import STOCK_SECTION
from delivery.ports import Memory, Sink
from mapping.port import Lookups
from schemas import topics
from schemas.canonical.inventory_level import InventoryLevel
from tests.integration.sinks.adapter import Event
from tests.integration.sinks.shop import Shop

CODEC = Codecs(MemoryRegistry()).of(topics.INVENTORY_LEVELS)
ON_HAND = 4711
UPSERT = "/ProductInventoryLocationSection/Upsert"


class InventoryLevels:
    """Stock of another product each time; the store refuses one it does not know."""

    sink: ClassVar[type[Sink]] = InventoryLevelSink
    simulator: ClassVar[str] = "shop"

    def __init__(self, there: Shop) -> None:
        self._shop = there

    def event(self) -> Event:
        unseen = next(each for each in self._shop.stock() if Decimal(each["quantity"]) != ON_HAND)
        return self._stocked(unseen["sku"], unseen["section"])

    def event_it_refuses(self) -> Event:
        return self._stocked("NOBODY-KNOWS-IT", "MAIN")

    @asynccontextmanager
    async def opened(self, _memory: Memory) -> AsyncIterator[Sink]:
        async with self._shop.client() as site:
            yield InventoryLevelSink(site, CODEC, Documents(STOCK_SECTION, Lookups({}), now))

    def effects(self, event: Event) -> dict[str, int]:
        standing = {f"{each['sku']}|{each['section']}": Decimal(each["quantity"]) for each in self._shop.stock()}
        return {
            "changes": len(self._shop.changes_of(event.name)),
            "right quantity": int(standing.get(event.name) == ON_HAND),
        }

    def throttle_once(self) -> None:
        self._shop.fail_next(UPSERT, 429, "before", retry_after_s=1)

    def lose_an_answer(self) -> None:
        self._shop.fail_next(UPSERT, 504, "after")

    def calm(self) -> None:
        self._shop.calm()

    @staticmethod
    def _stocked(sku: str, site: str) -> Event:
        key = f"gp:{sku}@{site}"
        level = InventoryLevel(
            id=key,
            source_version=7,
            occurred_at=datetime(2026, 3, 2, tzinfo=UTC),
            connection="gp",
            sku=sku,
            site=site,
            on_hand=Decimal(ON_HAND),
        )
        return Event(key, CODEC.encode(level), f"{sku}|{site}")
