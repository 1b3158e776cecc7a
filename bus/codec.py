"""Records to and from Avro in the Confluent wire format: byte 0, the schema's id in four bytes, the body.

What reads and writes a record is written out as Python, once for each schema (`avro_read`, `avro_write`).
"""

import json
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

import fastavro
import msgspec

from bus.avro import Schema, meanings
from bus.avro_read import Read, read_whole, reader
from bus.avro_write import writer
from bus.captured_codec import CapturedCodec
from bus.readers import Readers
from bus.registry import Schemas
from bus.wire import id_of, with_id
from errors import ConfigurationError, DecodeError, MappingError
from schemas.topics import Topic, avro_schema

R = TypeVar("R", bound=msgspec.Struct)
Row = TypeVar("Row", bound=msgspec.Struct)

_PLACE = re.compile(r"\[(\d+)\]")


class Codecs:
    """One codec for each topic, made at first use; looks schemas up and never registers."""

    def __init__(self, registry: Schemas) -> None:
        self._registry = registry
        self._of: dict[str, Codec[Any]] = {}

    def of(self, topic: Topic) -> "Codec[Any]":
        """The codec of a topic's record.

        Raises:
            ConfigurationError: the topic has no record of ours, or the registry not our schema.
            RetryableError: the registry is away and the topic was never looked up before.
        """
        if topic.name not in self._of:
            if topic.record is None:
                raise ConfigurationError(topic.name, "brings its own schema: use `captured`")
            self._of[topic.name] = Codec(topic.record, avro_schema(topic.record), f"{topic.name}-value", self._registry)
        return self._of[topic.name]

    def captured(self, topic: Topic, row: type[Row]) -> CapturedCodec[Row]:
        """The codec of a captured table's envelopes, rows as `row`."""
        return CapturedCodec(topic.name, row, self._registry)

    def decoder(self, topic: Topic, row: type[msgspec.Struct] | None) -> Callable[[bytes | None], Any]:
        """What makes events of bytes on a topic of records of ours or, where a row is given, of captured rows.

        Raises:
            ConfigurationError: as `of`.
            RetryableError: as `of`.
        """
        return self.of(topic).decode if row is None else self.captured(topic, row).decode


class Codec(Generic[R]):
    """One record of ours to bytes and back."""

    def __init__(self, record: type[R], schema: str, subject: str, registry: Schemas) -> None:
        self.record = record
        self._schema = fastavro.parse_schema(json.loads(schema))
        written_as = registry.id_of(subject, schema)
        self._write = writer(self._schema, record, with_id(written_as))
        self._readers = Readers(registry, self._reader)
        self._readers[written_as] = reader(self._schema, self._schema, record)

    def encode(self, record: R) -> bytes:
        """The record as it lies on its topic.

        Raises:
            MappingError: a value does not fit its field exactly; names the field.
        """
        try:
            return self._write(record)
        except MappingError:
            raise
        except Exception as error:
            raise _misfit(record, error) from error

    def decode(self, data: bytes | None) -> R:
        """The record, read with its writer's schema into ours.

        Raises:
            DecodeError: whatever else it is, it is not this record.
            RetryableError: its schema was never seen before and the registry is away.
        """
        record: R = read_whole(self._readers[id_of(data)], data or b"", self.record.__name__)
        return record

    def _reader(self, theirs: Schema) -> Read:
        said, meant = meanings(theirs), meanings(self._schema)
        for path in said.keys() & meant.keys():
            if said[path] != meant[path]:
                raise DecodeError(f"{path} is {said[path]}, ours {meant[path]}")
        return reader(theirs, self._schema, self.record)


def _misfit(record: msgspec.Struct, error: Exception) -> MappingError:
    """Which field holds a value of the wrong type: Structs are not checked when they are made."""
    try:
        msgspec.convert(msgspec.to_builtins(record, builtin_types=(Decimal, datetime, bytes)), type(record))
    except msgspec.ValidationError as found:
        reason, _, field = str(found).partition(" - at `$.")
        # people count from 1
        field = _PLACE.sub(lambda place: f"[{int(place[1]) + 1}]", field.rstrip("`"))
        return MappingError(field or type(record).__name__, reason)
    except (TypeError, ValueError):
        pass
    return MappingError(type(record).__name__, f"cannot be written: {error}")
