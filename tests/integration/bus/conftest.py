"""Topics of a test's own and the worker processes it starts."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # re-exported without saying so

from operations.stack.addresses import Addresses
from operations.topics import create

ROOT = Path(__file__).resolve().parents[3]
WORKER = Path(__file__).with_name("pattern_worker.py")
PARTITIONS = 6


class Place:
    """Source, target and dead-letter topic of one test, and workers between them."""

    def __init__(self, kafka: str, logs: Path) -> None:
        self.kafka = kafka
        self.name = f"pattern-{uuid.uuid4().hex[:8]}"
        self.source, self.target, self.dead = (f"{self.name}.{part}" for part in ("source", "target", "dead"))
        self.group = f"{self.name}.group"
        self.admin = AdminClient({"bootstrap.servers": kafka})
        self._logs = logs
        self._workers: list[subprocess.Popen[bytes]] = []

    def create(self) -> None:
        create(
            self.admin,
            [
                NewTopic(self.source, PARTITIONS, 1),
                NewTopic(self.target, PARTITIONS, 1),
                NewTopic(self.dead, PARTITIONS, 1, config={"max.message.bytes": str(8 * 1024 * 1024)}),
            ],
        )

    def start(self, **told: Any) -> subprocess.Popen[bytes]:
        given = {
            "kafka": self.kafka,
            "group": self.group,
            "partitions": PARTITIONS,
            "source": self.source,
            "target": self.target,
            "dead": self.dead,
        }
        with self.log_of(len(self._workers)).open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, str(WORKER), json.dumps(given | told)],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        self._workers.append(worker)
        return worker

    def log_of(self, number: int) -> Path:
        return self._logs / f"worker-{number}.log"

    def logs(self) -> str:
        return "".join(self.log_of(number).read_text() for number in range(len(self._workers)))

    def stop_all(self) -> None:
        for worker in self._workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()

    def lag(self) -> int:
        """Events of the source the group has not committed."""
        partitions = [TopicPartition(self.source, number) for number in range(PARTITIONS)]
        (answer,) = self.admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(self.group, partitions)]
        ).values()
        committed = {place.partition: place.offset for place in answer.result().topic_partitions or ()}
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": "lag"})
        try:
            ends = {p.partition: consumer.get_watermark_offsets(p, timeout=5)[1] for p in partitions}
        finally:
            consumer.close()
        return sum(end - max(committed.get(partition, 0), 0) for partition, end in ends.items())


class Reader:
    """Reads a topic from its beginning, as it grows."""

    def __init__(self, kafka: str, topic: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": "reader",
                "enable.auto.commit": False,
                "fetch.message.max.bytes": 9_000_000,
            }
        )
        self._consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        self.messages: list[Message] = []

    def read(self) -> Sequence[Message]:
        while batch := self._consumer.consume(5000, timeout=0.2):
            self.messages += [message for message in batch if message.error() is None]
        return self.messages

    def close(self) -> None:
        self._consumer.close()


def eventually(condition: Callable[[], bool], *, within_s: float, what: str) -> None:
    """Wait for a condition, not for a duration."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what}")
        time.sleep(0.1)


@pytest.fixture
def read_all(place: Place) -> Iterator[Callable[[str], Reader]]:
    readers: list[Reader] = []

    def read(topic: str) -> Reader:
        readers.append(Reader(place.kafka, topic))
        return readers[-1]

    yield read
    for reader in readers:
        reader.close()


@pytest.fixture
def place(stack: Addresses, tmp_path: Path) -> Iterator[Place]:
    made = Place(stack.kafka, tmp_path)
    try:
        yield made
    finally:
        made.stop_all()
        for future in made.admin.delete_topics([made.source, made.target, made.dead]).values():
            future.exception()
