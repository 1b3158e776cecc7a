"""Dead letters: lists, counts and one of them whole, its bytes read from where they lie on the bus."""

from collections.abc import Mapping
from datetime import datetime

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from bus.codec import Codecs
from bus.registry import Registry
from bus.settings import Settings
from errors import NotFoundError, RetryableError
from operations.offsets import admin_of, away, describe
from operations.projection import migrate, stories
from operations.projection.stories import DeadLetterTold
from operations.sentences import sentence
from schemas.bus.dead_letter import DeadLetter
from schemas.topics import DEAD_LETTERS

READ_WITHIN_S = 20.0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter without its bytes, and what it means."""

    letter: DeadLetterTold
    happened: str
    to_do: str


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many died of one thing."""

    stage: str
    code: str
    count: int


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters of a time: counts of all, the newest themselves."""

    counts: tuple[Count, ...]
    letters: tuple[Told, ...]


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """The original, byte for byte."""

    key: bytes
    value: bytes
    headers: dict[str, bytes]


def dead_letters(
    settings: Settings, filters: Mapping[str, str], since: datetime, until: datetime, limit: int
) -> Listing:
    """Dead letters of a time, newest first, and how many there are by code.

    Args:
        settings: The deployment.
        filters: Column to what it must be: connection, code, stage, root_key, record.
        since: By time of death.
        until: Exclusive.
        limit: At most so many letters; the counts are of all.
    """
    with migrate.connect(settings.projection_dsn.reveal()) as wire:
        migrate.check_version(wire)
        wire.commit()
        counted = stories.dead_letter_counts(wire, filters, since, until)
        found = stories.dead_letters(wire, filters, since, until, limit)
    return Listing(
        counts=tuple(Count(stage=stage, code=code, count=count) for stage, code, count in counted),
        letters=tuple(tell(letter) for letter in found),
    )


def dead_letter(settings: Settings, id_: str) -> Told:
    """One dead letter, by its id or the beginning of it.

    Raises:
        NotFoundError: no such letter, or several begin so.
    """
    with migrate.connect(settings.projection_dsn.reveal()) as wire:
        migrate.check_version(wire)
        wire.commit()
        found = stories.dead_letter(wire, id_)
    if len(found) != 1:
        begins = "several dead letters begin" if found else "no dead letter begins"
        raise NotFoundError("dead_letters.unknown", f"{begins} with {id_!r}")
    return tell(found[0])


def payload(settings: Settings, letter: DeadLetterTold) -> Payload:
    """The original of a dead letter, read from its topic; may hold customer data, so only on demand.

    Raises:
        NotFoundError: the record is not there any more.
        RetryableError: Kafka does not answer.
    """
    place = describe(admin_of(settings.kafka), [DEAD_LETTERS.name]).get(DEAD_LETTERS.name)
    if place is None or place.topic_id != letter.topic_id:
        raise NotFoundError("dead_letters.gone", f"{DEAD_LETTERS.name} was made anew since: the bytes are gone")
    registry = Registry(settings.registry)
    try:
        value = read_one(settings.kafka, TopicPartition(DEAD_LETTERS.name, letter.partition, letter.event_offset))
        record: DeadLetter = Codecs(registry).of(DEAD_LETTERS).decode(value)
    finally:
        registry.close()
    return Payload(key=record.key, value=record.value, headers=record.headers)


def read_one(bootstrap: str, place: TopicPartition) -> bytes:
    """The value of the record at a place.

    Raises:
        NotFoundError: the record is not there any more.
        RetryableError: Kafka does not answer.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "towpath-dead-letters",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "fetch.message.max.bytes": DEAD_LETTERS.max_message_bytes,
            "log_level": 0,
        }
    )
    try:
        consumer.assign([place])
        message = consumer.poll(READ_WITHIN_S)
    finally:
        consumer.close()
    if message is None:
        raise RetryableError("kafka.away", "Kafka does not answer: the record did not come in time")
    error, value = message.error(), message.value()
    if error is not None and error.code() != KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001  it has no other name
        raise away(KafkaException(error))
    # where the record itself is gone, the next one kept is read
    if error is not None or value is None or message.offset() != place.offset:
        raise NotFoundError("dead_letters.gone", "its bytes are not in the dead-letter topic any more")
    return value


def tell(letter: DeadLetterTold) -> Told:
    """A dead letter with its sentence."""
    values = letter.code_values | {"connection": letter.connection, "topic": letter.topic}
    said = sentence(letter.code, {name: value for name, value in values.items() if value})
    return Told(letter=letter, happened=said.happened, to_do=said.to_do)
