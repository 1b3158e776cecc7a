"""Requests per minute, kept by us, for the clients that speak HTTP.

The processes of a connection cannot see each other, so that each of the four kinds (pollers, fetchers, consumers, and
what people start beside them) has a quarter of `requests_per_minute`, evenly spread: no burst is saved up, as nobody
knows where the other side's minute begins.
"""

import asyncio
import time

import httpx

from bus.settings import Connection

SHARES = 4
#: A row waits about so long for its turn to ask, far below the time a call may take.
_WAIT_S = 2.0


class Pace:
    """Times at which requests may leave; pure, the time is an argument."""

    def __init__(self, per_minute: float) -> None:
        self._gap_s = 60 / per_minute
        self._next_at = 0.0

    def wait_s(self, now_s: float) -> float:
        """Take the next free time, in the order of asking; the seconds until then."""
        at = max(now_s, self._next_at)
        self._next_at = at + self._gap_s
        return at - now_s


class PacedTransport(httpx.AsyncBaseTransport):
    """Lets requests leave at their pace, first come, first served."""

    def __init__(self, inner: httpx.AsyncBaseTransport, pace: Pace) -> None:
        self._inner = inner
        self._pace = pace

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(self._pace.wait_s(time.monotonic()))
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def transport(connection: Connection, inner: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
    """The transport, kept to one process's share of the connection's requests."""
    per_minute = connection.requests_per_minute
    return PacedTransport(inner, Pace(per_minute / SHARES)) if per_minute else inner


def at_once(connection: Connection) -> int:
    """Rows a process may have under way: no more than can have their call soon, as waiting counts as the target's."""
    if not connection.requests_per_minute:
        return connection.in_flight
    soon = connection.requests_per_minute / SHARES / 60 * _WAIT_S
    return max(1, min(connection.in_flight, int(soon)))
