"""Cursors, webhooks, identity and history: what pollers, gateway and housekeeping ask of the store."""

import asyncio
import random
from datetime import date

import psycopg
import pytest
from psycopg.pq import PipelineStatus

from bus.settings import ROOT
from delivery import identity
from delivery.decide import settled
from delivery.edges import Edges
from delivery.migrate import check_version, migrate, schema_of
from delivery.replays import Replays
from delivery.statements import FIRST_IDENTITY
from delivery.store import Store
from errors import ConfigurationError, FatalError, RetryableError
from schemas.bus.command import Act
from tests.integration.delivery.rows import QUEUE, arrival, change, command, delivered, history, look, take_in


@pytest.fixture
def edges(store: Store) -> Edges:
    """Of a store that is open."""
    return Edges(store)


async def test_cursor_has_one_reader_at_a_time(edges: Edges) -> None:
    assert await edges.cursor("orders") is None
    mine = await edges.lease_cursor("orders", "me", 60)
    assert mine is not None
    assert mine.cursor == ""

    assert await edges.lease_cursor("orders", "other", 60) is None
    assert await edges.advance_cursor(mine, "2026-05-01", 60)
    await edges.release_cursor(mine)
    theirs = await edges.lease_cursor("orders", "other", 60)

    assert theirs is not None
    assert theirs.cursor == "2026-05-01"
    assert not await edges.advance_cursor(mine, "2026-04-01", 60)
    assert await edges.cursor("orders") == "2026-05-01"


async def test_cursor_of_a_dead_reader_is_taken_over(edges: Edges) -> None:
    mine = await edges.lease_cursor("orders", "me", -1)
    theirs = await edges.lease_cursor("orders", "other", 60)

    assert mine is not None
    assert theirs is not None
    assert theirs.epoch > mine.epoch
    assert not await edges.advance_cursor(mine, "x", 60)


async def test_webhook_is_remembered_once(edges: Edges) -> None:
    assert await edges.seen_webhooks(["msg_1"]) == frozenset()
    assert await edges.remember_webhooks(["msg_1", "msg_2"]) == 2
    assert await edges.seen_webhooks(["msg_1", "msg_3"]) == {"msg_1"}
    assert await edges.remember_webhooks(["msg_3", "msg_1"]) == 1
    assert await edges.forget_webhooks(3600) == 0
    assert await edges.forget_webhooks(-1) == 3
    assert await edges.seen_webhooks(["msg_1"]) == frozenset()


async def test_days_of_history_come_and_go(store: Store, bus_dsn: str) -> None:
    await store.keep_history(date(2026, 5, 1), 2, 30)
    await store.keep_history(date(2026, 5, 1), 2, 30)
    await store.keep_history(date(2026, 6, 1), 1, 30)

    found = look(bus_dsn, store.connection, "SELECT relid::regclass::text AS name FROM pg_partition_tree('history')")
    names = sorted(one["name"].split(".")[-1] for one in found)
    assert names == [
        "history",
        "history_20260502",
        "history_20260503",
        "history_20260601",
        "history_20260602",
        "history_default",
    ]


async def test_replays_that_ended_long_ago_go_when_another_begins(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0))
    change(bus_dsn, store.connection, "UPDATE rows SET replay = 'held'")
    change(
        bus_dsn,
        store.connection,
        """INSERT INTO replays (id, queue, command, state, ended_at)
           SELECT id, 'consumers', '', state, now() - make_interval(days => days) FROM (VALUES
               ('old', 'done', 61), ('held', 'done', 61), ('young', 'stopped', 59), ('runs', 'running', NULL)
           ) AS r (id, state, days);
           INSERT INTO replay_ranges (replay, queue, topic_id, partition, topic, record, first, next, last)
           SELECT id, queue, 't', 0, 't', 'order', 0, 1, 1 FROM replays""",
    )

    async with store.transaction() as wire:
        await Replays(store, QUEUE).add(wire, command(Act.REPLAY), [])

    for table, name in (("replays", "id"), ("replay_ranges", "replay")):
        kept = look(bus_dsn, store.connection, f"SELECT {name} FROM {table} ORDER BY 1")
        assert [row[name] for row in kept] == ["held", "runs", "young"]


async def test_days_wait_for_a_long_reader_and_settling_does_not_wait_for_them(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0))
    rows = await store.claim(QUEUE, "worker-1", 1, 60)
    with psycopg.connect(bus_dsn) as reader:
        reader.execute(f"LOCK TABLE {store.schema}.history IN ACCESS SHARE MODE")
        async with asyncio.timeout(30):
            with pytest.raises(RetryableError):
                await store.keep_history(date(2026, 5, 1), 2, 30)
            settled_ = await store.settle(QUEUE, "worker-1", [settled(rows[0], delivered(), None)], [])

    assert settled_.fenced == frozenset()
    await store.keep_history(date(2026, 5, 1), 2, 30)


