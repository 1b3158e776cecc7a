"""The gateway on a socket of its own: what a stranger can do with bytes, and how it stops."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable

import pytest
import uvicorn

from producers.gateway import protocol
from producers.gateway.worker import Server, listening
from tests.doubles.webhooks import BODY, MAX_BODY_BYTES, Bench, signed_headers

DEADLINE_S = 15.0
PATH = "/webhooks/clarity-main"


class Wire:
    """A gateway that listens, and raw connections to it."""

    def __init__(self, bench: Bench, server: Server, port: int, serving: asyncio.Task[None]) -> None:
        self.bench = bench
        self.server = server
        self.port = port
        self.serving = serving

    async def say(self, *parts: bytes, pause_s: float = 0.0) -> bytes:
        """Everything that is answered until the gateway hangs up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        # Read while writing: what is answered early is lost when the connection breaks over what is still being sent.
        answer = asyncio.create_task(_all_of(reader))
        try:
            for part in parts:
                if not answer.done():
                    writer.write(part)
                    with contextlib.suppress(ConnectionError):
                        await writer.drain()
                    await asyncio.sleep(pause_s)
            return await asyncio.wait_for(answer, DEADLINE_S)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def post(self, body: bytes = BODY, delivery_id: str = "msg_1") -> bytes:
        return await self.say(request(body, delivery_id))


async def _all_of(reader: asyncio.StreamReader) -> bytes:
    answer = b""
    with contextlib.suppress(ConnectionError):
        while part := await reader.read(65_536):
            answer += part
    return answer


def request(body: bytes = BODY, delivery_id: str = "msg_1", *more: str) -> bytes:
    headers = signed_headers(body, delivery_id=delivery_id) | {"host": "gateway", "content-length": str(len(body))}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"POST {PATH} HTTP/1.1", *lines, *more, "connection: close", "", ""]).encode() + body


def configured(wire: Wire) -> uvicorn.Config:
    """What connections that are still to come are served by."""
    assert wire.server._uvicorn is not None
    return wire.server._uvicorn.config


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.01)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def refusal_of(answer: bytes) -> tuple[int, str]:
    return status_of(answer), json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    bench = Bench()
    with listening("127.0.0.1", 0) as listener:
        server = Server()
        serving = asyncio.create_task(server.serve_on(bench.app, listener, ["clarity-main"]))
        yield Wire(bench, server, listener.getsockname()[1], serving)
        server.stop()
        await asyncio.wait_for(serving, DEADLINE_S)
    await bench.http.aclose()


async def test_a_webhook_is_accepted_and_the_server_does_not_name_itself(wire: Wire) -> None:
    answer = await wire.post()

    assert status_of(answer) == 202
    assert b"uvicorn" not in answer.lower()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"POST /webhooks/clarity-main HTTP/9.9\r\n\r\n",
        b"POST http://[ HTTP/1.1\r\n\r\n",
        b"POST \xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /webhooks/clarity-main HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /webhooks/clarity-main HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        b"POST /webhooks/clarity-main HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999999\r\n\r\n",
        b"POST /webhooks/clarity-main HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
        b"POST /webhooks/clarity-main HTTP/1.1\r\nhost : x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused_and_the_gateway_goes_on(wire: Wire, garbage: bytes) -> None:
    answer = await wire.say(garbage)

    assert answer == b"" or 400 <= status_of(answer) < 500
    assert b"Traceback" not in answer
    assert status_of(await wire.post()) == 202


async def test_431_a_flood_of_headers(wire: Wire) -> None:
    many = b"".join(b"x-%d: %s\r\n" % (number, b"y" * 100) for number in range(500))

    answer = await wire.say(b"POST /webhooks/clarity-main HTTP/1.1\r\nhost: x\r\n" + many + b"\r\n")

    assert refusal_of(answer) == (431, "headers_too_large")


@pytest.mark.parametrize("flood", [b"POST /" + b"a" * 300_000, b"POST / HTTP/1.1\r\nx: " + b"a" * 300_000])
async def test_431_a_line_that_never_ends(wire: Wire, flood: bytes) -> None:
    parts = [flood[start : start + 10_000] for start in range(0, len(flood), 10_000)]

    answer = await wire.say(*parts)

    assert refusal_of(answer) == (431, "headers_too_large")


