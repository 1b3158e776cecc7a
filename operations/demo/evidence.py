"""Reads the topics of a run with a consumer of its own: the demonstration's third witness."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from bus.codec import Codecs
from bus.registry import Registry
from bus.settings import Settings
from errors import BusError, RetryableError
from operations.demo.topic_facts import Arrival, OnTopics, Written
from operations.offsets import Place, admin_of, away, describe, ends
from schemas import topics
from schemas.topics import Stage, Topic
from schemas.types import root_at

#: Read from their beginning: what has not changed in this run must agree as well.
WHOLE = (topics.INVENTORY_LEVELS,)
CAPTURED = tuple(topic for topic in topics.TOPICS if topic.written_by is Stage.CONNECT)
CANONICAL = tuple(topic for topic in topics.TOPICS if topic.written_by is Stage.STREAMS)
READ = (topics.CLARITY_CHANGES, *CAPTURED, *CANONICAL, topics.OUTCOMES, topics.DEAD_LETTERS)
POLL_S = 0.25
BATCH = 1000


#: Topic id and partition to the offset the next record got.
Ends = Mapping[tuple[str, int], int]


def ends_now(settings: Settings) -> Ends:
    """Where every topic ends that an evidence reads.

    Raises:
        RetryableError: Kafka does not answer.
    """
    admin = admin_of(settings.kafka)
    places = describe(admin, [topic.name for topic in READ])
    return {(places[name].topic_id, partition): end for (name, partition), end in ends(admin, places).items()}


class CapturedAt(msgspec.Struct, frozen=True, kw_only=True):
    """Of a captured row only its time is wanted."""


class Evidence:
    """What is written to the topics from now on; read in a thread of its own until closed."""

    def __init__(self, settings: Settings, since: Ends | None = None) -> None:
        """Stand at the end of every topic, or where it ended at an earlier moment.

        Args:
            settings: Of the deployment.
            since: What `ends_now` said then; a topic made anew since is read whole.

        Raises:
            RetryableError: Kafka or the registry do not answer.
        """
        self.seen = OnTopics()
        self._kafka = settings.kafka
        self._places = describe(admin_of(settings.kafka), [topic.name for topic in READ])
        self._registry = Registry(settings.registry)
        codecs = Codecs(self._registry)
        self._topics = {topic.name: topic for topic in READ}
        self._decoders: Mapping[str, Any] = {
            topic.name: codecs.captured(topic, CapturedAt) if topic in CAPTURED else codecs.of(topic) for topic in READ
        }
        self._next: dict[Place, int] = {}
        self._failure: BusError | None = None
        self._closing = threading.Event()
        self._consumer = self._stand_at(settings.kafka, ends_now(settings) if since is None else since)
        self._thread = threading.Thread(target=self._run, name="evidence", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading; what was seen stays."""
        self._closing.set()
        self._thread.join()
        self._consumer.close()
        self._registry.close()

    def behind(self) -> int:
        """How many records were written and not yet read.

        Raises:
            RetryableError: Kafka does not answer, or reading failed.
        """
        if self._failure is not None:
            raise self._failure
        # a client of long standing never learns that a broker has begun anew: every question has its own
        written = ends(admin_of(self._kafka), self._places)
        return sum(max(0, end - self._next.get(place, 0)) for place, end in written.items())

    def _stand_at(self, kafka: str, since: Ends) -> Consumer:
        consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                # never joined and never committed to: librdkafka wants a name
                "group.id": "towpath-demo",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "log_level": 0,
            }
        )
        whole = {topic.name for topic in WHOLE}
        self._next = {
            (name, partition): 0 if name in whole else since.get((place.topic_id, partition), 0)
            for name, place in self._places.items()
            for partition in range(place.partitions)
        }
        consumer.assign(
            [
                TopicPartition(name, partition, OFFSET_BEGINNING if name in whole else following)
                for (name, partition), following in self._next.items()
            ]
        )
        return consumer

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                for message in self._consumer.consume(BATCH, POLL_S):
                    self._note(message)
        except BusError as error:
            self._failure = error
        except KafkaException as error:
            self._failure = away(error)

    def _note(self, message: Message) -> None:
        if (error := message.error()) is not None:
            raise RetryableError("kafka.read", f"reading failed: {error.str()}")
        name, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
        root = root_at(self._places[name].topic_id, partition, offset)
        value = message.value()
        if value is not None:
            record = self._decoders[name].decode(value)
            key = (message.key() or b"").decode("utf-8", "backslashreplace")
            self._keep(self._topics[name], root, key, offset, message.timestamp()[1], record)
        # last, so that whoever sees the position sees the record too
        self._next[name, partition] = offset + 1

    def _keep(self, topic: Topic, root: str, key: str, offset: int, timestamp_ms: int, record: Any) -> None:
        if topic in CAPTURED:
            self.seen.commits[root] = record.at
            self.seen.captured_until = max(self.seen.captured_until, record.at)
        elif topic in CANONICAL:
            self.seen.canonical.setdefault(topic.name, []).append(Written(key=key, offset=offset, record=record))
        elif topic is topics.OUTCOMES:
            self.seen.outcomes.append(record)
        elif topic is topics.DEAD_LETTERS:
            self.seen.dead_letters.append(record)
        else:
            at = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
            self.seen.arrivals.setdefault(key, []).append(Arrival(root=root, at=at, cause=record.cause))
