"""Which store this is, and how far it has come: what tells one that was restored from one that only went on; pure.

A store has a random id and a counter that rises with every batch it has announced. Its relay tells Kafka of both. A
store of another id, or with a lower counter than Kafka or this process has heard of, is an older copy or a new one
under the old name: what it does not know was done all the same.
"""

from enum import StrEnum

import msgspec

from errors import FatalError

#: Codes of the errors that end with `towpath store recover`.
NOT_TRUSTED = frozenset({"store_restored", "store_recovering"})


class Held(StrEnum):
    """Why nobody may work on a store, written down in the store itself."""

    NO = ""
    #: It was loaded or is being recovered, and does not know all that was done.
    RECOVERING = "recovering"


class Incarnation(msgspec.Struct, frozen=True, kw_only=True):
    """One life of a store."""

    store_id: str
    counter: int
    held: str = Held.NO


def refusal(connection: str, found: Incarnation | None, known: Incarnation | None) -> FatalError | None:
    """Why the store may not be worked on; None: it may.

    Args:
        connection: Its name.
        found: What the store says of itself; None: its tables are new and empty of it.
        known: What was heard of it before; None: nothing.
    """
    if found is not None and found.held:
        return FatalError("store_recovering", f"the store of {connection} is not recovered yet", connection=connection)
    if known is None or (found is not None and is_same_or_later(found, known)):
        return None
    other = found is None or found.store_id != known.store_id
    why = "is another one than" if other else "is older than"
    return FatalError(
        "store_restored",
        f"the store of {connection} {why} what it has announced: it was restored or replaced",
        connection=connection,
        announced=known.counter,
        found=found.counter if found is not None and not other else 0,
    )


def is_same_or_later(found: Incarnation, known: Incarnation) -> bool:
    """Whether nothing that was known is missing."""
    return found.store_id == known.store_id and found.counter >= known.counter
