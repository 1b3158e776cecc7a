"""Lookup tables of the deployment, and small maps that stand in the mapping itself; both ways where they invert."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

from mapping.functions.faults import ITEMS_LIMIT, FunctionError, shown
from mapping.port import Lookups

T = TypeVar("T")


def has_row(lookups: Lookups, table: str, key: str) -> bool:
    """Whether a lookup table has a row for a key.

    Example:
        has_row("ship_via", "DRONE") == False
    """
    return lookups.find(table, key) is not None


def lookup_back(lookups: Lookups, table: str, value: str, fallback: str | None = None) -> str:
    """The key whose row has a value: the table read the other way; refused where several have it.

    Example:
        lookup_back("ship_via", "UPS GROUND") == "GROUND"
    """
    keys = lookups.keys_of(table, value)
    if len(keys) > 1:
        raise FunctionError(f"{len(keys)} rows of lookup table {table!r} have {shown(value)}: it cannot be read back")
    if keys:
        return keys[0]
    if fallback is None:
        raise FunctionError(f"no row of lookup table {table!r} has {shown(value)}: add it")
    return fallback


def entry(map: Mapping[str, T], key: str, fallback: T) -> T:  # noqa: A002 - its name in the language
    """What a map has under a key, else the fallback: a custom field, a status.

    Example:
        entry({"open": "2", "closed": "5"}, "open", "1") == "2"
    """
    return map.get(key, fallback)


def inverted(map: Mapping[str, str]) -> dict[str, str]:  # noqa: A002 - its name in the language
    """A map read the other way; refused where two keys have one value.

    Example:
        inverted({"open": "2", "closed": "5"}) == {"2": "open", "5": "closed"}
    """
    if len(map) > ITEMS_LIMIT:
        raise FunctionError(f"{len(map)} entries, more than {ITEMS_LIMIT}")
    back = {value: key for key, value in map.items()}
    if len(back) < len(map):
        twice = Counter(map.values()).most_common(1)[0][0]
        raise FunctionError(f"several keys have {shown(twice)}: it cannot be read back")
    return back


def filled(map: Mapping[str, str | None]) -> dict[str, str]:  # noqa: A002 - its name in the language
    """A map without the entries that are absent or blank.

    Example:
        filled({"gift": "yes", "note": ""}) == {"gift": "yes"}
    """
    return {key: value for key, value in map.items() if value is not None and value.strip()}


def last(items: Sequence[T]) -> T | None:
    """The last of a list; absent where there is none.

    Example:
        last(["a", "b"]) == "b"
    """
    return items[-1] if items else None
