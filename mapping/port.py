"""What a mapping is to the stages that run it."""

import hashlib
from collections.abc import Mapping as Table
from datetime import datetime
from functools import cached_property
from typing import Protocol, TypeVar

import msgspec

from errors import MappingError

S = TypeVar("S")
T = TypeVar("T")
S_contra = TypeVar("S_contra", contravariant=True)
T_co = TypeVar("T_co", covariant=True)


class Tables(Protocol):
    """Where lookup tables are had from that may change while a process runs.

    Whoever maps takes them once for a record, so that all of it and its stamp are of the same tables.
    """

    def current(self) -> "Lookups":
        """The tables as they are now; the very same object until one of them changes."""


class Unfit(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of lookup tables that nobody can map by, however each may look by itself."""

    #: Table and key of each row that has to do with it.
    places: tuple[tuple[str, str], ...]
    #: `lookups/<table>.csv: ...`, with what to do.
    why: str


class Lookups:
    """Named tables of the deployment, key to value; part of every mapping's digest."""

    def __init__(self, tables: Table[str, Table[str, str]]) -> None:
        self._tables = tables
        self._turned: dict[str, Table[str, tuple[str, ...]]] = {}

    def current(self) -> "Lookups":
        """Themselves: these never change."""
        return self

    def find(self, table: str, key: str) -> str | None:
        """The value, or None where the table has no such row."""
        return self._tables.get(table, {}).get(key)

    def get(self, table: str, key: str, field: str) -> str:
        """The value.

        Raises:
            MappingError: no such row; names the field that needs it, the table and the key.
        """
        value = self.find(table, key)
        if value is None:
            raise MappingError(field, f"no row for {key!r} in lookup table {table!r}: add it", table=table, key=key)
        return value

    def keys_of(self, table: str, value: str) -> tuple[str, ...]:
        """Keys of the rows that have a value, in the table's order: a table read the other way."""
        return self._by_value(table).get(value, ())

    def also(self, table: str, *, known_as: str) -> "Lookups":
        """The same tables, one of them under a second name too."""
        return Lookups({**self._tables, known_as: self._tables.get(table, {})})

    def rows(self) -> Table[str, Table[str, str]]:
        """All of them, by name."""
        return self._tables

    def _by_value(self, table: str) -> Table[str, tuple[str, ...]]:
        if table not in self._turned:
            turned: dict[str, list[str]] = {}
            for key, value in self._tables.get(table, {}).items():
                turned.setdefault(value, []).append(key)
            self._turned[table] = {value: tuple(keys) for value, keys in turned.items()}
        return self._turned[table]

    @cached_property
    def digest(self) -> str:
        """Digest of all tables, so that what a mapping knew can be told later."""
        text = repr(sorted((name, sorted(rows.items())) for name, rows in self._tables.items()))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


class Renamed:
    """Tables that may change, one of them under a second name too."""

    def __init__(self, tables: Tables, table: str, *, known_as: str) -> None:
        self._tables = tables
        self._table = table
        self._known_as = known_as
        self._made: tuple[Lookups, Lookups] | None = None

    def current(self) -> Lookups:
        """As they are now."""
        found = self._tables.current()
        if self._made is None or self._made[0] is not found:
            self._made = (found, found.also(self._table, known_as=self._known_as))
        return self._made[1]


class Mapping(Protocol[S_contra, T_co]):
    """A pure function from one record to another, with a name people can point at.

    The same record, lookups and time give the same result; nothing else is read.
    """

    @property
    def id(self) -> str:
        """Where it stands in the tree, without the ending: `streams/orders/from_clarity`."""

    @property
    def version(self) -> int:
        """Raised with every change of meaning."""

    @property
    def digest(self) -> str:
        """Of its text."""

    def __call__(self, record: S_contra, lookups: Lookups, now: datetime) -> T_co:
        """The target record.

        Raises:
            MappingError: a field cannot be turned into the target's.
        """


def stamp(mapping_: Mapping[S, T], lookups: Lookups) -> str:
    """`id@version+digest` with the lookups included, as it stands in the `towpath-mapping` header."""
    return f"{mapping_.id}@{mapping_.version}+{mapping_.digest}.{lookups.digest}"


def is_of(stamped: str, mapping_: str) -> bool:
    """Whether a stamp is of a mapping: `id@version`, or a whole stamp."""
    return stamped == mapping_ or stamped.startswith(f"{mapping_}+")
