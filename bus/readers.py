"""Readers by the id of their writer's schema, each made when an event first needs it."""

from collections.abc import Callable
from typing import NoReturn

from bus.avro import Schema
from bus.avro_read import Read
from bus.avro_schema import parsed
from bus.registry import Schemas
from errors import DecodeError

#: So many schemas are remembered; then it begins anew.
_REMEMBERED = 1024


class Readers(dict[int, Read]):
    """Made once for each schema; of one that was refused, a reader that refuses again without looking at it."""

    def __init__(self, registry: Schemas, make: Callable[[Schema], Read]) -> None:
        """`make` is given a checked schema; whatever it raises refuses the schema."""
        super().__init__()
        self._registry = registry
        self._make = make

    def __missing__(self, schema_id: int) -> Read:
        """Ask the registry.

        Raises:
            DecodeError: it does not know the id, yet.
            RetryableError: it is away.
        """
        try:
            text = self._registry.schema_of(schema_id)
            read = None if text is None else self._made(text, schema_id)
        except DecodeError as error:
            read = _refusing(error.message, schema_id)
        if read is None:
            # not remembered: it may be registered yet
            raise DecodeError(f"schema id {schema_id} is unknown to the registry", schema_id=schema_id)
        if len(self) >= _REMEMBERED:
            self.clear()
        self[schema_id] = read
        return read

    def _made(self, text: str, schema_id: int) -> Read:
        try:
            return self._make(parsed(text))
        except DecodeError as error:
            raise DecodeError(f"schema id {schema_id}: {error.message}") from error
        except MemoryError:
            raise
        except Exception as error:  # whatever a schema from outside makes it raise
            raise DecodeError(
                f"schema id {schema_id} cannot be read: {type(error).__name__}: {str(error)[:200]}"
            ) from error


def _refusing(reason: str, schema_id: int) -> Read:
    def refuse(_data: bytes, _at: int) -> NoReturn:
        raise DecodeError(reason, schema_id=schema_id)

    return refuse
