"""Each guard of the promise is alive: with it a directed scenario ends well, without it the defect is seen and named.

A guard is taken out of the running code of the test alone: a condition of a statement, a call of the engine.
"""

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from delivery import announcements, statements
from delivery.announcements import Announcement
from delivery.engine import Deliverer
from delivery.ports import Intent, Row, Settlement
from delivery.store import Store
from errors import UnknownOutcomeError
from tests.guards.conditions import CONDITIONS
from tests.guards.report import note
from tests.integration.delivery.rows import QUEUE, arrival, behind_the_back, take_in
from tests.integration.delivery.running import deliverer, running, until_done
from tests.integration.delivery.target import Target
from tests.integration.delivery.world import Fate, World
from tests.integration.dynamics_gp.company import Sandbox
from tests.integration.sinks.gp_sales_order import SalesOrders

SEEDS = (1, 2, 3)
GUARDED = pytest.mark.parametrize("taken_out", [False, True], ids=["with", "without"])
SEEDED = pytest.mark.parametrize("seed", SEEDS)


@pytest.fixture
def world(bus_dsn: str, store: Store) -> Iterator[World]:
    """Two workers on one store."""
    with behind_the_back(bus_dsn, store.connection) as wire:
        yield World(wire, [store, store])


def judged(guard: str, seed: int, *, taken_out: bool, defects: list[str]) -> None:
    """No defect with the guard, one at least without it."""
    note(guard, seed, taken_out=taken_out, defects=defects)
    assert bool(defects) == taken_out, defects


def take_out(monkeypatch: pytest.MonkeyPatch, guard: str) -> None:
    """Take a guard's conditions out of the statements of the store, or write others in their place."""
    for statement, condition, instead in CONDITIONS[guard]:
        text = getattr(statements, statement)
        monkeypatch.setattr(statements, statement, text.replace(condition, instead))


async def some_traffic(world: World, seed: int) -> int:
    """Events of some keys on their topics; answers the key it is about, which has several."""
    chance = random.Random(seed)
    about = chance.randrange(8)
    for key in chance.sample(range(8), 5):
        world.accept(key)
    for _ in range(chance.randrange(2, 5)):
        world.accept(about)
    return about


@SEEDED
@GUARDED
async def test_compare_and_swap(world: World, monkeypatch: pytest.MonkeyPatch, seed: int, taken_out: bool) -> None:
    """A worker that does not know yet that its partition is another's takes in what the other has taken in."""
    if taken_out:
        take_out(monkeypatch, "compare-and-swap")
    first, late = world.workers
    partition = await some_traffic(world, seed) % 2
    for worker in (first, late):
        await worker.assign(partition)
    await first.take_in(partition, 1)
    await late.assign(partition)
    for worker in (first, late):
        await worker.take_in(partition, 100)

    await world.finish()

    judged("compare-and-swap", seed, taken_out=taken_out, defects=world.defects())


@SEEDED
@GUARDED
async def test_epoch(world: World, monkeypatch: pytest.MonkeyPatch, seed: int, taken_out: bool) -> None:
    """A worker stands still past its lease; another one sends, and the first wakes and settles by what it once read."""
    if taken_out:
        take_out(monkeypatch, "epoch")
    slow, quick = world.workers
    partition = await some_traffic(world, seed) % 2
    await slow.assign(partition)
    await slow.take_in(partition, 100)
    await slow.claim(100)
    for held in slow.held:
        slow.suppress(held)
    world.stand_still(slow)
    await quick.sweep()
    await quick.claim(100)
    for held in quick.held:
        await quick.intend(held)
        quick.send(held, Fate.DONE)

    await slow.settle(going_on=False)
    await quick.settle(going_on=False)
    monkeypatch.undo()
    await world.finish()

    judged("epoch", seed, taken_out=taken_out, defects=world.defects())


@SEEDED
@GUARDED
async def test_outbox(world: World, monkeypatch: pytest.MonkeyPatch, seed: int, taken_out: bool) -> None:
    """A worker dies between its settle and the announcement of it."""
    said: list[Announcement] = []
    if taken_out:
        of_turn = announcements.of_turn

        def beside_the_transaction(*about: Any) -> list[Announcement]:
            said.extend(of_turn(*about))
            return []

        monkeypatch.setattr(announcements, "of_turn", beside_the_transaction)
    worker = world.workers[0]
    partition = await some_traffic(world, seed) % 2
    await worker.assign(partition)
    await worker.take_in(partition, 100)
    await worker.claim(1)
    for held in worker.held:
        await worker.intend(held)
        worker.send(held, Fate.DONE)

    await worker.settle(going_on=False)
    world.die(worker)
    said.clear()  # what it had in memory went with it
    monkeypatch.undo()
    await world.finish()

    judged("outbox", seed, taken_out=taken_out, defects=world.defects())


