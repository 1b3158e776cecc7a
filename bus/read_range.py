"""Reads stretches of partitions where they lie, outside any consumer group; for replays."""

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Final, Self

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from bus.events import Headers, Incoming
from bus.partitioner import partition_of
from errors import NotFoundError, RetryableError
from schemas.topics import Topic

READ_WITHIN_S: Final = 20.0
#: Given to records to join the first one.
GATHER_S: Final = 0.02
#: Records of a partition that is searched for a key.
READ_AT_ONCE: Final = 1000


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """What lies between two offsets of a partition, as far as it was read."""

    events: tuple[Incoming, ...]
    #: Where to read on.
    next: int


class RangeReader:
    """Any partition, from any offset; reading on where the last stretch ended is cheapest. For one thread at a time."""

    def __init__(self, kafka: str) -> None:
        """Build, without connecting. `kafka`: bootstrap servers."""
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                # never joined and never committed to: librdkafka wants a name
                "group.id": "towpath-read-range",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                # a first offset that is gone: what is kept follows
                "auto.offset.reset": "earliest",
                "queued.max.messages.kbytes": 16384,
                # a partition that is left while the broker waits for more of it holds up the next one so long
                "fetch.wait.max.ms": 20,
                "log_level": 0,
            }
        )
        self._at: tuple[str, int, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def first_since(self, topic: str, partition: int, moment: datetime) -> int | None:
        """The first offset whose record is stamped then or later; None: there is none yet.

        Raises:
            RetryableError: Kafka does not answer.
        """
        place = TopicPartition(topic, partition, int(moment.timestamp() * 1000))
        try:
            (found,) = self._consumer.offsets_for_times([place], READ_WITHIN_S)
        except KafkaException as error:
            raise _away(error.args[0]) from error
        return found.offset if found.offset >= 0 else None

    def end(self, topic: str, partition: int) -> int:
        """Where a partition ends now.

        Raises:
            RetryableError: Kafka does not answer.
        """
        try:
            _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=READ_WITHIN_S)
        except KafkaException as error:
            raise _away(error.args[0]) from error
        return int(end)

    def read(self, topic: str, topic_id: str, partition: int, first: int, last: int, most: int) -> Stretch:
        """Records from `first` up to, not including, `last`; at most so many. Gaps are normal.

        Raises:
            RetryableError: Kafka does not answer.
        """
        if self._at != (topic, partition, first):
            self._consumer.assign([TopicPartition(topic, partition, first)])
        self._at = None
        events: list[Incoming] = []
        following = first
        deadline = time.monotonic() + READ_WITHIN_S
        while following < last and not events:
            if time.monotonic() > deadline:
                raise RetryableError("broker_away", "Kafka does not answer: the records did not come in time")
            for message in self._some(most):
                error, offset = message.error(), message.offset() or 0
                if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  it has no other name
                    following = last
                elif error is not None:
                    raise _away(error)
                elif offset >= last:
                    following = last
                elif offset >= following:
                    events.append(incoming(message, topic_id))
                    following = offset + 1
        self._at = (topic, partition, following)
        return Stretch(events=tuple(events), next=following)

    def _some(self, most: int) -> list[Message]:
        first = self._consumer.poll(1.0)
        return [] if first is None else [first, *(self._consumer.consume(most - 1, GATHER_S) if most > 1 else [])]


def event_at(
    reader: RangeReader, topic_ids: Mapping[str, str], topic: str, topic_id: str, partition: int, offset: int
) -> Incoming:
    """The event at a place.

    Raises:
        NotFoundError: it is not there any more, or the topic was made anew since.
        RetryableError: Kafka does not answer.
    """
    if topic_ids.get(topic) == topic_id:
        for event in reader.read(topic, topic_id, partition, offset, offset + 1, 1).events:
            return event
    raise NotFoundError("recall.gone", f"{topic}/{partition}/{offset} is not there any more")


def events_since(
    reader: RangeReader, topic_ids: Mapping[str, str], topic: Topic, message_key: str, first: int
) -> Iterator[Incoming]:
    """What was written of a message key from an offset of its partition on, up to where that ends now.

    Raises:
        RetryableError: Kafka does not answer.
    """
    partition = partition_of(message_key, topic.partitions)
    end = reader.end(topic.name, partition)
    while first < end:
        stretch = reader.read(topic.name, topic_ids.get(topic.name, ""), partition, first, end, READ_AT_ONCE)
        yield from (event for event in stretch.events if event.key_text == message_key)
        first = stretch.next


def incoming(message: Message, topic_id: str) -> Incoming:
    """A record as the client gives it."""
    return Incoming(
        topic=message.topic() or "",
        topic_id=topic_id,
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=_headers(message),
    )


def _headers(message: Message) -> Headers:
    # typed there as anything that may be sent; what is received are pairs
    listed: list[tuple[str, bytes | None]] = message.headers() or []  # type: ignore[assignment]
    return tuple((name, value or b"") for name, value in listed)


def _away(error: KafkaError) -> RetryableError:
    return RetryableError("broker_away", f"Kafka does not answer: {error.str()}")
