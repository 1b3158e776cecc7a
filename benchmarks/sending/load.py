"""Senders of webhooks, in a process of their own: as fast as they are answered, or at their own pace."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import msgspec
import uvloop

from benchmarks.harness.result import percentile
from benchmarks.sending.http import Line, Lines
from benchmarks.sending.webhooks import webhook

ACCEPTED: Final = 202
#: Documents the webhooks are about.
ORDERS: Final = 10_000


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What a load came to."""

    accepted: int
    seconds: float
    p50_ms: float
    p99_ms: float
    #: The senders' own.
    cpu_s: float


def as_answered(port: int, path: str, key: bytes, count: int, connections: int) -> Sent:
    """Each connection sends its next webhook when the last one is answered."""
    return _run(lambda: _as_answered(_signed(port, path, key, count), port, connections))


def paced(port: int, path: str, key: bytes, count: int, per_second: float) -> Sent:
    """At its moment each webhook is sent, whatever became of those before; times count from that moment."""
    return _run(lambda: _paced(_signed(port, path, key, count), port, per_second))


async def _as_answered(requests: list[bytes], port: int, connections: int) -> Sent:
    lines = [await Line.to("127.0.0.1", port) for _ in range(connections)]
    waiting = iter(requests)
    took: list[float] = []

    async def send(line: Line) -> None:
        for request in waiting:
            began = time.perf_counter()
            _require_accepted(await line.ask(request))
            took.append(time.perf_counter() - began)

    return await _timed(lambda: asyncio.gather(*(send(line) for line in lines)), took, *lines)


async def _paced(requests: list[bytes], port: int, per_second: float) -> Sent:
    lines = Lines("127.0.0.1", port)
    took: list[float] = []

    async def send(request: bytes, at: float) -> None:
        _require_accepted(await lines.ask(request))
        took.append(time.perf_counter() - at)

    async def go() -> None:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as sending:
            for number, request in enumerate(requests):
                at = began + number / per_second
                await asyncio.sleep(at - time.perf_counter())
                sending.create_task(send(request, at))

    return await _timed(go, took, lines)


async def _timed(go: Callable[[], Awaitable[object]], took: list[float], *lines: Line | Lines) -> Sent:
    began, cpu = time.perf_counter(), time.process_time()
    await go()
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    for line in lines:
        line.close()
    return Sent(
        accepted=len(took),
        seconds=seconds,
        p50_ms=percentile(took, 50) * 1000,
        p99_ms=percentile(took, 99) * 1000,
        cpu_s=cpu_s,
    )


def _signed(port: int, path: str, key: bytes, count: int) -> list[bytes]:
    """Beforehand, as signing is no work of the gateway's; ids nobody has seen."""
    run = uuid.uuid4().hex[:12]
    return [
        webhook("127.0.0.1", port, path, key, f"msg_{run}_{number}", 1 + number % ORDERS) for number in range(count)
    ]


def _require_accepted(answer: tuple[int, bytes]) -> None:
    if answer[0] != ACCEPTED:
        raise RuntimeError(f"answered with {answer[0]}: {answer[1]!r}")


def _run(main: Callable[[], Coroutine[Any, Any, Sent]]) -> Sent:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
