"""What a mapping expects of the deployment's lookup tables, held against those that there are."""

from collections.abc import Iterable
from typing import Any

from errors import ConfigurationError
from mapping.data import DataMapping
from mapping.port import Lookups, Mapping, Unfit


def missing(mapping: DataMapping, lookups: Lookups) -> list[str]:
    """Tables that it declares and nobody has: each of its records would be given the default."""
    text = "a table without rows is a file with the line `key,value`"
    return [
        f"lookups/{table}.csv: missing, and {mapping.id} reads it: {text}"
        for table in mapping.spec.lookups
        if table not in lookups.rows()
    ]


def doubled(mapping: DataMapping, lookups: Lookups) -> list[str]:
    """Tables that it declares to invert, and where two keys have one value."""
    return [each.why for each in unfit([mapping], lookups)]


def unfit(mappings: Iterable[Mapping[Any, Any]], lookups: Lookups) -> list[Unfit]:
    """As `doubled`, of several mappings, with the rows; of each table the first two."""
    return [
        Unfit(
            places=((table, first), (table, second)),
            why=f"lookups/{table}.csv: {first!r} and {second!r} are both {value!r}, and {mapping.id} reads it back: "
            "leave one of them, or `inverts: true`",
        )
        for mapping in mappings
        if isinstance(mapping, DataMapping)
        for table, inverts in mapping.spec.lookups.items()
        if inverts
        for value, (first, second) in _twice(lookups, table)
    ]


def refuse_unfit(mappings: Iterable[Mapping[Any, Any]], ours: Iterable[object], lookups: Lookups) -> None:
    """Refuse to start with mappings whose tables are not what they declare.

    Args:
        mappings: Those that run.
        ours: Those that come with the bus: what they find no table for they leave as it is.
        lookups: The tables as they are now.

    Raises:
        ConfigurationError: a table is missing, or does not invert; all of them are told.
    """
    known = set(map(id, ours))
    read = [each for each in mappings if isinstance(each, DataMapping)]
    faults = [each.why for each in unfit(read, lookups)]
    faults += [fault for each in read if id(each) not in known for fault in missing(each, lookups)]
    if faults:
        raise ConfigurationError("lookups", "; ".join(faults))


def _twice(lookups: Lookups, table: str) -> Iterable[tuple[str, tuple[str, str]]]:
    """The first value that several keys have, with two of them."""
    seen: dict[str, str] = {}
    for key, value in lookups.rows().get(table, {}).items():
        if value in seen:
            yield value, (seen[value], key)
            return
        seen[value] = key
