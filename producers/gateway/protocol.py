"""HTTP for the gateway: uvicorn's parser with limits on what a stranger may send before any of our code is asked."""

import asyncio
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from bus import metrics

#: Request line and headers together; a webhook's are below two thousand.
MOST_HEAD_BYTES = 32 * 1024
MOST_HEADERS = 100
#: From a request's first byte to the last of its body. The gateway's own deadline for bodies is shorter and says why.
SLOWEST_REQUEST_S = 10.0


class HeadTooLargeError(Exception):
    """Ends the parsing of a request whose headers flood us."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection. uvicorn itself waits for ever for a request that never ends, and keeps headers without limit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        #: Bytes come since the head began, and those of them that are parsed: either may be the one that floods.
        self._raw_bytes = 0
        self._parsed_bytes = 0
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._raw_bytes += len(data)
        super().data_received(data)
        # A single header that never ends reaches no callback, so it is measured from outside.
        if self._in_head and self._raw_bytes > MOST_HEAD_BYTES:
            self._refuse_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._raw_bytes = self._parsed_bytes = 0
        self._wait()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_waiting()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What the parser refuses, in the form of our other refusals."""
        if self._parsed_bytes > MOST_HEAD_BYTES or len(self.headers or ()) > MOST_HEADERS:
            self._refuse_head()
        else:
            self._refuse(400, "malformed_request", msg)

    def _count(self, size_bytes: int) -> None:
        self._parsed_bytes += size_bytes
        if self._parsed_bytes > MOST_HEAD_BYTES or len(self.headers) > MOST_HEADERS:
            raise HeadTooLargeError

    def _wait(self) -> None:
        self._stop_waiting()
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
