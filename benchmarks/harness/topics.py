"""Topics of a benchmark's own: made, filled, watched from outside, and deleted again."""

import contextlib
import uuid
from collections.abc import Iterable, Iterator, Mapping

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from operations.offsets import TopicPlaces, admin_of, committed, describe, ends
from operations.topics import create


class Topics:
    """What a benchmark has on the broker; all of it under names of its own, gone when the context ends."""

    def __init__(self, kafka: str) -> None:
        self.kafka = kafka
        self.admin: AdminClient = admin_of(kafka)
        self._made: list[str] = []
        self._places: dict[str, TopicPlaces] = {}

    def make(self, what: str, partitions: int = 12, config: Mapping[str, str] | None = None) -> str:
        """A new, empty topic whose partitions all have their leader; its name."""
        name = f"benchmark.{what}.{uuid.uuid4().hex[:8]}"
        settings = {"message.timestamp.type": "LogAppendTime", **(config or {})}
        create(self.admin, [NewTopic(name, partitions, 1, config=settings)])
        self._made.append(name)
        return name

    def drop(self, *names: str) -> None:
        """Delete some of them before the end."""
        mine = [name for name in names if name in self._made]
        for future in self.admin.delete_topics(mine).values() if mine else ():
            with contextlib.suppress(Exception):
                future.result()
        self._made = [name for name in self._made if name not in mine]

    def drop_all(self) -> None:
        """Delete them."""
        self.drop(*self._made)

    def count(self, *names: str) -> int:
        """Records ever written to some topics, by the ends of their partitions."""
        return sum(ends(self.admin, {name: self._place(name) for name in names}).values())

    def committed(self, group: str) -> int:
        """Sum of a group's committed offsets, over all topics."""
        return sum(max(offset, 0) for offset in committed(self.admin, group).values())

    def forget_group(self, group: str) -> None:
        """Delete a group nobody is in any more."""
        for future in self.admin.delete_consumer_groups([group]).values():
            with contextlib.suppress(Exception):
                future.result()

    def _place(self, name: str) -> TopicPlaces:
        if name not in self._places:
            self._places |= describe(self.admin, [name])
        return self._places[name]


@contextlib.contextmanager
def topics_on(kafka: str) -> Iterator[Topics]:
    """Topics that are deleted when the context ends."""
    topics = Topics(kafka)
    try:
        yield topics
    finally:
        topics.drop_all()


def fill(
    kafka: str, topic: str, records: Iterable[tuple[bytes, bytes]], headers: Mapping[str, bytes] | None = None
) -> int:
    """Write keys and values; how many. Keys are placed by murmur2, as the bus places them."""
    producer = Producer(
        {
            "bootstrap.servers": kafka,
            "acks": "all",
            "partitioner": "murmur2_random",
            "linger.ms": 20,
            "queue.buffering.max.messages": 500_000,
            "queue.buffering.max.kbytes": 524_288,
            "message.max.bytes": 8 * 1024 * 1024,
        }
    )
    failed: list[object] = []

    def told(error: object, _: object) -> None:
        if error is not None:
            failed.append(error)

    count = 0
    given: dict[str, str | bytes | None] = dict(headers or {})
    for count, (key, value) in enumerate(records, 1):  # noqa: B007 - told at the end
        while True:
            try:
                producer.produce(topic, value, key, on_delivery=told, headers=given)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush()
    if failed:
        raise RuntimeError(f"{topic} could not be filled: {failed[0]}")
    return count
