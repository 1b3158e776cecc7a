"""A store goes back to an older copy: nobody works on it until it is recovered; nothing is lost, nothing done twice."""

import asyncio
import contextlib
import random
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # re-exported without saying so

from bus import store_marks
from bus.codec import Codecs
from bus.events import Advance, Headers
from bus.producer import BusProducer
from bus.registry import Registry
from bus.secret import Secret
from bus.settings import Connection, Gateway, Settings
from bus.verify import topic_ids
from delivery import backup as files
from delivery.acts import Acts
from delivery.migrate import migrate, schema_of
from delivery.ports import Arrival, Intent, Row, Settlement
from delivery.recognition import marking, recognise
from delivery.recovery import By, Listener, Recovered
from delivery.relay import Relay, headers_of
from delivery.states import Kind
from delivery.store import Store
from errors import ConfigurationError, FatalError, RefusedError, RetryableError
from mapping.port import Lookups
from operations import stores
from operations.readers import Reader
from operations.stack.addresses import Addresses
from operations.stack.settings import REPOSITORY_ROOT
from operations.topics import create
from schemas import topics
from schemas.bus.command import Act, Command
from schemas.topics import Topic, avro_schema
from schemas.types import root_at
from tests.integration.delivery.running import deliverer, running, until
from tests.integration.delivery.target import Target

QUEUE = "consumers"
PARTITIONS = 2
NOBODY = By(who="mara", why="disk failed")


class Company(Target):
    """Counts what is sent twice; refuses one key, is busy for another."""

    def __init__(self) -> None:
        super().__init__()
        self.busy = True

    async def prepare(self, row: Row) -> Intent | Settlement:
        if row.message_key == "s:refused":
            raise RefusedError("gp.221", "unknown customer")
        return await super().prepare(row)

    async def deliver(self, intent: Intent) -> Settlement:
        if self.busy and intent.reference.business == "s:busy":
            raise RetryableError("gp.document_in_use", "later")
        return await super().deliver(intent)


class World:
    """A connection with topics of its own, a target, and workers on its store."""

    def __init__(self, settings: Settings, codecs: Codecs, own: dict[str, Topic], source: str) -> None:
        self.settings = settings
        (name,) = settings.connections
        self.name = name
        self.dsn = settings.connection(name).store_dsn.reveal()
        self.source = source
        self.topic_id = topic_ids(settings.kafka, [source])[source]
        self.company = Company()
        self.codecs = codecs
        self._own = own
        #: What lies on the topic, by partition.
        self.log: list[list[str]] = [[] for _ in range(PARTITIONS)]
        self._kafka = Producer({"bootstrap.servers": settings.kafka})

    def accept(self, *keys: str) -> None:
        """Events of keys onto the topic."""
        for key in keys:
            partition = sum(key.encode()) % PARTITIONS
            self.log[partition].append(key)
            self._kafka.produce(self.source, b"order", key.encode(), partition)
        assert self._kafka.flush(20) == 0

    async def publish(self, topic_name: str, key: str, value: msgspec.Struct | None, headers: Headers = ()) -> object:
        topic = self._own[topic_name]
        encoded = None if value is None else self.codecs.of(topic).encode(value)
        return await self._producer.send(topic, key, encoded, headers)

    @contextlib.asynccontextmanager
    async def at_work(self, *, announcing: bool = True) -> AsyncIterator[Store]:
        """A worker: refuses a store that was restored, takes in what is there, delivers, announces."""
        store = Store(self.dsn, self.name)
        await store.open()
        try:
            await recognise(self.settings.kafka, self.codecs, store)
            await self.take_in(store)
            async with BusProducer(self.settings.kafka) as self._producer:
                mark: Any = marking(self.name, self, lambda: datetime.now(UTC))  # type: ignore[arg-type]  # publishes
                relay = Relay(store, self, headers_of(self.name), uuid.uuid4().hex, send_within_s=4.0, mark=mark)
                async with running(deliverer(store, {"order": self.company}, seed=random.randrange(99))):
                    telling = asyncio.create_task(relay.run()) if announcing else None
                    yield store
                    if telling is not None:
                        await until(lambda: telling.done() or not self.look("SELECT FROM outbox"), within_s=20)
                        relay.stop()
                        await telling
        finally:
            await store.close()

    async def take_in(self, store: Store) -> None:
        """As the agent does: on from where the store stands."""
        stands = await store.positions(QUEUE, self.topic_id)
        for partition, keys in enumerate(self.log):
            expected = stands.get(partition)
            arrivals = [self._arrival(partition, offset, key) for offset, key in enumerate(keys)][expected or 0 :]
            if arrivals:
                await store.take_in(
                    QUEUE, self.source, self.topic_id, [Advance(partition, expected, len(keys))], arrivals
                )

    def _arrival(self, partition: int, offset: int, key: str) -> Arrival:
        return Arrival(
            topic=self.source,
            topic_id=self.topic_id,
            partition=partition,
            offset=offset,
            root=root_at(self.topic_id, partition, offset),
            root_key=key,
            message_key=key,
            record="order",
            kind=Kind.DOCUMENT,
            replaces_with=None,
            source_version=offset + 1,
            payload=b"order",
            payload_digest="d",
        )

    def wanted(self) -> dict[str, list[int]]:
        """Every event's effect, in the order of its key; nothing of what an operator skipped."""
        found: dict[str, list[int]] = {}
        for keys in self.log:
            for offset, key in enumerate(keys):
                if key != "s:refused":
                    found.setdefault(key, []).append(offset)
        return found

    def done(self) -> bool:
        return dict(self.company.effects) == self.wanted()

    def look(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True, options=f"-c search_path={schema_of(self.name)}") as wire:
            return wire.execute(query).fetchall()

    def change(self, statement: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True, options=f"-c search_path={schema_of(self.name)}") as wire:
            wire.execute(statement)

    def recover(self, file: Path | None = None) -> Recovered:
        return stores.recover(self.settings, self.name, file, NOBODY, lambda *_: None)


