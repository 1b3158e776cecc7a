"""Stores for the benchmarks: made, filled with parked rows, emptied, measured; on a PostgreSQL of their own."""

import asyncio
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

from bus.events import Advance
from bus.take_in import BATCH
from delivery.migrate import migrate, schema_of
from delivery.ports import Arrival
from delivery.states import Kind
from delivery.store import Store

QUEUE: Final = "consumers"
TOPIC: Final = "canonical.orders.v1"
PARTITIONS: Final = 12
PAYLOAD: Final = random.Random(1).randbytes(600)

PARKED: Final = """
WITH parked AS (
    INSERT INTO rows (queue, topic, topic_id, partition, event_offset, root, root_key, message_key, record, kind,
        source_version, state, cause, code, attempts, payload, payload_digest, mapping_in, command_id, origin, hops,
        traceparent, amount, currency, due)
    SELECT 'consumers', 'canonical.orders.v1', 'parked', 0, n, 'parked/0/' || n, 'clarity-main:parked-' || n,
        'clarity-main:parked-' || n, 'order', 'document', 1, 'parked', 'refused', 'gp.refused', 1, %(payload)s,
        '0123456789abcdef', '', '', '', 0, '', 0, 'USD', NULL
    FROM generate_series(%(first)s::int, %(last)s::int) n
    RETURNING queue, root_key
)
INSERT INTO keys (queue, root_key, state, epoch) SELECT queue, root_key, 'parked', 0 FROM parked
"""
SIZE: Final = "SELECT pg_total_relation_size('rows') + pg_total_relation_size('keys')"

OUTBOX_SIZE: Final = "SELECT pg_total_relation_size('outbox')"


def make(dsn: str, connection: str, *, parked: int = 0) -> None:
    """A store of that name, with so many parked rows in it, each of a key of its own."""
    migrate(dsn, connection)
    with schema(dsn, connection) as wire:
        for first in range(1, parked + 1, 100_000):
            last = min(first + 99_999, parked)
            wire.execute(PARKED, {"first": first, "last": last, "payload": PAYLOAD})
        wire.execute("VACUUM ANALYZE")
        wire.execute("CHECKPOINT")


def sweep(dsn: str, connection: str) -> None:
    """Forget what ended, so that each run finds the same."""
    with schema(dsn, connection) as wire:
        wire.execute("TRUNCATE history, outbox, versions, positions")


@contextmanager
def schema(dsn: str, connection: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """The connection's tables, each statement a transaction."""
    with psycopg.connect(dsn, autocommit=True) as wire:
        wire.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema_of(connection))))
        yield wire


def number(dsn: str, connection: str, query: LiteralString) -> int:
    """What a query that counts something answers."""
    with schema(dsn, connection) as wire:
        found = wire.execute(query).fetchone()
    return int(found[0]) if found is not None else 0


def keys_of(partition: int, keys: int) -> int:
    """How many of the keys lie in a partition."""
    return len(range(partition, keys, PARTITIONS))


def arrivals(topic_id: str, partition: int, first: int, count: int, keys: int) -> list[Arrival]:
    """Events of one partition; its keys take turns."""
    made = []
    for offset in range(first, first + count):
        key = f"clarity-main:{offset % keys_of(partition, keys) * PARTITIONS + partition}"
        made.append(
            Arrival(
                topic=TOPIC,
                topic_id=topic_id,
                partition=partition,
                offset=offset,
                root=f"{topic_id}/{partition}/{offset}",
                root_key=key,
                message_key=key,
                record="order",
                kind=Kind.DOCUMENT,
                replaces_with=None,
                source_version=offset + 1,
                payload=PAYLOAD,
                payload_digest="0123456789abcdef" * 4,
                mapping_in="streams/orders/from_clarity@1+abcdef012345.abcdef012345",
                origin="clarity-main",
                hops=1,
                traceparent="00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
                currency="USD",
            )
        )
    return made


def batches(topic_id: str, first: int, of_each_key: int, keys: int) -> list[list[list[Arrival]]]:
    """So many events of each key from an offset on: by partition, in batches."""
    found = []
    for partition in range(min(PARTITIONS, keys)):
        count = of_each_key * keys_of(partition, keys)
        start = first * keys_of(partition, keys)
        every = arrivals(topic_id, partition, start, count, keys)
        found.append([every[at : at + BATCH] for at in range(0, count, BATCH)])
    return found


async def take_in(store: Store, partitions: Sequence[Sequence[Sequence[Arrival]]]) -> None:
    """All of it, partitions beside each other as the agents do it."""

    async def of_partition(taking: Sequence[Sequence[Arrival]]) -> None:
        topic_id, partition = taking[0][0].topic_id, taking[0][0].partition
        expected = (await store.positions(QUEUE, topic_id)).get(partition)
        for batch in taking:
            next_offset = batch[-1].offset + 1
            await store.take_in(QUEUE, TOPIC, topic_id, [Advance(partition, expected, next_offset)], batch)
            expected = next_offset

    await asyncio.gather(*map(of_partition, partitions))


def server_cpu_s(server: int) -> float:
    """Processor seconds of a PostgreSQL and all its backends so far; 0 where the system has no /proc."""
    if not Path("/proc/self/stat").exists():
        return 0.0
    ticks = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(entry.name) == server:
            ticks += sum(int(field) for field in fields[11:15])  # those that ended included
        elif int(fields[1]) == server:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
