"""A topic whose events were all taken in and delivered, and a shelf they were delivered to; for tests of replays."""

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bus.events import Advance, Incoming
from bus.partitioner import partition_of
from bus.read_range import RangeReader
from bus.verify import topic_ids
from delivery.ports import Absent, Arrival, Finding, Found, Intent, Reference, Row, Settlement
from delivery.replay_reading import Origin
from delivery.states import Kind, Repeats, State
from delivery.store import Store
from errors import DecodeError
from operations.topics import create
from schemas.types import root_of
from tests.integration.delivery.rows import QUEUE

PARTITIONS = 3
#: Beyond any offset.
END = 2**40
NOON_MS = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp() * 1000)


class Past:
    """A topic of a test's own; a record is its key, its source version and the mapping it shall be delivered with."""

    def __init__(self, kafka: str, topic: str, topic_id: str) -> None:
        self.kafka = kafka
        self.topic = topic
        self.topic_id = topic_id
        self._admin = AdminClient({"bootstrap.servers": kafka})
        self._producer = Producer({"bootstrap.servers": kafka, "linger.ms": 5})

    @classmethod
    def make(cls, kafka: str) -> "Past":
        topic = f"replay-{uuid.uuid4().hex[:8]}"
        admin = AdminClient({"bootstrap.servers": kafka})
        create(admin, [NewTopic(topic, PARTITIONS, 1)])
        return cls(kafka, topic, topic_ids(kafka, [topic])[topic])

    def remove(self) -> None:
        self._admin.delete_topics([self.topic])[self.topic].exception()

    def write(self, *events: tuple[str, int], minute: int = 0) -> None:
        """Versions of keys, stamped so many minutes after noon."""
        for key, version in events:
            value = json.dumps({"version": version}).encode()
            place = partition_of(key, PARTITIONS)
            self._producer.produce(self.topic, value, key.encode(), place, timestamp=NOON_MS + minute * 60_000)
        assert self._producer.flush(30) == 0

    def drop_before(self, partition: int, offset: int) -> None:
        """As if they were compacted or too old."""
        self._admin.delete_records([TopicPartition(self.topic, partition, offset)])[
            TopicPartition(self.topic, partition, offset)
        ].result()

    def origin(self, kind: Kind = Kind.DOCUMENT) -> Origin:
        def read(event: Incoming) -> Arrival:
            return self.arrival(event, kind)

        return Origin(topic=self.topic, topic_id=self.topic_id, partitions=PARTITIONS, record="order", read=read)

    def arrival(self, event: Incoming, kind: Kind = Kind.DOCUMENT) -> Arrival:
        if event.value == b"unreadable":
            raise DecodeError("no record")
        return Arrival(
            topic=event.topic,
            topic_id=event.topic_id,
            partition=event.partition,
            offset=event.offset,
            root=event.root,
            root_key=root_of(event.key_text),
            message_key=event.key_text,
            record="order",
            kind=kind,
            replaces_with=State.SUPERSEDED if kind is Kind.STATE else None,
            source_version=json.loads(event.value or b"")["version"],
            payload=event.value or b"",
            payload_digest="",
        )

    async def take_in(self, store: Store, kind: Kind = Kind.DOCUMENT) -> int:
        """As the live agent does: whatever was not taken in yet; how many events."""
        taken = 0
        positions = await store.positions(QUEUE, self.topic_id)
        with RangeReader(self.kafka) as reader:
            for partition in range(PARTITIONS):
                first = positions.get(partition)
                events: list[Incoming] = []
                at = first or 0
                while at < END:
                    stretch = reader.read(self.topic, self.topic_id, partition, at, END, 10_000)
                    events, at = [*events, *stretch.events], stretch.next
                if events:
                    following = events[-1].offset + 1
                    arrivals = [self.arrival(event, kind) for event in events]
                    await store.take_in(
                        QUEUE,
                        self.topic,
                        self.topic_id,
                        [Advance(partition, first, following)],
                        arrivals,
                    )
                    taken += len(arrivals)
        return taken


class Shelf:
    """Absolute: what stands under a key is looked at before anything is written, and each write is remembered."""

    repeats = Repeats.REPEATABLE

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.writes: list[str] = []
        self.mapping = "m@1+d"

    async def prepare(self, row: Row) -> Intent | Settlement:
        if self.documents.get(row.message_key) == row.payload:
            return Settlement(state=State.SUPPRESSED, code="equal")
        reference = Reference(record="order", business=row.message_key, operation=f"write:{row.source_version}")
        creates = row.message_key not in self.documents
        return Intent(reference=reference, body=row.payload, mapping=self.mapping, timeout_s=2.0, creates=creates)

    async def deliver(self, intent: Intent) -> Settlement:
        self.writes.append(intent.reference.business)
        self.documents[intent.reference.business] = intent.body
        return Settlement(
            state=State.DELIVERED, code="created" if intent.creates else "updated", mapping=intent.mapping
        )

    async def find(self, intent: Intent) -> Finding:
        if self.documents.get(intent.reference.business) == intent.body:
            return Found(settlement=Settlement(state=State.DELIVERED, code="created"))
        return Absent()

    def lose(self, keys: Iterable[str]) -> None:
        for key in keys:
            del self.documents[key]


def _said(intent: Intent) -> str:
    return "created" if intent.creates else "updated"


def only(given: Origin) -> dict[str, Origin]:
    """As a worker has them."""
    return {given.topic: msgspec.structs.replace(given)}
