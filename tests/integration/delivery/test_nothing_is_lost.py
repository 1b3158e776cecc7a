"""Everything goes wrong at once: each effect once, in the order of its key, each event in exactly one known place."""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus.events import Advance
from delivery.acts import Acts
from delivery.decide import Pace
from delivery.engine import Limits
from delivery.migrate import migrate
from delivery.ports import Row
from delivery.states import ENDS, State
from delivery.store import Intended, Store
from errors import LostPartitionError, RetryableError
from schemas.bus.command import Act
from schemas.topics import COMMANDS
from tests.integration.delivery.cluster import Cluster
from tests.integration.delivery.rows import (
    QUEUE,
    TOPIC,
    TOPIC_ID,
    arrival,
    assert_sound,
    change,
    command,
    history,
    intent_of,
    letters,
    look,
    outcomes,
    take_in,
)
from tests.integration.delivery.running import deliverer, running, until_done
from tests.integration.delivery.target import Target, TroubledTarget

ROOT = Path(__file__).parents[3]
SETTLING_S = 0.4
EVENTS, KEYS, PARTITIONS = 120, 12, 3
KILLED_EVENTS = 100


class StallingStore(Store):
    """A worker that now and then stands still for longer than its lease, and cannot renew it."""

    def __init__(self, dsn: str, connection: str, seed: int, stall_s: float) -> None:
        super().__init__(dsn, connection)
        self._random = random.Random(seed)
        self._stall_s = stall_s
        self.stalls = 0

    async def renew(self, *_: object) -> frozenset[int]:
        raise RetryableError("stalled", "no time")

    async def intend(self, queue: str, owner: str, intended: object) -> frozenset[int]:
        ours = await super().intend(queue, owner, intended)  # type: ignore[arg-type]  # handed through
        await self._perhaps_stall()
        return ours

    async def settle(self, *arguments: object) -> object:  # type: ignore[override]  # handed through
        await self._perhaps_stall()
        return await super().settle(*arguments)  # type: ignore[arg-type]  # handed through

    async def _perhaps_stall(self) -> None:
        if self._random.random() < 0.05:
            self.stalls += 1
            await asyncio.sleep(self._stall_s)


def assert_everything_ended_once(dsn: str, connection: str, target: Target, events: int) -> None:
    """The promise of the bus, looked at from the store, the outbox and the target."""
    assert_sound(dsn, connection)
    assert look(dsn, connection, "SELECT * FROM rows") == []
    assert look(dsn, connection, "SELECT * FROM keys") == []
    ended = history(dsn, connection)
    places = {(one["partition"], one["event_offset"]): one["state"] for one in ended}
    assert len(ended) == len(places) == events
    said = Counter((one.partition, one.offset, one.state) for one in outcomes(dsn, connection) if one.state in ENDS)
    assert said == Counter((*place, state) for place, state in places.items())
    delivered: dict[str, list[int]] = defaultdict(list)
    for one in ended:
        if one["state"] == State.DELIVERED:
            delivered[one["message_key"]].append(one["event_offset"])
    assert target.effects == delivered
    dead = {(one["partition"], one["event_offset"]) for one in ended if one["state"] == State.DEAD}
    assert dead <= {(letter.partition, letter.offset) for letter in letters(dsn, connection)}


@contextlib.asynccontextmanager
async def an_operator(store: Store, seed: int) -> AsyncIterator[None]:
    """Somebody who redrives, skips and discards dead letters, and releases what waits, without much thought."""
    chance = random.Random(seed)
    acts = Acts(store, QUEUE, COMMANDS.name)
    numbers = itertools.count(1)

    async def at_work() -> None:
        while True:
            with contextlib.suppress(RetryableError):
                act = chance.choice([Act.REDRIVE, Act.REDRIVE, Act.SKIP, Act.RELEASE])
                cause = "refused" if act is Act.SKIP else ""
                await acts.carry_out(command(act, id_=f"{seed}-{next(numbers)}", cause=cause))
            await asyncio.sleep(chance.random() * 0.1)

    work = asyncio.create_task(at_work())
    try:
        yield
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


