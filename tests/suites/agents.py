"""What agents of the bus promise, on the double and on real Kafka alike, so that the double cannot drift."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from bus.events import Advance, Incoming, Outgoing
from bus.faust_app import BusApp
from bus.pipe import attach_pipe
from bus.take_in import attach_take_in
from errors import FatalError, LostPartitionError, RejectedError
from schemas.topics import Compatibility, Stage, Topic

PARTITIONS = 3


class Written(msgspec.Struct, frozen=True):
    partition: int
    key: bytes
    value: bytes


class Cluster(Protocol):
    """Source, target and dead-letter topic of one test, and apps on them."""

    source: str
    target: str
    dead: str

    def app(self) -> BusApp:
        """A new app of the test's one group."""

    async def write(self, partition: int, values: Sequence[bytes]) -> None:
        """Put events on the source."""

    async def read(self, topic: str) -> list[Written]:
        """All that was written to a topic, by partition and offset."""

    async def committed(self) -> dict[int, int]:
        """The group's offsets on the source."""


def topic(name: str) -> Topic:
    return Topic(
        name=name,
        record=None,
        key="text",
        written_by=Stage.BUS,
        retention_ms=86_400_000,
        compatibility=Compatibility.NONE,
        partitions=PARTITIONS,
    )


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = 30.0) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.02)


class Store:
    """Position and rows move together or not at all."""

    def __init__(self) -> None:
        self.position: dict[int, int] = {}
        self.rows: dict[int, list[bytes]] = {number: [] for number in range(PARTITIONS)}
        self.lost = 0

    async def positions(self, topic: str, partitions: Sequence[int]) -> Mapping[int, int]:  # noqa: ARG002 - one topic
        return {partition: self.position[partition] for partition in partitions if partition in self.position}

    async def commit(self, topic_id: str, moves: Sequence[Advance], events: Sequence[Incoming]) -> None:
        assert topic_id
        if any(self.position.get(move.partition) != move.expected for move in moves):
            self.lost += 1
            raise LostPartitionError("lost_partition", "moved")
        for event in events:
            self.rows[event.partition].append(event.value or b"")
        self.position |= {move.partition: move.next_offset for move in moves}


