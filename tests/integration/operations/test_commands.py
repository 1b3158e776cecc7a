"""What is known where a command was not answered, on real Kafka and a real projection."""

import uuid

import msgspec
import pytest
from confluent_kafka import Producer
from confluent_kafka.cimpl import NewTopic

from bus.settings import Settings
from operations import commands
from operations.offsets import admin_of, describe
from operations.projection import migrate, tables
from operations.topics import create
from schemas.topics import OUTCOMES


def test_outcomes_the_projector_has_not_read_are_counted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"test-{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr(commands, "OUTCOMES", msgspec.structs.replace(OUTCOMES, name=name))
    admin = admin_of(settings.kafka)
    create(admin, [NewTopic(name, 2, 1)])
    try:
        producer = Producer({"bootstrap.servers": settings.kafka})
        for partition in (0, 0, 1):
            producer.produce(name, b"answered", partition=partition)
        assert producer.flush(30) == 0
        topic_id = describe(admin, [name])[name].topic_id

        with migrate.opened(settings.projection_dsn.reveal()) as wire:
            before = commands._unread(settings, wire)
            tables.begin(wire, name, {(topic_id, 0): 2})
            after = commands._unread(settings, wire)
    finally:
        admin.delete_topics([name])[name].result()

    assert (before, after) == (3, 1)
