"""One timer for the limits of many calls, each with its own end."""

import asyncio

import pytest

from delivery.deadlines import Deadlines


async def for_ever() -> None:
    await asyncio.Event().wait()


async def answered(answer: int) -> int:
    await asyncio.sleep(0)
    return answer


async def test_each_call_has_its_own_limit() -> None:
    deadlines = Deadlines()
    long = asyncio.create_task(deadlines.within(60, for_ever()))
    short = [asyncio.create_task(deadlines.within(0.01 * (3 - n), for_ever())) for n in range(3)]

    assert await deadlines.within(60, answered(1)) == 1
    ended = await asyncio.wait_for(asyncio.gather(*short, return_exceptions=True), 10)

    assert [type(one) for one in ended] == [TimeoutError] * 3
    assert not long.done()
    long.cancel()


async def test_task_whose_call_took_too_long_may_go_on() -> None:
    deadlines = Deadlines()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await deadlines.within(0, for_ever())

    assert await deadlines.within(60, answered(2)) == 2
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_whoever_else_ends_the_task_has_his_way() -> None:
    deadlines, over = Deadlines(), asyncio.Event()

    async def stubborn() -> None:
        try:
            await for_ever()
        finally:
            over.set()
            await asyncio.sleep(0)

    task = asyncio.create_task(deadlines.within(0, stubborn()))
    await over.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_call_that_ends_although_its_time_is_over_has_its_answer() -> None:
    deadlines = Deadlines()

    async def deaf() -> int:
        try:
            await for_ever()
        except asyncio.CancelledError:
            return 3
        raise AssertionError

    assert await deadlines.within(0, deaf()) == 3
    await asyncio.sleep(0)
    assert await deadlines.within(60, answered(4)) == 4
