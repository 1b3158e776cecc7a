"""Which system is behind a connection: what is remembered of it, what is there now, and whether that is the same.

A system is another one where a part of its identity differs, and an older copy of itself where proofs we left there
are gone. Pure.
"""

from enum import StrEnum

import msgspec

from errors import RetryableError

#: Until a row that met a stranger is tried again: as a rule its connection stands still by then.
_AGAIN_S = 1.0


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A system as it answered."""

    #: As people call it.
    name: str = ""
    #: What another system, or this one once restored, has otherwise: value by name; what cannot be read is left out.
    parts: dict[str, str] = {}
    #: Number of the newest proof of ours there; where there is none, the last number drawn for one.
    high_water: int = 0
    #: The document that newest proof is about; empty: there is none.
    newest: str = ""

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {value}" for name, value in self.parts.items())
        return f"{self.name} ({parts})" if parts else self.name


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """The system that is remembered."""

    system: Seen
    #: Rises with each system a person accepted: what was heard of an earlier one says nothing of this one.
    life: int = 1


class Verdict(StrEnum):
    """What a system is to the one remembered; code of the outcome, but for the first."""

    SAME = "same"
    #: Restored beside, swapped, refreshed from another.
    OTHER = "identity.other"
    #: It has not what was written to it: an older copy.
    BEHIND = "identity.behind"


def differs(known: Seen, seen: Seen) -> bool:
    """Compared are the parts both have: what a login may read, and what this code asks for, changes over the years."""
    return any(known.parts[name] != seen.parts[name] for name in known.parts.keys() & seen.parts.keys())


def verdict(known: Seen, seen: Seen, proven: int | None = None) -> Verdict:
    """What a system is to the one that is remembered.

    Args:
        known: The one that is remembered.
        seen: What was answered.
        proven: High water that was known when it was asked; what was written since is not missing from the answer.
    """
    if differs(known, seen):
        return Verdict.OTHER
    there = known.high_water if proven is None else min(known.high_water, proven)
    return Verdict.BEHIND if seen.high_water < there else Verdict.SAME


def remembered(seen: Seen) -> Seen:
    """What is worth remembering: a number somebody drew and may have given back proves nothing."""
    return seen if seen.newest else msgspec.structs.replace(seen, high_water=0)


def together(known: Seen, seen: Seen) -> Seen:
    """What is remembered of a system once it was recognised."""
    seen = remembered(seen)
    newer = seen if seen.high_water >= known.high_water else known
    return Seen(
        name=seen.name or known.name,
        parts=known.parts | seen.parts,
        high_water=newer.high_water,
        newest=newer.newest,
    )


class StrangerError(RetryableError):
    """The system is not the one that is remembered: nothing was done there, and nothing is until a person says so."""

    def __init__(self, code: str, message: str, seen: Seen | None = None) -> None:
        super().__init__(code, message, retry_after_s=_AGAIN_S)
        #: Who was met just now; None: it was before, and somebody has been told.
        self.seen = seen
