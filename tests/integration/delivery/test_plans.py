"""What the store's statements read: as much in a store full of parked rows as in an empty one, whenever planned."""

import asyncio

import psycopg
from psycopg import sql

from delivery.capacity import Capacity, Marks
from delivery.decide import settled
from delivery.migrate import schema_of
from delivery.store import Intended, Store
from tests.integration.delivery.rows import QUEUE, arrival, change, delivered, intent_of, take_in

MANY = 20_000


async def test_plans_made_in_an_empty_store_read_no_parked_row(store: Store, bus_dsn: str) -> None:
    change(bus_dsn, store.connection, "VACUUM ANALYZE")
    worker = Store(bus_dsn, store.connection, pool_size=1)
    await worker.open()
    for number in range(8):  # each statement is prepared after its fifth use
        await deliver_one(worker, number)
    park(bus_dsn, store.connection)
    before = blocks_read(bus_dsn, store.connection)

    await deliver_one(worker, 8)
    assert await Capacity(worker, QUEUE, Marks(rows=10, bytes=10_000))()

    await worker.close()  # statistics are told at the end of a session
    async with asyncio.timeout(10):
        while (read := blocks_read(bus_dsn, store.connection) - before) == 0:
            await asyncio.sleep(0.01)
    assert read < 700, "the nine rows take about 500"


async def deliver_one(store: Store, number: int) -> None:
    """A row all the way."""
    await take_in(store, arrival(number, f"clarity-main:{number}", source_version=1))
    rows = await store.claim(QUEUE, "worker-1", 10, 60)
    await store.intend(QUEUE, "worker-1", [Intended(row=row, intent=intent_of(row)) for row in rows])
    turns = [settled(row, delivered(), intent_of(row)) for row in rows]
    written = await store.settle(QUEUE, "worker-1", turns, [])
    assert (len(rows), written.fenced) == (1, frozenset())


def park(dsn: str, connection: str) -> None:
    """A great many keys, a refused row each."""
    with psycopg.connect(dsn, autocommit=True) as wire:
        wire.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema_of(connection))))
        wire.execute(
            """INSERT INTO rows (queue, topic, topic_id, partition, event_offset, root, root_key, message_key, record,
                   kind, source_version, state, cause, payload, payload_digest, mapping_in, command_id, origin, hops,
                   traceparent, amount, currency, due)
               SELECT 'consumers', 't', 'i', 0, n, 'r', 'parked:' || n, 'm', 'order', 'document', 0, 'parked',
                   'refused', '', '', '', '', '', 0, '', 0, '', NULL FROM generate_series(1, %s) n""",
            [MANY],
        )
        wire.execute(
            """INSERT INTO keys (queue, root_key, state, epoch)
               SELECT 'consumers', 'parked:' || n, 'parked', 0 FROM generate_series(1, %s) n""",
            [MANY],
        )
        wire.execute("SELECT pg_stat_force_next_flush()")  # what this session read is told before it goes on


def blocks_read(dsn: str, connection: str) -> int:
    """Of rows and keys and their indexes, by all sessions that ended."""
    with psycopg.connect(dsn, autocommit=True) as wire:
        found = wire.execute(
            """SELECT sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)::bigint
               FROM pg_statio_all_tables WHERE schemaname = %s AND relname IN ('rows', 'keys')""",
            [schema_of(connection)],
        ).fetchone()
    assert found is not None
    return int(found[0])
