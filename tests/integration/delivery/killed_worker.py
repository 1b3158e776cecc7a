"""A worker to be killed: a deliverer whose target is a table, with receipts. Run with DSN and connection."""

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
from delivery.states import Repeats, State
from delivery.store import Store
from tests.integration.delivery.rows import QUEUE


class Table:
    """Effects in PostgreSQL, so that they outlive the worker."""

    repeats = Repeats.ATOMIC

    def __init__(self, wire: psycopg.AsyncConnection) -> None:
        self._wire = wire
        self._one_at_a_time = asyncio.Lock()

    async def prepare(self, row: Row) -> Intent | Settlement:
        reference = Reference(record=row.record, business=row.message_key, operation=f"update:{row.offset}")
        return Intent(reference=reference, body=str(row.offset).encode(), timeout_s=0.3)

    async def deliver(self, intent: Intent) -> Settlement:
        await asyncio.sleep(random.random() * 0.01)
        values = [str(intent.reference), intent.reference.business, int(intent.body)]
        async with self._one_at_a_time:
            done = await self._wire.execute(
                """INSERT INTO effects (reference, message_key, event_offset) VALUES (%s, %s, %s)
                   ON CONFLICT DO NOTHING""",
                values,
            )
            if done.rowcount == 0:
                await self._wire.execute("INSERT INTO repeated VALUES (%s)", values[:1])
        await asyncio.sleep(random.random() * 0.01)
        return Settlement(state=State.DELIVERED, code="created")

    async def find(self, intent: Intent) -> Finding:
        async with self._one_at_a_time:
            found = await self._wire.execute("SELECT 1 FROM effects WHERE reference = %s", [str(intent.reference)])
            if await found.fetchone():
                return Found(settlement=Settlement(state=State.DELIVERED, code="created"))
        return Absent()


async def work(dsn: str, connection: str) -> None:
    """Until killed."""
    store = Store(dsn, connection)
    await store.open()
    wire = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
    await wire.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema_of(connection))))
    owner = f"killed-{random.random()}"
    limits = Limits(in_flight=6, lease_s=0.6, poll_s=0.1)
    pace = Pace(settling_delay_s=0.2)
    worker = Deliverer(store, QUEUE, {"order": Table(wire)}, owner, random=random.random, limits=limits, pace=pace)
    print("at work", flush=True)  # noqa: T201 - the test waits for this line
    await worker.run()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(work(sys.argv[1], sys.argv[2]))
