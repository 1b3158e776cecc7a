"""The projector on real Kafka and PostgreSQL: exact whatever kills it, and the same again when it is rebuilt."""

import itertools
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bus.codec import Codecs
from bus.registry import Registry
from bus.secret import Secret
from bus.settings import Gateway, Settings
from delivery.states import ENDS
from mapping.port import Lookups
from operations.offsets import admin_of, describe
from operations.projection import books, migrate, tables, worker
from operations.projection.project import Means, Observed, project
from operations.projection.worker import Scope
from operations.readers import Routed
from operations.stack.addresses import Addresses
from operations.stack.settings import REPOSITORY_ROOT
from schemas import topics
from schemas.bus.change import Change
from schemas.bus.cross_reference import CrossReference
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.fetched import Fetched
from schemas.bus.outcome import Outcome
from schemas.topics import avro_schema

PARTITIONS = 3
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TABLES = (*migrate.REBUILT,)
OFFSETS = itertools.count()
WITHIN_S = 90.0


def scope_of(prefix: str) -> Scope:
    """The bus in small, under names of its own."""
    originals = {
        "changes.v1": topics.CLARITY_CHANGES,
        "cdc.SOP10100.v1": topics.GP_SOP10100,
        "fetched.v1": topics.CLARITY_ORDERS,
        "canonical.v1": topics.ORDERS,
        "outcomes.v1": topics.OUTCOMES,
        "dead-letters.v1": topics.DEAD_LETTERS,
        "cross-references.v1": topics.CROSS_REFERENCES,
    }
    return Scope(
        topics=tuple(
            msgspec.structs.replace(topic, name=f"{prefix}.{name}", partitions=PARTITIONS)
            for name, topic in originals.items()
        ),
        schema=prefix.replace("-", "_"),
    )


def settings_of(kafka: str, registry: str, dsn: str) -> Settings:
    return Settings(
        root=REPOSITORY_ROOT,
        deployment="test",
        folder=REPOSITORY_ROOT,
        time_zone="UTC",
        kafka=kafka,
        registry=registry,
        connect="",
        projection_dsn=Secret(dsn),
        gateway=Gateway(),
        connections={},
        pairs=(),
        lookups=Lookups({}),
        code_version="0",
    )