async def test_431_a_trailer_that_never_ends(wire: Wire) -> None:
    head = request(b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
    parts = [b"2\r\n{}\r\n0\r\nx: ", *([b"a" * 10_000] * 30)]

    answer = await wire.say(head, *parts, pause_s=0.001)

    assert refusal_of(answer) == (431, "headers_too_large")


async def test_many_small_headers_are_not_too_many_bytes_but_too_many(wire: Wire) -> None:
    lines = [f"x-{number}: y" for number in range(150)]

    assert refusal_of(await wire.say(request(BODY, "msg_1", *lines))) == (431, "headers_too_large")


async def test_408_a_head_that_does_not_end(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "SLOWEST_REQUEST_S", 0.2)

    assert refusal_of(await wire.say(b"POST /webhooks/clarity-main HTTP/1.1\r\nhost: x\r\n")) == (408, "too_slow")
    assert refusal_of(await wire.say(b"")) == (408, "too_slow")


async def test_408_a_body_that_drips(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.gateway.app._BODY_S", 0.2)
    whole = request(b" " * 200)

    answer = await wire.say(whole[:-150], *(whole[-150 + at : -149 + at] for at in range(20)), pause_s=0.02)

    assert refusal_of(answer) == (408, "too_slow")


async def test_a_body_that_drips_behind_its_answer_is_hung_up_on(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "SLOWEST_REQUEST_S", 0.3)
    head = b"POST /webhooks/nobody HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n"

    answer = await wire.say(head, *([b" "] * 30), pause_s=0.02)

    assert refusal_of(answer)[0] == 404


async def test_413_is_seen_by_a_sender_that_sends_all_of_it_first(wire: Wire) -> None:
    answer = await wire.say(request(b" " * (MAX_BODY_BYTES + 1)))
    chunked = b"".join(b"400\r\n" + b" " * 1024 + b"\r\n" for _ in range(100)) + b"0\r\n\r\n"
    head = request(b"").replace(b"content-length: 0", b"transfer-encoding: chunked")

    assert refusal_of(answer) == (413, "too_large")
    assert refusal_of(await wire.say(head + chunked)) == (413, "too_large")


async def test_413_a_body_without_end_is_cut_off(wire: Wire) -> None:
    head = request(b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
    endless = [b"10000\r\n" + b" " * 65_536 + b"\r\n"] * 64

    answer = await wire.say(head, *endless)

    assert answer == b"" or refusal_of(answer) == (413, "too_large")
    assert status_of(await wire.post()) == 202


async def test_a_chunked_webhook_is_as_good_as_any(wire: Wire) -> None:
    head = request(b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
    headers = signed_headers(BODY)
    head = head.replace(signed_headers(b"")["webhook-signature"].encode(), headers["webhook-signature"].encode())

    answer = await wire.say(head, b"%x\r\n" % len(BODY) + BODY + b"\r\n", b"0\r\n\r\n", pause_s=0.01)

    assert status_of(answer) == 202


@pytest.mark.parametrize("pause_s", [0.01, 0.1])
async def test_a_body_may_come_behind_its_head(wire: Wire, pause_s: float) -> None:
    whole = request()

    answer = await wire.say(whole[:-40], whole[-40:-20], whole[-20:], pause_s=pause_s)

    assert status_of(answer) == 202
    assert len(wire.bench.kafka.changes) == 1


@pytest.mark.parametrize("body", [BODY, b"{", b" " * (MAX_BODY_BYTES + 1)])
async def test_in_one_piece_or_in_two_the_answer_is_the_same(wire: Wire, body: bytes) -> None:
    first, second = request(body, "msg_1"), request(body, "msg_2")

    at_once = await wire.say(first)
    late = await wire.say(second[: -len(body)], second[-len(body) :], pause_s=0.1)

    assert sorted(at_once.splitlines()) == sorted(late.splitlines())


async def test_what_is_sent_behind_a_webhook_is_answered_behind_it(wire: Wire) -> None:
    wire.bench.kafka.gate.clear()
    kept_open = request().replace(b"connection: close\r\n", b"")
    health = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
    both = asyncio.create_task(wire.say(kept_open + health + request(BODY, "msg_2")))
    await until(lambda: wire.bench.kafka.waiting == 1)

    wire.bench.kafka.gate.set()

    answers = [each[:3] for each in (await both).split(b"HTTP/1.1 ")[1:]]
    assert answers == [b"202", b"200", b"202"]


async def test_a_quiet_connection_is_hung_up_on_and_one_at_work_is_not(wire: Wire) -> None:
    configured(wire).timeout_keep_alive = 0.2  # type: ignore[assignment]  # seconds all the same
    kept_open = request().replace(b"connection: close\r\n", b"")
    began_s = asyncio.get_running_loop().time()
    wire.bench.kafka.gate.clear()
    answering = asyncio.create_task(wire.say(kept_open))
    await asyncio.sleep(0.4)
    assert not answering.done()

    wire.bench.kafka.gate.set()

    assert status_of(await answering) == 202
    assert asyncio.get_running_loop().time() - began_s > 0.55


async def test_webhooks_one_after_the_other_keep_their_connection(wire: Wire) -> None:
    configured(wire).timeout_keep_alive = 0.3  # type: ignore[assignment]  # seconds all the same
    parts = [request(BODY, f"msg_{number}").replace(b"connection: close\r\n", b"") for number in range(8)]

    answer = await wire.say(*parts, pause_s=0.1)

    assert answer.count(b"HTTP/1.1 202") == 8


@pytest.mark.parametrize(
    "parts",
    [
        (b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n", b"\r\n"),
        (b"POST /webhooks/nobody HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n", b"{}"),
    ],
)
async def test_what_begins_no_request_keeps_no_connection(wire: Wire, parts: tuple[bytes, bytes]) -> None:
    configured(wire).timeout_keep_alive = 0.2  # type: ignore[assignment]  # seconds all the same

    async with asyncio.timeout(5):
        answer = await wire.say(*parts, pause_s=0.1)

    assert answer.count(b"HTTP/1.1 ") == 1


async def test_503_more_at_once_than_the_gateway_serves(wire: Wire) -> None:
    configured(wire).limit_concurrency = 1

    assert status_of(await wire.post()) == 503


async def test_a_sender_that_asks_before_it_sends_is_told_to_go_on(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_MOMENT_S", DEADLINE_S)
    whole = request(BODY, "msg_1", "expect: 100-continue")

    answer = await wire.say(whole[: -len(BODY)], BODY, pause_s=0.1)

    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202")


async def test_a_webhook_is_stored_though_its_sender_leaves_before_the_answer(wire: Wire) -> None:
    wire.bench.kafka.gate.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(request())
    await writer.drain()
    await until(lambda: wire.bench.kafka.waiting == 1)
    writer.transport.abort()

    wire.bench.kafka.gate.set()

    assert b"duplicate" in await wire.post()
    assert len(wire.bench.kafka.changes) == 1


async def test_pipelined_requests_are_all_answered_and_garbage_behind_them_hurts_nobody(wire: Wire) -> None:
    many = b"".join(request(BODY, f"msg_{number}").replace(b"connection: close\r\n", b"") for number in range(5))

    answer = await wire.say(many + b"\x00garbage\r\n\r\n")

    assert answer.count(b"HTTP/1.1 202") + answer.count(b"HTTP/1.1 400") >= 1
    assert status_of(await wire.post()) == 202


async def test_an_upgrade_is_not_taken(wire: Wire) -> None:
    more = ("upgrade: websocket", "sec-websocket-key: x", "sec-websocket-version: 13")

    answer = await wire.say(request(BODY, "msg_1", *more).replace(b"connection: close", b"connection: upgrade, close"))

    assert answer == b"" or status_of(answer) != 101
    assert status_of(await wire.post(delivery_id="msg_2")) == 202


async def test_a_sender_that_leaves_in_the_middle_is_forgotten(wire: Wire) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(request(b" " * 200)[:-100])
    await writer.drain()
    writer.transport.abort()

    assert status_of(await wire.post()) == 202


async def test_what_is_under_way_is_finished_when_told_to_stop(wire: Wire) -> None:
    wire.bench.kafka.gate.clear()
    answering = asyncio.create_task(wire.post())
    while not wire.bench.kafka.waiting:
        await asyncio.sleep(0.01)

    wire.server.stop()
    await asyncio.sleep(0.3)
    assert not wire.serving.done()
    wire.bench.kafka.gate.set()

    assert status_of(await answering) == 202
    await asyncio.wait_for(wire.serving, DEADLINE_S)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", wire.port)
