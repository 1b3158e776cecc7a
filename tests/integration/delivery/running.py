"""Runs deliverers in tests and waits for what they do."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from connect.identity import StrangerError
from delivery.circuit import Rules
from delivery.decide import Pace
from delivery.engine import Deliverer, Limits, nobody_remembers, nothing_to_ask
from delivery.ports import Sink
from delivery.store import Store
from errors import RetryableError
from tests.integration.delivery.rows import QUEUE

PACE = Pace(
    first_backoff_s=0.02,
    longest_backoff_s=0.1,
    first_recheck_s=0.02,
    longest_recheck_s=0.1,
    settling_delay_s=0.05,
)
#: The target in trouble opens it all the time; nobody waits for it to come back in seconds.
RULES = Rules(first_delay_s=0.02, longest_delay_s=0.1)
LIMITS = Limits(in_flight=16, lease_s=5.0, poll_s=0.2, stop_within_s=10.0)
_owners = itertools.count(1)


def deliverer(
    store: Store,
    sinks: Mapping[str, Sink],
    *,
    limits: Limits = LIMITS,
    pace: Pace = PACE,
    seed: int = 0,
    probe: Callable[[], Awaitable[None]] = nothing_to_ask,
    estranged: Callable[[StrangerError], Awaitable[None]] = nobody_remembers,
) -> Deliverer:
    """As a worker would build one."""
    owner = f"worker-{next(_owners)}"
    chance = random.Random(seed).random
    return Deliverer(
        store,
        QUEUE,
        sinks,
        owner,
        random=chance,
        limits=limits,
        pace=pace,
        rules=RULES,
        probe=probe,
        estranged=estranged,
    )


@contextlib.asynccontextmanager
async def running(*deliverers: Deliverer) -> AsyncIterator[None]:
    """They work inside the block, and stop cleanly at its end; what breaks one of them breaks the block."""
    async with asyncio.TaskGroup() as group:
        for one in deliverers:
            group.create_task(one.run())
        yield
        for one in deliverers:
            one.stop()


async def until(holds: Callable[[], object], *, within_s: float = 60.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.01)


async def until_done(store: Store, *, within_s: float = 120.0) -> None:
    """Wait until nothing is open; a database that is slow to answer is asked again, as workers do."""
    async with asyncio.timeout(within_s):
        while await _is_open(store):
            await asyncio.sleep(0.05)


async def _is_open(store: Store) -> bool:
    try:
        return bool((await store.counts()).open_rows)
    except RetryableError:
        return True
