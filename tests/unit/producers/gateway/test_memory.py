"""The gateway's memory in the connections' stores: it helps, and nobody waits for it."""

import asyncio
from typing import cast

from delivery.store import Store
from producers.gateway.memory import StoreMemory

KEY = ("clarity-main", "msg_1")


class SlowStore:
    """A store whose answer takes until somebody lets it."""

    def __init__(self) -> None:
        self.remembered: list[str] = []
        self.answers = asyncio.Event()

    async def open(self) -> None:
        return

    async def close(self) -> None:
        return

    async def remember_webhook(self, delivery_id: str) -> None:
        await self.answers.wait()
        self.remembered.append(delivery_id)


async def test_the_sender_does_not_wait_until_a_webhook_is_remembered() -> None:
    store = SlowStore()
    memory = StoreMemory({"clarity-main": lambda: cast("Store", store)})

    await memory.remember(KEY)

    assert store.remembered == []
    store.answers.set()
    await memory.close()
    assert store.remembered == ["msg_1"]
