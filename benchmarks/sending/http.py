"""A lean HTTP/1.1 client for load: requests are bytes made beforehand, one under way on each kept connection."""

import asyncio
import contextlib
import re
from typing import Final

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Answer(tuple[int, bytes]):
    """Status and body."""

    __slots__ = ()


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._came = b""
        self._asked: asyncio.Future[Answer] | None = None

    @classmethod
    async def to(cls, host: str, port: int) -> "Line":
        """Connected."""
        _, line = await asyncio.get_running_loop().create_connection(cls, host, port)
        return line

    async def ask(self, request: bytes) -> Answer:
        """Send it and wait for its answer.

        Raises:
            ConnectionError: the other end hung up.
        """
        if self._transport is None or not self.is_open:
            raise ConnectionResetError("hung up")
        self._asked = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._asked

    @property
    def is_open(self) -> bool:
        """Whether a request may go out on it."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override]  # as for every stream
        """As asyncio calls it."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio calls it."""
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(exc or ConnectionResetError("hung up"))

    def data_received(self, data: bytes) -> None:
        """As asyncio calls it."""
        self._came += data
        head = self._came.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._came, 0, head + 2)
        end = head + 4 + (int(length[1]) if length else 0)
        if len(self._came) < end or self._asked is None:
            return
        answer = Answer((int(self._came[9:12]), self._came[head + 4 : end]))
        self._came = self._came[end:]
        if not self._asked.done():
            self._asked.set_result(answer)


class Lines:
    """Connections to one server, as many as are needed at once; an idle one the server has closed is not used again."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._idle: list[Line] = []

    async def ask(self, request: bytes) -> Answer:
        """Send it on an idle connection or a new one, and wait for the answer.

        Raises:
            OSError: nobody listens, or the other end hung up.
        """
        while self._idle and not self._idle[-1].is_open:
            self._idle.pop()
        if self._idle:
            line = self._idle.pop()
            # the server may hang up on an idle one just as it is used: it has not read the request then
            with contextlib.suppress(ConnectionError):
                return await self._answer(line, request)
        return await self._answer(await Line.to(self._host, self._port), request)

    async def _answer(self, line: Line, request: bytes) -> Answer:
        answer = await line.ask(request)
        self._idle.append(line)
        return answer

    def close(self) -> None:
        """Hang up all that are idle."""
        for line in self._idle:
            line.close()


def post(host: str, port: int, path: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", f"host: {host}:{port}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in ({"content-type": "application/json"} | (headers or {})).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
