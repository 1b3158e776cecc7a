"""Acknowledging in order: an offset is committed only when its outcome is written, and never past an open one.

What is committed once an agent is through with it may lie behind what is still open, which would be skipped after a
restart. Therefore one task per agent waits for the futures of the oldest batch only, and acknowledges batches in the
order they were taken.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

#: What stands for an outcome being written: a producer's future, or the task of a transaction.
Written = asyncio.Future[Any]


class Taken(Protocol):
    """Events of one partition, as `bus.slices.Slice` holds them."""

    @property
    def generation_id(self) -> int:
        """The group's generation in which they were fetched."""

    def __len__(self) -> int: ...

    def ack(self) -> None:
        """Let their offsets be committed."""


class Group:
    """The events of one batch and what must have happened before they are acknowledged."""

    __slots__ = ("_settled", "events", "futures", "given_up", "slices")

    def __init__(self, slices: Sequence[Taken], futures: Sequence[Written]) -> None:
        self.slices = slices
        self.events = sum(map(len, slices))
        self.futures = futures
        self.given_up = False
        self._settled: Written | None = None

    async def written(self) -> None:
        """Wait until every future has a result, one has failed, or the group was given up.

        The futures themselves are never awaited: when the waiting task is cancelled, they must not be.

        Raises:
            Exception: what the first failed future failed with.
        """
        open_ = [future for future in self.futures if not future.done()]
        if open_ and not self.given_up:
            self._settled = asyncio.get_running_loop().create_future()
            left = len(open_)

            def on_done(future: Written) -> None:
                nonlocal left
                left -= 1
                if left == 0 or future.cancelled() or future.exception() is not None:
                    self._settle()

            for future in open_:
                future.add_done_callback(on_done)
            await self._settled
        if not self.given_up:
            for future in self.futures:
                if future.cancelled():
                    raise CancelledOutputError
                if (failure := future.exception()) is not None:
                    raise failure

    def give_up(self) -> None:
        """Let a waiter go on; running transactions are cut off, a producer's futures cannot be called back."""
        self.given_up = True
        self._settle()
        for future in self.futures:
            if isinstance(future, asyncio.Task):
                future.cancel()
            future.add_done_callback(_look_away)

    def _settle(self) -> None:
        if self._settled is not None and not self._settled.done():
            self._settled.set_result(None)


def _look_away(future: Written) -> None:
    """Its failure is looked at, so that nobody complains that nobody did."""
    if not future.cancelled():
        future.exception()


class CancelledOutputError(Exception):
    """Somebody else cancelled what we wait for, so nobody knows whether it happened."""


class OrderedAcks:
    """Acknowledges the batches of one agent in the order they were taken, each once everything it caused is written.

    A future that fails ends it all: nothing is acknowledged any more and `die` is called, so that the next start
    reads from the last commit.
    """

    def __init__(
        self,
        *,
        generation: Callable[[], int],
        forget: Callable[[Any], None],
        die: Callable[[BaseException], Awaitable[None]],
        limit: int = 5000,
    ) -> None:
        """Args:
        generation: The group's generation now.
        forget: Takes a slice out of what a rebalance waits for.
        die: Stops the worker.
        limit: Events in flight beyond which `add` waits.
        """
        self._generation = generation
        self._forget = forget
        self._die = die
        self._limit = limit
        self._pending: deque[Group] = deque()
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._error: BaseException | None = None
        #: Raised whenever batches were given up; a batch taken before may then not be added.
        self.epoch = 0
        #: Events neither acknowledged nor given up.
        self.count = 0

    async def add(self, slices: Sequence[Taken], futures: Sequence[Written], epoch: int) -> None:
        """Hand over a batch; waits while too much is in flight.

        Args:
            slices: Its events, in the order they were taken.
            futures: What the batch caused; empty for a batch without effect.
            epoch: `self.epoch` when the batch was taken. Given up since: the batch is dropped, as a later
                acknowledgement would skip it.
        """
        group = Group(slices, futures)
        if epoch != self.epoch or self._error is not None:
            self._drop(group)
            if self._error is not None:
                raise self._error
            return
        self._pending.append(group)
        self.count += group.events
        self._work.set()
        while self.count >= self._limit and self._error is None:
            self._room.clear()
            await self._room.wait()
        if self._error is not None:
            raise self._error

    async def run(self) -> None:
        """Acknowledge, oldest batch first, until cancelled or a future fails."""
        while True:
            while not self._pending:
                self._work.clear()
                await self._work.wait()
            group = self._pending[0]
            try:
                await group.written()
            except Exception as failure:  # noqa: BLE001 - whatever it is, nothing may be acknowledged any more
                await self._fail(failure)
                return
            if not self._pending or self._pending[0] is not group:
                continue  # given up while we waited: never acknowledge
            self._pending.popleft()
            if group.slices[-1].generation_id == self._generation():
                for taken in group.slices:
                    taken.ack()
                self._done(group)
            else:  # the partition went away and came back: its events are read again from the last commit
                self._drop(group)
                self._done(group)

    def give_up(self) -> None:
        """Let go of everything in flight unacknowledged; all of it will be read again."""
        groups = list(self._pending)
        self._pending.clear()
        self.count = 0
        self.epoch += 1
        self._room.set()
        for group in groups:
            self._drop(group)

    def _done(self, group: Group) -> None:
        self.count -= group.events
        self._room.set()

    def _drop(self, group: Group) -> None:
        group.give_up()
        for taken in group.slices:
            self._forget(taken)

    async def _fail(self, failure: BaseException) -> None:
        self._error = failure
        self._room.set()
        for group in self._pending:
            group.give_up()
        await self._die(failure)
