"""Reads rows that operators laid over lookup tables, from the topic's beginning and on; outside any consumer group."""

import time
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from bus.codec import Codecs
from bus.laid_over import Aside, Laid, misplaced, place_of
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
        self.laid = Laid()
        #: By message key, what no table can have: a record that is none of ours, or says another place than its key.
        self.aside: dict[str, Aside] = {}
        #: Offset of the first record not read yet.
        self.next = 0
        #: Why the next record cannot be told to be ours or not; it is read again, and nothing behind it before.
        self.held: RetryableError | None = None
        self._again_at = 0.0
        self._taken_off: set[str] = set()

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
            RetryableError: Kafka does not answer, or the registry for a schema never seen before.
        """
        deadline = time.monotonic() + WITHIN_S
        while self.next < end:
            if time.monotonic() > deadline:
                raise _away("it was not read in time")
            self._receive(0.5)
            if self.held is not None:
                raise self.held

    def poll(self, within_s: float) -> bool:
        """Take in what came, waiting so long for something; whether something of a row did.

        While Kafka or the registry is away nothing comes, and what is known stands.
        """
        return time.monotonic() >= self._again_at and self._receive(within_s)

    def taken_off(self) -> set[str]:
        """Tables that rows were taken off since this was asked last: their files have them now."""
        tables, self._taken_off = self._taken_off, set()
        return tables

    def _receive(self, within_s: float) -> bool:
        first = self._consumer.poll(within_s)
        came = [] if first is None else [first, *self._consumer.consume(BATCH, 0)]
        self.held, changed = None, False
        for message in came:
            try:
                changed |= self._take(message)
            except RetryableError as error:
                self._hold(error)
                break
        return changed

    def _hold(self, error: RetryableError) -> None:
        """Go back to the record that cannot be read yet: those fetched behind it must not overtake it."""
        self.held = error
        self._again_at = time.monotonic() + max(error.retry_after_s or 0.0, 1.0)
        self._consumer.assign([TopicPartition(LOOKUPS.name, 0, self.next)])

    def _take(self, message: Message) -> bool:
        """RetryableError: it could not be read; it is still the next."""
        error, offset = message.error(), message.offset()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF and offset is not None:  # noqa: SLF001  it has no other name
                self.next = max(self.next, offset)
            return False
        self.next = offset or 0
        taken = self._apply(message)
        self.next += 1
        return taken

    def _apply(self, message: Message) -> bool:
        key = (message.key() or b"").decode("utf-8", "backslashreplace")
        value = message.value()
        try:
            row = None if value is None else self._codec.decode(value)
            why = "" if row is None else misplaced(key, row)
        except RejectedError as refused:
            row, why = None, str(refused)
        if why:
            # not of our making: what is known stands, and nobody waits for this one
            table, own = place_of(key)
            self.aside[key] = Aside(table=table, key=own, why=why)
            return True
        self.aside.pop(key, None)
        self.laid.take(key, row)
        if row is None:
            self._taken_off.add(place_of(key)[0])
        return True


def _away(why: str) -> RetryableError:
    return RetryableError("broker_away", f"{LOOKUPS.name}: {why}", retry_after_s=1.0)
