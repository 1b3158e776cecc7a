"""A worker to be killed in the middle of a replay. Run with DSN, connection, Kafka, topic and its id."""

import asyncio
import logging
import random
import sys

import psycopg
import structlog
from psycopg import sql

from delivery.decide import Pace
from delivery.engine import Deliverer, Limits
from delivery.migrate import schema_of
from delivery.ports import Absent, Finding, Found, Intent, Reference, Row, Settlement
from delivery.replaying import Replayer
from delivery.states import Repeats, State
from delivery.store import Store
from tests.integration.delivery.history import Past, only
from tests.integration.delivery.rows import QUEUE


class Table:
    """What stands under each key, in PostgreSQL, so that it outlives the worker; every write is counted."""

    repeats = Repeats.REPEATABLE

    def __init__(self, wire: psycopg.AsyncConnection) -> None:
        self._wire = wire
        self._one_at_a_time = asyncio.Lock()

    async def prepare(self, row: Row) -> Intent | Settlement:
        if await self._stands(row.message_key) == row.payload:
            return Settlement(state=State.SUPPRESSED, code="equal")
        reference = Reference(record="order", business=row.message_key, operation=f"write:{row.source_version}")
        return Intent(reference=reference, body=row.payload, timeout_s=0.3)

    async def deliver(self, intent: Intent) -> Settlement:
        async with self._one_at_a_time:
            await self._wire.execute(
                """INSERT INTO shelf (key, body, writes) VALUES (%s, %s, 1)
                   ON CONFLICT (key) DO UPDATE SET body = excluded.body, writes = shelf.writes + 1""",
                [intent.reference.business, intent.body],
            )
        await asyncio.sleep(random.random() * 0.02)
        return Settlement(state=State.DELIVERED, code="created")

    async def find(self, intent: Intent) -> Finding:
        if await self._stands(intent.reference.business) == intent.body:
            return Found(settlement=Settlement(state=State.DELIVERED, code="created"))
        return Absent()

    async def _stands(self, key: str) -> bytes | None:
        async with self._one_at_a_time:
            found = await (await self._wire.execute("SELECT body FROM shelf WHERE key = %s", [key])).fetchone()
        return None if found is None else bytes(found[0])


async def work(dsn: str, connection: str, kafka: str, topic: str, topic_id: str) -> None:
    """Until killed."""
    store = Store(dsn, connection)
    await store.open()
    wire = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
    await wire.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema_of(connection))))
    owner = f"killed-{random.random()}"
    sinks = {"order": Table(wire)}
    limits = Limits(in_flight=16, lease_s=2.0, poll_s=0.1)
    deliverer = Deliverer(
        store, QUEUE, sinks, owner, random=random.random, limits=limits, pace=Pace(settling_delay_s=0.2)
    )
    past = Past(kafka, topic, topic_id)
    replayer = Replayer(store, QUEUE, kafka, only(past.origin()), sinks, owner, in_flight=16, lease_s=2.0)
    print("at work", flush=True)  # noqa: T201 - the test waits for this line
    await asyncio.gather(deliverer.run(), replayer.run())


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(work(*sys.argv[1:]))
