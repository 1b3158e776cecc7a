# ruff: noqa: ARG002 - the interface is Faust's
"""Kafka in memory under the real Faust machinery: for tests that need thousands of rebalances and failures in seconds.

`tests/suites/agents.py` runs on it and on real Kafka, so that it cannot drift.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from faust.transport import base, producer
from faust.types import TP
from faust.types.tuples import RecordMetadata

from bus.events import Headers, Outgoing
from bus.faust_app import NothingSkipped, StraightConductor
from bus.partitioner import partition_of


class Record(msgspec.Struct, frozen=True):
    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int = 0


class Broker:
    """Topics, one consumer group, its committed offsets, and the assignment of partitions to members."""

    def __init__(self) -> None:
        self.logs: dict[TP, list[Record]] = {}
        self.committed: dict[TP, int] = {}
        self.members: list[MemoryConsumer] = []
        self.generation = 0
        #: Seconds until the broker confirms a record, or an exception instead; asked for each one.
        self.fate: Callable[[str], float | Exception] = lambda _topic: 0.0
        #: Told of every commit before it counts.
        self.on_commit: Callable[[Mapping[TP, int]], None] = lambda _offsets: None
        #: Awaited before a fetch and with what was fetched in hand, as by a consumer whose thread is slow.
        self.on_fetch: Callable[[], Awaitable[None]] = _at_once
        self.on_fetched: Callable[[], Awaitable[None]] = _at_once
        self.written = asyncio.Event()
        self._rebalancing = asyncio.Lock()

    def create(self, topic: str, partitions: int) -> None:
        for number in range(partitions):
            self.logs[TP(topic, number)] = []

    def partitions(self, topic: str) -> int:
        return sum(1 for tp in self.logs if tp.topic == topic)

    def write(
        self, topic: str, partition: int, key: bytes, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> int:
        log = self.logs[TP(topic, partition)]
        log.append(Record(topic, partition, len(log), key, value, tuple(headers)))
        self.written.set()
        return len(log) - 1

    def all_of(self, topic: str) -> list[Record]:
        return [record for tp, log in sorted(self.logs.items()) if tp.topic == topic for record in log]

    def commit(self, member: "MemoryConsumer", offsets: Mapping[TP, int]) -> bool:
        ours = {tp: offset for tp, offset in offsets.items() if tp in member.assigned}
        self.on_commit(ours)
        self.committed.update(ours)
        return True

    async def rebalance(self) -> None:
        """A new generation: every member gives back what it has, then all partitions are dealt out, as Kafka does."""
        async with self._rebalancing:
            members = list(self.members)
            await asyncio.gather(*(member.give_back() for member in members))
            members = [member for member in members if member in self.members]
            self.generation += 1
            wanted = sorted(tp for tp in self.logs if any(tp.topic in member.topics for member in members))
            shares: dict[int, set[TP]] = defaultdict(set)
            for number, tp in enumerate(wanted):
                takers = [at for at, member in enumerate(members) if tp.topic in member.topics]
                shares[takers[number % len(takers)]].add(tp)
            await asyncio.gather(*(member.receive(shares[at], self.generation) for at, member in enumerate(members)))


async def _at_once() -> None:
    pass


class MemoryConsumer(NothingSkipped):
    """The consumer's side of the broker above; everything else in it is Faust's and the bus's own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._broker: Broker = self.transport.broker  # type: ignore[attr-defined]  # our own transport
        self.topics: set[str] = set()
        self.assigned: set[TP] = set()
        self.read_on: dict[TP, int] = {}

    async def give_back(self) -> None:
        self.app.on_rebalance_start()
        await self.on_partitions_revoked(set(self.assigned))
        self.assigned = set()

    async def receive(self, share: set[TP], generation: int) -> None:
        self.assigned = set(share)
        self.read_on = {tp: self._broker.committed.get(tp, 0) for tp in share}
        self.app.consumer_generation_id = generation
        await self.on_partitions_assigned(set(share), generation)

    def rejoin(self) -> None:
        self.app.add_future(self._broker.rebalance())

    async def subscribe(self, topics: Any) -> None:
        self.topics = set(topics)
        self._broker.members.append(self)
        self.app.add_future(self._broker.rebalance())

    async def on_stop(self) -> None:
        await super().on_stop()
        if self in self._broker.members:
            self._broker.members.remove(self)

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:
        await self._broker.on_fetch()
        deadline = asyncio.get_running_loop().time() + timeout
        while self.flow_active:
            found = {
                tp: self._broker.logs[tp][self.read_on[tp] :]
                for tp in active_partitions or ()
                if tp in self.read_on and len(self._broker.logs[tp]) > self.read_on[tp]
            }
            if found:
                for tp, records in found.items():
                    self.read_on[tp] += len(records)
                await self._broker.on_fetched()
                return found
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            self._broker.written.clear()
            try:
                await asyncio.wait_for(self._broker.written.wait(), min(left, 0.02))
            except TimeoutError:
                continue
        return {}

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        await asyncio.sleep(0)
        return self._broker.commit(self, offsets)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        await asyncio.sleep(0)
        committed = {tp: self._broker.committed.get(tp, -1) for tp in self.assigned}
        self.read_on = {tp: max(offset, 0) for tp, offset in committed.items()}
        return committed

    async def _seek(self, partition: TP, offset: int) -> None:
        self.read_on[partition] = offset

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        for tp, offset in partitions.items():
            await self.seek(tp, offset)

    def assignment(self) -> set[TP]:
        return set(self.assigned)

    async def position(self, tp: TP) -> int:
        return self.read_on[tp]

    def highwater(self, tp: TP) -> int:
        return len(self._broker.logs[tp])

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        return {tp: self.highwater(tp) for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        return dict.fromkeys(partitions, 0)

    def topic_partitions(self, topic: str) -> int:
        return self._broker.partitions(topic)

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int | None:
        return partition

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        raise AssertionError("agents create no topics")


class MemoryProducer(producer.Producer):
    """Writes in the order it was asked, each record after its fate's delay; a failure fails all that follow, too."""

    def __post_init__(self) -> None:
        self._broker: Broker = self.transport.broker  # type: ignore[attr-defined]  # our own transport
        self._last: asyncio.Task[RecordMetadata] | None = None
        self._failed: Exception | None = None
        self._open: set[asyncio.Task[RecordMetadata]] = set()

    async def write(self, records: Sequence[Outgoing], wanted: Callable[[], bool]) -> list[Any]:
        return [self._send(record) for record in records if wanted()]

    async def send(self, *_given: Any, **_named: Any) -> Any:
        raise AssertionError("agents write batches")

    def _send(self, record: Outgoing) -> asyncio.Future[RecordMetadata]:
        topic, key = record.topic.name, record.key.encode()
        number = partition_of(key, self._broker.partitions(topic))
        work = asyncio.create_task(self._deliver(self._last, topic, number, key, record.value, record.headers))
        self._last = work
        self._open.add(work)
        work.add_done_callback(self._open.discard)
        future: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()

        def done(task: asyncio.Task[RecordMetadata]) -> None:
            if future.done():
                return
            if task.cancelled():
                future.cancel()
            elif failure := task.exception():
                future.set_exception(failure)
            else:
                future.set_result(task.result())

        work.add_done_callback(done)
        return future

    async def _deliver(
        self, before: Any, topic: str, partition: int, key: bytes, value: bytes | None, headers: Headers
    ) -> RecordMetadata:
        if before is not None:
            await asyncio.wait({before})
        fate = self._failed or self._broker.fate(topic)
        if isinstance(fate, Exception):
            self._failed = fate
            raise RuntimeError(str(fate))  # noqa: TRY004 - a broker's answer, no wrong type
        if fate:
            await asyncio.sleep(fate)
        offset = self._broker.write(topic, partition, key, value, headers)
        return RecordMetadata(topic=topic, partition=partition, topic_partition=TP(topic, partition), offset=offset)

    async def flush(self) -> None:
        if self._open:
            await asyncio.wait(set(self._open))

    def key_partition(self, topic: str, key: bytes) -> TP:
        raise NotImplementedError

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        raise AssertionError("agents create no topics")

    def supports_headers(self) -> bool:
        return True


def transport_of(broker: Broker) -> type[base.Transport]:
    """A Faust transport to that broker."""

    class MemoryTransport(base.Transport):
        Conductor = StraightConductor
        Consumer = MemoryConsumer
        Producer = MemoryProducer
        driver_version = "memory"
        default_port = 0

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.broker = broker

    return MemoryTransport
