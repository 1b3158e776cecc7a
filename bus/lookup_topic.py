"""Reads rows that operators laid over lookup tables, from the topic's beginning and on; outside any consumer group."""

import time
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from bus.codec import Codecs
from bus.laid_over import Rows, apply
from errors import RejectedError, RetryableError
from schemas.topics import LOOKUPS

WITHIN_S = 15.0
#: Records taken at once.
BATCH = 1000


class LookupTopic:
    """The topic as far as it was read. For one thread at a time, but for `end`."""

    def __init__(self, kafka: str, codecs: Codecs) -> None:
        """Build, and read nothing yet.

        Raises:
            ConfigurationError: the registry has not our schema.
            RetryableError: the registry does not answer.
        """
        self._codec = codecs.of(LOOKUPS)
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                # never joined and never committed to: librdkafka wants a name
                "group.id": "towpath-lookups",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        self._consumer.assign([TopicPartition(LOOKUPS.name, 0, 0)])
        self.rows: Rows = {}
        #: Offset of the first record not read yet.
        self.next = 0
        #: Offset and reason of records that are none of ours, for whoever tells of them.
        self.refused: list[tuple[int, str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def end(self) -> int:
        """Where the topic ends now.

        Raises:
            RetryableError: Kafka does not answer.
        """
        try:
            _, end = self._consumer.get_watermark_offsets(TopicPartition(LOOKUPS.name, 0), timeout=WITHIN_S)
        except KafkaException as error:
            raise _away(error.args[0].str()) from error
        return int(end)

    def read_to(self, end: int) -> None:
        """Read on until that offset, if it is not behind us.

        Raises:
            RetryableError: Kafka does not answer.
        """
        deadline = time.monotonic() + WITHIN_S
        while self.next < end:
            if time.monotonic() > deadline:
                raise _away("it was not read in time")
            self.poll(0.5)

    def poll(self, within_s: float) -> bool:
        """Take in what came, waiting so long for something; whether rows changed.

        While Kafka is away nothing comes, and what is known stands.
        """
        first = self._consumer.poll(within_s)
        came = [] if first is None else [first, *self._consumer.consume(BATCH, 0)]
        return any([self._take(message) for message in came])  # noqa: C419 - all of them, not up to the first

    def _take(self, message: Message) -> bool:
        error, offset = message.error(), message.offset()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF and offset is not None:  # noqa: SLF001  it has no other name
                self.next = max(self.next, offset)
            return False
        try:
            value = message.value()
            key = (message.key() or b"").decode()
            apply(self.rows, key, None if value is None else self._codec.decode(value))
        except (RejectedError, UnicodeDecodeError) as refused:
            # not of our making: what is known stands, and nobody waits for this one
            self.refused.append((offset or 0, str(refused)))
            return False
        finally:
            self.next = (offset or 0) + 1
        return True


def _away(why: str) -> RetryableError:
    return RetryableError("broker_away", f"{LOOKUPS.name}: {why}", retry_after_s=1.0)
