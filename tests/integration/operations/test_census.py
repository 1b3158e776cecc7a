"""What a census makes sure of before it calls anything missing, on real Kafka and a real projection."""

import uuid
from contextlib import closing

import pytest
from confluent_kafka import Producer
from confluent_kafka.cimpl import NewTopic

from bus.settings import Settings
from errors import RetryableError
from operations import census
from operations.offsets import admin_of, describe
from operations.projection import migrate, tables


def test_nothing_is_missing_before_the_projector_has_read_what_lies_on_the_topics(settings: Settings) -> None:
    name = f"test-{uuid.uuid4().hex[:8]}"
    admin = admin_of(settings.kafka)
    admin.create_topics([NewTopic(name, 1, 1)])[name].result()
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
