"""A new version of a mapping over recorded orders, on real Kafka and registry, shared by processes."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from confluent_kafka.cimpl import NewTopic

from bus.codec import Codecs
from bus.producer import BusProducer
from bus.registry import Registry
from bus.settings import ROOT, Settings, demo
from operations import shadow_run, topics
from operations.offsets import admin_of
from schemas.bus.fetched import Fetched
from schemas.topics import CLARITY_ORDERS, Topic

LIVE = ROOT / "streams" / "orders" / "from_clarity.yaml"
BODY = (ROOT / "schemas" / "examples" / CLARITY_ORDERS.name / "full_order.json").read_bytes()


@pytest.fixture
def given(settings: Settings) -> Settings:
    """The demonstration's deployment on the stack."""
    return msgspec.structs.replace(demo(), kafka=settings.kafka, registry=settings.registry)


@pytest.fixture
def recorded(given: Settings) -> Iterator[Topic]:
    """Five orders, one of them without a body that can be read, and one without its lines."""
    topic = msgspec.structs.replace(CLARITY_ORDERS, name=f"test-{uuid.uuid4().hex[:8]}")
    admin = admin_of(given.kafka)
    topics.create(admin, [NewTopic(topic.name, topic.partitions, 1)])
    with closing(Registry(given.registry)) as registry:
        topics._register(registry, CLARITY_ORDERS)
        codec = Codecs(registry).of(CLARITY_ORDERS)
    bodies = [BODY, BODY, BODY, b"no JSON"]
    values = [
        codec.encode(
            Fetched(connection="clarity-main", id=str(at), read_at=datetime.now(UTC), source_version=at, body=body)
        )
        for at, body in enumerate(bodies)
    ]

    async def fill() -> None:
        async with BusProducer(given.kafka) as producer:
            for at, value in enumerate([*values, b"no Avro"]):
                await producer.send(topic, f"clarity-main:{at}", value)

    asyncio.run(fill())
    try:
        yield topic
    finally:
        admin.delete_topics([topic.name])[topic.name].result()


def test_a_version_that_changes_a_field_is_told_by_its_field(
    given: Settings, recorded: Topic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = LIVE.read_text(encoding="utf-8")
    note = next(line for line in text.splitlines() if line.startswith("  note:"))
    new = tmp_path / "new.yaml"
    new.write_text(text.replace(note, "  note: \"'gift'\""), encoding="utf-8")
    monkeypatch.setattr(shadow_run, "ALONE", 0)
    seen: list[tuple[int, int]] = []

    found = shadow_run.shadow(
        given,
        str(new),
        datetime.now(UTC) - timedelta(hours=1),
        lambda done, whole: seen.append((done, whole)),
        processes=2,
        topic=recorded.name,
    )

    (difference,) = found.differences
    assert (difference.field, difference.count, difference.expected) == ("note", 3, False)
    assert difference.samples[0].after == '"gift"'
    assert (found.events, found.compared, found.same, found.differ) == (5, 3, 0, 3)
    assert (found.refused_by_both, found.unreadable) == (1, 1)
    assert not found.passes
    assert (seen[0], seen[-1]) == ((0, 5), (5, 5))


def test_an_empty_stretch_is_no_success(given: Settings, recorded: Topic) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)

    found = shadow_run.shadow(given, str(LIVE), later, lambda _done, _whole: None, topic=recorded.name)

    assert found.empty
    assert not found.passes
