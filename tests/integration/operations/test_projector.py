"""The projector on real Kafka and PostgreSQL: exact whatever kills it, and the same again when it is rebuilt."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO

import msgspec
import psycopg
import pytest
from confluent_kafka import Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bus.codec import Codecs
from bus.registry import Registry
from bus.secret import Secret
from bus.settings import Gateway, Settings
from mapping.port import Lookups
from operations.causes import VERSION
from operations.ledger import whole_hours
from operations.offsets import admin_of, describe
from operations.projection import books, census, letters, migrate, replays, stories, tables, worker
from operations.projection.census import CensusTold
from operations.projection.open_work import OpenReplay
from operations.projection.project import Means, Observed, hour_of, project
from operations.projection.replay_accounts import account_of
from operations.projection.worker import Reader, Scope
from operations.readers import Routed
from operations.recount import recount
from operations.stack.addresses import Addresses
from operations.stack.settings import REPOSITORY_ROOT
from operations.topics import create
from schemas import topics
from schemas.bus.change import Change
from schemas.bus.cross_reference import CrossReference
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.fetched import Fetched
from schemas.bus.outcome import Outcome
from schemas.topics import avro_schema
from tests.integration.operations.test_standing_letters import rows_read

PARTITIONS = 3
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TABLES = (*migrate.REBUILT,)
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
        self.started: list[subprocess.Popen[bytes]] = []
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

    def send(
        self,
        name: str,
        partition: int,
        key: str,
        record: msgspec.Struct | bytes | None,
        root: str = "",
        timestamp_ms: int = 0,
    ) -> None:
        topic = self.topics[name]
        value = self._codecs.of(topic).encode(record) if isinstance(record, msgspec.Struct) else record
        self._producer.produce(
            topic.name,
            value,
            key.encode(),
            partition,
            headers=[("towpath-root", root.encode())] if root else [],
            timestamp=timestamp_ms,
        )
        self._producer.poll(0)

    def flush(self) -> None:
        assert self._producer.flush(30) == 0

    def start(self, log: BinaryIO | None = None) -> subprocess.Popen[bytes]:
        """A projector in a process of its own, that can be killed."""
        process = subprocess.Popen(
            [
                sys.executable,
                __file__,
                self.addresses.kafka,
                self.addresses.registry,
                self.addresses.bus_dsn,
                self.prefix,
            ],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY_ROOT), "PYTHONUNBUFFERED": "1"},
            stdout=log,
        )
        self.started.append(process)
        return process

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
    create(admin, [NewTopic(topic.name, PARTITIONS, 1) for topic in scope.topics])
    registry = Registry(stack.registry)
    for topic in scope.topics:
        if topic.record is not None:
            registry.register(f"{topic.name}-value", avro_schema(topic.record))
    migrate.migrate(stack.bus_dsn, scope.schema)
    world = World(stack, prefix)
    yield world
    # of a test that failed half-way
    for process in world.started:
        process.kill()
        process.wait()
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


def observed(means: Means, value: object = None, **fields: object) -> Observed:
    """A record as if it were read, of a topic named as what it means."""
    given: dict[str, object] = {"topic": means.value, "topic_id": f"{means.value}-id", "partition": 0, "offset": 0}
    given |= {"timestamp_ms": int(NOW.timestamp() * 1000), "key": "shop:1", "headers": {}} | fields
    return Observed(means=means, value=value, **given)  # type: ignore[arg-type]  # each test gives what it needs


def write(wire: migrate.Wire, *each: Observed) -> None:
    """Each record in a batch of its own, without positions."""
    for one in each:
        tables.write(wire, project([one]), {}, {})


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def merged(change: Observed) -> Observed:
    """That a change came to its end."""
    root = f"{change.topic_id}/{change.partition}/{change.offset}"
    told = outcome(root, stage="fetchers", state="merged", connection="shop")
    return observed(Means.OUTCOMES, told, offset=change.offset)


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


def test_second_projector_stands_by_and_takes_over(world: World, tmp_path: Path) -> None:
    first = world.start()
    sent = fill(world, 30)
    until(lambda: world.read_so_far() == sent)
    told = tmp_path / "second"
    with told.open("wb") as log:
        second = world.start(log)
    until(lambda: b"projector.stands_by" in told.read_bytes())

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
    start, end = whole_hours(now - timedelta(hours=2), now + timedelta(hours=1))
    cuts = {(topic_id, partition): 1_000_000 for topic_id in world.ids.values() for partition in range(PARTITIONS)}
    ways = [Routed(topic=world.topics["canonical.v1"].name, record="order", owner="shop", target="erp")]

    with migrate.connect(world.addresses.bus_dsn, world.scope.schema) as wire:
        wire.commit()
        found = books.read(wire, cuts, ways, start, end, world.scope.gapless)
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

    for offset, (state, minute) in enumerate(told):
        value = msgspec.structs.replace(about, state=state, at=NOW + timedelta(minutes=minute))
        write(projection, observed(Means.OUTCOMES, value, offset=offset))

    assert projection.execute("SELECT state FROM deliveries").fetchall() == [(stands,)]


def test_replay_moves_no_live_book(projection: migrate.Wire) -> None:
    about = msgspec.structs.replace(
        outcome("orders-id/0/7", stage="consumers", state="delivered", connection="erp"), topic_id="orders-id", offset=7
    )
    again = msgspec.structs.replace(about, state="dead", replay="r-1", at=NOW + timedelta(minutes=5))
    write(
        projection,
        observed(Means.CANONICAL, topic_id="orders-id", offset=7, key="shop:1", timestamp_ms=ms(NOW)),
        observed(Means.OUTCOMES, about, offset=0),
        observed(Means.OUTCOMES, again, offset=1),
    )
    ways = [Routed(topic=Means.CANONICAL.value, record="order", owner="shop", target="erp")]
    day = timedelta(days=1)

    found = books.read(projection, {("orders-id", 0): 8}, ways, NOW - day, NOW + day, [])

    assert [(each.state, each.count) for each in found.deliveries] == [("delivered", 1)]
    assert found.open_deliveries == ()
    told = projection.execute("SELECT replay, state FROM deliveries ORDER BY 1").fetchall()
    assert told == [("", "delivered"), ("r-1", "dead")]
    assert [(place.state, place.count) for place in replays.places(projection, "r-1")] == [("dead", 1)]


def test_account_of_a_replay_ends_where_its_reader_stood(projection: migrate.Wire) -> None:
    about = Outcome(at=NOW, stage="consumers", state="delivered", code="created", connection="erp", replay="r-1")
    told = (("delivered", 0, "r-1"), ("suppressed", 1, "r-1"), ("delivered", 2, "r-1"), ("delivered", 9, "r-1"))
    for number, (state, offset, id_) in enumerate((*told, ("dead", 0, ""), ("dead", 1, "r-2"))):
        value = msgspec.structs.replace(
            about, state=state, topic_id="orders-id", partition=0, offset=offset, replay=id_
        )
        write(projection, observed(Means.OUTCOMES, value, offset=number))
    replay = OpenReplay(
        id="r-1",
        connection="erp",
        begun_at=NOW,
        taken_in=4,
        following={("orders-id", 0): 5},
        rows={("orders-id", 0, 2): ("sending", ""), ("orders-id", 0, 3): ("ready", "")},
        announced=frozenset({("orders-id", 0, 1)}),
    )

    line = account_of(projection, replay)

    assert (line.delivered, line.suppressed, line.in_flight, line.remainder) == (2, 1, 1, 0)


def test_replay_is_known_by_the_last_that_was_told_of_it(projection: migrate.Wire) -> None:
    about = Outcome(at=NOW, stage="consumers", state="replay", code="replay.running", connection="erp", who="mara")
    for offset, (id_, code) in enumerate(
        (("r-1", "replay.running"), ("r-2", "replay.running"), ("r-1", "replay.done"))
    ):
        at = NOW + timedelta(minutes=offset)
        value = msgspec.structs.replace(about, command_id=id_, code=code, at=at, values={"left": str(9 - offset)})
        write(projection, observed(Means.OUTCOMES, value, offset=offset))

    first, second = replays.told(projection)

    assert (first.command_id, first.code, first.begun_at) == ("r-2", "replay.running", NOW + timedelta(minutes=1))
    assert (second.command_id, second.code, second.begun_at) == ("r-1", "replay.done", NOW)
    assert second.code_values == {"left": "7"}
    assert [each.command_id for each in replays.told(projection, code="replay.running")] == ["r-2"]
    assert [each.command_id for each in replays.told(projection, id_="r-1")] == ["r-1"]
    assert replays.told(projection, connection="other") == ()
    assert replays.asked_by(projection, ["r-1"]) == {"r-1": ("mara", "")}


def test_hour_that_one_root_holds_open_never_closes_by_its_other_roots(projection: migrate.Wire) -> None:
    left = observed(Means.CHANGES, offset=0, timestamp_ms=ms(NOW.replace(minute=5)))
    others = [observed(Means.CHANGES, offset=n, timestamp_ms=ms(NOW.replace(minute=40))) for n in (1, 2)]
    write(projection, left, *others, *map(merged, others))
    until = NOW + timedelta(hours=2)

    # the time in which hours close begins between the one that is open and the others
    held = tables.close_hours(projection, NOW.replace(minute=30), until, until)
    write(projection, merged(left))
    closed = tables.close_hours(projection, NOW.replace(minute=30), until, until)

    assert (held, closed) == (0, 1)
    assert projection.execute("SELECT accepted, merged FROM closed_hours").fetchall() == [(3, 3)]


def test_closed_hours_are_pruned_whole_and_never_with_a_root_that_is_open(projection: migrate.Wire) -> None:
    now = datetime.now(UTC)
    old, older = (now - timedelta(days=days) for days in (tables.ROOTS_DAYS + 2, tables.ROOTS_DAYS + 3))
    changes = [observed(Means.CHANGES, offset=n, timestamp_ms=ms(at)) for n, at in enumerate((old, old, older, older))]
    write(projection, *changes, *map(merged, changes[1:]))
    projection.execute(
        "INSERT INTO closed_hours SELECT topic, date_trunc('hour', arrived_at, 'UTC'), 2, 0, 2, 0, 0, 0, now()"
        " FROM roots GROUP BY 1, 2"
    )
    projection.commit()

    tables.prune(projection)

    assert projection.execute("SELECT event_offset FROM roots ORDER BY 1").fetchall() == [(0,), (1,)]


def test_deliveries_go_with_their_records(projection: migrate.Wire) -> None:
    for offset, days in enumerate((1, tables.ROOTS_DAYS + 2)):
        at = datetime.now(UTC) - timedelta(days=days)
        about = outcome(f"orders-id/0/{offset}", stage="consumers", state="delivered", connection="erp")
        write(
            projection,
            observed(Means.CANONICAL, topic_id="orders-id", offset=offset, timestamp_ms=ms(at)),
            observed(Means.OUTCOMES, msgspec.structs.replace(about, at=at), offset=offset),
        )

    tables.prune(projection)

    assert projection.execute("SELECT event_offset FROM deliveries").fetchall() == [(0,)]
    assert projection.execute("SELECT event_offset FROM records").fetchall() == [(0,)]


def test_root_only_outcomes_name_goes_once_its_event_can_no_longer_be_read(projection: migrate.Wire) -> None:
    tables.begin(projection, "changes", {("changes-id", 0): 5})
    ghosts = [observed(Means.CHANGES, offset=offset) for offset in (4, 5)]
    write(projection, *map(merged, ghosts))

    tables.prune(projection)

    # its own event is still to come, and must find what is known of it
    assert projection.execute("SELECT event_offset, facts FROM roots").fetchall() == [(5, 4)]


@pytest.mark.parametrize("text", ["\\u0000x", "\0x", 'a "quoted" \\ text'])
def test_any_text_of_a_sender_is_kept(projection: migrate.Wire, text: str) -> None:
    told = outcome("changes-id/0/0", stage="gateway", state="filtered")
    told = msgspec.structs.replace(told, values={"event": text, text: "known"}, root_key=text)
    letter = DeadLetter(id="1", at=NOW, stage="gateway", code="unknown", values={"event": text}, reference=text)
    reference = CrossReference(canonical_id=text, connection="erp", record="order", id_there=text, since=NOW)
    key = f"{text}/erp/order/{text}"

    write(
        projection,
        observed(Means.OUTCOMES, told, key=text),
        observed(Means.DEAD_LETTERS, letter),
        observed(Means.CROSS_REFERENCES, reference, key=key),
        observed(Means.CROSS_REFERENCES, None, key=key),
    )

    kept = text.replace("\0", "\ufffd")
    assert projection.execute("SELECT code_values, root_key FROM outcomes").fetchall() == [
        ({"event": kept, kept: "known"}, kept)
    ]
    assert projection.execute("SELECT code_values, reference FROM dead_letters").fetchall() == [({"event": kept}, kept)]
    assert projection.execute("SELECT FROM cross_references").fetchall() == []


def test_record_the_database_refuses_is_left_out_and_shows_as_uncounted(world: World) -> None:
    sent = fill(world, 60)
    # longer than any index takes, and not to be compressed
    key = "".join(uuid.uuid4().hex for _ in range(300))
    world.send("changes.v1", 0, key, Change(connection="shop", record="order", id="long", noticed_at=NOW))
    world.send("outcomes.v1", 0, "", outcome("id/99999999999/1", stage="fetchers", state="merged"))
    world.send("changes.v1", 0, "shop:next", Change(connection="shop", record="order", id="next", noticed_at=NOW))
    world.flush()

    process = world.start()
    until(lambda: world.read_so_far() == sent + 3)
    process.terminate()

    assert process.wait(20) == 0
    with migrate.connect(world.addresses.bus_dsn, world.scope.schema) as wire:
        wire.commit()
        found = books.read(wire, {}, [], NOW, NOW, world.scope.gapless)
        kept = wire.execute("SELECT count(*) FROM roots WHERE topic LIKE '%changes.v1'").fetchone()
    assert found.uncounted == {world.topics[name].name: 1 for name in ("changes.v1", "outcomes.v1")}
    assert kept == (60 + 1,)


def test_projector_ends_when_its_tables_are_migrated_underneath_and_passes_no_record(
    world: World, tmp_path: Path
) -> None:
    sent = fill(world, 6)
    told = tmp_path / "told"
    with told.open("wb") as log:
        process = world.start(log)
    until(lambda: world.read_so_far() == sent)
    with migrate.connect(world.addresses.bus_dsn, world.scope.schema) as wire:
        wire.execute("ALTER TABLE roots ADD more text NOT NULL DEFAULT ''")
        wire.execute("UPDATE schema_version SET version_num = '9999'")

    world.send("changes.v1", 0, "shop:new", Change(connection="shop", record="order", id="new", noticed_at=NOW))
    world.flush()

    assert process.wait(WITHIN_S) == 1
    assert world.read_so_far() == sent
    assert b"projector.refused" not in told.read_bytes()
    assert b"projection.migrated" in told.read_bytes()


def test_migration_waits_for_the_batch_that_is_being_written(projection: migrate.Wire, stack: Addresses) -> None:
    schema = projection.execute("SELECT current_schema()").fetchone()
    assert schema is not None
    projection.commit()
    with projection.transaction():
        migrate.keep_version(projection)
        with migrate.connect(stack.bus_dsn, schema[0]) as other:
            other.execute("SET lock_timeout = '50ms'")
            other.commit()
            with pytest.raises(psycopg.errors.LockNotAvailable):
                migrate._steps(schema[0]).take(other)


def test_causes_told_by_another_version_are_derived_anew(
    projection: migrate.Wire,
) -> None:
    letter = DeadLetter(id="a", at=NOW, stage="consumers", code="gp.90023", values={"item": "SKU-77"})
    write(projection, observed(Means.DEAD_LETTERS, letter))
    write(projection, observed(Means.DEAD_LETTERS, msgspec.structs.replace(letter, id="b"), offset=1))
    kept = projection.execute("SELECT id, cause, cause_version FROM dead_letters ORDER BY id").fetchall()
    with projection.transaction():
        projection.execute("UPDATE dead_letters SET cause = 'as once', cause_version = 1 WHERE id = 'b'")

    assert letters.derive_causes(projection) == 1
    assert letters.derive_causes(projection) == 0

    assert projection.execute("SELECT id, cause, cause_version FROM dead_letters ORDER BY id").fetchall() == kept
    assert kept[0] == ("a", "gp.90023 item=SKU-77", VERSION)


def test_change_on_a_topic_that_was_made_anew_arrived_only_if_something_came_of_it(projection: migrate.Wire) -> None:
    change = Change(connection="shop", record="order", id="1", noticed_at=NOW, cause="poll", source_version=7)
    read = observed(Means.FETCHED, headers={"towpath-root": b"old/0/0"}, key="shop:1")
    write(
        projection,
        observed(Means.CHANGES, change, topic_id="old", key="shop:1"),
        observed(Means.CHANGES, change, topic_id="old", key="shop:2", offset=1),
        observed(Means.CHANGES, change, topic_id="new", key="shop:3"),
        read,
    )
    keys = ["shop:1", "shop:2", "shop:3"]

    assert stories.arrived(projection, ["changes"], keys, ["new"]) == {
        "shop:1": (NOW, 7),
        "shop:2": (None, 0),
        "shop:3": (NOW, 7),
    }
    assert stories.arrived(projection, ["changes"], ["shop:2"]) == {"shop:2": (NOW, 7)}


def test_change_read_before_the_projector_saw_it_arrived_though_nothing_had_changed(projection: migrate.Wire) -> None:
    unchanged = Outcome(
        at=NOW + timedelta(seconds=1),
        stage="fetchers",
        state="suppressed",
        code="unchanged",
        topic="changes",
        topic_id="old",
        root="old/0/0",
        root_key="shop:1",
        record="order",
        taken_in_at=NOW,
    )
    write(projection, observed(Means.OUTCOMES, unchanged))

    assert stories.arrived(projection, ["changes"], ["shop:1"], ["new"]) == {"shop:1": (NOW, 0)}


def test_what_arrived_is_looked_up_by_key_and_not_in_all_that_arrived(projection: migrate.Wire) -> None:
    with projection.transaction():
        projection.execute(
            """
            INSERT INTO roots (topic_id, partition, event_offset, topic, arrived_at, root_key)
            SELECT 'changes', 0, n, 'changes', now(), 'shop:' || n FROM generate_series(1, 20000) AS n
            """
        )
        projection.execute("ANALYZE roots")
        asked = {"keys": [f"shop:{n}" for n in range(1, 101)], "topics": ["changes"], "ids": ["changes"]}

        assert rows_read(projection, stories.ARRIVED, asked) < 1000


def test_last_census_of_each_source_is_kept_also_when_the_projection_is_rebuilt(
    projection: migrate.Wire, stack: Addresses
) -> None:
    first = CensusTold(
        connection="shop", at=NOW, since=NOW, until=NOW, listed=9, uncaptured=2, oldest=NOW, absent=1, again_at=NOW
    )
    last = msgspec.structs.replace(first, uncaptured=0, oldest=None)

    for each in (first, msgspec.structs.replace(first, connection="other"), last):
        census.keep(projection, each)
    schema = projection.execute("SELECT current_schema()").fetchone()
    projection.commit()
    assert schema is not None
    migrate.empty(stack.bus_dsn, schema[0])

    assert census.told(projection) == {"other": msgspec.structs.replace(first, connection="other"), "shop": last}


def read_all(reader: Reader, records: int) -> list[Message]:
    read: list[Message] = []
    deadline = time.monotonic() + WITHIN_S
    while len(read) < records:
        assert time.monotonic() < deadline, "not read in time"
        read += reader.read()
    return read


def test_hour_counted_from_the_topics_agrees_with_its_account_and_names_what_does_not(world: World) -> None:
    hour = hour_of(datetime.now(UTC) - timedelta(hours=3))
    stamp = ms(hour + timedelta(minutes=5))
    topic_id, canonical_id = world.topic_id("changes.v1"), world.topic_id("canonical.v1")
    for number, at in enumerate((stamp - 3_600_000, stamp, stamp, stamp, stamp + 3_600_000)):
        change = Change(connection="shop", record="order", id=str(number), noticed_at=NOW, cause="webhook")
        world.send("changes.v1", 0, f"shop:{number}", change, timestamp_ms=at)
    merged_one = outcome(f"{topic_id}/0/1", stage="fetchers", state="merged", connection="shop")
    world.send("outcomes.v1", 1, "shop:1", merged_one)
    world.send("canonical.v1", 2, "shop:2", b"order", f"{topic_id}/0/2", stamp)
    world.send("canonical.v1", 2, "shop:0", b"order", f"{topic_id}/0/0", stamp - 3_600_000)
    delivered = outcome(f"{canonical_id}/2/0", stage="consumers", state="delivered", connection="erp")
    world.send("outcomes.v1", 0, "shop:2", delivered)
    world.flush()
    with migrate.connect(world.addresses.bus_dsn, world.scope.schema) as wire:
        wire.commit()
        tables.prepare(wire)
        with closing(Reader(world.addresses.kafka, wire, Codecs(world.registry), world.scope.topics)) as reader:
            reader.write(read_all(reader, 9))
    settings = settings_of(world.addresses.kafka, world.addresses.registry, world.addresses.bus_dsn)
    ways = [Routed(topic=world.topics["canonical.v1"].name, record="order", owner="shop", target="erp")]
    counted = partial(recount, settings, hour, lambda _read, _whole: None, scope=world.scope, ways=ways)

    assert (counted().differences, counted().taken) == ((), ())
    with migrate.connect(world.addresses.bus_dsn, world.scope.schema) as wire:
        wire.execute("UPDATE intake_accounts SET roots = roots + 1 WHERE place = 4")
        wire.execute("UPDATE delivery_accounts SET state = 'dead' WHERE state = 'delivered'")
    told = [(each.column, each.account, each.topics) for each in counted().differences]
    assert told == [("dead", 1, 0), ("delivered", 0, 1), ("merged", 2, 1)]
    # what retention has taken can no longer be counted, and is said instead
    name = world.topics["changes.v1"].name
    admin = world.admin
    for future in admin.delete_records([TopicPartition(name, 0, 2)]).values():
        future.result()
    assert [each.column for each in counted().differences] == ["dead", "delivered"]
    assert [(each.topic, each.partition, each.by) for each in counted().taken] == [(name, 0, "retention")]


def test_hour_is_read_once_all_events_stamped_in_it_are(world: World) -> None:
    now = datetime.now(UTC)
    for partition, hours in ((0, 3), (1, 3), (1, 1)):
        change = Change(connection="shop", record="order", id="1", noticed_at=NOW)
        world.send("changes.v1", partition, "shop:1", change, timestamp_ms=ms(now - timedelta(hours=hours)))
    world.flush()
    with migrate.connect(world.addresses.bus_dsn, world.scope.schema) as wire:
        wire.commit()
        tables.prepare(wire)
        with closing(Reader(world.addresses.kafka, wire, Codecs(world.registry), world.scope.topics)) as reader:
            before = [reader.has_read_until(now - timedelta(hours=hours)) for hours in (4, 2, 0)]
            batch = read_all(reader, 3)
            reader.write([each for each in batch if each.partition() == 0])
            partly = [reader.has_read_until(now - timedelta(hours=hours)) for hours in (4, 2, 0)]
            reader.write([each for each in batch if each.partition() == 1][:1])
            nearly = [reader.has_read_until(now - timedelta(hours=hours)) for hours in (4, 2, 0)]
            reader.write([each for each in batch if each.partition() == 1][1:])
            after = reader.has_read_until(now)

    assert before == [True, False, False]
    assert partly == [True, False, False]
    assert nearly == [True, True, False]
    assert after


def test_registry_is_left_when_the_topics_are_not_there(stack: Addresses, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[Registry] = []

    class Watched(Registry):
        def close(self) -> None:
            left.append(self)
            super().close()

    monkeypatch.setattr(worker, "Registry", Watched)
    scope = scope_of(f"test-{uuid.uuid4().hex[:8]}")
    migrate.migrate(stack.bus_dsn, scope.schema)

    ended = worker.run_until(settings_of(stack.kafka, stack.registry, stack.bus_dsn), lambda: False, scope)
    with psycopg.connect(stack.bus_dsn) as wire:
        wire.execute(f"DROP SCHEMA {scope.schema} CASCADE")

    assert (ended, len(left)) == (1, 1)


def test_version_heard_of_on_another_topic_is_not_the_documents(projection: migrate.Wire) -> None:
    change = Change(connection="shop", record="order", id="1", noticed_at=NOW, source_version=7)
    write(
        projection,
        observed(Means.CHANGES, change),
        observed(Means.CANONICAL, value=None, topic="orders"),
        observed(Means.FETCHED, Fetched(connection="erp", id="1", read_at=NOW, source_version=99), topic="theirs"),
    )

    assert stories.arrived(projection, ["changes", "orders"], ["shop:1", "shop:2"]) == {
        "shop:1": (NOW, 7),
        "shop:2": (None, 0),
    }


def test_gaps_are_lost_records_only_where_topics_have_none(projection: migrate.Wire) -> None:
    for topic, topic_id in (("compacted", "a"), ("kept", "b"), ("kept", "b of old"), ("whole", "c")):
        place = (topic_id, 0)
        tables.begin(projection, topic, {place: 10})
        read = (10, 12) if topic_id != "c" else (10, 11, 12)
        one = [observed(Means.CAPTURED, topic=topic, topic_id=topic_id, offset=offset) for offset in read]
        tables.write(projection, project(one), {place: 10}, {place: 13})

    found = books.read(projection, {}, [], NOW, NOW, ["kept", "whole"])

    assert found.uncounted == {"kept": 2}


def test_record_nobody_counted_shows(world: World) -> None:
    sent = fill(world, 3)
    process = world.start()
    until(lambda: world.read_so_far() == sent)
    process.terminate()
    process.wait(20)

    with migrate.connect(world.addresses.bus_dsn, world.scope.schema) as wire:
        wire.execute("UPDATE arrivals SET records = 0 WHERE topic LIKE '%%changes.v1' AND partition = 0", [])
        wire.commit()
        found = books.read(wire, {}, [], NOW, NOW, world.scope.gapless)

    assert found.uncounted == {world.topics["changes.v1"].name: 1}


if __name__ == "__main__":
    kafka, registry, dsn, prefix = sys.argv[1:]
    stops: list[int] = []
    signal.signal(signal.SIGTERM, lambda which, _frame: stops.append(which))
    sys.exit(worker.run_until(settings_of(kafka, registry, dsn), lambda: bool(stops), scope_of(prefix)))
