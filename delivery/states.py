"""Where a row of a connection's queue can be: the closed set of states and causes."""

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """State of a row. Open rows are worked on; ends are final unless an operator acts."""

    READY = "ready"
    SENDING = "sending"
    UNKNOWN = "unknown"
    PARKED = "parked"

    DELIVERED = "delivered"
    SUPERSEDED = "superseded"
    SUPPRESSED = "suppressed"
    MERGED = "merged"
    FILTERED = "filtered"
    DEAD = "dead"
    DISCARDED = "discarded"


class ParkedFor(StrEnum):
    """Why a parked row waits."""

    BACKOFF = "backoff"
    DEPENDENCY = "dependency"
    REFUSED = "refused"
    OPERATOR = "operator"
    LOOP = "loop"
    PERSON = "person"


OPEN = frozenset({State.READY, State.SENDING, State.UNKNOWN, State.PARKED})
ENDS = frozenset(State) - OPEN


class Kind(StrEnum):
    """What a newer row means to an older one of the same message key."""

    #: Newer full state supersedes what has not been sent (stock, status, price).
    STATE = "state"
    #: Each one counts and waits its turn (order, payment, shipment).
    DOCUMENT = "document"


class Repeats(StrEnum):
    """What a sink promises when the same operation reaches it twice."""

    #: Our receipt stands in the same transaction as the document.
    ATOMIC = "atomic"
    #: The target's own key, chosen before sending, refuses the second.
    KEYED = "keyed"
    #: A reference is stored with the document and looked for before a resend.
    PROBED = "probed"
    #: Absolute values; a repeat changes nothing and is not noticed.
    REPEATABLE = "repeatable"


class Sweep(StrEnum):
    """Who comes by an open row and moves it on."""

    #: A deliverer claims its key when it is due.
    CLAIM = "claim"
    #: The lease of its key runs out, or its owner settles.
    EXPIRY = "expiry"
    #: A person, by a command.
    COMMAND = "command"


#: Every state an open row can be in, and who finds it there. A row outside this table would be lost.
SWEEPS: Mapping[tuple[State, ParkedFor | None], Sweep] = {
    (State.READY, None): Sweep.CLAIM,
    (State.SENDING, None): Sweep.EXPIRY,
    (State.UNKNOWN, None): Sweep.CLAIM,
    (State.PARKED, ParkedFor.BACKOFF): Sweep.CLAIM,
    (State.PARKED, ParkedFor.DEPENDENCY): Sweep.CLAIM,
    (State.PARKED, ParkedFor.REFUSED): Sweep.COMMAND,
    (State.PARKED, ParkedFor.OPERATOR): Sweep.COMMAND,
    (State.PARKED, ParkedFor.LOOP): Sweep.COMMAND,
    (State.PARKED, ParkedFor.PERSON): Sweep.COMMAND,
}
