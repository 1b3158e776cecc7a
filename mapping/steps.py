"""The steps of a mapping, and which of them a field came of: for whoever wonders why it came out as it did."""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

import msgspec

from errors import BusError


class Kind(StrEnum):
    """What a step does."""

    LET = "let"
    REQUIRE = "require"
    WHERE = "where"
    WHEN = "when"
    FIELD = "field"
    VALUE = "value"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A step as it stands in the mapping, whatever record it is run with."""

    number: int
    #: The part it stands in; empty: the mapping itself.
    part: str
    kind: Kind
    #: `lines[].sku`; of a let its name, with what it stands in before it.
    field: str
    #: As the mapping says it; empty for what has no words of its own, such as a list made of a block.
    expression: str
    file: str = ""
    line: int = 0


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A row asked of a lookup table, or an option of a connection."""

    table: str
    key: str
    #: None: there is no such row.
    value: str | None


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A name, or a field of one, that an expression read."""

    path: str
    value: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step as it was done; steps of a part stand before the one that called it, one deeper."""

    place: Place
    #: Where it was: `lines[1].sku`, counted from 1.
    field: str
    depth: int
    #: As text; what failed has none.
    value: str | None
    #: Whether there was anything in it: not empty, not 0, not false.
    filled: bool
    reads: tuple[Read, ...] = ()
    lookups: tuple[Asked, ...] = ()


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """One record on its way through a mapping."""

    #: What came of it; None where it was refused.
    made: Any
    #: Why it was refused.
    refused: BusError | None
    steps: tuple[Step, ...]


def behind(steps: Iterable[Step], field: str) -> tuple[Step, ...]:
    """The steps a field came of: its own, those of what its expressions name, and what had to hold for it.

    Args:
        steps: All of them.
        field: `lines[1].sku`, `lines` for all inside, `lines.sku` for every line.
    """
    known = list(steps)
    wanted = {number for number, step in enumerate(known) if _is(step, field)}
    waiting = sorted(wanted)
    while waiting:
        number = waiting.pop()
        found = {
            *_inside(known, number),
            *(each for read in known[number].reads for each in _named(known, number, read.path)),
        }
        waiting.extend(found - wanted)
        wanted |= found
    wanted |= {caller for number in wanted for caller in _callers(known, number)}
    return tuple(known[number] for number in sorted(wanted))


def _is(step: Step, field: str) -> bool:
    if step.place.kind is Kind.LET:
        return False
    return any(
        path == field or path.startswith((f"{field}.", f"{field}[")) for path in (step.field, _plain(step.field))
    )


def _plain(path: str) -> str:
    return re.sub(r"\[\d+\]", "", path)


def _inside(steps: list[Step], number: int) -> Iterator[int]:
    """Steps of the parts a step called."""
    for before in range(number - 1, -1, -1):
        if steps[before].depth <= steps[number].depth:
            return
        yield before


def _callers(steps: list[Step], number: int) -> Iterator[int]:
    """Steps that called the part a step stands in."""
    depth = steps[number].depth
    for behind_it in range(number + 1, len(steps)):
        if depth == 0:
            return
        if steps[behind_it].depth < depth:
            depth = steps[behind_it].depth
            yield behind_it


def _named(steps: list[Step], number: int, path: str) -> Iterator[int]:
    """The named value an expression read: the last one of that name before it, in the same turn of its loop."""
    name = path.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0]
    step = steps[number]
    for before in range(number - 1, -1, -1):
        other = steps[before]
        if other.place.part == step.place.part and other.depth == step.depth and other.place.kind is Kind.LET:
            scope, _, called = other.field.rpartition(".")
            if called == name and (not scope or step.field == scope or step.field.startswith(f"{scope}.")):
                yield before
                return
