"""One webhook is stored once, however often and however parallel it comes."""

import asyncio

import pytest

from errors import RetryableError
from producers.gateway.repeats import Key, Repeats

KEY: Key = ("clarity-main", "msg_1")


class Shelf:
    """A memory that may forget, and what was stored."""

    def __init__(self) -> None:
        self.known: set[Key] = set()
        self.stored = 0
        self.broken = False
        self.slow = asyncio.Event()
        self.slow.set()

    async def knows(self, key: Key) -> bool:
        await asyncio.sleep(0)
        return key in self.known

    async def remember(self, key: Key) -> None:
        self.known.add(key)

    async def store(self) -> None:
        await self.slow.wait()
        if self.broken:
            raise RetryableError("broker_away", "away")
        self.stored += 1


async def test_a_repeat_is_not_stored_again() -> None:
    shelf = Shelf()
    repeats = Repeats(shelf)

    assert [await repeats.once(KEY, shelf.store) for _ in range(3)] == [True, False, False]
    assert shelf.stored == 1
    assert shelf.known == {KEY}


async def test_a_repeat_after_a_restart_is_not_stored_again() -> None:
    shelf = Shelf()
    await Repeats(shelf).once(KEY, shelf.store)

    assert not await Repeats(shelf).once(KEY, shelf.store)
    assert shelf.stored == 1


async def test_parallel_repeats_are_stored_once() -> None:
    shelf = Shelf()
    repeats = Repeats(shelf)

    results = await asyncio.gather(*(repeats.once(KEY, shelf.store) for _ in range(20)))

    assert results.count(True) == 1
    assert shelf.stored == 1


async def test_parallel_repeats_of_what_could_not_be_stored_are_told_so() -> None:
    shelf = Shelf()
    shelf.broken = True
    repeats = Repeats(shelf)

    results = await asyncio.gather(*(repeats.once(KEY, shelf.store) for _ in range(3)), return_exceptions=True)

    assert [type(result) for result in results] == [RetryableError] * 3
    assert shelf.known == set()


async def test_what_could_not_be_stored_may_come_again() -> None:
    shelf = Shelf()
    shelf.broken = True
    repeats = Repeats(shelf)
    with pytest.raises(RetryableError):
        await repeats.once(KEY, shelf.store)
    shelf.broken = False

    assert await repeats.once(KEY, shelf.store)


async def test_a_cancelled_attempt_lets_the_next_one_through() -> None:
    shelf = Shelf()
    shelf.slow.clear()
    repeats = Repeats(shelf)
    first = asyncio.create_task(repeats.once(KEY, shelf.store))
    while not repeats._under_way:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    shelf.slow.set()

    assert await repeats.once(KEY, shelf.store)


async def test_ids_of_different_connections_are_different() -> None:
    shelf = Shelf()
    repeats = Repeats(shelf)

    assert await repeats.once(KEY, shelf.store)
    assert await repeats.once(("clarity-other", "msg_1"), shelf.store)
