"""The agent pattern under rebalances, slow and failing brokers, restarts: no commit without an outcome."""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from faust.types import TP

from bus.events import Incoming, Outgoing
from bus.faust_app import BusApp, BusStream
from bus.pipe import Transform, attach_pipe
from errors import RejectedError, RetryableError
from schemas.topics import Compatibility, Stage, Topic
from tests.doubles.kafka import Broker, transport_of

PARTITIONS = 4


def topic(name: str) -> Topic:
    return Topic(
        name=name,
        record=None,
        key="text",
        written_by=Stage.BUS,
        retention_ms=1,
        compatibility=Compatibility.NONE,
        partitions=PARTITIONS,
    )


TARGET, DEAD = topic("target"), topic("dead")


def copy(event: Incoming) -> list[Outgoing]:
    if event.value is not None and event.value.endswith(b"poison"):
        raise RejectedError("poison", "as it is")
    return [Outgoing(topic=TARGET, key=event.key_text, value=event.value, headers=[("root", event.root.encode())])]


def bury(event: Incoming, error: RejectedError) -> list[Outgoing]:
    return [Outgoing(topic=DEAD, key=event.key_text, value=event.value, headers=[("root", event.root.encode())])]


class Run:
    """A broker whose every commit is held against what has been written."""

    def __init__(self) -> None:
        self.broker = Broker()
        for name in ("source", "target", "dead"):
            self.broker.create(name, PARTITIONS)
        self.broker.on_commit = self._check
        self.commits = 0
        self._unbacked: str | None = None

    def _check(self, offsets: Mapping[TP, int]) -> None:
        self.commits += 1
        done = {dict(record.headers)["root"] for name in ("target", "dead") for record in self.broker.all_of(name)}
        for tp, offset in offsets.items():
            for below in range(offset):
                if f"id-of-source/{tp.partition}/{below}".encode() not in done:
                    self._unbacked = f"{tp.topic}/{tp.partition}: {offset} committed, {below} has no outcome"

    def assert_nothing_lost(self) -> None:
        assert self._unbacked is None, self._unbacked

    def app(self, drain_limit_s: float = 5.0, transform: Transform = copy, **overrides: Any) -> BusApp:
        app = BusApp(
            "group",
            "memory",
            {"source": "id-of-source"},
            transport=transport_of(self.broker),
            drain_limit_s=drain_limit_s,
            broker_commit_interval=0.02,
            **overrides,
        )
        app.kill_after_s = None
        attach_pipe(app, "copy", "source", transform, bury)
        return app

    def feed(self, first: int, count: int, *, poison_every: int = 97) -> None:
        for n in range(first, first + count):
            suffix = b" poison" if n % poison_every == 0 else b""
            self.broker.write("source", n % PARTITIONS, f"shop:{n % 40}".encode(), str(n).encode() + suffix)

    def values(self, name: str) -> set[bytes]:
        return {record.value or b"" for record in self.broker.all_of(name)}


async def until(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)


async def test_every_event_is_copied_or_buried() -> None:
    run = Run()
    run.feed(0, 1000)
    app = run.app()
    await app.start()

    await until(lambda: sum(run.broker.committed.values()) == 1000)
    await app.stop()

    run.assert_nothing_lost()
    assert len(run.broker.all_of("target")) + len(run.broker.all_of("dead")) == 1000
    assert len(run.broker.all_of("dead")) == len(range(0, 1000, 97))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("drain_limit_s", [5.0, 0.001])
