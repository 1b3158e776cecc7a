"""What is written of an event that will never pass: the letter with its original bytes, and the outcome telling of it.

No size guard is needed: sources hold up to 4 MiB, the dead-letter topic 8.
"""

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from bus.codec import Codec
from bus.events import Incoming
from bus.headers import from_headers
from errors import BusError, NotFoundError, RejectedError
from schemas.bus.command import Command
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.outcome import Outcome
from schemas.types import Root

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://towpath.invalid/dead-letters")

#: Topic id, partition and offset of a dead letter on its topic, to its value. NotFoundError: it is gone.
ReadLetter = Callable[[str, int, int], bytes]


class NoLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Why a letter that a command names cannot be had: the answer to that command."""

    code: str
    values: dict[str, str] = {}


def letter_id(topic_id: str, partition: int, offset: int, stage: str, record: str = "") -> str:
    """The same event dying at the same stage, on its way to the same record, is the same letter again."""
    return str(uuid.uuid5(NAMESPACE, f"{topic_id}/{partition}/{offset}/{stage}/{record}"))


def dead_letter(
    event: Incoming,
    error: BusError,
    *,
    stage: str,
    at: datetime,
    record: str = "",
    connection: str = "",
    mapping: str = "",
    code_version: str = "",
) -> DeadLetter:
    """The letter of an event.

    Args:
        event: As it lay on its topic; nothing of it is changed.
        error: Why it cannot pass: its code and its facts.
        stage: Where it died: `streams`, `fetchers`, `consumers`.
        at: When.
        record: What the route makes, `order`.
        connection: At which connection the document lives, if known.
        mapping: Stamp of the mapping at work.
        code_version: Of the running code.
    """
    return DeadLetter(
        id=letter_id(event.topic_id, event.partition, event.offset, stage, record),
        at=at,
        stage=stage,
        code=error.code,
        values=values_of(error),
        connection=connection,
        record=record,
        topic=event.topic,
        topic_id=event.topic_id,
        partition=event.partition,
        offset=event.offset,
        root=root_of_event(event),
        root_key=event.root_key,
        key=event.key or b"",
        value=event.value or b"",
        headers={name: value or b"" for name, value in event.headers},
        code_version=code_version,
        mapping=mapping,
    )


def letter_of(command: Command, codec: Codec[DeadLetter], read: ReadLetter) -> DeadLetter | NoLetter:
    """The letter a command names by its place on the topic; one that is gone or that nobody can read stops no worker.

    Raises:
        RetryableError: Kafka does not answer.
    """
    try:
        return codec.decode(read(command.topic_id, command.partition, command.offset))
    except NotFoundError as error:
        return NoLetter(code=error.code)
    except RejectedError as error:
        return NoLetter(code="command.failed_again", values={"why": error.code, **values_of(error)})


def original_of(letter: DeadLetter) -> Incoming:
    """The event as it lay on its topic."""
    return Incoming(
        topic=letter.topic,
        topic_id=letter.topic_id,
        partition=letter.partition,
        offset=letter.offset,
        timestamp_ms=int(letter.at.timestamp() * 1000),
        key=letter.key,
        value=letter.value,
        headers=tuple(letter.headers.items()),
    )


def outcome(
    event: Incoming,
    *,
    stage: str,
    state: str,
    code: str,
    at: datetime,
    values: Mapping[str, str] | None = None,
    record: str = "",
    connection: str = "",
    mapping: str = "",
    source_version: int = 0,
    merged_into: str = "",
) -> Outcome:
    """What became of an event that goes no further here; arguments as for `dead_letter`.

    Args:
        event: The event.
        stage: Where it ended.
        state: An end of `delivery/states.py`: `filtered`, `merged`, `dead`.
        code: Of the sentence catalogue.
        at: When.
        values: What the sentence is filled with.
        record: What the route makes.
        connection: At which connection the document lives, if known.
        mapping: Stamp of the mapping at work.
        source_version: Of the record, if it could be read.
        merged_into: Root of the event that stands for it, where it is `merged`.
    """
    return Outcome(
        at=at,
        stage=stage,
        state=state,
        code=code,
        values=dict(values or {}),
        connection=connection,
        topic=event.topic,
        topic_id=event.topic_id,
        partition=event.partition,
        offset=event.offset,
        root=root_of_event(event),
        root_key=event.root_key,
        message_key=event.key_text if event.root_key else "",
        record=record,
        source_version=source_version,
        mapping_in=mapping,
        origin=from_headers(event.headers).origin,
        merged_into=merged_into,
    )


def root_of_event(event: Incoming) -> Root:
    """The source event it descends from: what its headers say, else itself."""
    return from_headers(event.headers).root or event.root


def values_of(error: BusError) -> dict[str, str]:
    """The error's facts, for the sentence that tells it."""
    return {name: str(value) for name, value in error.facts.items() if value is not None} | {"reason": error.message}
