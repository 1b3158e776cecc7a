"""What a system is sent because of a record, with the stamp of the mapping and the tables that made it."""

from typing import Any

from bus.clock import Clock
from mapping.port import Mapping, Tables, stamp


class Documents:
    """A mapping at work for a sink."""

    def __init__(self, mapping: Mapping[Any, Any], tables: Tables, clock: Clock) -> None:
        self._mapping = mapping
        self._tables = tables
        self._clock = clock

    def of(self, record: Any) -> tuple[Any, str]:
        """The document of a record, and the stamp for its outcome: both of the same tables.

        Raises:
            MappingError: a field cannot be turned into the system's.
        """
        lookups = self._tables.current()
        return self._mapping(record, lookups, self._clock()), stamp(self._mapping, lookups)
