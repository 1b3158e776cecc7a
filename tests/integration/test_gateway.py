"""The gateway and a poller with a real broker and a real PostgreSQL, and with either of them away."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import cast

import httpx
import msgspec
import psycopg
import pytest
from confluent_kafka import Consumer, KafkaException, Message
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # re-exported unsaid

from bus.codec import Codecs
from bus.events import Headers
from bus.headers import from_headers
from bus.partitioner import partition_of
from bus.producer import BusProducer, Publisher
from bus.registry import Registry
from bus.secret import Secret
from bus.settings import Connection, load
from bus.topic_ends import look as look_at
from connect.systems.clarity.client import open_client
from delivery.database import Database
from delivery.edges import Edges
from delivery.migrate import migrate, schema_of
from errors import RetryableError
from operations.processes import states
from operations.stack.addresses import Addresses
from operations.topics import apply, create
from producers.gateway.app import Application, Gateway, Limits
from producers.gateway.memory import StoreMemory
from producers.gateway.sources import source
from producers.gateway.spool_file import SpoolFile, look
from producers.gateway.storage import Storage
from producers.pollers import worker
from producers.pollers.clarity import Orders
from producers.pollers.rounds import Beat, Poller
from producers.pollers.target import ChangesTopic
from producers.routes import Poll
from sandbox.clarity.app import DEFAULT_BASE_PATH, Settings, Simulator
from schemas import topics
from schemas.bus.change import Change
from schemas.topics import avro_schema
from tests.doubles.webhooks import BODY, KEY, NOW, secret, signed_headers

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 30.0
WRITTEN = (topics.CLARITY_CHANGES, topics.OUTCOMES, topics.DEAD_LETTERS)


class OwnTopics:
    """A publisher whose records go to topics of one test, so that nobody else's bus reads them."""

    def __init__(self, kafka: str, codecs: Codecs, producer: BusProducer) -> None:
        self.prefix = f"test-{uuid.uuid4().hex[:8]}."
        self.kafka = kafka
        self.codecs = codecs
        self._producer = producer

    async def publish(self, topic_name: str, key: str, value: msgspec.Struct | None, headers: Headers = ()) -> object:
        topic = topics.by_name(topic_name.removeprefix(self.prefix))
        own = msgspec.structs.replace(topic, name=self.prefix + topic.name)
        return await self._producer.send(own, key, self.codecs.of(topic).encode(value), headers)

    def create(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.kafka})
        create(admin, [NewTopic(self.prefix + topic.name, topic.partitions, 1) for topic in WRITTEN])

    def delete(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.kafka})
        for future in admin.delete_topics([self.prefix + topic.name for topic in WRITTEN]).values():
            with contextlib.suppress(Exception):
                future.result()

    @property
    def changes_topic(self) -> topics.Topic:
        return msgspec.structs.replace(topics.CLARITY_CHANGES, name=self.prefix + topics.CLARITY_CHANGES.name)

    def changes(self, count: int) -> list[tuple[Message, Change]]:
        """So many changes, read back."""
        name = self.prefix + topics.CLARITY_CHANGES.name
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": self.prefix, "auto.offset.reset": "earliest"})
        consumer.subscribe([name])
        found: list[Message] = []
        until = time.monotonic() + DEADLINE_S
        while len(found) < count and time.monotonic() < until:
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                found.append(message)
        consumer.close()
        codec = self.codecs.of(topics.CLARITY_CHANGES)
        return [(message, codec.decode(message.value())) for message in found]


@pytest.fixture(scope="session")
def codecs(stack: Addresses) -> Iterator[Codecs]:
    registry = Registry(stack.registry)
    for topic in WRITTEN:
        assert topic.record is not None
        registry.register(f"{topic.name}-value", avro_schema(topic.record))
    yield Codecs(registry)
    registry.close()


@pytest.fixture
async def own(stack: Addresses, codecs: Codecs) -> AsyncIterator[OwnTopics]:
    async with BusProducer(stack.kafka) as producer:
        made = OwnTopics(stack.kafka, codecs, producer)
        made.create()
        yield made
        made.delete()


