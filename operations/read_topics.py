"""Reads a topic from a moment up to where it ends now, outside any consumer group; for recovering a store."""

import time
from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from errors import RetryableError
from operations.offsets import TopicPlaces, admin_of, away, ends, starts
from schemas.topics import Topic

BATCH = 5000
#: Without a record for so long Kafka is taken for away.
SILENCE_S = 30.0
ASK_WITHIN_S = 15.0


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """From where to where each partition is read; those with nothing to read are missing."""

    topic: str
    first: dict[int, int]
    until: dict[int, int]

    @property
    def records(self) -> int:
        """At most so many; compaction leaves fewer."""
        return sum(self.until[number] - self.first[number] for number in self.first)


def span(kafka: str, place: TopicPlaces, since: datetime | None) -> Span:
    """All of a topic written at or after a moment; None: all of it.

    Raises:
        RetryableError: Kafka does not answer.
    """
    admin = admin_of(kafka)
    first = {number: offset for (_, number), offset in starts(admin, {place.name: place}).items()}
    until = {number: offset for (_, number), offset in ends(admin, {place.name: place}).items()}
    if since is not None:
        for number, offset in _written_since(kafka, place, since).items():
            first[number] = max(first[number], until[number] if offset < 0 else offset)
    wanted = [number for number in first if first[number] < until[number]]
    return Span(
        topic=place.name,
        first={number: first[number] for number in wanted},
        until={number: until[number] for number in wanted},
    )


def read(kafka: str, topic: Topic, wanted: Span) -> Iterator[list[Message]]:
    """The records of a span, those of a partition in their order.

    Raises:
        RetryableError: Kafka does not answer.
    """
    if not wanted.first:
        return
    consumer = _consumer(kafka, topic.max_message_bytes)
    open_ = dict(wanted.until)
    heard_at = time.monotonic()
    try:
        consumer.assign([TopicPartition(wanted.topic, number, offset) for number, offset in wanted.first.items()])
        while open_:
            batch = consumer.consume(BATCH, timeout=0.5)
            for message in batch:
                if (error := message.error()) is not None:
                    raise KafkaException(error)
            inside = [message for message in batch if (message.offset() or 0) < wanted.until[message.partition() or 0]]
            if inside:
                yield inside
            if batch:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > SILENCE_S:
                raise RetryableError("broker_away", f"{wanted.topic} cannot be read to its end")
            open_ = _not_reached(consumer, wanted.topic, open_)
    except KafkaException as error:
        raise away(error) from error
    finally:
        consumer.close()


def _not_reached(consumer: Consumer, topic: str, open_: Mapping[int, int]) -> dict[int, int]:
    """By the position, not by the last record: transactions and compaction leave offsets without one."""
    positions = consumer.position([TopicPartition(topic, number) for number in open_])
    return {place.partition: open_[place.partition] for place in positions if place.offset < open_[place.partition]}


def _written_since(kafka: str, place: TopicPlaces, since: datetime) -> dict[int, int]:
    """The first offset stamped at or after a moment; below 0 where there is none."""
    consumer = _consumer(kafka, 1024)
    moment = int(since.timestamp() * 1000)
    try:
        asked = [TopicPartition(place.name, number, moment) for number in range(place.partitions)]
        return {found.partition: found.offset for found in consumer.offsets_for_times(asked, timeout=ASK_WITHIN_S)}
    except KafkaException as error:
        raise away(error) from error
    finally:
        consumer.close()


def _consumer(kafka: str, largest_bytes: int) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": kafka,
            # never joined and never committed to: librdkafka wants a name
            "group.id": "towpath-read-topics",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.message.max.bytes": max(largest_bytes, 1024 * 1024),
            "log_level": 0,
        }
    )
