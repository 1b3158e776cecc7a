"""Webhooks that came before: the same id is stored once, however often and however parallel it arrives."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol

from errors import RetryableError

#: Enough for the repeats of minutes; older ones are in the connection's store.
_MOST_REMEMBERED = 20_000

#: A connection and the sender's id of a webhook.
Key = tuple[str, str]


class Memory(Protocol):
    """What outlives this process. It may be away: then a repeat is stored again, which the next stage notices."""

    async def knows(self, key: Key) -> bool:
        """Whether it was accepted before; False when it cannot be told."""

    async def remember(self, key: Key) -> None:
        """Keep it for as long as senders repeat; never fails and is not waited for."""


class Repeats:
    """Lets the first webhook of an id through and tells the others what became of it."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._recent: OrderedDict[Key, None] = OrderedDict()
        self._under_way: dict[Key, asyncio.Future[bool]] = {}

    async def once(self, key: Key, store: Callable[[], Awaitable[None]]) -> bool:
        """Store it if it is the first of its id; False where it was stored before.

        The id is remembered only after `store` has succeeded: a crash between the two stores it twice, never not at
        all.

        Raises:
            RetryableError: another one of the same id was under way and could not be stored.
            Exception: what `store` raised.
        """
        if key in self._recent:
            return False
        if (other := self._under_way.get(key)) is not None:
            if not await asyncio.shield(other):
                raise RetryableError("gateway.not_stored", "another attempt under way could not be stored")
            return False
        mine = self._under_way[key] = asyncio.get_running_loop().create_future()
        stored = False
        try:
            if await self._memory.knows(key):
                stored = True
                return False
            await store()
            stored = True
        finally:
            del self._under_way[key]
            if stored:
                self._keep(key)
            mine.set_result(stored)
        await self._memory.remember(key)
        return True

    def _keep(self, key: Key) -> None:
        self._recent[key] = None
        if len(self._recent) > _MOST_REMEMBERED:
            self._recent.popitem(last=False)
