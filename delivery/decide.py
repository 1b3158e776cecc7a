"""What becomes of a row after a try: pure decisions, carried out by the engine and written by the store.

Nothing that surely did not happen is ever given up: an outage must not make dead letters. Nothing that may have
happened is ever sent again before it was looked for.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from delivery.ports import Intent, Row, Settlement
from delivery.states import ENDS, ParkedFor, State
from delivery.things import document_of
from errors import BusError, DependencyError, FatalError, RejectedError, RetryableError


class Step(StrEnum):
    """Which of the sink's three calls was under way."""

    PREPARE = "prepare"
    DELIVER = "deliver"
    FIND = "find"


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long rows wait between tries."""

    first_backoff_s: float = 1.0
    longest_backoff_s: float = 300.0
    #: Slow re-check of what waits for something else.
    first_recheck_s: float = 5.0
    longest_recheck_s: float = 600.0
    #: Before a target is asked for an effect that may be there; it may still be at work on it.
    settling_delay_s: float = 5.0
    #: So many looks that told nothing, of a target that works, call for a person.
    looks_before_a_person: int = 20


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What one try made of a row; written by the store if the lease is still ours."""

    row: Row
    #: An end, or parked or unknown.
    state: State
    cause: ParkedFor | None = None
    #: Until the next try; None for ends and for what waits for a person.
    delay_s: float | None = None
    code: str
    values: dict[str, str] = {}
    attempts: int
    #: What to remember and announce; of rows that ended at the target.
    settlement: Settlement | None = None
    #: The intent that was sent, if one was in this try.
    intent: Intent | None = None
    #: Whose arrival wakes it, by name.
    waits_for: str = ""
    #: Looks that told nothing since it was sent.
    asked: int = 0
    #: Something was sent, and the target may be at work on it for so long; None: nothing was.
    settles_s: float | None = None

    @property
    def brings(self) -> frozenset[str]:
        """Names of the things that are there now."""
        if self.settlement is None:
            return frozenset()
        known = (document_of(self.row.record, one.canonical_id) for one in self.settlement.known_as)
        return frozenset((*self.settlement.brings, *known))


def settled(row: Row, settlement: Settlement, intent: Intent | None) -> Turn:
    """The row ended as the sink says.

    Raises:
        ValueError: the sink named a state that is no end of its own choosing; a bug there.
    """
    if settlement.state not in ENDS - {State.DEAD, State.DISCARDED}:
        raise ValueError(f"a sink cannot settle as {settlement.state}")
    return Turn(
        row=row,
        state=settlement.state,
        code=settlement.code,
        values=settlement.values,
        attempts=row.attempts + 1,
        settlement=settlement,
        intent=intent,
    )


def after(error: BusError, step: Step, row: Row, intent: Intent | None, pace: Pace, jitter: float) -> Turn:
    """What becomes of a row whose try raised an error.

    Args:
        error: By kind, it says what happens next.
        step: The call that raised it: the same error means less certainty after a request has left.
        row: As claimed.
        intent: What was sent or looked for, if anything was.
        pace: Delays.
        jitter: Random number from 0 to 1.

    Raises:
        FatalError: no row will pass; the worker stops.
    """
    if isinstance(error, FatalError):
        raise error
    if step is Step.FIND:
        return still_unknown(row, intent, error.code, facts_of(error), pace, jitter)
    if isinstance(error, RejectedError):
        # A dead letter: it heads its key until somebody redrives, skips or discards it.
        return _parked(row, intent, ParkedFor.REFUSED, None, error)
    if isinstance(error, DependencyError):
        delay_s = recheck_s(row.attempts, pace, jitter)
        parked = _parked(row, intent, ParkedFor.DEPENDENCY, delay_s, error)
        return msgspec.structs.replace(parked, waits_for=error.waits_for)
    if isinstance(error, RetryableError):
        delay_s = backoff_s(row.attempts, pace, jitter)
        if error.retry_after_s is not None:
            delay_s = max(delay_s, error.retry_after_s * (1 + jitter / 10))
        return _parked(row, intent, ParkedFor.BACKOFF, delay_s, error)
    if step is Step.PREPARE:
        # Preparing has no effect that matters, so that there is nothing to look for.
        return _parked(row, intent, ParkedFor.BACKOFF, backoff_s(row.attempts, pace, jitter), error)
    doubt = still_unknown(row, intent, error.code, facts_of(error), pace, jitter)
    return msgspec.structs.replace(doubt, asked=0, settles_s=doubt.delay_s)


