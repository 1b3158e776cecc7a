"""Many callers, few writes."""

import asyncio
from collections.abc import Sequence

import pytest

from delivery.gathering import Gathering


async def test_what_comes_in_during_a_write_makes_the_next_one() -> None:
    writes: list[list[int]] = []
    written = asyncio.Event()

    async def write(items: Sequence[int]) -> Sequence[int]:
        writes.append(list(items))
        if len(writes) == 1:
            await written.wait()
        return [item * 2 for item in items]

    gathering = Gathering(write, largest=3)
    first = asyncio.create_task(gathering.put(1))
    while not writes:
        await asyncio.sleep(0)
    rest = [asyncio.create_task(gathering.put(item)) for item in range(2, 7)]
    await asyncio.sleep(0)
    written.set()

    assert await asyncio.gather(first, *rest) == [2, 4, 6, 8, 10, 12]
    assert writes == [[1], [2, 3, 4], [5, 6]]


async def test_failed_write_fails_those_in_it_and_no_other() -> None:
    async def write(items: Sequence[int]) -> Sequence[int]:
        if 1 in items:
            raise ZeroDivisionError
        return items

    gathering = Gathering(write, largest=1)
    bad, good = asyncio.create_task(gathering.put(1)), asyncio.create_task(gathering.put(2))

    with pytest.raises(ZeroDivisionError):
        await bad
    assert await good == 2


async def test_caller_that_went_away_does_not_stop_the_others() -> None:
    async def write(items: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(0)
        return items

    gathering = Gathering(write, largest=9)
    gone, here = asyncio.create_task(gathering.put(1)), asyncio.create_task(gathering.put(2))
    await asyncio.sleep(0)
    gone.cancel()

    assert await here == 2


async def test_closing_gives_up_the_write_and_everybody_who_waits() -> None:
    writing = asyncio.Event()

    async def write(items: Sequence[int]) -> Sequence[int]:
        writing.set()
        await asyncio.Event().wait()
        return items

    gathering = Gathering(write, largest=1)
    waiting = [asyncio.create_task(gathering.put(item)) for item in range(2)]
    await writing.wait()
    await gathering.close()

    assert all(
        isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*waiting, return_exceptions=True)
    )
    assert len(asyncio.all_tasks()) == 1


async def test_write_waits_for_company_but_only_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[list[int]] = []

    async def write(items: Sequence[int]) -> Sequence[int]:
        writes.append(list(items))
        return items

    gathering = Gathering(write, largest=9, enough=lambda: 3)
    monkeypatch.setattr("delivery.gathering.MOMENT_S", 60.0)
    early = [asyncio.create_task(gathering.put(item)) for item in range(2)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert writes == []
    async with asyncio.timeout(10):
        await asyncio.gather(gathering.put(2), *early)
    monkeypatch.setattr("delivery.gathering.MOMENT_S", 0.001)
    async with asyncio.timeout(10):
        await gathering.put(3)

    assert writes == [[0, 1, 2], [3]]


async def test_closing_does_not_wait_for_company() -> None:
    async def write(items: Sequence[int]) -> Sequence[int]:
        return items

    gathering = Gathering(write, largest=9, enough=lambda: 3)
    alone = asyncio.create_task(gathering.put(1))
    await asyncio.sleep(0)
    await gathering.close()

    assert isinstance((await asyncio.gather(alone, return_exceptions=True))[0], asyncio.CancelledError)
