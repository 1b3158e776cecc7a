"""Reading a request's body within a limit and a deadline, whatever its headers claim."""

from typing import Protocol

from starlette.types import Receive, Scope, Send

from delivery.deadlines import Deadlines
from producers.gateway.answers import Answer
from producers.gateway.refusals import Refusal
from producers.gateway.signatures import RawHeaders

#: What lies above the limit is read and thrown away up to here: a sender that is cut off while sending never sees why.
_DRAINED_BYTES = 1024 * 1024


class SenderLeftError(Exception):
    """The connection ended before the body did; there is nobody to answer."""


class Request(Protocol):
    """One request, and the way back to who sent it."""

    method: str
    headers: RawHeaders

    async def body(self, limit_bytes: int, timeout_s: float) -> bytes:
        """The body, whole.

        Raises:
            Refusal: larger than the limit, or slower.
            SenderLeftError: there is nobody to answer.
        """

    async def answer(self, answer: Answer) -> None:
        """Tell the sender, where it is still there."""


class AsgiRequest:
    """Implements `Request` for what an ASGI server hands on piece by piece."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, deadlines: Deadlines) -> None:
        """`deadlines`: of all requests under way."""
        self.method: str = scope["method"]
        self.headers: RawHeaders = scope["headers"]
        self._receive = receive
        self._send = send
        self._deadlines = deadlines

    async def body(self, limit_bytes: int, timeout_s: float) -> bytes:
        """As in `Request`; the length among the headers is a claim that saves work, never the measure."""
        if _claimed_length(self.headers) > limit_bytes + _DRAINED_BYTES:
            raise Refusal.too_large(limit_bytes)
        try:
            return await self._deadlines.within(timeout_s, _read(self._receive, limit_bytes))
        except TimeoutError:
            raise Refusal.too_slow() from None

    async def answer(self, answer: Answer) -> None:
        """As in `Request`."""
        await self._send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
        await self._send({"type": "http.response.body", "body": answer.body})


def check_size(size_bytes: int, limit_bytes: int) -> None:
    """Refuse what is too large.

    Raises:
        Refusal: it is.
    """
    if size_bytes > limit_bytes:
        raise Refusal.too_large(limit_bytes)


def header(headers: RawHeaders, name: bytes) -> str:
    """The first of that name; empty where there is none."""
    for each, value in headers:
        if each == name:
            return value.decode("latin-1")
    return ""


async def _read(receive: Receive, limit_bytes: int) -> bytes:
    body, size = bytearray(), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise SenderLeftError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= limit_bytes:
            body += chunk
        elif size > limit_bytes + _DRAINED_BYTES:
            raise Refusal.too_large(limit_bytes)
        if not message.get("more_body", False):
            break
    check_size(size, limit_bytes)
    return bytes(body)


def _claimed_length(headers: RawHeaders) -> int:
    text = header(headers, b"content-length")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
