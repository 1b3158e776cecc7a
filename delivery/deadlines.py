"""Time limits of many calls at once, kept by one timer; for the deliverer.

As `asyncio.timeout`, which has a timer for each call: most are cancelled unused, and at thousands of calls a second
that is an eighth of all there is to do.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

from connect.deadline import GIVES_UP_AT

T = TypeVar("T")


class _Limit:
    """Of one call under way."""

    __slots__ = ("at", "cancelling", "passed", "task")

    def __init__(self, task: "asyncio.Task[object]", at: float) -> None:
        self.task = task
        self.at = at
        #: Times somebody else had asked the task to end before.
        self.cancelling = task.cancelling()
        self.passed = False


class Deadlines:
    """The limits of the calls that are under way; for one event loop."""

    def __init__(self) -> None:
        self._under_way: set[_Limit] = set()
        #: For the call that would be over its limit first when it was set, which may have ended since.
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = float("inf")

    async def within(self, timeout_s: float, call: Awaitable[T]) -> T:
        """The call's answer; it is cancelled when its time is over.

        Raises:
            TimeoutError: it was over.
        """
        task = asyncio.current_task()
        assert task is not None, "calls are made by tasks"
        limit = _Limit(task, time.monotonic() + timeout_s)
        self._under_way.add(limit)
        if limit.at < self._rings_at:
            self._set(limit.at)
        before = GIVES_UP_AT.set(limit.at)
        try:
            return await call
        except asyncio.CancelledError as cancelled:
            if self._is_over(limit):
                raise TimeoutError from cancelled
            raise
        finally:
            GIVES_UP_AT.reset(before)
            self._is_over(limit)

    def _is_over(self, limit: _Limit) -> bool:
        """Forget a call that has ended; whether that was us. Whoever else wants its task to end has his way."""
        self._under_way.discard(limit)
        if not limit.passed:
            return False
        limit.passed = False
        return limit.task.uncancel() <= limit.cancelling

    def _set(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = at
        self._timer = asyncio.get_running_loop().call_later(max(at - time.monotonic(), 0.0), self._ring)

    def _ring(self) -> None:
        now = time.monotonic()
        self._timer, self._rings_at = None, float("inf")
        for limit in self._under_way:
            if not limit.passed and limit.at <= now:
                limit.passed = True
                limit.task.cancel()
        if left := [limit.at for limit in self._under_way if not limit.passed]:
            self._set(min(left))
