"""Asking again while something the bus needs is away; the event in hand waits, unacknowledged."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from errors import RetryableError

log = structlog.get_logger(__name__)

T = TypeVar("T")

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0


class GivenUpError(Exception):
    """Nobody waits for the answer any more: the event belongs to another worker by now."""


async def patiently(do: Callable[[], Awaitable[T]], agent: str, wanted: Callable[[], bool]) -> T:
    """What `do` answers, as soon as it no longer raises RetryableError; every other exception at once.

    Raises:
        GivenUpError: it is not wanted any more, whatever the answer.
    """
    pause_s = FIRST_PAUSE_S
    while wanted():
        try:
            answer = await do()
        except RetryableError as error:
            pause_s = max(pause_s, error.retry_after_s or 0.0)
            log.warning("agent.waits", agent=agent, code=error.code, reason=error.message, pause_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        else:
            if wanted():
                return answer
    raise GivenUpError