async def test_no_offset_is_committed_without_an_outcome(seed: int, drain_limit_s: float) -> None:
    dice = random.Random(seed)
    run = Run()
    run.broker.fate = lambda _topic: dice.choice((*[0.0] * 19, 0.002))
    apps = [run.app(drain_limit_s), run.app(drain_limit_s)]
    for app in apps:
        await app.start()
    for first in range(0, 800, 80):
        run.feed(first, 80)
        await asyncio.sleep(dice.random() * 0.02)
        if dice.random() < 0.5:
            await run.broker.rebalance()
        if dice.random() < 0.15:
            stopped = apps.pop(0)
            await stopped.stop()
            apps.append(run.app(drain_limit_s))
            await apps[-1].start()

    await until(lambda: sum(run.broker.committed.values()) == 800)
    for app in apps:
        await app.stop()

    run.assert_nothing_lost()
    assert run.commits
    assert run.values("target") | run.values("dead") == {record.value for record in run.broker.all_of("source")}


async def test_topic_waits_for_the_slower_of_its_agents() -> None:
    run = Run()
    app = run.app(stream_buffer_maxsize=3)
    go_on = asyncio.Event()
    seen: list[int] = []

    async def slow(stream: BusStream) -> None:
        async for batch in stream.batches(1):
            await go_on.wait()
            for taken in batch:
                seen.extend(record.offset for record in taken.records)
                taken.ack()

    app.attach("slow", "source", slow)
    await app.start()
    for first in range(0, 400, 40):
        run.feed(first, 40)
        await asyncio.sleep(0.1)

    assert len(run.broker.all_of("target")) < 150
    go_on.set()
    await until(lambda: sum(run.broker.committed.values()) == 400)
    await app.stop()

    run.assert_nothing_lost()
    assert len(seen) == 400


class Gate:
    """Holds one fetch."""

    def __init__(self) -> None:
        self.closed = False
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self) -> None:
        if self.closed:
            self.reached.set()
            await self.opened.wait()


@pytest.mark.parametrize("where", ["on_fetch", "on_fetched"])
async def test_fetch_that_lasts_longer_than_a_rebalance_loses_nothing(where: str) -> None:
    run, gate, away = Run(), Gate(), asyncio.Event()
    away.set()
    setattr(run.broker, where, gate)

    def copy_later(event: Incoming) -> list[Outgoing]:
        if away.is_set():
            raise RetryableError("registry_away", "not now")
        return copy(event)

    app = run.app(0.001, copy_later)
    await app.start()
    await until(lambda: app.consumer.assignment() != set())
    gate.closed = where == "on_fetch"
    run.feed(0, 40)
    await until(lambda: len(app.consumer.unacked) > 0)
    gate.closed = True
    run.feed(40, 40)
    await gate.reached.wait()

    await run.broker.rebalance()
    away.clear()
    consumer: Any = app.consumer
    await until(lambda: consumer.flow_active and app.flow_control.is_active())
    gate.closed = False
    gate.opened.set()

    await until(lambda: sum(run.broker.committed.values()) == 80)
    await app.stop()

    run.assert_nothing_lost()
    assert run.values("target") | run.values("dead") == {record.value for record in run.broker.all_of("source")}


@pytest.mark.parametrize("seed", range(2))
async def test_failing_broker_stops_the_worker_and_the_next_goes_on(seed: int) -> None:
    dice = random.Random(seed)
    run = Run()

    fails = iter([*sorted(dice.sample(range(1500), 3)), 10**9])
    next_failure, asked = next(fails), 0

    def fate(_topic: str) -> float | Exception:
        nonlocal next_failure, asked
        asked += 1
        if asked < next_failure:
            return 0.0
        next_failure = next(fails)
        return RuntimeError("not written")

    run.broker.fate = fate
    run.feed(0, 1500)
    deaths = 0
    for _ in range(4):
        app = run.app(0.01)
        await app.start()
        await until(lambda app=app: app.should_stop or sum(run.broker.committed.values()) == 1500)  # type: ignore[misc]
        deaths += app.died_of is not None
        await app.stop()
        if sum(run.broker.committed.values()) == 1500:
            break

    run.assert_nothing_lost()
    assert deaths == 3
    assert sum(run.broker.committed.values()) == 1500
    assert run.values("target") | run.values("dead") == {record.value for record in run.broker.all_of("source")}
