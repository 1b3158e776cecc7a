"""What a client is told when connections fail: whether its request may have been sent; against a real socket."""

import asyncio
import gzip
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from connect.deadline import GIVES_UP_AT
from connect.systems.clarity.auth import FixedHeader
from connect.systems.clarity.client import Action, ClarityClient
from connect.wires import Wires
from errors import RetryableError, UnknownOutcomeError

DONE = b'{"ActionSucceeded": true}'
Play = Callable[["Peer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def said(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"content-type: application/json", b"content-length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", body])


class Peer:
    """A server that plays one part on each connection, and keeps what it was sent."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self.heads: list[bytes] = []
        self.connections = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._play(self, reader, writer)
        finally:
            writer.close()

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        return await reader.readexactly(int(length.partition(b":")[2]))


async def hangs_up_unread(_peer: Peer, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    pass


async def hangs_up_read(peer: Peer, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await peer.request(reader)


async def hangs_up_in_its_answer(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await peer.request(reader)
    writer.write(said(DONE)[:-4])


async def says_nothing(peer: Peer, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await peer.request(reader)
    await reader.read()


async def speaks_otherwise(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await peer.request(reader)
    writer.write(b"SSH-2.0-none\r\n\r\n")


async def answers(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await peer.request(reader)
        writer.write(said(DONE))


async def answers_once(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await peer.request(reader)
    writer.write(said(DONE))
    await peer.request(reader)


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Play], Awaitable[tuple[Peer, str]]]]:
    servers: list[asyncio.Server] = []

    async def start(play: Play) -> tuple[Peer, str]:
        peer = Peer(play)
        server = await asyncio.start_server(peer.take, "127.0.0.1", 0)
        servers.append(server)
        return peer, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield start
    for server in servers:
        server.close()


def client_at(url: str) -> ClarityClient:
    http = httpx.AsyncClient(base_url=url, transport=Wires(2), timeout=httpx.Timeout(0.3), trust_env=False)
    return ClarityClient(http, FixedHeader("X-Api-Key", "k"), in_flight=2)


Serve = Callable[[Play], Awaitable[tuple[Peer, str]]]


@pytest.mark.parametrize(
    "play", [hangs_up_unread, hangs_up_read, hangs_up_in_its_answer, says_nothing, speaks_otherwise]
)
async def test_a_write_that_may_have_arrived_is_unknown_and_a_read_is_asked_again(serve: Serve, play: Play) -> None:
    _, url = await serve(play)
    async with client_at(url) as client:
        with pytest.raises(UnknownOutcomeError):
            await client.act(Action.SHIP, "1")
        with pytest.raises(RetryableError):
            await client.order("1")


async def test_a_write_nobody_was_there_for_is_surely_not_done() -> None:
    with socket.create_server(("127.0.0.1", 0)) as was_here:
        port = was_here.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", "http://no-such-host.invalid"):
        async with client_at(url) as client:
            with pytest.raises(RetryableError):
                await client.act(Action.SHIP, "1")


async def test_a_write_is_surely_not_done_where_the_other_end_proves_nobody(serve: Serve) -> None:
    _, url = await serve(speaks_otherwise)
    async with client_at(url.replace("http:", "https:")) as client:
        with pytest.raises(RetryableError):
            await client.act(Action.SHIP, "1")


async def test_a_write_is_surely_not_done_where_nobody_takes_the_call() -> None:
    # a queue of none that is full: further calls get no answer at all
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        with socket.create_connection(deaf.getsockname()):
            async with client_at(f"http://127.0.0.1:{deaf.getsockname()[1]}") as client:
                with pytest.raises(RetryableError):
                    await client.act(Action.SHIP, "1")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "GET"])
async def test_nothing_is_sent_twice_on_a_line_that_was_kept(serve: Serve, method: str) -> None:
    peer, url = await serve(answers_once)
    async with httpx.AsyncClient(base_url=url, transport=Wires(2)) as http:
        await http.request(method, "/a")
        with pytest.raises(httpx.ReadError):
            await http.request(method, "/b")
    assert [head.split()[1] for head in peer.heads] == [b"/a", b"/b"]


async def test_nothing_is_sent_after_the_time_of_its_call(serve: Serve) -> None:
    peer, url = await serve(answers)
    async with client_at(url) as client:
        await client.act(Action.SHIP, "1")
        before = GIVES_UP_AT.set(time.monotonic() - 0.001)
        with pytest.raises(RetryableError):
            await client.act(Action.SHIP, "2")
        GIVES_UP_AT.reset(before)
        await client.act(Action.SHIP, "3")
    assert [head.split()[1].rpartition(b"/")[2] for head in peer.heads] == [b"1", b"3"]


async def test_a_line_is_used_again(serve: Serve) -> None:
    peer, url = await serve(answers)
    async with client_at(url) as client:
        for _ in range(3):
            await client.act(Action.SHIP, "1")
    assert (peer.connections, len(peer.heads)) == (1, 3)


async def test_the_address_goes_out_as_it_was_written_and_a_name_and_password_as_a_header(serve: Serve) -> None:
    peer, url = await serve(answers)
    async with httpx.AsyncClient(base_url=url.replace("//", "//ann:pw@"), transport=Wires(2)) as http:
        await http.get("/Key/a%2Fb%7Ec%20d?x=%2B")
    (head,) = peer.heads
    assert head.startswith(b"GET /Key/a%2Fb%7Ec%20d?x=%2B HTTP/1.1\r\n")
    assert b"authorization: basic yw5uonb3" in head.lower()
    assert head.lower().count(b"\r\nhost:") == head.lower().count(b"\r\naccept-encoding:") == 1


async def test_an_answer_may_have_a_long_header(serve: Serve) -> None:
    async def long_winded(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.request(reader)
        writer.write(said(DONE, b"content-security-policy: " + b"x" * 30_000))

    _, url = await serve(long_winded)
    async with client_at(url) as client:
        await client.act(Action.SHIP, "1")


async def test_looking_a_name_up_ends_with_the_time_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", never)
    async with client_at("http://store.invalid") as client:
        with pytest.raises(RetryableError):
            async with asyncio.timeout(5):
                await client.act(Action.SHIP, "1")


async def test_answers_are_unpacked_and_cookies_kept_by_httpx_alone(serve: Serve) -> None:
    async def packed(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await peer.request(reader)
            writer.write(said(gzip.compress(DONE), b"content-encoding: gzip", b"set-cookie: a=1", b"set-cookie: b=2"))

    peer, url = await serve(packed)
    async with httpx.AsyncClient(base_url=url, transport=Wires(2)) as http:
        answer = await http.get("/")
        assert (answer.content, answer.headers.get_list("set-cookie")) == (DONE, ["a=1", "b=2"])
        await http.get("/")
        assert b"cookie: a=1; b=2\r\n" in peer.heads[1].lower()
        http.cookies.clear()
        await http.get("/")
        assert b"cookie" not in peer.heads[2].lower()