async def taking_in(store: Store, events: int, seed: int) -> None:
    """Three partitions, in batches of any size, while deliverers work."""
    chance = random.Random(seed)

    async def one(partition: int) -> None:
        offset = 0
        while offset < events // PARTITIONS:
            batch = min(chance.randrange(1, 20), events // PARTITIONS - offset)
            keys = [f"s:{chance.randrange(KEYS // PARTITIONS) * PARTITIONS + partition}" for _ in range(batch)]
            await take_in(
                store,
                *(arrival(offset + n, key, partition=partition) for n, key in enumerate(keys)),
            )
            offset += batch
            await asyncio.sleep(chance.random() * 0.05)

    await asyncio.gather(*(one(partition) for partition in range(PARTITIONS)))


@pytest.mark.parametrize("seed", range(2))
async def test_troubled_target_and_healthy_workers(bus_dsn: str, store: Store, seed: int) -> None:
    """With their leases kept, workers never send twice: not even the target's receipts are needed."""
    other = Store(bus_dsn, store.connection)
    await other.open()
    target = TroubledTarget(seed, settling_s=SETTLING_S)
    pace = Pace(first_backoff_s=0.01, longest_backoff_s=0.1, first_recheck_s=0.01, settling_delay_s=SETTLING_S)
    limits = Limits(in_flight=8, lease_s=20.0, poll_s=0.2)

    async with (
        running(*(deliverer(mine, {"order": target}, limits=limits, pace=pace, seed=seed) for mine in (store, other))),
        an_operator(store, seed),
    ):
        await taking_in(store, EVENTS, seed)
        assert_sound(bus_dsn, store.connection)
        await until_done(store)

    await other.close()
    assert target.repeated == []
    assert_everything_ended_once(bus_dsn, store.connection, target, EVENTS)


@pytest.mark.parametrize("seed", range(2))
async def test_workers_that_stall_past_their_leases(bus_dsn: str, store: Store, seed: int) -> None:
    """Others take over and the late ones are fenced; the target's receipts make a late call harmless."""
    limits = Limits(in_flight=8, lease_s=0.4, poll_s=0.1)
    pace = Pace(first_backoff_s=0.01, longest_backoff_s=0.1, first_recheck_s=0.01, settling_delay_s=SETTLING_S)
    stores = [StallingStore(bus_dsn, store.connection, seed * 10 + number, stall_s=0.9) for number in range(3)]
    for one in stores:
        await one.open()
    target = TroubledTarget(seed, settling_s=SETTLING_S, timeout_s=0.1)

    workers = [deliverer(mine, {"order": target}, limits=limits, pace=pace, seed=seed) for mine in stores]
    async with running(*workers), an_operator(store, seed):
        await taking_in(store, EVENTS, seed)
        assert_sound(bus_dsn, store.connection)
        await until_done(store)

    assert sum(one.stalls for one in stores) > 0
    for one in stores:
        await one.close()
    assert_everything_ended_once(bus_dsn, store.connection, target, EVENTS)


async def test_worker_killed_at_any_instruction(bus_dsn: str, store: Store) -> None:
    """kill -9 in a loop: what was sent is found, what was not is sent; nothing twice and nothing never."""
    change(
        bus_dsn,
        store.connection,
        """
        CREATE TABLE effects (
            place bigint GENERATED ALWAYS AS IDENTITY, reference text UNIQUE, message_key text, event_offset bigint);
        CREATE TABLE repeated (reference text);
        """,
    )
    await take_in(store, *(arrival(offset, f"s:{offset % KEYS}") for offset in range(KILLED_EVENTS)))
    chance = random.Random(4)
    kills = 0
    async with asyncio.timeout(200):
        while (await store.counts()).open_rows:
            worker = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.delivery.killed_worker", bus_dsn, store.connection],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            assert worker.stdout is not None
            await asyncio.to_thread(worker.stdout.readline)
            await asyncio.sleep(chance.random() * 0.4)
            worker.send_signal(signal.SIGKILL)
            worker.communicate()
            kills += 1
            assert_sound(bus_dsn, store.connection)

    assert kills > 3
    effects = look(bus_dsn, store.connection, "SELECT * FROM effects ORDER BY place")
    target = Target()
    for one in effects:
        target.effects[one["message_key"]].append(one["event_offset"])
    assert len(effects) == KILLED_EVENTS
    assert look(bus_dsn, store.connection, "SELECT * FROM repeated") == []
    assert_everything_ended_once(bus_dsn, store.connection, target, KILLED_EVENTS)


async def test_postgresql_crashes_under_load() -> None:
    """Take-in and deliverers wait, and go on where they were."""
    cluster = await asyncio.to_thread(Cluster)
    try:
        await asyncio.to_thread(migrate, cluster.dsn, "gp-two")
        store = Store(cluster.dsn, "gp-two")
        await store.open()
        target = TroubledTarget(9, settling_s=SETTLING_S)
        pace = Pace(first_backoff_s=0.01, longest_backoff_s=0.1, first_recheck_s=0.01, settling_delay_s=SETTLING_S)
        worker = deliverer(store, {"order": target}, limits=Limits(in_flight=8, lease_s=20.0, poll_s=0.2), pace=pace)

        async with running(worker):
            taking = asyncio.create_task(_insisting(store, EVENTS))
            for _ in range(3):
                done = len(target.receipts)
                async with asyncio.timeout(60):
                    while len(target.receipts) < done + EVENTS // 8:
                        await asyncio.sleep(0.01)
                await asyncio.to_thread(cluster.crash)
                await asyncio.to_thread(cluster.start)
            await taking
            async with asyncio.timeout(120), an_operator(store, 9):
                while await _open(store):
                    await asyncio.sleep(0.05)

        await store.close()
        assert target.repeated == []
        assert_everything_ended_once(cluster.dsn, "gp-two", target, EVENTS)
    finally:
        await asyncio.to_thread(cluster.remove)


async def _insisting(store: Store, events: int) -> None:
    """As the take-in agent does: the same batch again, until PostgreSQL is back."""
    expected: int | None = None
    for first in range(0, events, 6):
        batch = [arrival(first + n, f"s:{(first + n) % KEYS}") for n in range(6)]
        while True:
            try:
                await store.take_in(QUEUE, TOPIC, TOPIC_ID, [Advance(0, expected, first + 6)], batch)
                break
            except RetryableError:
                await asyncio.sleep(0.05)
            except LostPartitionError:
                pytest.fail("nobody else owns the partition")
        expected = first + 6
        await asyncio.sleep(0.03)


async def _open(store: Store) -> bool:
    try:
        return bool((await store.counts()).open_rows)
    except RetryableError:
        return True


async def test_intent_of_a_worker_that_lost_its_lease_meanwhile_is_refused(bus_dsn: str, store: Store) -> None:
    """The race itself: the key is taken over between the statement's snapshot and its lock."""
    other = Store(bus_dsn, store.connection)
    await other.open()
    for offset in range(40):
        await take_in(store, arrival(offset, "s:1"))
        (mine,) = await store.claim(QUEUE, "me", 1, 60)
        change(bus_dsn, store.connection, "UPDATE keys SET lease_until = now() - interval '1 ms'")

        async def take_over() -> list[Row]:
            await other.expire_leases(QUEUE, "other", 0.0)
            return await other.claim(QUEUE, "other", 1, 60)

        ours, theirs = await asyncio.gather(
            store.intend(QUEUE, "me", [Intended(row=mine, intent=intent_of(mine))]), take_over()
        )

        assert not ours
        (row,) = theirs
        assert row.state is State.READY
        assert await other.intend(QUEUE, "other", [Intended(row=row, intent=intent_of(row))])
        change(bus_dsn, store.connection, "DELETE FROM rows")
        change(bus_dsn, store.connection, "DELETE FROM keys")
    await other.close()


async def test_worker_that_stops_while_postgresql_is_away_ends_in_time() -> None:
    cluster = await asyncio.to_thread(Cluster)
    try:
        await asyncio.to_thread(migrate, cluster.dsn, "gp-two")
        store = Store(cluster.dsn, "gp-two")
        await store.open()
        await take_in(store, *(arrival(offset, f"s:{offset}") for offset in range(20)))
        target = TroubledTarget(1, settling_s=SETTLING_S)
        limits = Limits(in_flight=2, poll_s=0.2, stop_within_s=0.5)
        worker = deliverer(store, {"order": target}, limits=limits)
        run = asyncio.create_task(worker.run())
        async with asyncio.timeout(30):
            while not target.receipts:
                await asyncio.sleep(0.001)
        await asyncio.to_thread(cluster.crash)
        worker.stop()
        async with asyncio.timeout(30):
            await run
        await store.close()
    finally:
        await asyncio.to_thread(cluster.remove)
    assert [task for task in asyncio.all_tasks() if "delivery" in repr(task.get_coro())] == []