def still_unknown(
    row: Row, intent: Intent | None, code: str, values: dict[str, str], pace: Pace, jitter: float
) -> Turn:
    """A look told nothing: look again, ever more rarely, or as soon as the document is read by whoever fetches it."""
    tries = row.attempts if row.state is State.UNKNOWN else 0
    delay_s = max(pace.settling_delay_s, _rising(pace.settling_delay_s, pace.longest_backoff_s, tries, jitter))
    return Turn(
        row=row,
        state=State.UNKNOWN,
        delay_s=delay_s,
        code=code,
        values=values,
        attempts=row.attempts + 1,
        intent=intent,
        waits_for=document_of(row.record, row.root_key),
        asked=row.asked + 1,
    )


def still_settling(row: Row, intent: Intent) -> Turn:
    """It was looked for early and is not there: the target may still be at work on it, so that this says nothing."""
    return Turn(
        row=row,
        state=State.UNKNOWN,
        delay_s=row.settles_in_s,
        code="still_settling",
        attempts=row.attempts,
        intent=intent,
        waits_for=document_of(row.record, row.root_key),
        asked=row.asked,
    )


def cannot_be_told(turn: Turn) -> Turn:
    """The target works and yet did not say what became of what was sent: a person has to look, the intent is kept."""
    values = {"reason": turn.values.get("reason", turn.code), "document": turn.row.document_number or ""}
    person = for_a_person(turn.row, turn.intent, "cannot_tell", values)
    return msgspec.structs.replace(person, waits_for=turn.waits_for)


def goes_in_circles(turn: Turn, path: Sequence[str]) -> Turn:
    """What it waits for waits for it, by way of these things: a person has to let one of them go."""
    circle = " → ".join((*path, path[0]))
    person = for_a_person(turn.row, turn.intent, "dependency_circle", {"waits_for": turn.waits_for, "circle": circle})
    return msgspec.structs.replace(person, waits_for=turn.waits_for)


def for_a_person(row: Row, intent: Intent | None, code: str, values: dict[str, str]) -> Turn:
    """Nobody but a person can tell what is right; the row blocks its key until then."""
    return Turn(
        row=row,
        state=State.PARKED,
        cause=ParkedFor.PERSON,
        code=code,
        values=values,
        attempts=row.attempts + 1,
        intent=intent,
    )


def backoff_s(attempts: int, pace: Pace, jitter: float) -> float:
    """Seconds until the next try after `attempts` earlier ones: doubling, spread so that keys do not march in step."""
    return _rising(pace.first_backoff_s, pace.longest_backoff_s, attempts, jitter)


def recheck_s(attempts: int, pace: Pace, jitter: float) -> float:
    """Seconds until a missing thing is looked for again."""
    return _rising(pace.first_recheck_s, pace.longest_recheck_s, attempts, jitter)


def facts_of(error: BusError) -> dict[str, str]:
    """The error's facts as values of an outcome."""
    return {name: str(value) for name, value in error.facts.items() if value is not None}


def _rising(first_s: float, longest_s: float, attempts: int, jitter: float) -> float:
    # 2 ** 30 is beyond any longest delay and still a number to multiply with.
    return float(min(longest_s, first_s * 2 ** min(attempts, 30)) * (0.5 + jitter / 2))


def _parked(row: Row, intent: Intent | None, cause: ParkedFor, delay_s: float | None, error: BusError) -> Turn:
    return Turn(
        row=row,
        state=State.PARKED,
        cause=cause,
        delay_s=delay_s,
        code=error.code,
        values=facts_of(error),
        attempts=row.attempts + 1,
        intent=intent,
    )