@pytest.fixture
def world(stack: Addresses, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    own = {
        topic.name: msgspec.structs.replace(topic, name=f"{name}.{topic.name}", partitions=1)
        for topic in (topics.OUTCOMES, topics.DEAD_LETTERS, topics.CROSS_REFERENCES, topics.STORES)
    }
    source = f"{name}.orders"
    registry = Registry(stack.registry)
    admin = AdminClient({"bootstrap.servers": stack.kafka})
    made = [NewTopic(each.name, each.partitions, 1) for each in own.values()] + [NewTopic(source, PARTITIONS, 1)]
    create(admin, made)
    for each in own.values():
        assert each.record is not None
        registry.register(f"{each.name}-value", avro_schema(each.record))
    registry.close()
    monkeypatch.setattr(stores, "OUTCOMES", own[topics.OUTCOMES.name])
    monkeypatch.setattr(stores, "CROSS_REFERENCES", own[topics.CROSS_REFERENCES.name])
    monkeypatch.setattr(store_marks, "STORES", own[topics.STORES.name])
    reader = Reader(process=f"consumers@{name}", topic=source, connection=name, queue=QUEUE)
    monkeypatch.setattr(stores, "readers", lambda _settings: (reader,))
    monkeypatch.setattr("bus.producer.topics.by_name", own.__getitem__)
    connection = Connection(name=name, system="dynamics-gp", store_dsn=Secret(stack.bus_dsn))
    migrate(stack.bus_dsn, name)
    settings = Settings(
        root=REPOSITORY_ROOT,
        deployment="test",
        folder=REPOSITORY_ROOT,
        time_zone="UTC",
        kafka=stack.kafka,
        registry=stack.registry,
        connect="",
        projection_dsn=Secret(""),
        gateway=Gateway(),
        connections={name: connection},
        pairs=(),
        lookups=Lookups({}),
        code_version="0",
    )
    with closing(Registry(stack.registry)) as registry:
        yield World(settings, Codecs(registry), own, source)
    with psycopg.connect(stack.bus_dsn, autocommit=True) as wire:
        for (schema,) in wire.execute(
            "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s)", [schema_of(name)]
        ).fetchall():
            wire.execute(f"DROP SCHEMA {schema} CASCADE")
    for gone in admin.delete_topics([each.topic for each in made]).values():
        gone.exception()


async def a_day(world: World, file: Path) -> None:
    """Traffic, a backup in the middle of it, more traffic, the last of it never announced."""
    world.accept("s:busy", "s:refused", *[f"s:{number % 5}" for number in range(20)])
    async with world.at_work() as store:
        await until(lambda: len(world.look("SELECT FROM rows")) == 2 and not world.look("SELECT FROM outbox"))
        await asyncio.to_thread(stores.backup, world.settings, world.name, file, lambda *_: None)
        world.company.busy = False
        world.accept("s:busy", "s:refused", *[f"s:{number % 7}" for number in range(20)])
        await world.take_in(store)
        await until(world.done)
        for number, act in enumerate((Act.SKIP, Act.SKIP, Act.PAUSE, Act.RESUME)):
            await until(lambda: number > 1 or world.look("SELECT FROM rows WHERE state = 'parked'"))  # noqa: B023 - awaited here
            asked = Command(id=f"c-{number}", at=datetime.now(UTC), who="mara", why="x", connection=world.name, act=act)
            await Acts(store, QUEUE, "commands").carry_out(asked)
    world.accept("s:busy", *[f"s:{number % 6}" for number in range(12)])
    async with world.at_work(announcing=False):
        await until(world.done)
    world.accept("s:busy", "s:0")


async def test_nothing_is_lost_or_done_twice(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "gp.store"
    await a_day(world, file)
    assert world.company.repeated == []
    dead_letters_seen = world.company.prepared.copy()

    # put back by whatever tool
    files.load(world.dsn, files.header_of(file), file, f"{schema_of(world.name)}_lost", lambda *_: None)
    world.change("UPDATE incarnation SET held = ''")

    with pytest.raises(FatalError, match="store_restored"):
        async with world.at_work():
            pass
    planned = await asyncio.to_thread(stores.plan, world.settings, world.name, None)
    assert planned.refused == "store_restored"
    assert planned.taken_in_again == sum(map(len, world.log)) - 22
    assert planned.outcomes > 40

    def killed(*_args: object) -> None:
        raise KeyboardInterrupt

    damaged = tmp_path / "damaged.store"
    damaged.write_bytes(file.read_bytes()[:-20] + bytes(20))
    with pytest.raises(ConfigurationError, match="checksum"):
        await asyncio.to_thread(world.recover, damaged)
    assert file.stat().st_mode & 0o077 == 0, "it holds what customers wrote"
    with monkeypatch.context() as broken:
        broken.setattr(Listener, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            await asyncio.to_thread(world.recover, file)
    assert len(world.look(f"SELECT FROM pg_namespace WHERE starts_with(nspname, '{schema_of(world.name)}')")) == 3
    with pytest.raises(FatalError, match="store_recovering"):
        async with world.at_work():
            pass

    found = await asyncio.to_thread(world.recover)
    world.accept("s:busy", "s:1")
    async with world.at_work():
        await until(world.done)
        await until(lambda: not world.look("SELECT FROM rows"))

    assert found.ended == 2, "the busy one and the refused one, open in the backup"
    assert found.remembered == 22
    assert world.company.repeated == []
    assert world.done()
    assert dead_letters_seen == world.company.prepared[: len(dead_letters_seen)]
    assert world.look("SELECT count(*) FROM history WHERE state = 'dead'") == [(2,)]
    assert len(world.look("SELECT FROM commands WHERE done_at IS NOT NULL")) == 4
    assert world.look("SELECT * FROM pauses") == []
    assert world.look("SELECT * FROM heard") == []
    assert world.look("SELECT * FROM horizons") == []
    planned = await asyncio.to_thread(stores.plan, world.settings, world.name, None)
    assert planned.refused == ""


async def test_store_that_lost_everything_is_recovered_from_what_was_announced(world: World, tmp_path: Path) -> None:
    file = tmp_path / "gp.store"
    await a_day(world, file)
    world.change(f"DROP SCHEMA {schema_of(world.name)} CASCADE")
    migrate(world.dsn, world.name)

    with pytest.raises(FatalError, match="store_restored"):
        async with world.at_work():
            pass
    found = await asyncio.to_thread(world.recover)
    async with world.at_work():
        await until(world.done)

    assert found.ended == 0
    assert found.remembered == 44
    assert world.company.repeated == []
