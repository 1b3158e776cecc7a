"""A full queue takes nothing more in; what is parked fills none."""

import asyncio
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from bus.secret import Secret
from bus.settings import Connection
from delivery.acts import Acts
from delivery.capacity import Capacity, Marks
from delivery.decide import Pace, Step, after, settled
from delivery.migrate import schema_of
from delivery.store import Store
from errors import RefusedError, RetryableError
from operations import findings
from operations.projection import queues
from tests.integration.delivery.rows import QUEUE, arrival, change, command, delivered, look, outcomes, take_in

OWNER = "worker-1"
PLENTY = 1_000_000


def capacity(store: Store, *, rows: int = 4, size: int = PLENTY) -> Capacity:
    """A worker's; a new one has asked nothing yet."""
    return Capacity(store, QUEUE, Marks(rows=rows, bytes=size))


async def end(store: Store, count: int) -> None:
    """So many keys are delivered."""
    rows = await store.claim(QUEUE, OWNER, count, 60)
    turns = [settled(row, delivered(), None) for row in rows]
    await store.settle(QUEUE, OWNER, turns, [], 60)


async def test_take_in_pauses_above_the_mark_and_goes_on_at_half_of_it(store: Store, bus_dsn: str) -> None:
    await take_in(store, *(arrival(n, f"clarity-main:{n}") for n in range(4)))
    at_the_mark = await capacity(store)()
    await take_in(store, arrival(4, "clarity-main:4"))
    above = [await capacity(store)(), await capacity(store)()]  # two workers
    await end(store, 2)
    above_half = await capacity(store)()
    await end(store, 1)
    at_half = [await capacity(store)(), await capacity(store)()]

    assert (at_the_mark, above, above_half, at_half) == (True, [False, False], False, [True, True])
    said = [outcome for outcome in outcomes(bus_dsn, store.connection) if outcome.state == "intake"]
    assert [(one.code, one.values["rows"]) for one in said] == [("intake.full", "5"), ("intake.room", "2")]


async def test_bytes_of_payload_fill_a_queue_too(store: Store) -> None:
    await take_in(store, arrival(0, payload=b"x" * 600), arrival(1, payload=b"x" * 600))

    assert await capacity(store, size=1200)()
    assert not await capacity(store, size=1199)()


async def test_parked_keys_and_those_that_wait_for_their_time_fill_nothing(store: Store, bus_dsn: str) -> None:
    await take_in(store, *(arrival(2 * n + m, f"clarity-main:{n}") for n in range(10) for m in range(2)))
    rows = await store.claim(QUEUE, OWNER, 10, 60)
    errors = [RefusedError("refused", "no") if n % 2 else RetryableError("busy", "later") for n in range(10)]
    assert not await capacity(store)()
    turns = [
        after(error, Step.DELIVER, row, None, Pace(first_backoff_s=600), 1.0)
        for row, error in zip(rows, errors, strict=True)
    ]
    await store.settle(QUEUE, OWNER, turns, [], 60)

    assert await capacity(store)(), "ten keys wait, and ten rows behind them"
    assert len(look(bus_dsn, store.connection, "SELECT id FROM rows")) == 20


async def test_a_command_needs_no_room_and_the_status_tells_of_the_full_queue(store: Store, bus_dsn: str) -> None:
    await take_in(store, *(arrival(n, f"clarity-main:{n}") for n in range(9)))
    rows = await store.claim(QUEUE, OWNER, 1, 60)
    refused = after(RefusedError("refused", "no"), Step.DELIVER, rows[0], None, Pace(), 0.5)
    await store.settle(QUEUE, OWNER, [refused], [], 60)
    full = not await capacity(store)()

    await Acts(store, QUEUE, "bus.commands.v1")("id", 0, None, 1, [command("skip", root_key="clarity-main:0")])
    standing = queues.standing(
        Connection(name=store.connection, system="dynamics-gp", store_dsn=Secret(bus_dsn, reference="env:DSN"))
    )

    assert full
    assert [one["code"] for one in look(bus_dsn, store.connection, "SELECT code FROM history")] == ["skipped"]
    found = list(findings.of_full([standing], datetime.now(UTC)))
    assert [(each.severity.value, each.count) for each in found] == [("warning", 5)], "counted no further than the mark"


async def test_asking_reads_no_parked_row(store: Store, bus_dsn: str) -> None:
    """However many there are; the plan is the one of a table that grew while nobody looked."""
    await take_in(store, *(arrival(n, f"clarity-main:{n}") for n in range(3)))
    parked = sql.SQL("""
        INSERT INTO rows (queue, topic, topic_id, partition, event_offset, root, root_key, message_key, record, kind,
            source_version, state, cause, payload, payload_digest, mapping_in, command_id, origin, hops, traceparent,
            amount, currency)
        SELECT 'consumers', 't', 'i', 0, n, 'r', 'parked:' || n, 'm', 'order', 'document', 0, 'parked', 'refused',
            '', '', '', '', '', 0, '', 0, '' FROM generate_series(1, 20000) n
    """)
    change(bus_dsn, store.connection, parked.as_string())
    change(
        bus_dsn,
        store.connection,
        """INSERT INTO keys (queue, root_key, state, epoch)
           SELECT 'consumers', 'parked:' || n, 'parked', 0 FROM generate_series(1, 20000) n""",
    )
    before = _blocks_read(bus_dsn, store.connection)
    asking = Store(bus_dsn, store.connection)
    await asking.open()
    assert await capacity(asking)()
    await asking.close()  # statistics are told at the end of a session

    async with asyncio.timeout(10):
        while (read := _blocks_read(bus_dsn, store.connection) - before) == 0:
            await asyncio.sleep(0.01)
    assert read < 100


def _blocks_read(dsn: str, connection: str) -> int:
    with psycopg.connect(dsn, autocommit=True) as wire:
        found = wire.execute(
            """SELECT sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)::bigint
               FROM pg_statio_all_tables WHERE schemaname = %s AND relname IN ('rows', 'keys')""",
            [schema_of(connection)],
        ).fetchone()
    assert found is not None
    return int(found[0])
