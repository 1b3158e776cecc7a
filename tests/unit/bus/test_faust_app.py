"""How long fetching waits for a partition, told by a consumer that reads nothing."""

import asyncio
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from tests.doubles.kafka import MemoryConsumer

FULL, QUIET = TP("orders", 0), TP("orders", 1)


class Consumer(MemoryConsumer):
    """One partition is being read."""

    def __init__(self, buffered: set[TP]) -> None:
        self.app: Any = SimpleNamespace(
            consumer_generation_id=1,
            flow_control=SimpleNamespace(is_active=lambda: True),
            topics=SimpleNamespace(_tp_to_callback_lock=asyncio.Lock()),
        )
        self.flow_active = True
        self._strayed = False
        self._buffered_partitions = buffered
        self.waited_s: list[float] = []

    def _get_active_partitions(self) -> set[TP]:
        return {QUIET}

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:  # noqa: ARG002 - as in faust
        self.waited_s.append(timeout)
        return {}


async def test_a_partition_that_was_full_does_not_wait_for_news_of_the_quiet_ones() -> None:
    full, idle = Consumer({FULL}), Consumer(set())

    await full._hand_on_fetched()
    await idle._hand_on_fetched()

    assert (full.waited_s, idle.waited_s) == ([0.02], [1.0])