class AgentsSuite:
    """Subclasses give the fixture `cluster`."""

    async def test_events_are_copied_in_order_and_poison_is_buried(self, cluster: Cluster) -> None:
        await cluster.write(0, [b"%d" % n for n in range(50)] + [b"poison"] + [b"%d" % n for n in range(50, 100)])
        app = cluster.app()
        piped(app, cluster, copy(cluster))
        await app.start()

        await until(lambda: holds(cluster.committed, {0: 101}))
        await app.stop()

        assert [each.value for each in await cluster.read(cluster.target)] == [b"%d" % n for n in range(100)]
        assert [each.value for each in await cluster.read(cluster.dead)] == [b"poison"]

    async def test_unknown_exception_stops_the_worker_and_the_event_stays(self, cluster: Cluster) -> None:
        await cluster.write(1, [b"a", b"bad", b"c"])
        app = cluster.app()
        piped(app, cluster, copy(cluster, fails_on=b"bad"))
        await app.start()
        await until(lambda: truth(app.should_stop))
        await app.stop()

        assert isinstance(app.died_of, ZeroDivisionError)
        assert (await cluster.committed()).get(1, 0) <= 1

        mended = cluster.app()
        piped(mended, cluster, copy(cluster))
        await mended.start()
        await until(lambda: holds(cluster.committed, {1: 3}))
        await mended.stop()
        assert {each.value for each in await cluster.read(cluster.target)} == {b"a", b"bad", b"c"}

    async def test_two_agents_of_one_topic_both_do_their_part(self, cluster: Cluster) -> None:
        await cluster.write(0, [b"%d" % n for n in range(20)])
        app = cluster.app()
        piped(app, cluster, copy(cluster), name="first")
        piped(app, cluster, copy(cluster, suffix=b"-again"), name="second")
        await app.start()

        await until(lambda: holds(cluster.committed, {0: 20}))
        await app.stop()

        values = [each.value for each in await cluster.read(cluster.target)]
        assert sorted(values) == sorted([b"%d" % n for n in range(20)] + [b"%d-again" % n for n in range(20)])

    async def test_failing_second_agent_holds_back_the_commit(self, cluster: Cluster) -> None:
        await cluster.write(0, [b"a", b"bad"])
        app = cluster.app()
        piped(app, cluster, copy(cluster), name="first")
        piped(app, cluster, copy(cluster, fails_on=b"a"), name="second")
        await app.start()
        await until(lambda: truth(app.should_stop))
        await app.stop()

        assert (await cluster.committed()).get(0, 0) <= 0

    async def test_reading_starts_where_the_store_stands(self, cluster: Cluster) -> None:
        await cluster.write(0, [b"%d" % n for n in range(10)])
        await cluster.write(1, [b"x", b"y"])
        store = Store()
        store.position, store.rows[0] = {0: 4}, [b"0", b"1", b"2", b"3"]
        app = cluster.app()
        taken_in(app, cluster, store)
        await app.start()

        await until(lambda: truth(store.position == {0: 10, 1: 2}))
        await until(lambda: holds(cluster.committed, {0: 10, 1: 2}))
        await app.stop()

        assert store.rows == {0: [b"%d" % n for n in range(10)], 1: [b"x", b"y"], 2: []}

    async def test_topic_that_ends_before_the_position_stops_the_worker(self, cluster: Cluster) -> None:
        await cluster.write(0, [b"0", b"1"])
        store = Store()
        store.position = {0: 5}
        app = cluster.app()
        taken_in(app, cluster, store)
        with contextlib.suppress(FatalError):
            await app.start()
        await until(lambda: truth(app.died_of is not None))
        await app.stop()

        assert isinstance(app.died_of, FatalError)
        assert app.died_of.code == "log_truncated"
        assert store.position == {0: 5}

    async def test_position_moved_by_another_is_read_again(self, cluster: Cluster) -> None:
        await cluster.write(0, [b"0", b"1"])
        store = Store()
        app = cluster.app()
        taken_in(app, cluster, store)
        await app.start()
        await until(lambda: truth(store.position == {0: 2}))

        store.position[0] = 3
        store.rows[0].append(b"2")
        await cluster.write(0, [b"2", b"3", b"4"])
        await until(lambda: truth(store.position == {0: 5}))
        await until(lambda: holds(cluster.committed, {0: 5}))
        await app.stop()

        assert store.lost
        assert app.died_of is None
        assert store.rows[0] == [b"0", b"1", b"2", b"3", b"4"]


def copy(cluster: Cluster, *, fails_on: bytes = b"", suffix: bytes = b"") -> Callable[[Incoming], list[Outgoing]]:
    target = topic(cluster.target)

    def transform(event: Incoming) -> list[Outgoing]:
        if event.value == b"poison":
            raise RejectedError("poison", "as it is")
        if fails_on and event.value == fails_on:
            raise ZeroDivisionError("a bug")
        return [Outgoing(topic=target, key=event.key_text, value=(event.value or b"") + suffix)]

    return transform


def piped(app: BusApp, cluster: Cluster, transform: Callable[[Incoming], list[Outgoing]], name: str = "copy") -> None:
    attach_pipe(app, name, cluster.source, transform, bury_in(cluster))


def taken_in(app: BusApp, cluster: Cluster, store: Store) -> None:
    attach_take_in(app, "take-in", cluster.source, store.positions, lambda event: event, bury_in(cluster), store.commit)


def bury_in(cluster: Cluster) -> Callable[[Incoming, RejectedError], list[Outgoing]]:
    dead = topic(cluster.dead)
    return lambda event, _error: [Outgoing(topic=dead, key=event.key_text, value=event.value)]


async def truth(fact: bool) -> bool:
    return fact


async def holds(read: Callable[[], Awaitable[dict[int, int]]], expected: dict[int, int]) -> bool:
    found = await read()
    return all(found.get(partition, 0) == offset for partition, offset in expected.items())
