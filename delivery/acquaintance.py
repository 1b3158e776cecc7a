"""What a store knows of the system behind its connection, and what becomes of that when one is met; pure."""

from typing import Any

import msgspec

from connect.identity import Known, Seen, Verdict, remembered, together, verdict


class Acquaintance(msgspec.Struct, frozen=True, kw_only=True):
    """What a store knows of the system behind its connection."""

    known: Known
    #: A stranger was met: code of the outcome; empty: no.
    held: str = ""
    #: The stranger.
    seen: Seen | None = None
    #: The command that accepted the system last.
    accepted_by: str = ""


def after(before: Acquaintance, seen: Seen | None, reached: Known | None, proven: int | None = None) -> Acquaintance:
    """What is known once a system was met; pure.

    Args:
        before: What was known.
        seen: Who was met; None: nobody was asked.
        reached: What a process knows of it by its own writing.
        proven: High water from before `seen` was asked for; None: it was held against what is known already.
    """
    known = before.known
    if reached is not None and reached.life == known.life:
        known = msgspec.structs.replace(known, system=together(known.system, reached.system))
    now = msgspec.structs.replace(before, known=known)
    if seen is None:
        return now
    found = verdict(known.system, seen, proven)
    if found is not Verdict.SAME:
        return msgspec.structs.replace(now, held=found.value, seen=seen)
    if before.held == Verdict.BEHIND and not seen.newest:
        # numbers that were drawn and given back go on by themselves: only a proof tells that it is whole again
        return now
    known = msgspec.structs.replace(known, system=together(known.system, seen))
    return msgspec.structs.replace(now, known=known, held="", seen=None)


def accepted(before: Acquaintance, command_id: str) -> Acquaintance:
    """The stranger is the one that is known from now on; pure."""
    if before.seen is None:
        return before
    known = Known(system=remembered(before.seen), life=before.known.life + 1)
    return Acquaintance(known=known, accepted_by=command_id)


def values_of(now: Acquaintance) -> dict[str, str]:
    """What sentences say of it."""
    system, seen = now.known.system, now.seen or now.known.system
    return {
        "known": str(system),
        "seen": str(seen),
        "known_newest": _newest(system),
        "seen_newest": _newest(seen),
    }


def read(values: tuple[Any, ...]) -> Acquaintance:
    """From its columns: known, life, seen, held, accepted_by."""
    known, life, seen, held_for, accepted_by = values
    return Acquaintance(
        known=Known(system=msgspec.json.decode(known, type=Seen), life=life),
        held=held_for,
        seen=None if seen is None else msgspec.json.decode(seen, type=Seen),
        accepted_by=accepted_by,
    )


def _newest(seen: Seen) -> str:
    return f"{seen.newest} (receipt {seen.high_water})" if seen.newest else f"receipt {seen.high_water}"
