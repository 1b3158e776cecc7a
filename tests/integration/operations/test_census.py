"""What a census makes sure of before it calls anything missing, on real Kafka and a real projection."""

import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from unittest.mock import AsyncMock

import msgspec
import pytest
from confluent_kafka import Producer
from confluent_kafka.cimpl import NewTopic

from bus.secret import Secret
from bus.settings import Connection, Settings
from errors import RetryableError
from operations import census, census_rounds
from operations.acting import By
from operations.census import Counted
from operations.offsets import admin_of, describe
from operations.projection import census as kept
from operations.projection import migrate, tables
from operations.topics import create
from producers.pollers.rounds import Listed
from tests.integration.operations.test_standing import Books


def test_nothing_is_missing_before_the_projector_has_read_what_lies_on_the_topics(settings: Settings) -> None:
    name = f"test-{uuid.uuid4().hex[:8]}"
    admin = admin_of(settings.kafka)
    create(admin, [NewTopic(name, 1, 1)])
    try:
        producer = Producer({"bootstrap.servers": settings.kafka})
        producer.produce(name, b"arrived")
        assert producer.flush(30) == 0
        topic_id = describe(admin, [name])[name].topic_id

        with pytest.raises(RetryableError, match="1 records behind"):
            census._read_by_the_projector(settings, [name], 0.1)
        with closing(migrate.connect(settings.projection_dsn.reveal())) as wire:
            tables.begin(wire, name, {(topic_id, 0): 1})

        assert census._read_by_the_projector(settings, [name], 10.0) == (topic_id,)
    finally:
        admin.delete_topics([name])[name].result()


def test_each_source_is_asked_when_it_is_due_and_the_last_census_is_kept(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Connection(name="shop", system="clarity", store_dsn=Secret(""))
    given = msgspec.structs.replace(settings, connections={"shop": shop})
    asked: list[str] = []

    def of_connection(_settings: Settings, name: str, *_window: datetime, **_named: float) -> Counted:
        asked.append(name)
        return Counted(listed=9, uncaptured=())

    monkeypatch.setattr(census, "of_connection", of_connection)

    census_rounds._take_due(given, {}, {})
    census_rounds._take_due(given, {}, {})

    assert asked == ["shop"]
    with migrate.opened(given.projection_dsn.reveal()) as wire:
        assert [(each.connection, each.listed) for each in kept.told(wire).values()] == [("shop", 9)]
        # another projector's process asks at this moment
        wire.execute("DELETE FROM census")
        wire.execute("SELECT pg_advisory_lock(hashtextextended('census', 2))")
        wire.commit()
        census_rounds._take_due(given, {}, {})
    assert asked == ["shop"]


def test_what_a_source_said_of_what_is_missing_is_remembered_with_the_outcomes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = datetime(2026, 11, 21, 12, tzinfo=UTC)
    told = Books(settings.projection_dsn.reveal())
    for code, hours, command, more in (
        ("ask.not_there", -1, "before its change", {}),
        ("ask.not_there", 1, "first", {}),
        ("ask.not_there", 1, "first", {}),  # told twice
        ("ask.away", 8, "second", {}),
        ("ask.not_there", 9, "third", {}),
        ("ask.away", 10, "fourth", {}),
        ("ask.there", 9, "elsewhere", {"connection": "other"}),
    ):
        values = {"thing": "order:shop:1", "act": "ask"}
        at = changed + timedelta(hours=hours)
        of = {"connection": "shop", "stage": "fetchers", "state": "answered", "root_key": "", **more}
        told.outcome(code=code, at=at, command_id=command, values=values, **of)
    listed = [Listed(id=number, changed_at=changed, source_version=7) for number in ("1", "2")]
    shop = Connection(name="shop", system="clarity", store_dsn=Secret(""))
    monkeypatch.setattr(census, "_listed", AsyncMock(return_value=listed))

    found = census.of_connection(
        msgspec.structs.replace(settings, connections={"shop": shop}), "shop", changed, changed + timedelta(hours=1)
    )

    assert found is not None
    first, second = found.uncaptured
    last = changed + timedelta(hours=9)
    assert (first.answered, first.answers, first.answered_at) == ("ask.not_there", 2, last)
    assert (first.again_at, second.again_at) == (last + timedelta(hours=12), None)
    by = By(who="census", why="", at=last + timedelta(hours=1))
    assert [each.values["waits_for"] for each in census.fetching(found.uncaptured, by)] == ["order:shop:2"]
