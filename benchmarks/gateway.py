"""How many webhooks a second does the gateway accept, beside the least that could store them?

python -m benchmarks.gateway [--quick] [--repeats 5]

Real HTTP over kept connections to one process; every answer comes after Kafka has the record. `ours` is the gateway as
`towpath run gateway` starts it: signature, limits, repeats kept in PostgreSQL, a log line and counts for each webhook.
`bare` is an ASGI application on the same server and settings that stores the body and answers. The senders' own
processor time is told apart. A second load comes at a steady 200/s, its times counted from when each was due.
"""

import contextlib
import sys
from collections.abc import Iterator
from functools import partial
from typing import Final

import httpx

from benchmarks.apart.bus import KEY, STORE, Apart, bus_apart
from benchmarks.harness.processes import Started, started, wait_until
from benchmarks.harness.question import Asked, ask, environment, stack
from benchmarks.harness.result import CPU_US_PER_EVENT, EVENTS_PER_S, Figures, Result, ratio, spreads, tell
from benchmarks.harness.rounds import alone, rounds
from benchmarks.harness.topics import Topics
from benchmarks.sending import load
from benchmarks.sending.load import Sent
from schemas.topics import CLARITY_CHANGES

WANTED: Final = {"ours/bare": 0.50}
CONNECTIONS: Final = 64
STEADY_PER_S: Final = 200.0
READY_WITHIN_S: Final = 30.0


def main() -> int:
    """Measure, print, write; 1 where a ratio is not what is wanted."""
    asked = ask(__doc__)
    webhooks = 12_000 if asked.quick else 30_000
    steady = 400 if asked.quick else 4_000
    with bus_apart(stack()) as apart:
        contenders = {
            name: partial(_measured, apart, name, webhooks, steady) for name in ("ours", "bare") if asked.wants(name)
        }
        found = rounds(contenders, asked.repeats)
    result = Result(
        environment=_environment(asked, webhooks, steady),
        contenders=spreads(found),
        ratios={} if asked.only else {"ours/bare": ratio(found, "ours", "bare")},
        wanted={} if asked.only else dict(WANTED),
    )
    return tell("gateway", result, kept=asked.kept)


def _measured(apart: Apart, name: str, webhooks: int, steady: int) -> Figures:
    topics = Topics(apart.stack.kafka)
    topic = apart.topic(CLARITY_CHANGES)
    path = f"/webhooks/{STORE}"
    with _serving(apart, name) as server:
        # connections, plans and code paths are met once before anything is timed
        alone(load.as_answered, apart.port, path, KEY, 500, CONNECTIONS)
        stored, cpu_s = topics.count(topic), server.cpu_s()
        sent: Sent = alone(load.as_answered, apart.port, path, KEY, webhooks, CONNECTIONS)
        spent_s = server.cpu_s() - cpu_s
        if (kept := topics.count(topic) - stored) != sent.accepted:
            raise RuntimeError(f"{name} accepted {sent.accepted} webhooks, and Kafka has {kept}")
        at_pace: Sent = alone(load.paced, apart.port, path, KEY, steady, STEADY_PER_S)
        memory_mb = server.memory_mb()
    return {
        EVENTS_PER_S: sent.accepted / sent.seconds,
        CPU_US_PER_EVENT: spent_s / sent.accepted * 1e6,
        "senders_cpu_us_per_event": sent.cpu_s / sent.accepted * 1e6,
        "p50_ms": sent.p50_ms,
        "p99_ms": sent.p99_ms,
        "p50_ms_at_200_per_s": at_pace.p50_ms,
        "p99_ms_at_200_per_s": at_pace.p99_ms,
        "memory_mb": memory_mb,
    }


@contextlib.contextmanager
def _serving(apart: Apart, name: str) -> Iterator[Started]:
    bare = (sys.executable, "-m", "benchmarks.sending.bare", apart.stack.kafka, apart.topic(CLARITY_CHANGES))
    with apart.process("gateway") if name == "ours" else started([*bare, str(apart.port)]) as server:
        wait_until(
            partial(_is_ready, apart.port, "/ready" if name == "ours" else ""),
            f"{name} serves",
            within_s=READY_WITHIN_S,
            programs=[server],
        )
        yield server
        server.stop()


def _is_ready(port: int, path: str) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _environment(asked: Asked, webhooks: int, steady: int) -> dict[str, object]:
    return environment(
        "gateway",
        asked,
        "uvicorn",
        "confluent-kafka",
        webhooks=webhooks,
        steady=f"{steady} webhooks at {STEADY_PER_S:g}/s",
        settings=f"{CONNECTIONS} connections, acks=all, no linger, uvloop, httptools",
    )


if __name__ == "__main__":
    sys.exit(main())
