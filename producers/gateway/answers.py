"""What a sender is told: a status, a short JSON body, and the headers that go with it."""

import math
from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from producers.gateway.refusals import Refusal


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Made once where it is always the same."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    #: The connection ends with it.
    hangs_up: bool
    #: Status line and headers as they go over the wire, without the empty line behind them.
    head: bytes


def answer(status: int, said: Mapping[str, str], *more: tuple[bytes, bytes], hangs_up: bool = False) -> Answer:
    """An answer in JSON."""
    body = msgspec.json.encode(said)
    headers = (
        (b"content-length", b"%d" % len(body)),
        (b"content-type", b"application/json"),
        *more,
        *(((b"connection", b"close"),) if hangs_up else ()),
    )
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
    head = line + b"".join(b"%b: %b\r\n" % each for each in headers)
    return Answer(status=status, headers=headers, body=body, hangs_up=hangs_up, head=head)


def refused(refusal: Refusal) -> Answer:
    """A refusal as the sender sees it."""
    more: list[tuple[bytes, bytes]] = []
    if refusal.retry_after_s is not None:
        more.append((b"retry-after", b"%d" % math.ceil(refusal.retry_after_s)))
    if refusal.status == 405:
        more.append((b"allow", b"POST"))
    said = {"error": refusal.code, "message": refusal.message}
    return answer(refusal.status, said, *more, hangs_up=refusal.hang_up)
