"""A store that is put back to what it was: nothing is begun in it, however it was put back."""

import asyncio

import psycopg
import pytest
from psycopg import sql

from bus.events import Advance
from delivery.edges import Edges
from delivery.incarnation import Incarnation
from delivery.migrate import schema_of
from delivery.relay import Relay, headers_of
from delivery.store import Store
from errors import FatalError
from tests.integration.delivery.rows import QUEUE, TOPIC, TOPIC_ID, arrival, look, take_in
from tests.integration.delivery.test_relay import Broker, settle_all, until_sent

REFUSED = pytest.raises(FatalError, match="restored")


def copy_of_now(dsn: str, connection: str) -> None:
    """Keeps what the store knows now beside it."""
    with psycopg.connect(dsn, autocommit=True) as wire:
        wire.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema_of(connection))))
        wire.execute("CREATE TABLE kept AS SELECT store_id, counter FROM incarnation")


def put_back(dsn: str, connection: str) -> None:
    """The store's own words are again what they were when they were copied; the server was never away."""
    with psycopg.connect(dsn, autocommit=True) as wire:
        wire.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema_of(connection))))
        wire.execute("UPDATE incarnation SET store_id = kept.store_id, counter = kept.counter FROM kept")


async def test_nothing_is_begun_in_a_store_put_back_under_a_running_worker(bus_dsn: str, store: Store) -> None:
    marks: list[Incarnation] = []

    async def mark(reached: Incarnation) -> None:
        (known,) = look(bus_dsn, store.connection, "SELECT counter FROM incarnation")
        assert reached.counter <= known["counter"], "told before the store knew it"
        marks.append(reached)

    await store.recognise(None)
    await settle_all(store, 3)
    copy_of_now(bus_dsn, store.connection)
    relay = Relay(store, Broker(), headers_of(store.connection), "relay", send_within_s=4.0, mark=mark)
    running = asyncio.create_task(relay.run())
    await until_sent(store)
    relay.stop()
    await running
    await take_in(store, arrival(10, "s:9"))

    put_back(bus_dsn, store.connection)

    assert marks[-1].counter >= 1
    with REFUSED:
        await store.claim(QUEUE, "me", 10, 60)
    with REFUSED:
        await store.take_in(QUEUE, TOPIC, TOPIC_ID, [Advance(0, 11, 12)], [arrival(11, "s:9")])
    with REFUSED:
        await store.take_in(QUEUE, TOPIC, TOPIC_ID, [Advance(1, None, 1)], [arrival(0, "s:9", partition=1)])
    with REFUSED:
        await Relay(store, Broker(), headers_of(store.connection), "relay", send_within_s=4.0).run()
    with REFUSED:
        await Edges(store).lease_cursor("orders", "me", 60)
    assert look(bus_dsn, store.connection, "SELECT next FROM positions") == [{"next": 11}]
    assert look(bus_dsn, store.connection, "SELECT state FROM rows") == [{"state": "ready"}]

    restarted = Store(bus_dsn, store.connection)
    await restarted.open()
    with REFUSED:
        await restarted.recognise(marks[-1])
    await restarted.close()


async def test_statement_that_waited_while_the_store_went_on_finds_no_restored_store(
    bus_dsn: str, store: Store
) -> None:
    await store.recognise(None)
    await settle_all(store, 1)
    (said,) = await store.outbox_batch(10)
    async with await psycopg.AsyncConnection.connect(bus_dsn) as other:
        await other.execute(
            sql.SQL("SELECT FROM {} FOR UPDATE").format(sql.Identifier(schema_of(store.connection), "positions"))
        )
        waiting = asyncio.create_task(take_in(store, arrival(10, "s:9")))
        await until_one_waits(other)

        await store.outbox_sent([said.id])

    await waiting
    assert look(bus_dsn, store.connection, "SELECT next FROM positions") == [{"next": 11}]


async def until_one_waits(wire: psycopg.AsyncConnection) -> None:
    """For a lock of ours."""
    async with asyncio.timeout(10):
        while True:
            found = await wire.execute("SELECT FROM pg_locks WHERE NOT granted")
            if found.rowcount:
                return
            await asyncio.sleep(0.02)
