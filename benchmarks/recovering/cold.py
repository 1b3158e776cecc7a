"""A consumers worker that starts on a store full of keys: when is its first event through?

The state of the bus is in PostgreSQL, so that a worker loads nothing: what could take longer with more keys are its
first statements. Half of what a key leaves behind: an open row, parked, with its entry among the keys; and the version
last taken in, of a million other keys.
"""

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import httpx

from benchmarks.apart.bus import ERP, STORE, Apart
from benchmarks.delivering import stores
from benchmarks.harness.processes import wait_until
from benchmarks.harness.topics import fill
from benchmarks.recovering.first import first_event
from benchmarks.whole.observer import Observer
from bus.codec import Codecs
from bus.registry import Registry
from schemas import topics
from schemas.canonical.inventory_level import InventoryLevel

WITHIN_S: Final = 120.0
AT_ONCE: Final = 100_000
VERSIONS: Final = """
INSERT INTO versions (queue, message_key, record, taken_in, at)
SELECT 'consumers', 'clarity-main:known-' || n, 'order', 1, clock_timestamp()
FROM generate_series(1, %(keys)s::int) n
"""


def fill_store(apart: Apart, keys: int) -> None:
    """So many keys of each kind, in a store that exists."""
    with stores.schema(apart.stack.bus_dsn, STORE) as wire:
        for first in range(1, keys + 1, AT_ONCE):
            last = min(first + AT_ONCE - 1, keys)
            wire.execute(stores.PARKED, {"first": first, "last": last, "payload": stores.PAYLOAD})
        wire.execute(VERSIONS, {"keys": keys})
        wire.execute("VACUUM ANALYZE rows, keys, versions")


def started(apart: Apart, shop: str) -> dict[str, float]:
    """Seconds from the worker's start to the outcome of an event that waits for it; `shop` is the store's control API.

    The shelf holds what the event says already, so that nothing is changed there.
    """
    name = apart.topic(topics.OUTCOMES)
    shelf = httpx.get(f"{shop}/stock", timeout=30, trust_env=False).json()["stock"][0]
    registry = Registry(apart.stack.registry)
    codecs = Codecs(registry)
    levels, outcomes = (codecs.of(apart.renamed(topic)) for topic in (topics.INVENTORY_LEVELS, topics.OUTCOMES))
    level = _level(shelf)
    fill(apart.stack.kafka, apart.topic(topics.INVENTORY_LEVELS), [(level.id.encode(), levels.encode(level))])
    with Observer(apart.stack.kafka, name) as observer:
        began = time.time()
        with apart.process(f"consumers@{STORE}") as worker:

            def ended() -> list[float]:
                found = (outcomes.decode(each.value) for each in observer.of(name))
                return [each.at.timestamp() for each in found if each.record == "inventory_level"]

            wait_until(lambda: bool(ended()), "the first outcome", within_s=WITHIN_S, programs=[worker])
            figures = first_event(ended()[0] - began, worker.cpu_s()) | {"memory_mb": worker.memory_mb()}
            worker.stop()
    registry.close()
    return figures


def _level(shelf: Any) -> InventoryLevel:
    now = datetime.now(UTC)
    return InventoryLevel(
        id=f"{ERP}:{shelf['sku']}@{shelf['section']}",
        source_version=int(now.timestamp() * 1e6),
        occurred_at=now,
        connection=ERP,
        sku=shelf["sku"],
        site=shelf["section"],
        on_hand=Decimal(str(shelf["quantity"])),
        allocated=Decimal(str(shelf["allocated"])),
    )