@SEEDED
@GUARDED
async def test_parking(world: World, monkeypatch: pytest.MonkeyPatch, seed: int, taken_out: bool) -> None:
    """The first event of a key is refused; what follows must not overtake it."""
    if taken_out:
        take_out(monkeypatch, "parking")
    worker = world.workers[0]
    partition = await some_traffic(world, seed) % 2
    await worker.assign(partition)
    await worker.take_in(partition, 100)
    for fate in (Fate.REFUSED, Fate.DONE):
        await worker.claim(100)
        for held in worker.held:
            await worker.intend(held)
            worker.send(held, fate)
        await worker.settle(going_on=False)
    monkeypatch.undo()
    await world.finish()

    judged("parking", seed, taken_out=taken_out, defects=world.defects())


class LosesAnswers(Target):
    """Does what it is told, and the answer to the first request of each reference is lost."""

    async def deliver(self, intent: Intent) -> Settlement:
        known = str(intent.reference) in self.receipts
        settlement = self.apply(intent)
        if not known:
            raise UnknownOutcomeError("lost", "with effect")
        return settlement


@SEEDED
@GUARDED
async def test_probe(store: Store, monkeypatch: pytest.MonkeyPatch, seed: int, taken_out: bool) -> None:
    """The target did it and its answer was lost: it is looked for before anything is sent again."""
    if taken_out:

        async def blindly(self: Deliverer, row: Row, sink: Any, intent: Intent) -> object:
            return await self._send(row, sink, intent)

        monkeypatch.setattr(Deliverer, "_look", blindly)
    chance = random.Random(seed)
    target = LosesAnswers()
    await take_in(store, *(arrival(offset, f"s:{chance.randrange(4)}") for offset in range(8)))

    async with running(deliverer(store, {"order": target}, seed=seed)):
        await until_done(store)

    judged("probe", seed, taken_out=taken_out, defects=[f"second document: {one}" for one in target.repeated])


UNIQUE = "receipts_reference_operation_key"


@pytest.fixture
def receipts_are_not_unique(sandbox: Sandbox) -> Iterator[Callable[[], object]]:
    """Takes the uniqueness of receipts away, and brings it back afterwards."""
    with psycopg.connect(sandbox.superuser_dsn, autocommit=True) as superuser:
        yield lambda: superuser.execute(f"ALTER TABLE towpath.receipts DROP CONSTRAINT {UNIQUE}")
        superuser.execute(f"ALTER TABLE towpath.receipts DROP CONSTRAINT IF EXISTS {UNIQUE}")
        superuser.execute("""
            DELETE FROM towpath.receipts r USING towpath.receipts o
            WHERE o.reference = r.reference AND o.operation = r.operation AND o.id < r.id
        """)
        superuser.execute(f"ALTER TABLE towpath.receipts ADD CONSTRAINT {UNIQUE} UNIQUE (reference, operation)")


@SEEDED
@GUARDED
async def test_receipt(
    sandbox: Sandbox, store: Store, receipts_are_not_unique: Callable[[], object], seed: int, taken_out: bool
) -> None:
    """Two workers have the same order in hand, as after a stall longer than the lease, and both of them send it."""
    if taken_out:
        receipts_are_not_unique()
    orders = SalesOrders(sandbox)
    event = orders.event()
    await take_in(store, arrival(seed, event.message_key, payload=event.payload, source_version=7))
    (row,) = await store.claim(QUEUE, "both", 1, 60)
    async with orders.opened(store) as first, orders.opened(store) as second:
        intents = [(sink, await sink.prepare(row)) for sink in (first, second)]
        for sink, intent in intents:
            assert isinstance(intent, Intent)
            with contextlib.suppress(UnknownOutcomeError):
                await sink.deliver(intent)

    documents = orders.effects(event)["documents"]
    defects = [f"second document: {event.message_key} has {documents}"] if documents > 1 else []
    judged("receipt", seed, taken_out=taken_out, defects=defects)
