"""Between an agent's batch and the connection's store: where to read on, and the transaction that takes a batch in."""

from collections.abc import Mapping, Sequence

from bus.events import Advance
from delivery.ports import Arrival
from delivery.store import Store


class Positions:
    """Where the store stands, asked at every assignment."""

    def __init__(self, store: Store, queue: str, topic_ids: Mapping[str, str]) -> None:
        self._store = store
        self._queue = queue
        self._topic_ids = topic_ids

    async def __call__(self, topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
        """Next offset of each partition that was ever taken in; a recreated topic was not."""
        found = await self._store.positions(self._queue, self._topic_ids[topic])
        return {partition: found[partition] for partition in partitions if partition in found}


class Commit:
    """Takes a batch in: rows and positions together."""

    def __init__(self, store: Store, queue: str, topic: str) -> None:
        self._store = store
        self._queue = queue
        self._topic = topic

    async def __call__(self, topic_id: str, moves: Sequence[Advance], events: Sequence[Arrival]) -> None:
        """One transaction; LostPartitionError when another worker took events of a partition meanwhile."""
        await self._store.take_in(self._queue, self._topic, topic_id, moves, events)


class Sightings:
    """Notes things that were seen at the other end: no rows, but whoever waits for one of them is woken."""

    def __init__(self, store: Store, queue: str, topic: str) -> None:
        self._store = store
        self._queue = queue
        self._topic = topic

    async def __call__(self, topic_id: str, moves: Sequence[Advance], events: Sequence[str]) -> None:
        """One transaction; LostPartitionError when another worker noted those of a partition meanwhile."""
        await self._store.take_in(self._queue, self._topic, topic_id, moves, [], brought=frozenset(events))
