"""Remembers accepted webhooks in the connections' stores, and does without while PostgreSQL is away."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import structlog

from bus import metrics
from delivery.database import Database
from delivery.edges import Edges
from delivery.gathering import Gathering
from errors import BusError
from producers.gateway.repeats import Key

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: A sender waits five seconds at most: a slow store may not take them.
_PATIENCE_S = 0.5
#: How long a store that failed is left alone.
_REST_S = 5.0
#: The longest span of retries a sender is known for, and one day more.
KEPT_S = 4 * 86_400.0
#: Ids in one question.
_AT_ONCE = 500
#: What was accepted so shortly before a crash is forgotten: a repeat is stored again, which the next stage notices.
_COMPANY_S = 0.01
#: As are the oldest of more than that wait for a slow store, and what it has not taken so long after the end.
_MOST_WAITING = 20_000
_FAREWELL_S = 1.0

BuildDatabase = Callable[[], Database]


class StoreMemory:
    """Implements `repeats.Memory`; every store is opened when it is first needed and again after it failed."""

    def __init__(self, stores: Mapping[str, BuildDatabase]) -> None:
        """`stores`: how to build the database of each connection's store."""
        self._stores = {connection: _Store(_Lenient(connection, build)) for connection, build in stores.items()}

    async def knows(self, key: Key) -> bool:
        """As in `Memory`."""
        store = self._stores.get(key[0])
        return store is not None and await store.seen.put(key[1])

    async def remember(self, key: Key) -> None:
        """As in `Memory`: begun, as the sender's answer may not wait for it."""
        store = self._stores.get(key[0])
        if store is not None:
            store.accept(key[1])

    async def forget_old(self) -> None:
        """Drop what no sender repeats any more."""
        for store in self._stores.values():
            await store.lenient.ask(lambda edges: edges.forget_webhooks(KEPT_S))

    async def close(self) -> None:
        """Give the connections back, once what is being remembered is, or takes too long."""
        await asyncio.gather(*(store.close() for store in self._stores.values()))


class _Store:
    """What is asked of one store at the same time makes one question: a lone webhook waits for nobody."""

    def __init__(self, lenient: "_Lenient") -> None:
        self.lenient = lenient
        self.seen: Gathering[str, bool] = Gathering(self._seen, largest=_AT_ONCE)
        self._accepted: deque[str] = deque(maxlen=_MOST_WAITING)
        self._remembering: asyncio.Task[None] | None = None

    def accept(self, delivery_id: str) -> None:
        """Have it remembered with those of the moment."""
        self._accepted.append(delivery_id)
        if self._remembering is None:
            self._remembering = asyncio.create_task(self._remember())

    async def close(self) -> None:
        if (remembering := self._remembering) is not None:
            await asyncio.wait({remembering}, timeout=_FAREWELL_S)
            remembering.cancel()
        await self.seen.close()
        await self.lenient.close()

    async def _remember(self) -> None:
        while self._accepted:
            # nobody waits for it, so there may be company
            await asyncio.sleep(_COMPANY_S)
            ids = [self._accepted.popleft() for _ in range(min(_AT_ONCE, len(self._accepted)))]
            await self.lenient.ask(partial(_remember, ids))
        self._remembering = None

    async def _seen(self, ids: Sequence[str]) -> list[bool]:
        known = await self.lenient.ask(lambda edges: edges.seen_webhooks(ids)) or frozenset()
        return [each in known for each in ids]


async def _remember(ids: Sequence[str], edges: Edges) -> int:
    return await edges.remember_webhooks(ids)


class _Lenient:
    """One store that may be away."""

    def __init__(self, connection: str, build: BuildDatabase) -> None:
        self._connection = connection
        self._build = build
        self._store: Database | None = None
        self._lock = asyncio.Lock()
        self._rests_until_s = 0.0
        self._running: set[asyncio.Task[object]] = set()

    async def ask(self, question: Callable[[Edges], Awaitable[T]]) -> T | None:
        """The store's answer, None while it is away or too slow."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._rests_until_s:
            return None
        # A task of its own, as cancelling a query waits for PostgreSQL too: one that is too slow is left behind.
        task = asyncio.create_task(self._answer(question))
        self._running.add(task)
        task.add_done_callback(self._done)
        await asyncio.wait({task}, timeout=_PATIENCE_S)
        if task.done() and task.exception() is None:
            return task.result()
        self._rests_until_s = loop.time() + _REST_S
        return None

    async def close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._store is not None:
            await self._store.close()

    async def _answer(self, question: Callable[[Edges], Awaitable[T]]) -> T:
        async with self._lock:
            if self._store is None:
                self._store = await self._open()
        return await question(Edges(self._store))

    async def _open(self) -> Database:
        store = self._build()
        try:
            await store.open()
        except BaseException:
            await store.close()
            raise
        return store

    def _done(self, task: asyncio.Task[T]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            code = error.code if isinstance(error, BusError) else type(error).__name__
            metrics.WEBHOOK_MEMORY_FAILURES.labels(connection=self._connection).inc()
            log.warning("gateway.store_away", connection=self._connection, code=code)
