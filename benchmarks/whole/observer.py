"""Sees what is written to some topics as soon as any reader could, and keeps it undecoded until somebody asks."""

import threading
import time
from collections.abc import Mapping

from confluent_kafka import Consumer, TopicPartition
from msgspec import Struct

from errors import RetryableError
from operations.offsets import admin_of, describe, ends

POLL_S = 0.1


class Seen(Struct, frozen=True, gc=False):
    """One record."""

    #: Seconds since the epoch, by this machine's clock.
    at: float
    topic: str
    key: str
    value: bytes
    #: The source event it descends from, where its headers say so.
    root: str


class Observer:
    """Stands at the end of the topics and reads in a thread of its own until closed."""

    def __init__(self, kafka: str, *topics: str) -> None:
        """Raises:
        RetryableError: Kafka does not answer.
        """
        admin = admin_of(kafka)
        following = ends(admin, describe(admin, topics))
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                # never joined and never committed to: librdkafka wants a name
                "group.id": "benchmark-observer",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
                "log_level": 0,
            }
        )
        self._consumer.assign([TopicPartition(name, partition, end) for (name, partition), end in following.items()])
        self.seen: list[Seen] = []
        self._failed = ""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Observer":
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        self._consumer.close()

    def of(self, topic: str, since: int = 0) -> list[Seen]:
        """What was seen of one topic, in the order of each key; `since`: not the first so many of all.

        Raises:
            RetryableError: reading failed.
        """
        if self._failed:
            raise RetryableError("kafka.read", f"reading failed: {self._failed}")
        return [each for each in self.seen[since:] if each.topic == topic]

    def _run(self) -> None:
        while not self._closing.is_set():
            message = self._consumer.poll(POLL_S)
            if message is None:
                continue
            if (error := message.error()) is not None:
                self._failed = error.str()
                continue
            headers: Mapping[str, bytes | str | None] = dict(message.headers() or ())
            root, value, key = headers.get("towpath-root"), message.value(), message.key()
            self.seen.append(
                Seen(
                    time.time(),
                    message.topic() or "",
                    _text(key),
                    value if isinstance(value, bytes) else b"",
                    _text(root),
                )
            )


def _text(given: bytes | str | None) -> str:
    return given.decode() if isinstance(given, bytes) else given or ""