@pytest.fixture
def connection(stack: Addresses) -> Iterator[str]:
    """A connection's name, with a store of its own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    migrate(stack.bus_dsn, name)
    yield name
    with psycopg.connect(stack.bus_dsn, autocommit=True) as wire:
        wire.execute(f'DROP SCHEMA "{schema_of(name)}" CASCADE'.encode())


class Site:
    """A gateway in this process over a publisher and stores."""

    def __init__(self, publisher: object, connection: str, dsn: str) -> None:
        found = source(connection, "clarity", [secret(KEY)], 300)
        assert found is not None
        self.connection = connection
        self.memory = StoreMemory({connection: partial(Database, dsn, connection, pool_size=1)})
        gateway = Gateway(
            {connection: found},
            publisher,  # type: ignore[arg-type]  # one of two publishers
            self.memory,
            Limits(max_body_bytes=10_000, requests_per_minute=100_000),
            lambda: NOW,
        )
        app = Application(gateway, _yes)
        self.http = httpx.AsyncClient(base_url="http://gateway", transport=httpx.ASGITransport(app))

    async def post(self, delivery_id: str = "msg_1", body: bytes = BODY) -> httpx.Response:
        headers = signed_headers(body, delivery_id=delivery_id)
        return await self.http.post(f"/webhooks/{self.connection}", content=body, headers=headers)

    async def close(self) -> None:
        await self.http.aclose()
        await self.memory.close()


async def _yes() -> bool:
    return True


def headers_of(message: Message) -> list[tuple[str, bytes]]:
    return list(cast("list[tuple[str, bytes]]", message.headers() or []))


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def test_202_means_it_is_readable_on_the_topic(own: OwnTopics, connection: str, stack: Addresses) -> None:
    site = Site(own, connection, stack.bus_dsn)

    assert (await site.post()).status_code == 202

    [(message, change)] = own.changes(1)
    key = f"{connection}:1001"
    assert message.key() == key.encode()
    assert message.partition() == partition_of(key, topics.PARTITIONS)
    assert (change.connection, change.id, change.cause, change.delivery_id) == (connection, "1001", "webhook", "msg_1")
    headers = headers_of(message)
    assert from_headers(headers).ce_source == f"/gateway/{connection}"
    await site.close()


async def test_a_repeat_is_known_to_another_gateway(own: OwnTopics, connection: str, stack: Addresses) -> None:
    first, second = (Site(own, connection, stack.bus_dsn) for _ in range(2))

    assert (await first.post()).json() == {"status": "accepted"}
    # Nobody is kept waiting until it is remembered; once the first one has ended, it is.
    await first.close()
    assert (await second.post()).json() == {"status": "duplicate"}

    await second.close()


async def test_with_postgresql_away_it_still_accepts_and_knows_its_own_repeats(own: OwnTopics) -> None:
    dsn = f"postgresql://nobody@127.0.0.1:{closed_port()}/nothing"
    site = Site(own, "test-away", dsn)
    started = time.monotonic()

    first = await site.post()
    again = await site.post()
    others = [await site.post(f"msg_{number}") for number in range(2, 12)]

    assert (first.json(), again.json()) == ({"status": "accepted"}, {"status": "duplicate"})
    assert [answer.status_code for answer in others] == [202] * 10
    assert time.monotonic() - started < 5
    await site.close()


async def test_503_within_the_budget_while_kafka_is_away_and_202_once_it_is_there(
    own: OwnTopics, connection: str, codecs: Codecs, stack: Addresses
) -> None:
    async with BusProducer(f"127.0.0.1:{closed_port()}") as producer:
        away = Site(Publisher(producer, codecs), connection, stack.bus_dsn)
        started = time.monotonic()
        refused = await away.post()
        took_s = time.monotonic() - started
        await away.close()
    back = Site(own, connection, stack.bus_dsn)

    accepted = await back.post()

    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert took_s < 5
    assert accepted.json() == {"status": "accepted"}
    await back.close()


async def test_readiness_is_kafkas(stack: Addresses, codecs: Codecs) -> None:
    async def answers(kafka: str) -> bool:
        async with BusProducer(kafka) as producer:
            storage = Storage(kafka, Publisher(producer, codecs), lambda: None)
            await storage.make_sure()
            return await storage.answers()

    assert await answers(stack.kafka)
    assert not await answers(f"127.0.0.1:{closed_port()}")


async def test_nothing_is_stored_before_topics_and_schemas_were_looked_at(own: OwnTopics, connection: str) -> None:
    def away() -> None:
        raise RetryableError("broker_away", "no answer")

    storage = Storage(own.kafka, own, away)  # type: ignore[arg-type]  # publishes like one

    with pytest.raises(RetryableError):
        await storage.publish("clarity.changes.v1", f"{connection}:1", None)
    assert not await storage.answers()


# Pollers


class Store:
    """A store nobody hears of by webhook, and the connection to it."""

    def __init__(self, simulator: Simulator, connection: str, dsn: str) -> None:
        self.transport = httpx.ASGITransport(simulator)
        self.connection = Connection(
            name=connection,
            system="clarity",
            store_dsn=Secret(dsn),
            url=f"http://store{DEFAULT_BASE_PATH}",
            user="bus",
            password=Secret("sandbox-bus"),
            poll_interval_s=0.1,
        )
        self.control = httpx.AsyncClient(base_url="http://store/control", transport=self.transport)

    async def sell(self, orders: int) -> None:
        for _ in range(orders):
            await self.control.post("/orders", json={"webhook": "skip"})

    @contextlib.asynccontextmanager
    async def lister(self, _: Connection) -> AsyncIterator[Orders]:
        async with open_client(self.connection, self.transport) as client:
            yield Orders(client)


@pytest.fixture
async def store(stack: Addresses, connection: str, tmp_path: Path) -> AsyncIterator[Store]:
    simulator = Simulator(Settings(data=tmp_path, seed=3))
    made = Store(simulator, connection, stack.bus_dsn)
    yield made
    await made.control.aclose()
    await simulator.stop()


async def test_a_poller_brings_what_no_webhook_told_and_goes_on_where_it_was(
    own: OwnTopics, store: Store, stack: Addresses
) -> None:
    database = Database(stack.bus_dsn, store.connection.name, pool_size=2)
    await database.open()

    async with store.lister(store.connection) as orders:
        pollers = [
            Poller(
                Beat(
                    connection=store.connection.name,
                    record="order",
                    target=topics.CLARITY_CHANGES,
                    overlap=timedelta(seconds=60),
                    start=datetime.now(UTC) - timedelta(days=1),
                    lease_s=30,
                ),
                orders,
                own,
                Edges(database),
                ChangesTopic(own.kafka, own.changes_topic, Edges(database)),
                Edges(database),
                owner=owner,
                clock=lambda: datetime.now(UTC),
                randomness=os.urandom,
            )
            for owner in ("one", "two")
        ]
        await store.sell(3)
        assert await pollers[0].round() == 3
        assert await pollers[1].round() is None
        assert await pollers[0].round() == 0
        await pollers[0].leave()
        await store.sell(1)
        # The second one starts with the first one's cursor, and looks back over what it cannot know was announced.
        assert await pollers[1].round() == 4

    changes = own.changes(7)
    assert {change.cause for _, change in changes} == {"poll"}
    assert len({change.id for _, change in changes}) == 4
    assert all(change.source_version > 0 for _, change in changes)
    identities = {(change.id, dict(headers_of(message))["ce_id"]) for message, change in changes}
    assert len(identities) == 4
    await database.close()


async def test_the_pollers_bring_again_what_a_topic_held_that_is_made_anew(
    own: OwnTopics, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def recognise(*_: object) -> None:
        """The marks of stores lie on a topic of the whole stack."""

    monkeypatch.setattr(worker, "recognise", recognise)
    monkeypatch.setattr(worker, "_lister", store.lister)
    poll = Poll(system="clarity", record="order", target=own.changes_topic)
    stop = asyncio.Event()
    polling = asyncio.create_task(worker._poll_store(store.connection, own.kafka, poll, own, stop))  # type: ignore[arg-type]  # publishes like one
    try:
        await store.sell(3)
        await announced(own, 3)

        await recreated(own)

        # Nobody had taken in any of it.
        await announced(own, 3)
    finally:
        stop.set()
        await polling


async def announced(own: OwnTopics, changes: int) -> None:
    """So many changes lie on the topic."""
    until = time.monotonic() + DEADLINE_S
    lie = -1
    while lie != changes:
        assert time.monotonic() < until, f"{lie} changes"
        await asyncio.sleep(0.05)
        with contextlib.suppress(RetryableError):
            lie = sum((await asyncio.to_thread(look_at, own.kafka, own.changes_topic.name)).ends.values())


async def recreated(own: OwnTopics) -> None:
    """The topics of the test are deleted and made anew; the broker forgets the old ones in its own time."""
    own.delete()
    until = time.monotonic() + DEADLINE_S
    while True:
        try:
            own.create()
            return
        except KafkaException:
            assert time.monotonic() < until
            await asyncio.sleep(0.1)


# The process


class Process:
    """A gateway of its own deployment, with one connection whose webhooks nobody sends."""

    def __init__(self, stack: Addresses, folder: Path, port: int, *, kafka: str = "", spool: str = "") -> None:
        deployment = folder / "deployment"
        deployment.mkdir(exist_ok=True)
        (deployment / "towpath.toml").write_text(
            f"""
            [deployment]
            name = "test"
            [kafka]
            bootstrap = "{kafka or stack.kafka}"
            [registry]
            url = "{stack.registry}"
            [projection]
            dsn = "env:TEST_DSN"
            [gateway]
            port = {port}
            [metrics]
            port = 0
            [connections.clarity-main]
            system = "clarity"
            store_dsn = "env:TEST_DSN"
            webhook_secrets = ["env:TEST_SECRET"]
            spool = "{spool}"
            """
        )
        self.log = folder / f"{port}-{uuid.uuid4().hex}.log"
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}")
        environment = os.environ | {
            "TOWPATH_DEPLOYMENT": str(deployment),
            "TEST_DSN": stack.bus_dsn,
            "TEST_SECRET": secret(KEY),
        }
        if not kafka:
            apply(load(environment, ROOT))
        code = (
            "import sys, msgspec; from pathlib import Path; from bus.settings import current;"
            "from operations.workers import run_one;"
            "sys.exit(run_one(msgspec.structs.replace(current(), root=Path(sys.argv[1])), 'gateway'))"
        )
        self.root = folder
        with self.log.open("wb") as log:
            command = [sys.executable, "-c", code, str(folder)]
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log.read_text()
            with contextlib.suppress(httpx.TransportError):
                if condition():
                    return
            time.sleep(0.05)
        raise TimeoutError(self.log.read_text())

    def ready(self) -> bool:
        return self.http.get("/ready").status_code == 200

    def metrics(self) -> str:
        (gateway,) = (each for each in states(self.root, []) if each.pids == (self.process.pid,))
        return httpx.get(gateway.metrics[0]).text

    def close(self) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE_S)


@pytest.fixture
def process(stack: Addresses, codecs: Codecs, tmp_path: Path) -> Iterator[Process]:
    made = Process(stack, tmp_path, closed_port())
    yield made
    made.close()


def test_the_process_starts_refuses_strangers_and_stops_cleanly(process: Process) -> None:
    process.wait_until(process.ready)

    assert process.http.get("/health").json() == {"status": "live"}
    assert process.http.post("/webhooks/clarity-main", content=b"{}").status_code == 401
    assert process.http.post("/webhooks/gp-two", content=b"{}").status_code == 404
    assert 'result="headers_missing"' in process.metrics()
    assert process.http.get("/metrics").status_code == 404
    process.process.send_signal(signal.SIGTERM)

    assert process.process.wait(DEADLINE_S) == 0
    assert secret(KEY) not in process.log.read_text()


def test_a_port_in_use_is_named(process: Process, stack: Addresses, tmp_path: Path) -> None:
    process.wait_until(process.ready)
    port = int(process.http.base_url.port or 0)
    second = Process(stack, tmp_path, port)

    assert second.process.wait(DEADLINE_S) == 1
    assert "gateway.port" in second.log.read_text()
    assert "in use" in second.log.read_text()
    second.close()


def test_process_killed_with_webhooks_in_its_spool_has_them_afterwards(stack: Addresses, tmp_path: Path) -> None:
    spool = tmp_path / "volume"
    spool.mkdir()
    # ids are remembered in the store for days, also by a stack that was tested before
    run = f"msg_{uuid.uuid4().hex[:8]}"

    def accept(site: Process, delivery_id: str) -> None:
        headers = signed_headers(BODY, delivery_id=delivery_id, at=int(time.time()))
        answer = site.http.post("/webhooks/clarity-main", content=BODY, headers=headers)
        assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})

    for attempt in (1, 2):
        site = Process(stack, tmp_path, closed_port(), kafka="127.0.0.1:1", spool=str(spool))
        try:
            # Kafka is away, and it takes webhooks all the same
            site.wait_until(site.ready)
            for number in range(5):
                accept(site, f"{run}_{attempt}_{number}")
            assert "towpath_gateway_spooled" in site.metrics()
        finally:
            site.close()
        assert look(spool, "clarity-main").count == 5 * attempt

    file = SpoolFile(spool, "clarity-main")
    kept = [entry.record.value for entry in file.first(100) if entry.record is not None]
    file.close()
    assert [each.delivery_id for each in kept if isinstance(each, Change)] == [
        f"{run}_{attempt}_{number}" for attempt in (1, 2) for number in range(5)
    ]
