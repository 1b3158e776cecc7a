"""The circuit of a connection's queue: how many rows may be under way while its target is well, away or coming back.

    closed ─ several keys failed ─▶ open ─ a read passed ─▶ half open ─ a row passed ─▶ ramp ─ enough passed ─▶ closed
                                     ▲                          │                         │
                                     └──────── a row failed ────┴─────────────────────────┘

Pure: time, results and random numbers are arguments.
"""

from enum import StrEnum

import msgspec

from errors import BusError, RefusedError, RetryableError, TooLateError, UnknownOutcomeError

#: Below this many different keys it may still be the keys' own trouble, however few are tried.
FEWEST_KEYS = 3
#: Codes of the bus itself, out of a sink that asked its store or the registry: they say nothing of the target.
_OURS = ("store_", "registry_", "broker_")


class Position(StrEnum):
    """How much the circuit lets through."""

    CLOSED = "closed"
    RAMP = "ramp"
    HALF_OPEN = "half_open"
    OPEN = "open"


class Word(StrEnum):
    """What a try of a row says about the target."""

    WORKS = "works"
    FAILS = "fails"
    #: The target asks everybody to wait.
    WAIT = "wait"
    #: Nothing: it was about this row alone, or about ourselves.
    NOTHING = "nothing"


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """When a circuit opens, and how it comes back."""

    #: So many different keys failing open it.
    keys: int = 5
    #: So long a result counts.
    window_s: float = 30.0
    #: Until the first probe; doubled after each that fails.
    first_delay_s: float = 5.0
    longest_delay_s: float = 60.0
    #: No target makes us wait longer, whatever it asks for.
    longest_wait_s: float = 300.0


def word_of(error: BusError) -> Word:
    """What an error out of a sink says about its target."""
    if isinstance(error, RefusedError | TooLateError):
        return Word.WORKS
    if isinstance(error, UnknownOutcomeError):
        return Word.FAILS
    if not isinstance(error, RetryableError) or error.code.startswith(_OURS):
        return Word.NOTHING
    return word_of_code(error.code, error.retry_after_s)


def word_of_code(code: str, retry_after_s: float | None) -> Word:
    """The same of a retryable error's code.

    All clients call a target that limits us `<system>.throttled` and one that cannot be worked with `<system>.away`;
    any other code with a time is a sink's, which will look at this one row again then.
    """
    what = code.rpartition(".")[2]
    if what == "throttled" or (what == "away" and retry_after_s):
        return Word.WAIT
    return Word.FAILS if what == "away" or retry_after_s is None else Word.NOTHING


class Circuit:
    """Told of every try, it knows how many rows may be under way; times are seconds of one clock that never goes back.

    A try begun before the circuit opened is of an earlier life: what it comes to says nothing of this one.
    """

    def __init__(self, in_flight: int, rules: Rules) -> None:
        self.position = Position.CLOSED
        #: Why it is not closed: code of the error, and whose rows met it.
        self.why = ""
        self.keys: tuple[str, ...] = ()
        self._in_flight = in_flight
        self._rules = rules
        self._life = 0
        self._under_way: dict[str, int] = {}
        # Keys by the time of their last result, oldest first; the failed ones are among the tried.
        self._tried: dict[str, float] = {}
        self._failed: dict[str, float] = {}
        self._allowed = in_flight
        self._passed = 0
        self._openings = 0
        self._probe_at = 0.0
        self._wait_until = 0.0
        #: Keys that have opened it again on its way back.
        self._suspects: set[str] = set()

    def allowed(self, at: float) -> int:
        """How many rows may be under way."""
        return 0 if self.position is Position.OPEN or at < self._wait_until else self._allowed

    def probe_is_due(self, at: float) -> bool:
        """Whether the target is to be asked, by a read, if it is back."""
        return self.position is Position.OPEN and at >= self._next(at)

    def wakes_in(self, at: float) -> float | None:
        """Seconds until more is allowed, or a probe is due, without any result; None: only results change something."""
        wait_s = self._next(at) - at
        return wait_s if wait_s > 0 else None

    def begin(self, key: str) -> None:
        """A row of the key is tried."""
        self._under_way[key] = self._life

    def end(self, key: str) -> None:
        """It is no longer tried; said nothing, if it has not said something before."""
        self._under_way.pop(key, None)

    def passed(self, key: str, at: float) -> None:
        """The target works for the key."""
        if self._under_way.pop(key, None) != self._life:
            return
        if self.position is Position.CLOSED:
            self._failed.pop(key, None)
            self._note(self._tried, key, at)
            return
        self.position = Position.RAMP
        self._passed += 1
        if self._passed >= self._allowed:
            self._allowed, self._passed = min(2 * self._allowed, self._in_flight), 0
        if self._allowed == self._in_flight:
            self.position, self._openings = Position.CLOSED, 0
            self._suspects.clear()

    def failed(self, key: str, code: str, at: float, jitter: float) -> bool:
        """The target failed for the key; whether that is the key's own trouble and so a try of its row's.

        Args:
            key: Root key.
            code: Of the error.
            at: Now.
            jitter: Random number from 0 to 1.
        """
        if self._under_way.pop(key, None) != self._life:
            return False
        if self.position is Position.CLOSED:
            self._note(self._tried, key, at)
            self._note(self._failed, key, at)
            if not self._is_outage():
                return True
            self.keys = tuple(self._failed)
        elif self.position is Position.RAMP and key in self._suspects:
            # Others pass while it fails again: left alone, one bad key would hold up a healed target for ever.
            return True
        else:
            self._suspects.add(key)
            self.keys = (key,)
        self._open(code, at, jitter)
        return False

    def wait(self, asked_s: float | None, at: float) -> float:
        """The target asks all of us to wait; the seconds we do."""
        wait_s = min(asked_s or self._rules.first_delay_s, self._rules.longest_wait_s)
        self._wait_until = max(self._wait_until, at + wait_s)
        return self._wait_until - at

    def probe_passed(self) -> None:
        """A read works again: one row may try."""
        self.position, self._allowed, self._passed = Position.HALF_OPEN, 1, 0

    def probe_failed(self, at: float, jitter: float) -> None:
        """Not even a read works."""
        delay_s = min(self._rules.first_delay_s * 2 ** min(self._openings, 30), self._rules.longest_delay_s)
        self._probe_at = at + delay_s * (0.5 + jitter / 2)
        self._openings += 1

    def _open(self, code: str, at: float, jitter: float) -> None:
        self.position, self.why = Position.OPEN, code
        self._life += 1
        self._tried.clear()
        self._failed.clear()
        self.probe_failed(at, jitter)

    def _is_outage(self) -> bool:
        being_tried = len(self._tried.keys() | self._under_way.keys())
        needed = max(FEWEST_KEYS, min(self._rules.keys, being_tried))
        return len(self._failed) >= needed and 2 * len(self._failed) >= len(self._tried)

    def _note(self, results: dict[str, float], key: str, at: float) -> None:
        results.pop(key, None)
        results[key] = at
        for kept in (self._tried, self._failed):
            while kept and at - (oldest := next(iter(kept.items())))[1] > self._rules.window_s:
                del kept[oldest[0]]

    def _next(self, at: float) -> float:
        return max(self._wait_until, self._probe_at if self.position is Position.OPEN else at)
