"""Reading a request's body within a limit and a deadline, whatever its headers claim."""

from starlette.datastructures import Headers
from starlette.types import Receive

from delivery.deadlines import Deadlines
from producers.gateway.refusals import Refusal

#: What lies above the limit is read and thrown away up to here: a sender that is cut off while sending never sees why.
_DRAINED_BYTES = 1024 * 1024


class SenderLeftError(Exception):
    """The connection ended before the body did; there is nobody to answer."""


async def read_body(
    receive: Receive, headers: Headers, limit_bytes: int, timeout_s: float, deadlines: Deadlines
) -> bytes:
    """The body, whole.

    Args:
        receive: Of the request.
        headers: Of the request; its length is a claim that saves work, never the measure.
        limit_bytes: More is refused.
        timeout_s: Slower is refused.
        deadlines: Of all requests under way.

    Raises:
        Refusal: too large or too slow.
        SenderLeftError: there is nobody to answer.
    """
    if _claimed_length(headers) > limit_bytes + _DRAINED_BYTES:
        raise Refusal.too_large(limit_bytes)
    try:
        return await deadlines.within(timeout_s, _read(receive, limit_bytes))
    except TimeoutError:
        raise Refusal.too_slow() from None


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
    if size > limit_bytes:
        raise Refusal.too_large(limit_bytes)
    return bytes(body)


def _claimed_length(headers: Headers) -> int:
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
