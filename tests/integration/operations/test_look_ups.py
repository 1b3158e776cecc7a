"""What is asked for and not there: no setting is wrong, and asking again does not bring it."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.cimpl import NewTopic

from bus.read_one import read_one
from bus.settings import Settings
from errors import NotFoundError
from operations import dead_letters
from operations.offsets import admin_of
from operations.projection.letters import DeadLetterTold
from operations.stack.addresses import Addresses
from operations.topics import create
from operations.trace import trace
from schemas.topics import DEAD_LETTERS


@pytest.fixture
def topic(stack: Addresses) -> Iterator[str]:
    """A topic with one record."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    admin = admin_of(stack.kafka)
    create(admin, [NewTopic(name, 1, 1)])
    producer = Producer({"bootstrap.servers": stack.kafka})
    producer.produce(name, b"the only one")
    assert producer.flush(30) == 0
    yield name
    admin.delete_topics([name])[name].result()


def letter(topic_id: str) -> DeadLetterTold:
    return DeadLetterTold(
        id="0a1b",
        at=datetime(2026, 11, 21, 12, tzinfo=UTC),
        stage="streams",
        code="mapping",
        code_values={},
        cause="mapping",
        status="standing",
        connection="",
        record="",
        topic="",
        source_topic_id="",
        source_partition=0,
        source_offset=0,
        root="",
        root_key="",
        amount=Decimal(0),
        currency="",
        size_bytes=0,
        code_version="0",
        mapping="",
        reference="",
        topic_id=topic_id,
        partition=0,
        event_offset=0,
    )


def test_key_nobody_knows_is_not_found(settings: Settings) -> None:
    with pytest.raises(NotFoundError, match="nothing is known of '1001'"):
        trace(settings, "1001")


def test_dead_letter_nobody_knows_is_not_found(settings: Settings) -> None:
    with pytest.raises(NotFoundError, match="no dead letter begins with '0a1b'"):
        dead_letters.dead_letter(settings, "0a1b")


def test_bytes_of_a_topic_made_anew_are_not_found(settings: Settings) -> None:
    with pytest.raises(NotFoundError, match="made anew"):
        dead_letters.payload(settings, letter("another topic's id"))


def test_record_that_is_there_is_read(stack: Addresses, topic: str) -> None:
    assert read_one(stack.kafka, DEAD_LETTERS, TopicPartition(topic, 0, 0)) == b"the only one"


def test_record_past_the_end_is_not_found(stack: Addresses, topic: str) -> None:
    with pytest.raises(NotFoundError):
        read_one(stack.kafka, DEAD_LETTERS, TopicPartition(topic, 0, 7))
