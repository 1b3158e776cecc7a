"""Any pattern of failures, delays, repeats, rebalances, crashes and commands: order, one known place, one effect."""

import asyncio
from collections.abc import Coroutine
from enum import StrEnum
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from delivery.states import Kind
from delivery.store import Store
from tests.integration.delivery.rows import behind_the_back
from tests.integration.delivery.world import PARTITIONS, Fate, Held, Worker, World

KEYS = 3
ACTS = (("release", ""), ("redrive", ""), ("skip", "refused"), ("discard", "refused"))


class Way(StrEnum):
    """What a worker does with a row in its hands, but for sending it."""

    INTENT_ONLY = "its intent is written down and nothing is sent yet"
    NOTHING_TO_DO = "a read says that there is nothing to do"


class Trouble(StrEnum):
    """What happens to a worker."""

    DIES = "dies"
    STANDS_STILL = "stands still for longer than its leases"
    STANDS_STILL_AND_IS_SWEPT = "and another one takes its keys"


number = st.integers(0, 1)
key = st.integers(0, KEYS - 1)
way = st.sampled_from([*Fate, *Way])


def test_any_interleaving_keeps_every_promise(bus_dsn: str, migrated: str) -> None:
    """The same draws in every run; a larger `max_examples` looks further."""
    with asyncio.Runner() as runner, behind_the_back(bus_dsn, migrated) as wire:
        stores = [Store(bus_dsn, migrated, pool_size=2) for _ in range(2)]
        for store in stores:
            runner.run(store.open())

        class Machine(Interleaving):
            def __init__(self) -> None:
                super().__init__(runner, World(wire, stores))

        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=30,
                stateful_step_count=30,
                deadline=None,
                derandomize=True,
                phases=[Phase.generate],
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        for store in stores:
            runner.run(store.close())


class Interleaving(RuleBasedStateMachine):
    """Two workers that share the work, and everything that can happen to them, in any order."""

    def __init__(self, runner: asyncio.Runner, world: World) -> None:
        super().__init__()
        self._runner = runner
        self.world = world

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._runner.run(work)

    @initialize(keys=st.lists(key, min_size=4, max_size=8))
    def begin(self, keys: list[int]) -> None:
        self.world.empty()
        for each in keys:
            self.world.accept(each)
        for worker in self.world.workers:
            for partition in range(PARTITIONS):
                self._run(worker.assign(partition))

    def _worker(self, which: int) -> Worker:
        return self.world.workers[which % 2]

    @rule(keys=st.lists(key, max_size=4), kind=st.sampled_from(Kind), which=number, most=st.integers(1, 8))
    def events_are_taken_in(self, keys: list[int], kind: Kind, which: int, most: int) -> None:
        for each in keys:
            self.world.accept(each, kind)
        worker = self._worker(which)
        for partition in range(PARTITIONS):
            if partition not in worker.positions:
                self._run(worker.assign(partition))
            self._run(worker.take_in(partition, most))

    @rule(which=number, most=st.integers(0, 3), ways=st.lists(way, min_size=1, max_size=4), settled=st.booleans())
    def a_worker_works(self, which: int, most: int, ways: list[Fate | Way], settled: bool) -> None:
        worker = self._worker(which)
        if most:
            self._run(worker.claim(most))
        untried = [held for held in worker.held if held.turn is None]
        for held, each in zip(untried, ways, strict=False):
            self._run(self._try(worker, held, each))
        if settled:
            self._run(worker.settle(going_on=len(ways) > 1))

    async def _try(self, worker: Worker, held: Held, how: Fate | Way) -> None:
        if how is Way.NOTHING_TO_DO and held.intent is None and held.row.intent is None:
            worker.suppress(held)
            return
        if held.intent is None:
            await worker.intend(held)
        if isinstance(how, Fate) and held.turn is None and held.intent is not None and not held.late:
            worker.send(held, how)

    @rule(which=number, trouble=st.sampled_from(Trouble))
    def a_worker_is_in_trouble(self, which: int, trouble: Trouble) -> None:
        worker = self._worker(which)
        if trouble is Trouble.DIES:
            self.world.die(worker)
            return
        self.world.stand_still(worker)
        if trouble is Trouble.STANDS_STILL_AND_IS_SWEPT:
            self._run(self._worker(which + 1).sweep())

    @rule(relay_dies=st.booleans(), act=st.sampled_from([None, *ACTS]))
    def time_passes(self, relay_dies: bool, act: tuple[str, str] | None) -> None:
        self.world.time_passes()
        self._run(self.world.relay(dies=relay_dies))
        if act is not None:
            self._run(self.world.act(*act))

    @invariant()
    def every_event_is_in_one_place(self) -> None:
        self.world.assert_sound()

    def teardown(self) -> None:
        self._run(self.world.finish())
        assert self.world.defects() == []