async def test_what_ended_before_its_day_had_a_partition_moves_there(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0))
    (row,) = await store.claim(QUEUE, "me", 1, 60)
    await store.settle(QUEUE, "me", [settled(row, delivered(), None)], [])
    (ended,) = history(bus_dsn, store.connection)

    await store.keep_history(ended["ended_at"].date(), 1, 30)

    assert history(bus_dsn, store.connection) == [ended]
    assert look(bus_dsn, store.connection, "SELECT * FROM history_default") == []


async def test_store_without_tables_stops_the_worker(bus_dsn: str, connection: str) -> None:
    store = Store(bus_dsn, connection)
    await store.open()
    with pytest.raises(FatalError):
        await store.claim(QUEUE, "me", 1, 60)
    await store.close()


async def test_store_that_cannot_be_reached_is_tried_again() -> None:
    store = Store("postgresql://towpath@127.0.0.1:1/postgres", "gp-two")
    with pytest.raises(RetryableError):
        await store.open()
    await store.close()


async def test_counts_tell_queues_apart(store: Store) -> None:
    await take_in(store, arrival(0), arrival(1, record="payment"))
    await take_in(store, arrival(0), queue="fetchers")

    counts = await store.counts()

    assert [(one.queue, one.record, one.count) for one in counts.open_rows] == [
        ("consumers", "order", 1),
        ("consumers", "payment", 1),
        ("fetchers", "order", 1),
    ]


def test_migrating_again_does_nothing(bus_dsn: str, migrated: str) -> None:
    assert migrate(bus_dsn, migrated) == []
    check_version(bus_dsn, migrated)


def test_store_is_made_step_by_step(bus_dsn: str, connection: str) -> None:
    with pytest.raises(ConfigurationError, match="run towpath migrate"):
        check_version(bus_dsn, connection)

    steps = [path.name[:4] for path in sorted((ROOT / "delivery/migrations/versions").glob("[0-9]*.py"))]
    assert migrate(bus_dsn, connection) == [f"{schema_of(connection)}: {step}" for step in steps]

    with psycopg.connect(bus_dsn, autocommit=True) as wire:
        wire.execute(f"DROP SCHEMA {schema_of(connection)} CASCADE")


def test_newer_store_is_refused(bus_dsn: str, migrated: str) -> None:
    change(bus_dsn, migrated, "UPDATE schema_version SET version_num = '9999'")

    with pytest.raises(ConfigurationError, match="older code"):
        check_version(bus_dsn, migrated)
    with pytest.raises(ConfigurationError, match="older code"):
        migrate(bus_dsn, migrated)


@pytest.mark.parametrize("name", ["gp_two", "GP", "2gp", "a" * 57, "gp two", 'gp";drop'])
def test_names_that_cannot_be_a_schema_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        schema_of(name)


def test_names_become_schemas() -> None:
    assert schema_of("gp-two") == "store_gp_two"


async def test_what_went_wrong_half_way_is_not_committed(store: Store) -> None:
    async def work() -> None:
        async with store.in_one_go() as wire:
            await wire.execute(FIRST_IDENTITY, {"known": "{}"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work()

    assert await identity.look(store) is None

    async with store.in_one_go() as wire:
        await wire.execute(FIRST_IDENTITY, {"known": "{}"})
    assert await identity.look(store) is not None


async def test_connection_of_work_that_was_cancelled_is_given_back_sound_or_not_at_all(store: Store) -> None:
    async def work() -> None:
        async with store.in_one_go() as wire:
            await wire.execute("SELECT pg_sleep(0.002)")
            cursor = await wire.execute("SELECT 1")
            await cursor.fetchall()
            await wire.execute("SELECT 2")  # its answer is read when the pipeline ends

    chance = random.Random(3)
    for _ in range(150):
        task = asyncio.create_task(work())
        await asyncio.wait({task}, timeout=chance.random() * 0.01)
        # again while it cleans up, as whoever is stopped stops what he has begun
        for yields in chance.choices(range(3), k=chance.randrange(1, 4)):
            task.cancel()
            for _ in range(yields):
                await asyncio.sleep(0)
        await asyncio.wait({task})

        async with store.transaction() as wire:
            assert wire.pgconn.pipeline_status == PipelineStatus.OFF
