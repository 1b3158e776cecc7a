"""Orders a version of a mapping wrote wrong: found, told with their correction, and mapped once more; on real Kafka."""

import asyncio
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from confluent_kafka.cimpl import NewTopic

from bus.codec import Codecs
from bus.events import Incoming
from bus.producer import BusProducer
from bus.read_range import RangeReader, event_at, events_since
from bus.registry import Registry
from bus.settings import ROOT, Settings, demo
from operations import recalls, topics
from operations.acting import By
from operations.offsets import admin_of, describe
from operations.projection import recalls as told
from operations.projection.migrate import Wire, opened
from schemas.bus.fetched import Fetched
from schemas.canonical.order import Order
from schemas.topics import CLARITY_ORDERS, COMMANDS, DEAD_LETTERS, ORDERS, OUTCOMES, Topic
from streams import routes
from streams.agents import Way
from streams.redrive import Redrive
from streams.routes import ROUTES, Route

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
BODY = (ROOT / "schemas" / "examples" / CLARITY_ORDERS.name / "full_order.json").read_bytes()
OLD = "streams/orders/from_clarity@1"
OUT = "consumers/dynamics_gp/sales_order@1+cc.dd"
MARA = By(who="mara", why="the note was wrong", at=NOON)


class World:
    """Two orders written by the old version, one of which another version wrote anew; and one of yet another."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        mark = uuid.uuid4().hex[:8]
        self.source = msgspec.structs.replace(CLARITY_ORDERS, name=f"test-{mark}.{CLARITY_ORDERS.name}", partitions=1)
        self.target = msgspec.structs.replace(ORDERS, name=f"test-{mark}.{ORDERS.name}", partitions=1)
        (route,) = [each for each in ROUTES if each.target is ORDERS]
        self.route: Route = msgspec.structs.replace(route, source=self.source, target=self.target)
        self.registry = Registry(settings.registry)
        for topic in (self.source, self.target, COMMANDS, DEAD_LETTERS, OUTCOMES):
            topics._register(self.registry, topic)
        self.codecs = Codecs(self.registry)
        admin = admin_of(settings.kafka)
        topics.create(admin, [NewTopic(topic.name, 1, 1) for topic in (self.source, self.target)])
        self.ids = {name: each.topic_id for name, each in describe(admin, [self.source.name, self.target.name]).items()}

    def fill(self) -> None:
        """Topics, and what the projector knows of them."""
        sources = [Fetched(connection="clarity-main", id="1", read_at=NOON, source_version=5, body=BODY)] * 3
        right = self.route.mapping(sources[0], self.settings.lookups, NOON)
        wrong: Order = msgspec.structs.replace(right, note="wrong")
        asyncio.run(self.write(self.source, [(right.id, each) for each in sources]))
        asyncio.run(self.write(self.target, [(right.id, wrong), (f"{right.id}0", wrong), (f"{right.id}0", right)]))
        with opened(self.settings.projection_dsn.reveal()) as wire:
            for at in range(3):
                self._record(wire, self.source, at, right.id if at == 0 else f"{right.id}0", f"changes/0/{at}", "")
            for at, stamp in enumerate((f"{OLD}+aa.bb", f"{OLD}+aa.bb", "streams/orders/from_clarity@11+aa.bb")):
                key = right.id if at == 0 else f"{right.id}0"
                self._record(wire, self.target, at, key, f"changes/0/{at}", stamp)
                self._delivered(wire, at, key, stamp, document=f"WEB10{at}")
            wire.execute(
                "INSERT INTO positions (topic_id, partition, topic, first, next) VALUES (%s, 0, %s, 0, 3)",
                [self.ids[self.target.name], self.target.name],
            )
        self.key, self.note, self.right = right.id, right.note, right

    async def write(self, topic: Topic, values: list[tuple[str, Any]]) -> None:
        codec = self.codecs.of(topic)
        async with BusProducer(self.settings.kafka) as producer:
            for key, value in values:
                await producer.send(topic, key, codec.encode(value))

    def _record(self, wire: Wire, topic: Topic, offset: int, key: str, root: str, stamp: str) -> None:
        with wire.transaction():
            wire.execute(
                "INSERT INTO records (topic_id, partition, event_offset, topic, at, root, root_key, message_key,"
                " mapping, origin, source_version) VALUES (%s, 0, %s, %s, %s, %s, %s, %s, %s, 'clarity-main', 5)",
                [self.ids[topic.name], offset, topic.name, NOON, root, key, key, stamp],
            )

    def _delivered(self, wire: Wire, offset: int, key: str, stamp: str, document: str) -> None:
        values: Mapping[str, Any] = {
            **{"topic_id": "outcomes", "partition": 0, "event_offset": offset, "at": NOON.replace(minute=offset)},
            **{"stage": "consumers", "state": "delivered", "code": "created", "code_values": "{}"},
            **{"connection": "gp-two", "topic": self.target.name, "source_topic_id": self.ids[self.target.name]},
            **{"source_partition": 0, "source_offset": offset, "root": f"changes/0/{offset}", "root_key": key},
            **{"message_key": key, "record": "order", "cause": "", "attempts": 1, "reference": ""},
            **{"document_number": document, "mapping_in": stamp, "mapping_out": OUT, "command_id": "", "amount": 5},
            **{"currency": "USD", "merged_into": "", "taken_in_at": NOON, "who": "", "why": ""},
        }
        with wire.transaction():
            names, places = ", ".join(values), ", ".join(f"%({name})s" for name in values)
            wire.execute(f"INSERT INTO outcomes ({names}) VALUES ({places})", values)

    def remove(self) -> None:
        self.registry.close()
        admin = admin_of(self.settings.kafka)
        for future in admin.delete_topics(list(self.ids)).values():
            future.result()


@pytest.fixture
def world(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    given = msgspec.structs.replace(
        demo(), kafka=settings.kafka, registry=settings.registry, projection_dsn=settings.projection_dsn
    )
    made = World(given)
    monkeypatch.setattr(routes, "deployed", lambda _mappings: (made.route,))
    try:
        made.fill()
        yield made
    finally:
        made.remove()


def test_what_a_version_wrote_is_told_with_its_correction_and_mapped_once_more(world: World) -> None:
    seen: list[tuple[int, int]] = []

    found = recalls.plan(world.settings, OLD, MARA, lambda done, whole: seen.append((done, whole)), 0)

    stands, changed = found.written
    assert (stands.key, stands.changed_by, stands.correction) == (world.key, "", "change")
    assert [(each.connection, each.document_number) for each in stands.targets] == [("gp-two", "WEB100")]
    assert [each.field for each in stands.differences] == ["note"]
    assert stands.differences[0].before == '"wrong"'
    assert (changed.key, changed.changed_by) == (f"{world.key}0", "streams/orders/from_clarity@11+aa.bb")
    assert (found.stand, found.changed_since, seen[-1]) == (1, 1, (1, 1))
    assert "A newer record" in found.not_held[0]
    assert "transferred to an invoice" in found.cannot_be_taken_back["gp-two: order"]

    (command,) = recalls.commands_of(world.settings, found, MARA, 0)
    assert (command.queue, command.connection, command.mapping) == ("streams", "clarity-main", OLD)

    made, _answer = carried_out(world, command)
    order = world.codecs.of(world.target).decode(made.value)
    assert (order.id, order.note) == (world.key, world.note)


def test_a_newer_record_that_comes_before_a_recalls_turn_is_not_overwritten(world: World) -> None:
    found = recalls.plan(world.settings, OLD, MARA, lambda _done, _whole: None, 0)
    (command,) = recalls.commands_of(world.settings, found, MARA, 60)
    assert (command.message_key, command.source_version, command.per_minute) == (world.key, 5, 60)
    # the projector knows of no record behind the first three
    assert command.first == 3

    newer = msgspec.structs.replace(world.right, source_version=6, note="newer")
    others = msgspec.structs.replace(newer, id=f"{world.key}0")
    asyncio.run(world.write(world.target, [(world.key, newer), (others.id, others)]))

    (answer,) = carried_out(world, command)
    outcome = world.codecs.of(OUTCOMES).decode(answer.value)
    assert (outcome.code, outcome.values["key"]) == ("recall.newer", world.key)

    # another document's newer record hinders nobody, nor does what was looked at before
    made, _answer = carried_out(world, msgspec.structs.replace(command, first=4))
    assert world.codecs.of(world.target).decode(made.value).note == world.note


def test_deliveries_are_found_by_the_mapping_into_the_target_as_well(world: World) -> None:
    with opened(world.settings.projection_dsn.reveal()) as wire:
        found = told.delivered(wire, OUT.partition("+")[0], told.OUTBOUND)
        none = told.delivered(wire, "consumers/dynamics_gp/sales_order@10", told.OUTBOUND)

    assert [(each.message_key, each.document_number) for each in found] == [
        (world.key, "WEB100"),
        (f"{world.key}0", "WEB102"),
    ]
    assert none == ()


def carried_out(world: World, command: Any) -> list[Any]:
    """What the stage writes because of the command."""
    way = Way(world.route, world.codecs, world.settings.lookups, "1.2.3")
    incoming = Incoming(
        topic=COMMANDS.name,
        topic_id="commands",
        partition=0,
        offset=0,
        timestamp_ms=0,
        key=b"clarity-main:commands",
        value=world.codecs.of(COMMANDS).encode(command),
    )

    async def nothing_to_catch_up() -> None:
        pass

    with RangeReader(world.settings.kafka) as reader:
        redrive = Redrive(
            {f"order|{world.source.name}": way},
            world.codecs,
            lambda *_place: b"",
            nothing_to_catch_up,
            lambda *place: event_at(reader, world.ids, *place),
            lambda *place: events_since(reader, world.ids, *place),
        )
        asyncio.run(redrive.look_up([incoming]))
        return redrive.transform(incoming)
