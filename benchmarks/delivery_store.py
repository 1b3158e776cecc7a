"""How many rows a second does one deliverer take in, deliver and settle? Prints figures for a page of results.

Usage: python -m benchmarks.delivery_store [DSN] [--events 20000] [--keys 1000] [--answer-ms 1] [--in-flight 200]
Without DSN it is the local stack's database. The store of the connection `benchmark` is dropped before and after.
"""

import argparse
import asyncio
import logging
import random
import sys
import time

import psycopg
import structlog

from delivery.engine import Deliverer, Limits
from delivery.migrate import migrate, schema_of
from delivery.ports import Arrival, Found, Intent, Reference, Row, Settlement
from delivery.states import Kind, Repeats, State
from delivery.store import Store
from operations.stack.settings import REPOSITORY_ROOT
from operations.stack.state import load

QUEUE = "consumers"
PARTITIONS = 12
BATCH = 500
PAYLOAD = random.Random(1).randbytes(600)


class Target:
    """Answers after a while and says yes."""

    repeats = Repeats.ATOMIC

    def __init__(self, answer_s: float, events: int) -> None:
        self.answer_s = answer_s
        self.left = events
        self.done = asyncio.Event()

    async def prepare(self, row: Row) -> Intent | Settlement:
        """As small as can be."""
        return Intent(
            reference=Reference(record=row.record, business=row.root_key, operation=f"update:{row.offset}"),
            body=row.payload,
            timeout_s=10.0,
        )

    async def deliver(self, intent: Intent) -> Settlement:  # noqa: ARG002 - the port's
        """Yes."""
        if self.answer_s:
            await asyncio.sleep(self.answer_s)
        self.left -= 1
        if self.left == 0:
            self.done.set()
        return Settlement(state=State.DELIVERED, code="created", document_number="1")

    async def find(self, intent: Intent) -> Found:  # noqa: ARG002 - the port's
        """Never asked here."""
        return Found(settlement=Settlement(state=State.DELIVERED, code="created"))


def arrivals(partition: int, first: int, count: int, keys: int) -> list[Arrival]:
    """Events of one partition; the keys take turns."""
    made = []
    for offset in range(first, first + count):
        key = f"clarity-main:{offset % max(1, keys // PARTITIONS) * PARTITIONS + partition}"
        made.append(
            Arrival(
                topic="canonical.orders.v1",
                topic_id="bench",
                partition=partition,
                offset=offset,
                root=f"bench/{partition}/{offset}",
                root_key=key,
                message_key=key,
                record="order",
                kind=Kind.DOCUMENT,
                replaces_with=None,
                source_version=offset + 1,
                payload=PAYLOAD,
                payload_digest="0123456789abcdef",
                mapping_in="streams/orders/from_clarity@1+abcdef012345.abcdef012345",
                traceparent="00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
                currency="USD",
            )
        )
    return made


async def take_in(store: Store, events: int, keys: int) -> float:
    """Seconds to take all in, twelve partitions at a time as an agent would."""
    started = time.perf_counter()

    async def partition(number: int) -> None:
        expected: int | None = None
        for first in range(0, events // PARTITIONS, BATCH):
            count = min(BATCH, events // PARTITIONS - first)
            made = arrivals(number, first, count, keys)
            await store.take_in(QUEUE, "canonical.orders.v1", "bench", number, expected, first + count, made)
            expected = first + count

    await asyncio.gather(*(partition(number) for number in range(PARTITIONS)))
    return time.perf_counter() - started


async def measure(dsn: str, events: int, keys: int, answer_ms: float, in_flight: int) -> None:
    """One run."""
    _drop(dsn)
    migrate(dsn, "benchmark")
    store = Store(dsn, "benchmark")
    await store.open()
    events -= events % PARTITIONS
    taken_s = await take_in(store, events, keys)
    target = Target(answer_ms / 1000, events)
    deliverer = Deliverer(
        store, QUEUE, {"order": target}, "benchmark", random=random.random, limits=Limits(in_flight=in_flight)
    )
    started, cpu = time.perf_counter(), time.process_time()
    running = asyncio.create_task(deliverer.run())
    done = asyncio.create_task(target.done.wait())
    await asyncio.wait([running, done], return_when=asyncio.FIRST_COMPLETED)
    while not running.done() and (await store.counts()).open_rows:  # noqa: ASYNC110 - PostgreSQL tells when
        await asyncio.sleep(0.01)
    delivered_s, cpu = time.perf_counter() - started, time.process_time() - cpu
    deliverer.stop()
    await running
    await store.close()
    _drop(dsn)
    print(
        f"keys {keys:>6}  answer {answer_ms:>4} ms  in flight {in_flight:>4}  "
        f"take-in {events / taken_s:>7.0f}/s  delivered and settled {events / delivered_s:>6.0f}/s  "
        f"CPU here {cpu / events * 1e6:>4.0f} us/event"
    )


def _drop(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as wire:
        wire.execute(f"DROP SCHEMA IF EXISTS {schema_of('benchmark')} CASCADE")


def _local_dsn() -> str:
    stack = load(REPOSITORY_ROOT)
    if stack is None:
        sys.exit("delivery_store: give a DSN, or start the local stack: `towpath stack up`")
    return stack.bus.dsn


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dsn", nargs="?")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--answer-ms", type=float, default=1.0)
    parser.add_argument("--in-flight", type=int, default=200)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    dsn = given.dsn or _local_dsn()
    asyncio.run(measure(dsn, given.events, given.keys, given.answer_ms, given.in_flight))


if __name__ == "__main__":
    main()
