"""Gathers what many tasks want written at the same time into one write; for the deliverer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

#: So long a write waits for company.
MOMENT_S = 0.01

T = TypeVar("T")
R = TypeVar("R")


class Gathering(Generic[T, R]):
    """One write at a time; what is handed in meanwhile makes the next one.

    So a lone item waits for nobody, and under load the batches grow with the time a write takes. Where `enough` says
    that more is to come, a write waits for so many items, but only for a moment.
    """

    def __init__(
        self,
        write: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        *,
        largest: int,
        enough: Callable[[], int] = lambda: 1,
    ) -> None:
        """Gather for `write`, which answers in the order of the items; `largest` bounds a batch."""
        self._write = write
        self._largest = largest
        self._enough = enough
        #: Set when there are as many as a write waits for.
        self._together = asyncio.Event()
        self._needed = 1
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def put(self, item: T) -> R:
        """Have the item written; its answer, or the error of the write it was part of."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if len(self._waiting) >= self._needed:
            self._together.set()
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        return await answer

    async def close(self) -> None:
        """Give up the write under way; whoever waits for it is cancelled."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        for _, answer in self._waiting:
            answer.cancel()
        self._waiting = []

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                # Whoever is about to hand something in may do so first.
                await asyncio.sleep(0)
                await self._gather()
                batch, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
                await self._write_one(batch)
        finally:
            self._writing = None

    async def _gather(self) -> None:
        self._needed = min(self._enough(), self._largest)
        if len(self._waiting) >= self._needed:
            return
        self._together.clear()
        moment = asyncio.get_running_loop().call_later(MOMENT_S, self._together.set)
        try:
            await self._together.wait()
        finally:
            moment.cancel()

    async def _write_one(self, batch: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            answers = await self._write([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - handed to those who wait for it
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        except asyncio.CancelledError:
            for _, answer in batch:
                answer.cancel()
            raise
        for (_, answer), value in zip(batch, answers, strict=True):
            if not answer.done():
                answer.set_result(value)
