"""What goes wrong on purpose: the board the control API sets, and the layer before the store's routes that obeys it."""

import asyncio
import math
import random
import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.clarity.errors import error_body
from sandbox.clarity.requests import FailNext, Faults

DROP_CONNECTION = "sandbox.drop_connection"
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class FaultBoard:
    """The faults now in force; counts are used up as requests come."""

    def __init__(self, rng: random.Random, clock: Callable[[], float] = time.monotonic) -> None:
        self.faults = Faults()
        self._rng = rng
        self._clock = clock
        self._tokens = 0.0
        self._filled_at = 0.0

    def set(self, faults: Faults) -> None:
        self.faults = faults
        self._tokens, self._filled_at = self._burst(), self._clock()

    def take_lost_request(self) -> bool:
        left = self.faults.lost_requests
        self._change(lost_requests=max(left - 1, 0))
        return left > 0

    def take_lost_answer(self) -> bool:
        left = self.faults.lost_answers
        self._change(lost_answers=max(left - 1, 0))
        return left > 0

    def take_error(self) -> int | None:
        """The status of a random failure, or none."""
        return self.faults.error_status if self._rng.random() < self.faults.error_rate else None

    def take_failure(self, method: str, path: str) -> FailNext | None:
        """The first of `fail_next` that fits, once less."""
        for position, failure in enumerate(self.faults.fail_next):
            if failure.method.upper() in {"*", method} and failure.path_contains in path:
                fewer = [msgspec.structs.replace(failure, times=failure.times - 1)] if failure.times > 1 else []
                rest = self.faults.fail_next
                self._change(fail_next=[*rest[:position], *fewer, *rest[position + 1 :]])
                return failure
        return None

    def wait_for_rate(self) -> float | None:
        """None where the request may pass, else the seconds until one may."""
        limit = self.faults.rate_limit_per_minute
        if limit is None:
            return None
        now = self._clock()
        self._tokens = min(self._burst(), self._tokens + (now - self._filled_at) * limit / 60)
        self._filled_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return None
        return (1 - self._tokens) * 60 / limit

    def take_dropped_webhook(self) -> bool:
        webhooks = self.faults.webhooks
        if webhooks.drop_next:
            self._change_webhooks(drop_next=webhooks.drop_next - 1)
            return True
        return self._rng.random() < webhooks.drop_rate

    def take_duplicated_webhook(self) -> bool:
        left = self.faults.webhooks.duplicate_next
        self._change_webhooks(duplicate_next=max(left - 1, 0))
        return left > 0

    def webhook_delay_s(self) -> float:
        webhooks = self.faults.webhooks
        return webhooks.delay_ms / 1000 + (self._rng.random() if webhooks.reorder else 0.0)

    def _burst(self) -> float:
        """Six seconds' worth may come at once."""
        return max((self.faults.rate_limit_per_minute or 0) / 10, 1.0)

    def _change(self, **changes: object) -> None:
        self.faults = msgspec.structs.replace(self.faults, **changes)

    def _change_webhooks(self, **changes: object) -> None:
        self._change(webhooks=msgspec.structs.replace(self.faults.webhooks, **changes))


class FaultLayer:
    """ASGI: in front of the store's own routes, never of the control API."""

    def __init__(self, app: ASGIApp, board: FaultBoard, applies_to: Callable[[str], bool]) -> None:
        self._app = app
        self._board = board
        self._applies_to = applies_to

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._applies_to(scope["path"]):
            await self._app(scope, receive, send)
            return
        if self._board.faults.latency_ms:
            await asyncio.sleep(self._board.faults.latency_ms / 1000)
        if self._board.take_lost_request():
            await _drop_connection(scope, receive)
            return
        refusal = self._refusal()
        failure = None if refusal else self._board.take_failure(scope["method"], scope["path"])
        if refusal is not None:
            await _answer(send, *refusal)
        elif failure is not None:
            await self._fail(failure, scope, receive, send)
        elif _is_write(scope) and self._board.take_lost_answer():
            await self._app(scope, receive, _swallow)
            await _drop_connection(scope, receive)
        else:
            await self._app(scope, receive, send)

    def _refusal(self) -> tuple[int, int | None] | None:
        """Status and Retry-After of what the rate limit or chance refuses."""
        wait_s = self._board.wait_for_rate()
        if wait_s is not None:
            return 429, math.ceil(wait_s)
        status = self._board.take_error()
        return None if status is None else (status, None)

    async def _fail(self, failure: FailNext, scope: Scope, receive: Receive, send: Send) -> None:
        if failure.when == "after":
            await self._app(scope, receive, _swallow)
        await _answer(send, failure.status, failure.retry_after_s)


class DroppableHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol that lets a request end its own connection without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {DROP_CONNECTION: {"drop": self.transport.abort}}


def _is_write(scope: Scope) -> bool:
    return scope["method"] in _WRITES and "/auth" not in scope["path"]


async def _swallow(_message: Message) -> None:
    """An answer nobody gets."""


async def _drop_connection(scope: Scope, receive: Receive) -> None:
    """End the connection without a byte of an answer.

    Raises:
        httpx.RemoteProtocolError: in-process, where there is no connection: what a client on the network would see.
    """
    extensions: dict[str, dict[str, Any]] = scope.get("extensions") or {}
    connection = extensions.get(DROP_CONNECTION)
    if connection is None:
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
    connection["drop"]()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(send: Send, status: int, retry_after_s: int | None) -> None:
    body = error_body(status, "made up by the sandbox's fault board")
    headers = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    if retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % retry_after_s))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
