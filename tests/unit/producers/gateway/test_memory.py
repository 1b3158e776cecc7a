"""The gateway's memory in the connections' stores: it helps, and nobody waits for it."""

import asyncio
from typing import cast

from delivery.database import Database, Parameters
from producers.gateway.memory import StoreMemory

KEY = ("clarity-main", "msg_1")


class SlowDatabase:
    """A database whose answer takes until somebody lets it."""

    def __init__(self) -> None:
        self.remembered: list[object] = []
        self.answers = asyncio.Event()

    async def open(self) -> None:
        return

    async def close(self) -> None:
        return

    async def execute(self, _statement: str, parameters: Parameters) -> int:
        await self.answers.wait()
        self.remembered.append(parameters["id"])
        return 1


async def test_the_sender_does_not_wait_until_a_webhook_is_remembered() -> None:
    store = SlowDatabase()
    memory = StoreMemory({"clarity-main": lambda: cast("Database", store)})

    await memory.remember(KEY)

    assert store.remembered == []
    store.answers.set()
    await memory.close()
    assert store.remembered == ["msg_1"]
