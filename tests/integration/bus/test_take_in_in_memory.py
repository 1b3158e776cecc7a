"""Taking in under rebalances, stores that go away and positions that move: every event once, none skipped."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence

import pytest
from faust.types import TP

from bus import take_in
from bus.events import Advance, Incoming, Outgoing
from bus.faust_app import BusApp
from bus.take_in import attach_take_in
from errors import ConfigurationError, FatalError, LostPartitionError, RejectedError, RetryableError
from schemas.topics import Compatibility, Stage, Topic
from tests.doubles.kafka import Broker, transport_of

PARTITIONS = 3
DEAD = Topic(
    name="dead",
    record=None,
    key="text",
    written_by=Stage.BUS,
    retention_ms=1,
    compatibility=Compatibility.NONE,
    partitions=PARTITIONS,
)


class MemoryStore:
    """Position and rows move together or not at all, as in the connection's store."""

    def __init__(self) -> None:
        self.position: dict[int, int] = {}
        self.rows: dict[int, list[int]] = {number: [] for number in range(PARTITIONS)}
        #: Asked before each transaction and after it: raises what befalls it.
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None
        self.lost = 0
        self.pause_s = 0.0

    async def positions(self, _topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
        await asyncio.sleep(0)
        return {partition: self.position[partition] for partition in partitions if partition in self.position}

    async def commit(self, topic_id: str, moves: Sequence[Advance], events: Sequence[tuple[int, int]]) -> None:
        assert topic_id == "id"
        self.before()
        await asyncio.sleep(self.pause_s)
        if any(self.position.get(move.partition) != move.expected for move in moves):
            self.lost += 1
            raise LostPartitionError("lost_partition", "moved")
        for partition, value in events:
            self.rows[partition].append(value)
        self.position |= {move.partition: move.next_offset for move in moves}
        self.after()


class Run:
    def __init__(self) -> None:
        self.broker = Broker()
        self.broker.create("source", PARTITIONS)
        self.broker.create("dead", PARTITIONS)
        self.broker.on_commit = self._check
        self.store = MemoryStore()
        self.full = False
        #: Times somebody wanted to know whether there is room.
        self.asked = 0
        self.most_dead_in_a_row = 1000
        self._ahead: str | None = None

    def _check(self, offsets: Mapping[TP, int]) -> None:
        for tp, offset in offsets.items():
            if offset > self.store.position.get(tp.partition, 0):
                self._ahead = f"group at {offset} of {tp}, store at {self.store.position.get(tp.partition)}"

    async def has_room(self) -> bool:
        self.asked += 1
        return not self.full

    def app(self, drain_limit_s: float = 5.0) -> BusApp:
        app = BusApp(
            "group",
            "memory",
            {"source": "id"},
            transport=transport_of(self.broker),
            drain_limit_s=drain_limit_s,
            broker_commit_interval=0.02,
        )
        app.kill_after_s = None
        attach_take_in(
            app,
            "take-in",
            "source",
            self.store.positions,
            read,
            bury,
            self.store.commit,
            has_room=self.has_room,
            most_dead_in_a_row=self.most_dead_in_a_row,
        )
        return app

    def feed(self, count: int, *, poison: frozenset[int] = frozenset()) -> None:
        for n in range(count):
            number = n % PARTITIONS
            log = self.broker.logs[TP("source", number)]
            self.broker.write("source", number, b"shop:1", b"poison" if n in poison else str(len(log)).encode())

    def assert_all_once_in_order(self) -> None:
        assert self._ahead is None, self._ahead
        for number, rows in self.store.rows.items():
            log = self.broker.logs[TP("source", number)]
            assert rows == [record.offset for record in log if record.value != b"poison"]
            assert self.store.position.get(number, 0) == len(log)

    def done(self) -> bool:
        return all(
            self.store.position.get(number, 0) == len(self.broker.logs[TP("source", number)])
            for number in range(PARTITIONS)
        )


def read(event: Incoming) -> tuple[int, int]:
    if event.value == b"poison":
        raise RejectedError("poison", "as it is")
    return event.partition, event.offset


def bury(event: Incoming, error: RejectedError) -> list[Outgoing]:
    return [Outgoing(topic=DEAD, key=event.key_text, value=event.value)]


async def until(condition: Callable[[], bool], within_s: float = 30.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)


async def test_reading_starts_where_the_store_stands_and_not_the_group() -> None:
    run = Run()
    run.feed(30)
    run.broker.committed = {TP("source", 0): 10, TP("source", 1): 2, TP("source", 2): 0}
    run.store.position = {0: 4, 1: 6}
    run.store.rows = {0: [0, 1, 2, 3], 1: [0, 1, 2, 3, 4, 5], 2: []}
    app = run.app()
    await app.start()

    await until(run.done)
    await app.stop()

    run.assert_all_once_in_order()
    assert run.broker.committed == {TP("source", number): 10 for number in range(PARTITIONS)}


async def test_full_store_is_given_nothing_until_it_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take_in, "ROOM_EVERY_S", 0.01)
    run = Run()
    asked = 0

    async def has_room() -> bool:
        nonlocal asked
        asked += 1
        return not run.full

    run.has_room = has_room  # type: ignore[method-assign]  # counts
    run.full = True
    run.feed(30)
    app = run.app()
    await app.start()
    await until(lambda: asked > 10)
    taken, run.full = dict(run.store.position), False

    await until(run.done)
    await app.stop()

    assert taken == {}
    run.assert_all_once_in_order()


