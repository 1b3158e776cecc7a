"""An event as it comes from a topic and as it goes to one, before and after any decoding; for all agents."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from errors import RejectedError
from schemas.topics import Topic
from schemas.types import Root, root_at, root_of

Headers = Sequence[tuple[str, bytes]]

#: Room left for Kafka's own framing of a record and its batch; what is larger is refused before it is sent.
FRAMING_BYTES = 1024
#: And of a header: its two lengths.
HEADER_BYTES = 8


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """One record as it lay on a topic; nothing of it is decoded."""

    topic: str
    #: Kafka's UUID of the topic, so that a recreated topic never repeats an identity.
    topic_id: str
    partition: int
    offset: int
    #: As Kafka wrote it: the broker's clock on topics of events from outside.
    timestamp_ms: int
    key: bytes | None
    #: None: a tombstone.
    value: bytes | None
    headers: Headers = ()

    @property
    def root(self) -> Root:
        """The event's own identity on the bus."""
        return root_at(self.topic_id, self.partition, self.offset)

    @property
    def at(self) -> datetime:
        """When it arrived; the time of whatever is made of it, so that a repeat makes the same."""
        return datetime.fromtimestamp(self.timestamp_ms / 1000, UTC)

    @property
    def key_text(self) -> str:
        """The message key as text; bytes that are no UTF-8 are escaped, as a key is shown and never mapped."""
        return (self.key or b"").decode("utf-8", "backslashreplace")

    @property
    def root_key(self) -> str:
        """Root key of the document; empty where the key is none, as a captured row's is not."""
        try:
            key = (self.key or b"").decode()
        except UnicodeDecodeError:
            return ""
        return root_of(key) if ":" in key and key.isprintable() else ""


class Advance(msgspec.Struct, frozen=True):
    """Of a store's position on one partition, behind events it takes in."""

    partition: int
    #: Where the position must be; None: the store knew nothing of the partition when it was asked.
    expected: int | None
    #: Offset of the event that is read next.
    next_offset: int


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One record to be written, encoded."""

    topic: Topic
    #: Message key; the part before `/` decides the partition.
    key: str
    value: bytes | None
    headers: Headers = ()


def check_size(outgoing: Outgoing) -> None:
    """Refuse what the topic cannot hold, while it can still become a dead letter.

    A broker refuses it too, but only after it was sent, when all that is left is to stop.

    Raises:
        RejectedError: `too_large`, with the size and the limit.
    """
    size = len(outgoing.key.encode()) + len(outgoing.value or b"") + HEADER_BYTES * len(outgoing.headers)
    for name, value in outgoing.headers:
        size += len(name) + len(value)
    limit = outgoing.topic.max_message_bytes - FRAMING_BYTES
    if size > limit:
        raise RejectedError(
            "too_large",
            f"{size} bytes for topic {outgoing.topic.name}, which holds {limit}",
            topic=outgoing.topic.name,
            size_bytes=size,
            limit_bytes=limit,
        )
