"""When a poller asks next: at its interval, later after failures, never again after what no asking mends."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol

import structlog

from bus import metrics
from errors import BusError, RejectedError, RetryableError

log = structlog.get_logger(__name__)

#: The longest wait after failures: the store is asked again soon after it is back.
LONGEST_PAUSE_S = 60.0


class Rounds(Protocol):
    """What is done at every beat, as `rounds.Poller` does it."""

    async def round(self) -> int | None:
        """How much was announced; None where another poller has the turn."""

    async def leave(self) -> None:
        """Let another poller go on."""


async def keep_polling(rounds: Rounds, connection: str, interval_s: float, stop: asyncio.Event) -> None:
    """Round after round until told to stop.

    A store that is away, or answers what nobody can read, is asked again later and later: nothing is lost by it, as the
    cursor stays.

    Raises:
        BusError: what no asking again mends: credentials, a schema.
    """
    try:
        await _poll_on(rounds, connection, interval_s, stop)
    finally:
        try:
            await rounds.leave()
        except BusError as error:
            log.warning("poller.lease_left_to_run_out", connection=connection, code=error.code)


async def _poll_on(rounds: Rounds, connection: str, interval_s: float, stop: asyncio.Event) -> None:
    failures = 0
    while not stop.is_set():
        pause_s = interval_s
        try:
            announced = await _unless(stop, rounds.round())
        except (RetryableError, RejectedError) as error:
            failures += 1
            asked_for_s = error.retry_after_s if isinstance(error, RetryableError) else None
            pause_s = pause_after(failures, interval_s, asked_for_s)
            metrics.POLLS.labels(connection=connection, result=error.code).inc()
            log.warning("poller.waits", connection=connection, code=error.code, reason=error.message, pause_s=pause_s)
        else:
            failures = 0
            result = "not_our_turn" if announced is None else "polled"
            metrics.POLLS.labels(connection=connection, result=result).inc()
            if announced:
                log.info("poller.announced", connection=connection, changes=announced)
        await _pause(stop, pause_s)


def pause_after(failures: int, interval_s: float, asked_for_s: float | None) -> float:
    """Seconds to wait after so many failures in a row, and not less than the store asks for."""
    doubled = interval_s * 2.0 ** min(failures, 10)
    return max(min(doubled, max(LONGEST_PAUSE_S, interval_s)), asked_for_s or 0.0)


async def until_possible(do: Callable[[], Awaitable[object]], stop: asyncio.Event, what: str) -> bool:
    """Do it as soon as it is possible; False when told to stop before.

    Raises:
        BusError: it will never be.
    """
    failures = 0
    while not stop.is_set():
        try:
            await do()
            return True
        except RetryableError as error:
            failures += 1
            log.warning("poller.not_ready", what=what, code=error.code, reason=error.message)
            await _pause(stop, pause_after(failures, 0.5, error.retry_after_s))
    return False


async def _unless(stop: asyncio.Event, work: Coroutine[None, None, int | None]) -> int | None:
    """What the work gives; cut off when told to stop, as a round may wait long for a slow store."""
    task, told = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, told}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        return None if task.cancelled() else task.result()
    finally:
        told.cancel()


async def _pause(stop: asyncio.Event, pause_s: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), pause_s)
    except TimeoutError:
        return