class World:
    """Topics, their codecs and a projection schema for one test."""

    def __init__(self, addresses: Addresses, prefix: str) -> None:
        self.addresses = addresses
        self.prefix = prefix
        self.scope = scope_of(prefix)
        self.topics = {topic.name.removeprefix(f"{prefix}."): topic for topic in self.scope.topics}
        self.ids = {each.name: each.topic_id for each in describe(self.admin, self._names()).values()}
        self.registry = Registry(addresses.registry)
        self._codecs = Codecs(self.registry)
        self._producer = Producer({"bootstrap.servers": addresses.kafka, "linger.ms": 20})

    @property
    def admin(self) -> AdminClient:
        return admin_of(self.addresses.kafka)

    def _names(self) -> list[str]:
        return [topic.name for topic in self.topics.values()]

    def topic_id(self, name: str) -> str:
        return self.ids[self.topics[name].name]

    def send(self, name: str, partition: int, key: str, record: msgspec.Struct | bytes | None, root: str = "") -> None:
        topic = self.topics[name]
        value = self._codecs.of(topic).encode(record) if isinstance(record, msgspec.Struct) else record
        self._producer.produce(
            topic.name, value, key.encode(), partition, headers=[("towpath-root", root.encode())] if root else []
        )
        self._producer.poll(0)

    def flush(self) -> None:
        assert self._producer.flush(30) == 0

    def start(self) -> subprocess.Popen[bytes]:
        """A projector in a process of its own, that can be killed."""
        return subprocess.Popen(
            [
                sys.executable,
                __file__,
                self.addresses.kafka,
                self.addresses.registry,
                self.addresses.bus_dsn,
                self.prefix,
            ],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY_ROOT)},
        )

    def count(self, table: str) -> int:
        with migrate.connect(self.addresses.bus_dsn, self.scope.schema) as wire:
            row = wire.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(row[0]) if row else 0

    def read_so_far(self) -> int:
        with migrate.connect(self.addresses.bus_dsn, self.scope.schema) as wire:
            row = wire.execute("SELECT coalesce(sum(next - first), 0) FROM positions").fetchone()
        return int(row[0]) if row else 0

    def content(self) -> dict[str, list[tuple[object, ...]]]:
        """Everything the projection holds, in an order that does not depend on how it was read."""
        with migrate.connect(self.addresses.bus_dsn, self.scope.schema) as wire:
            return {table: sorted(wire.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in TABLES}


@pytest.fixture
def world(stack: Addresses) -> Iterator[World]:
    prefix = f"test-{uuid.uuid4().hex[:8]}"
    scope = scope_of(prefix)
    admin = admin_of(stack.kafka)
    made = admin.create_topics([NewTopic(topic.name, PARTITIONS, 1) for topic in scope.topics])
    for future in made.values():
        future.result()
    registry = Registry(stack.registry)
    for topic in scope.topics:
        if topic.record is not None:
            registry.register(f"{topic.name}-value", avro_schema(topic.record))
    migrate.migrate(stack.bus_dsn, scope.schema)
    world = World(stack, prefix)
    yield world
    world.registry.close()
    with psycopg.connect(stack.bus_dsn) as wire:
        wire.execute(f"DROP SCHEMA {scope.schema} CASCADE")
    for topic in scope.topics:
        if topic.record is not None:
            registry.delete(f"{topic.name}-value")
    registry.close()
    for future in admin.delete_topics([topic.name for topic in scope.topics]).values():
        future.result()


@pytest.fixture
def projection(stack: Addresses) -> Iterator[migrate.Wire]:
    """The projection's tables alone, written to without Kafka."""
    schema = f"test_{uuid.uuid4().hex[:8]}"
    migrate.migrate(stack.bus_dsn, schema)
    with migrate.connect(stack.bus_dsn, schema) as wire:
        tables.prepare(wire)
        yield wire
        wire.execute(f"DROP SCHEMA {schema} CASCADE")


def write(wire: migrate.Wire, *outcomes: Outcome) -> None:
    """Each outcome in a batch of its own."""
    for told in outcomes:
        observed = Observed(
            topic="outcomes",
            means=Means.OUTCOMES,
            topic_id="outcomes-id",
            partition=0,
            offset=next(OFFSETS),
            timestamp_ms=0,
            key="",
            headers={},
            value=told,
        )
        tables.write(wire, project([observed]), {}, {})


def until(reached: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    deadline = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < deadline, "not reached in time"
        time.sleep(0.02)


def outcome(root: str, *, stage: str, state: str, connection: str = "") -> Outcome:
    topic_id, partition, offset = root.rsplit("/", 2)
    return Outcome(
        at=NOW,
        stage=stage,
        state=state,
        code=state,
        connection=connection,
        topic_id=topic_id,
        partition=int(partition),
        offset=int(offset),
        root=root,
    )


def fill(world: World, orders: int) -> int:
    """Orders on their way: each a change, most fetched and mapped, some filtered, dead or merged; number of records."""
    changes = world.topic_id("changes.v1")
    sent = 0
    for number in range(orders):
        partition, offset = number % PARTITIONS, number // PARTITIONS
        key, root = f"shop:{number}", f"{changes}/{partition}/{offset}"
        change = Change(connection="shop", record="order", id=str(number), noticed_at=NOW, cause="webhook")
        world.send("changes.v1", partition, key, change)
        world.send("cdc.SOP10100.v1", partition, key, b"\0\0\0\0\1row")
        sent += 2
        if number % 10 == 0:
            told = outcome(root, stage="fetchers", state="merged", connection="shop")
            world.send("outcomes.v1", partition, key, told, root)
            sent += 1
            continue
        fetched = Fetched(connection="shop", id=str(number), read_at=NOW, source_version=number, body=b"{}")
        world.send("fetched.v1", partition, key, fetched, root)
        sent += 1
        if number % 10 == 1:
            letter = DeadLetter(id=f"letter-{number}", at=NOW, stage="streams", code="mapping", root=root)
            world.send("dead-letters.v1", partition, key, letter, root)
        elif number % 10 == 2:
            told = outcome(root, stage="streams", state="filtered")
            world.send("outcomes.v1", partition, key, told, root)
        else:
            world.send("canonical.v1", partition, key, b"\0\0\0\0\1order", root)
            reference = CrossReference(
                canonical_id=key, connection="erp", record="sales_order", id_there=f"ORD{number}", since=NOW, root=root
            )
            world.send("cross-references.v1", partition, f"{key}/erp/sales_order/ORD{number}", reference, root)
            sent += 1
        sent += 1
    world.flush()
    return sent


def read_more_than(world: World, records: float) -> bool:
    return world.read_so_far() > records


def facts(world: World) -> dict[tuple[str, int], int]:
    with migrate.connect(world.addresses.bus_dsn, world.scope.schema) as wire:
        rows = wire.execute("SELECT topic, facts, count(*) FROM roots GROUP BY 1, 2").fetchall()
    return {(topic.removeprefix(f"{world.prefix}."), facts): count for topic, facts, count in rows}


def test_projector_killed_at_any_instruction_counts_every_record_once(world: World) -> None:
    orders = 6000
    sent = fill(world, orders)

    for share in (0.0, 0.1, 0.3, 0.6, 0.8):
        process = world.start()
        until(partial(read_more_than, world, sent * share))
        process.send_signal(signal.SIGKILL)
        process.wait()
    process = world.start()
    until(lambda: world.read_so_far() == sent)
    process.terminate()

    assert process.wait(20) == 0
    assert facts(world) == {
        ("changes.v1", 4): orders // 10,  # merged
        ("changes.v1", 2 | 32): orders // 10,  # dead, after it was read
        ("changes.v1", 16 | 32): orders // 10,  # filtered, after it was read
        ("changes.v1", 1 | 32): orders * 7 // 10,  # mapped
        ("cdc.SOP10100.v1", 0): orders,
    }
    assert world.count("outcomes") == orders * 2 // 10
    assert world.count("dead_letters") == orders // 10
    assert world.count("cross_references") == orders * 7 // 10
    with migrate.connect(world.addresses.bus_dsn, world.scope.schema) as wire:
        assert wire.execute("SELECT sum(records)::int FROM arrivals").fetchone() == (sent,)


def test_rebuilt_projection_equals_the_first(world: World) -> None:
    sent = fill(world, 600)
    process = world.start()
    until(lambda: world.read_so_far() == sent)
    before = world.content()

    migrate.empty(world.addresses.bus_dsn, world.scope.schema)
    # the records that come now find a projector whose positions are gone
    sent += 1
    world.send("changes.v1", 0, "shop:late", Change(connection="shop", record="order", id="late", noticed_at=NOW))
    world.flush()
    until(lambda: world.read_so_far() == sent)
    with migrate.connect(world.addresses.bus_dsn, world.scope.schema) as wire:
        wire.execute("DELETE FROM roots WHERE root_key = 'shop:late'")
    after = world.content()
    process.terminate()

    assert process.wait(20) == 0
    for table in ("roots", "records", "outcomes", "deliveries", "dead_letters", "cross_references"):
        assert after[table] == before[table]


def test_second_projector_stands_by_and_takes_over(world: World) -> None:
    first = world.start()
    sent = fill(world, 30)
    until(lambda: world.read_so_far() == sent)
    second = world.start()

    first.kill()
    first.wait()
    world.send("changes.v1", 0, "shop:new", Change(connection="shop", record="order", id="new", noticed_at=NOW))
    world.flush()

    until(lambda: world.read_so_far() == sent + 1)
    second.terminate()
    assert second.wait(20) == 0


def test_books_tell_where_everything_is_and_hours_close_only_when_all_of_it_ended(world: World) -> None:
    orders = 60
    sent = fill(world, orders)
    about = outcome(f"{world.topic_id('canonical.v1')}/0/0", stage="consumers", state="delivered", connection="erp")
    world.send("outcomes.v1", 0, "shop:3", about)
    world.flush()
    process = world.start()
    until(lambda: world.read_so_far() == sent + 1)
    process.terminate()
    assert process.wait(20) == 0
    now = datetime.now(UTC)
    start, end = now - timedelta(hours=2), now + timedelta(hours=1)
    cuts = {(topic_id, partition): 1_000_000 for topic_id in world.ids.values() for partition in range(PARTITIONS)}
    ways = [Routed(topic=world.topics["canonical.v1"].name, record="order", owner="shop", target="erp")]

    with migrate.connect(world.addresses.bus_dsn, world.scope.schema) as wire:
        wire.commit()
        found = books.read(wire, cuts, ways, tuple(ENDS), start, end)
        closed = tables.close_hours(wire, start, end, now)
        again = tables.close_hours(wire, start, end, now)
        kept = wire.execute("SELECT DISTINCT topic FROM closed_hours").fetchall()

    changes = [each for each in found.intake if each.topic.endswith("changes.v1")]
    assert sum(each.accepted for each in changes) == orders
    assert sum(each.mapped for each in changes) == orders * 7 // 10
    assert sum(each.merged + each.dead + each.filtered for each in changes) == orders * 3 // 10
    # nobody routed the captured rows: they are open, and carried by nothing
    assert {each.topic for each in found.open_roots} == {world.topics["cdc.SOP10100.v1"].name}
    assert len(found.open_roots) == orders
    assert {each.state: each.count for each in found.deliveries} == {"delivered": 1, "": orders * 7 // 10 - 1}
    assert len(found.open_deliveries) == orders * 7 // 10 - 1
    assert found.uncounted == {}
    assert (closed > 0, again) == (True, 0)
    assert kept == [(world.topics["changes.v1"].name,)]


@pytest.mark.parametrize(
    ("told", "stands"),
    [
        ([("delivered", 2), ("parked", 1)], "delivered"),
        ([("delivered", 1), ("parked", 2)], "delivered"),
        ([("dead", 1), ("parked", 2), ("delivered", 3)], "delivered"),
        ([("delivered", 3), ("dead", 1)], "delivered"),
        ([("parked", 2), ("unknown", 1)], "parked"),
        ([("parked", 1), ("unknown", 1)], "unknown"),
    ],
)
def test_end_is_replaced_by_a_later_end_only_from_batch_to_batch(
    projection: migrate.Wire, told: list[tuple[str, int]], stands: str
) -> None:
    about = outcome("orders-id/0/7", stage="consumers", state="", connection="erp")

    write(
        projection,
        *(msgspec.structs.replace(about, state=state, at=NOW + timedelta(minutes=minute)) for state, minute in told),
    )

    assert projection.execute("SELECT state FROM deliveries").fetchall() == [(stands,)]


def test_record_nobody_counted_shows(world: World) -> None:
    sent = fill(world, 3)
    process = world.start()
    until(lambda: world.read_so_far() == sent)
    process.terminate()
    process.wait(20)

    with migrate.connect(world.addresses.bus_dsn, world.scope.schema) as wire:
        wire.execute("UPDATE arrivals SET records = 0 WHERE topic LIKE '%%changes.v1' AND partition = 0", [])
        wire.commit()
        found = books.read(wire, {}, [], tuple(ENDS), NOW, NOW)

    assert found.uncounted == {world.topics["changes.v1"].name: 1}


if __name__ == "__main__":
    kafka, registry, dsn, prefix = sys.argv[1:]
    stops: list[int] = []
    signal.signal(signal.SIGTERM, lambda which, _frame: stops.append(which))
    sys.exit(worker.run_until(settings_of(kafka, registry, dsn), lambda: bool(stops), scope_of(prefix)))
