"""Whatever the interleaving of arrivals, wake-ups, releases and kills: nobody waits on for a thing that is there."""

import asyncio
import random

import pytest

from bus.events import Advance
from delivery.acts import Acts
from delivery.decide import Pace
from delivery.engine import Limits
from delivery.ports import Intent, Row, Settlement
from delivery.store import Store
from errors import DependencyError, RetryableError
from schemas.bus.command import Act
from schemas.topics import COMMANDS
from tests.integration.delivery.rows import QUEUE, TOPIC, arrival, assert_sound, command, look, take_in
from tests.integration.delivery.running import deliverer, until_done
from tests.integration.delivery.target import Target

ROWS, KEYS, THINGS = 90, 30, 12
#: Nobody is found by the slow re-check in the time of a test.
PACE = Pace(first_backoff_s=0.01, first_recheck_s=3600.0, longest_recheck_s=3600.0, settling_delay_s=0.1)
LIMITS = Limits(in_flight=8, lease_s=0.6, poll_s=0.2)


class Needy(Target):
    """Takes a row only when what it needs is there; some looks fail, and some things come while they are looked for."""

    def __init__(self, store: Store, seed: int) -> None:
        super().__init__()
        self._store = store
        self._random = random.Random(seed)
        #: Who tells of the newest thing.
        self._told: asyncio.Task[None] | None = None
        self.there: set[str] = set()

    async def prepare(self, row: Row) -> Intent | Settlement:
        name = f"item:{row.offset % THINGS}"
        there = name in self.there
        if not there and self._random.random() < 0.05:
            await self.comes(name)  # missed by this look
        if self._random.random() < 0.1:
            raise RetryableError("busy", "later")
        if not there:
            raise DependencyError(name, "not there")
        return await super().prepare(row)

    async def comes(self, name: str) -> None:
        """It is made there, and change data capture tells of it."""
        if name in self.there:
            return
        self.there.add(name)
        self._told = asyncio.create_task(self._tell(name, len(self.there) - 1, self._told))
        await asyncio.shield(self._told)  # who looks may be killed meanwhile; who tells is another process

    async def _tell(self, name: str, offset: int, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        await self._store.take_in("fetchers", TOPIC, "captured", [Advance(0, offset or None, offset + 1)], [], [name])


@pytest.mark.parametrize("seed", range(2))
async def test_every_row_goes_on_once_its_thing_is_there(bus_dsn: str, store: Store, seed: int) -> None:
    other = Store(bus_dsn, store.connection)
    await other.open()
    target = Needy(store, seed)
    chance = random.Random(seed)
    acts = Acts(store, QUEUE, COMMANDS.name)

    async def killed_and_replaced(mine: Store) -> None:
        while True:
            work = asyncio.create_task(deliverer(mine, {"order": target}, limits=LIMITS, pace=PACE, seed=seed).run())
            try:
                await asyncio.wait({work}, timeout=0.2 + chance.random())
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

    async def arriving() -> None:
        for number in chance.sample(range(THINGS), THINGS):
            await asyncio.sleep(chance.random() * 0.2)
            await target.comes(f"item:{number}")

    async def releasing() -> None:
        for number in range(10):
            await asyncio.sleep(chance.random() * 0.2)
            await acts.carry_out(command(Act.RELEASE, id_=f"{seed}-{number}", root_key=f"s:{number}"))

    for first in range(0, ROWS, 30):
        await take_in(store, *(arrival(offset, f"s:{offset % KEYS}") for offset in range(first, first + 30)))
    workers = [asyncio.create_task(killed_and_replaced(mine)) for mine in (store, other)]
    try:
        await asyncio.gather(arriving(), releasing())
        await until_done(store, within_s=30)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    await store.wake_waiting()
    await other.close()
    assert_sound(bus_dsn, store.connection)
    assert sum(map(len, target.effects.values())) == ROWS
    assert look(bus_dsn, store.connection, "SELECT 1 FROM things WHERE pending") == []