async def test_full_store_holds_up_no_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take_in, "ROOM_EVERY_S", 0.01)
    run = Run()
    run.full = True
    run.feed(30)
    app = run.app(drain_limit_s=0.2)
    await app.start()
    # it holds a batch, and has been told twice that there is no room for it
    await until(lambda: len(app.consumer.unacked) > 0 and run.asked >= 2)
    async with asyncio.timeout(10):
        await app.stop()

    # nothing of it was taken in on the way out, nor told to the group
    assert run.full
    assert (run.store.position, run.broker.committed) == ({}, {})

    asked, run.full = run.asked, False
    app = run.app()
    await app.start()
    await until(run.done)
    await app.stop()

    assert run.asked > asked
    run.assert_all_once_in_order()


async def test_poison_is_on_its_topic_before_the_position_moves_past_it() -> None:
    run = Run()
    run.broker.fate = lambda _topic: 0.05
    moved_too_early: list[int] = []
    run.store.before = lambda: moved_too_early.extend([] if run.broker.all_of("dead") else [1])
    run.feed(1, poison=frozenset({0}))
    app = run.app()
    await app.start()

    await until(run.done)
    await app.stop()

    assert len(run.broker.all_of("dead")) == 1
    assert not moved_too_early
    run.assert_all_once_in_order()


async def test_flood_of_poison_stops_the_worker_and_the_next_one_goes_on_before_it() -> None:
    """Readers of every queue take in so: fetchers, consumers, and those of commands."""
    run = Run()
    run.most_dead_in_a_row = 20
    run.feed(3)
    run.feed(90, poison=frozenset(range(90)))
    app = run.app()
    await app.start()
    await until(lambda: app.should_stop)
    await app.stop()

    assert isinstance(app.died_of, FatalError)
    assert app.died_of.code == "too_many_dead_letters"
    assert "20 dead letters in a row" in app.died_of.message
    assert len(run.broker.all_of("dead")) <= 20
    assert sum(run.store.position.values()) <= 3 + 20
    assert sum(run.broker.committed.values()) <= 3 + 20

    run.most_dead_in_a_row = 1000
    mended = run.app()
    await mended.start()
    await until(run.done)
    await mended.stop()
    run.assert_all_once_in_order()
    assert len({(record.key, record.value) for record in run.broker.all_of("dead")}) == 1


async def test_nothing_moves_on_while_a_dead_letter_cannot_be_written() -> None:
    run = Run()
    run.feed(1, poison=frozenset({0}))
    run.feed(30)
    run.broker.fate = lambda topic: RuntimeError("not written") if topic == "dead" else 0.0
    app = run.app()
    await app.start()
    await until(lambda: app.should_stop)
    await app.stop()

    assert app.died_of is not None
    assert run.store.position.get(0, 0) == 0
    assert run.store.rows[0] == []
    assert run.broker.committed.get(TP("source", 0), 0) == 0

    run.broker.fate = lambda _topic: 0.0
    mended = run.app()
    await mended.start()
    await until(run.done)
    await mended.stop()
    assert len(run.broker.all_of("dead")) == 1
    run.assert_all_once_in_order()


async def test_store_that_is_away_is_waited_for() -> None:
    run = Run()
    run.feed(60)
    failures = iter(range(4))

    def away() -> None:
        if next(failures, None) is not None:
            raise RetryableError("store_away", "no connection", retry_after_s=0.01)

    run.store.before = away
    app = run.app()
    await app.start()

    await until(run.done)

    assert app.died_of is None
    await app.stop()
    run.assert_all_once_in_order()


async def test_commit_that_happened_though_it_seemed_to_fail_is_not_repeated() -> None:
    run = Run()
    run.feed(60)
    failures = iter(range(1))

    def lost_answer() -> None:
        if next(failures, None) is not None:
            raise RetryableError("store_away", "connection lost in commit", retry_after_s=0.01)

    run.store.after = lost_answer
    app = run.app()
    await app.start()

    await until(run.done)
    await app.stop()

    assert run.store.lost
    run.assert_all_once_in_order()


async def test_position_moved_by_another_is_read_again() -> None:
    run = Run()
    run.feed(30)
    app = run.app()
    await app.start()
    await until(run.done)

    # another worker took in what nobody had yet
    run.feed(30)
    run.store.rows[1] += range(10, 15)
    run.store.position[1] = 15
    run.feed(30)

    await until(run.done)
    await app.stop()
    assert run.store.lost
    run.assert_all_once_in_order()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("drain_limit_s", [5.0, 0.001])
async def test_every_event_is_taken_in_once_through_rebalances(seed: int, drain_limit_s: float) -> None:
    dice = random.Random(seed)
    run = Run()
    run.store.pause_s = 0.002

    def trouble() -> None:
        if dice.random() < 0.1:
            raise RetryableError("store_away", "no connection", retry_after_s=0.001)

    run.store.before = run.store.after = trouble
    apps = [run.app(drain_limit_s), run.app(drain_limit_s)]
    for app in apps:
        await app.start()
    for _ in range(10):
        run.feed(90, poison=frozenset({dice.randrange(90)}))
        await asyncio.sleep(dice.random() * 0.02)
        if dice.random() < 0.5:
            await run.broker.rebalance()
        if dice.random() < 0.2:
            await apps.pop(0).stop()
            apps.append(run.app(drain_limit_s))
            await apps[-1].start()

    await until(run.done)
    for app in apps:
        await app.stop()

    run.assert_all_once_in_order()
    assert len(run.broker.all_of("dead")) >= 10


async def test_topic_is_taken_in_once_an_app() -> None:
    run = Run()
    app = run.app()

    with pytest.raises(ConfigurationError, match="already"):
        attach_take_in(app, "again", "source", run.store.positions, read, bury, run.store.commit)
