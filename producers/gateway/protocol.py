"""HTTP for the gateway: uvicorn's parser with limits on what a stranger may send before any of our code is asked.

A webhook whose body comes with its head, as most do, goes straight to the gateway: no scope, no messages, no events.
Whatever else comes goes uvicorn's way, by ASGI.
"""

import asyncio
from typing import Any, ClassVar

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from bus import metrics
from producers.gateway.answers import Answer
from producers.gateway.app import Application, Gateway
from producers.gateway.reading import check_size
from producers.gateway.signatures import RawHeaders
from producers.gateway.sources import Source

#: Request line and headers together; a webhook's are below two thousand.
MOST_HEAD_BYTES = 32 * 1024
MOST_HEADERS = 100
#: From a request's first byte to the last of its body. The gateway's own deadline for bodies is shorter and says why.
SLOWEST_REQUEST_S = 10.0
#: A body that has not come so soon after its head, or is larger, goes by ASGI.
_MOMENT_S = 0.05
_MOST_HELD_BYTES = 64 * 1024


class HeadTooLargeError(Exception):
    """Ends the parsing of a request whose headers flood us."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection. uvicorn itself waits for ever for a request that never ends, and keeps headers without limit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        application = self.app
        assert isinstance(application, Application), "serves the gateway alone"
        self._gateway: Gateway = application.gateway
        self._in_head = True
        self._in_request = False
        #: Bytes come since the head or a piece of the body, and those of the head that are parsed: either may flood.
        self._raw_bytes = 0
        self._parsed_bytes = 0
        self._patience: asyncio.TimerHandle | None = None
        #: Of a webhook whose body is still coming, which nobody knows of yet.
        self._held: bytearray | None = None
        self._holding: asyncio.TimerHandle | None = None
        self._source: Source | None = None
        self._quiet_since_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._let_go()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._raw_bytes += len(data)
        super().data_received(data)
        # A single header that never ends, also one behind a body, reaches no callback: it is measured from outside.
        if (self._in_head or self._in_request) and self._raw_bytes > MOST_HEAD_BYTES:
            self._refuse_head()
        # What came whole needs no timers.
        if self._in_request and self._patience is None:
            self._wait()
        if self._held is not None:
            if len(self._held) > _MOST_HELD_BYTES:
                self._let_go()
            elif self._holding is None:
                self._holding = self.loop.call_later(_MOMENT_S, self._let_go)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._in_request = True
        self._raw_bytes = self._parsed_bytes = 0
        self._stop_waiting()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._parsed_bytes += len(url)
        if self._parsed_bytes > MOST_HEAD_BYTES:
            raise HeadTooLargeError

    def on_header(self, name: bytes, value: bytes) -> None:
        """As uvicorn's, within limits; several times for each request, so in one piece."""
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        headers = self.headers
        headers.append((name, value))
        self._parsed_bytes += len(name) + len(value)
        if self._parsed_bytes > MOST_HEAD_BYTES or len(headers) > MOST_HEADERS:
            raise HeadTooLargeError

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._source = self._gateway.sources.get(self.url.decode("latin-1"))
        if self._source is not None and self._goes_straight():
            self._held = bytearray()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._raw_bytes = 0
        if self._held is not None:
            self._held += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop_waiting()
        self._in_request = False
        if self._held is not None:
            self._take()
        else:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's, but for one timer that is looked at when it rings, in place of one for each answer."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._quiet_since_s = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again_in(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Hang up, unless a request came since the timer was set."""
        left_s = self._quiet_since_s + self.timeout_keep_alive - self.loop.time()
        if self._in_request or not self.cycle.response_complete:
            self._look_again_in(self.timeout_keep_alive)
        elif left_s > 0:
            self._look_again_in(left_s)
        else:
            super().timeout_keep_alive_handler()

    def shutdown(self) -> None:
        """What has begun to come is under way."""
        self._let_go()
        super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """What the parser refuses, in the form of our other refusals."""
        if self._parsed_bytes > MOST_HEAD_BYTES or len(self.headers or ()) > MOST_HEADERS:
            self._refuse_head()
        else:
            self._refuse(400, "malformed_request", msg)

    def _goes_straight(self) -> bool:
        """Whether nothing about the request, the connection or the server asks for more than an answer."""
        return (
            self.parser.get_method() == b"POST"
            and not self.expect_100_continue
            and not self.parser.should_upgrade()
            and (self.cycle is None or self.cycle.response_complete)  # type: ignore[redundant-expr]  # none at first
            and (limit := self.limit_concurrency) is not None
            and max(len(self.connections), len(self.tasks)) < limit
        )

    def _take(self) -> None:
        """All of it is here."""
        assert self._held is not None
        assert self._source is not None
        keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        webhook = _Webhook(self, self.headers, bytes(self._held), keep_alive)
        self._stop_holding()
        # To uvicorn it is what is under way on this connection: what comes behind it waits, a stop waits for it.
        self.cycle = webhook  # type: ignore[assignment]  # has of a cycle what is asked of it from outside
        task = self.loop.create_task(webhook.run(self._gateway, self._source))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _let_go(self) -> None:
        """What is held goes by ASGI, with what has come of its body."""
        if self._held is not None:
            body = bytes(self._held)
            self._stop_holding()
            super().on_headers_complete()
            if body:
                super().on_body(body)

    def _stop_holding(self) -> None:
        self._held = None
        if self._holding is not None:
            self._holding.cancel()
            self._holding = None

    def _unset_keepalive_if_required(self) -> None:
        """Nothing: not all that comes is a request, and for blank lines alone no connection is kept."""

    def _look_again_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _wait(self) -> None:
        self._patience = self.loop.call_later(SLOWEST_REQUEST_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if self._in_head:
            self._refuse(408, "too_slow", "The request did not arrive in time.")
        else:
            self.transport.close()

    def _refuse_head(self) -> None:
        self._refuse(431, "headers_too_large", "The request's headers are too large.")

    def _refuse(self, status: int, code: str, message: str) -> None:
        if self.transport.is_closing():
            return
        metrics.WEBHOOKS.labels(connection="", result=code).inc()
        body = msgspec.json.encode({"error": code, "message": message})
        self.transport.write(
            STATUS_LINE[status]
            + b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            + body
        )
        self.transport.close()


class _Webhook:
    """One that is here whole: implements `reading.Request` for the gateway, and is a cycle of uvicorn's."""

    __slots__ = ("_body", "_connection", "disconnected", "headers", "keep_alive", "response_complete")

    method = "POST"
    #: Told when the sender leaves; nobody waits for it.
    message_event: ClassVar = asyncio.Event()

    def __init__(self, connection: GuardedProtocol, headers: RawHeaders, body: bytes, keep_alive: bool) -> None:
        self._connection = connection
        self._body = body
        self.headers = headers
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False

    async def run(self, gateway: Gateway, source: Source) -> None:
        """Have it taken; a connection whose request has no answer is of no use."""
        try:
            await gateway.take(source, self)
        finally:
            if not self.response_complete:
                self._connection.transport.close()

    async def body(self, limit_bytes: int, timeout_s: float) -> bytes:  # noqa: ARG002 - it has come in time
        """As in `Request`."""
        check_size(len(self._body), limit_bytes)
        return self._body

    async def answer(self, answer: Answer) -> None:
        """As in `Request`: in one piece."""
        connection = self._connection
        if connection.flow.write_paused and not self.disconnected:
            await connection.flow.drain()
        if self.disconnected:
            return
        pieces = [answer.head]
        pieces += [b"%b: %b\r\n" % each for each in connection.server_state.default_headers]
        if not self.keep_alive and not answer.hangs_up:
            pieces.append(b"connection: close\r\n")
        pieces += (b"\r\n", answer.body)
        connection.transport.write(b"".join(pieces))
        self.response_complete = True
        if answer.hangs_up or not self.keep_alive:
            connection.transport.close()
        connection.on_response_complete()
