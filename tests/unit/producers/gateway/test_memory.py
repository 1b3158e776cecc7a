"""The gateway's memory in the connections' stores: it helps, and nobody waits for it."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import pytest

from delivery.database import Database, Parameters
from producers.gateway import memory as at
from producers.gateway.memory import StoreMemory
from producers.gateway.repeats import Key

KEY = ("clarity-main", "msg_1")


class SlowDatabase:
    """A database whose answer takes until somebody lets it."""

    def __init__(self) -> None:
        self.remembered: list[str] = []
        self.asked: list[list[str]] = []
        self.answers = asyncio.Event()

    async def open(self) -> None:
        return

    async def close(self) -> None:
        return

    async def execute(self, _statement: str, parameters: Parameters) -> int:
        await self.answers.wait()
        ids = cast("list[str]", parameters["ids"])
        self.remembered += ids
        return len(ids)

    async def fetch(self, _statement: str, parameters: Parameters) -> list[tuple[Any, ...]]:
        ids = cast("list[str]", parameters["ids"])
        self.asked.append(ids)
        await self.answers.wait()
        return [(each,) for each in ids if each in self.remembered]


@pytest.fixture
def store() -> SlowDatabase:
    return SlowDatabase()


@pytest.fixture
def memory(store: SlowDatabase) -> StoreMemory:
    return StoreMemory({"clarity-main": lambda: cast("Database", store)})


def keys(count: int) -> Iterator[Key]:
    return (("clarity-main", f"msg_{number}") for number in range(1, count + 1))


async def test_the_sender_does_not_wait_until_a_webhook_is_remembered(memory: StoreMemory, store: SlowDatabase) -> None:
    await memory.remember(KEY)

    assert store.remembered == []
    store.answers.set()
    await memory.close()
    assert store.remembered == ["msg_1"]


async def test_a_slow_store_does_not_hold_the_end_and_what_waits_for_it_is_bounded(
    memory: StoreMemory, store: SlowDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(_statement: str, parameters: Parameters) -> int:
        await asyncio.sleep(0.02)
        store.remembered += cast("list[str]", parameters["ids"])
        return 1

    monkeypatch.setattr(store, "execute", slow)
    monkeypatch.setattr(at, "_AT_ONCE", 10)
    monkeypatch.setattr(at, "_FAREWELL_S", 0.1)
    for key in keys(at._MOST_WAITING + 10):
        await memory.remember(key)

    async with asyncio.timeout(2):
        await memory.close()

    # the oldest made room
    assert store.remembered[:1] == ["msg_11"]
    assert len(store.remembered) < 200


async def test_webhooks_that_come_together_are_one_question(memory: StoreMemory, store: SlowDatabase) -> None:
    store.answers.set()
    store.remembered = ["msg_3"]

    known = await asyncio.gather(*(memory.knows(key) for key in keys(100)))

    assert [number for number, each in enumerate(known, 1) if each] == [3]
    assert len(store.asked) == 1
    await memory.close()


async def test_whoever_waits_behind_a_question_that_hangs_is_let_through_with_it(
    memory: StoreMemory, store: SlowDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at, "_PATIENCE_S", 0.01)
    first = asyncio.create_task(memory.knows(KEY))
    while not store.asked:
        await asyncio.sleep(0)

    known = await asyncio.gather(first, *(memory.knows(key) for key in keys(20)))

    assert known == [False] * 21
    assert store.asked == [["msg_1"]]
    await memory.close()
