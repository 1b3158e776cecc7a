"""Asking again while something the bus needs is away; the event in hand waits, unacknowledged."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import structlog

from errors import RetryableError

log = structlog.get_logger(__name__)

T = TypeVar("T")

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0


async def patiently(do: Callable[[], T], agent: str) -> T:
    """What `do` returns, as soon as it no longer raises RetryableError; every other exception at once."""
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return do()
        except RetryableError as error:
            log.warning("agent.waits", agent=agent, code=error.code, reason=error.message, pause_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
