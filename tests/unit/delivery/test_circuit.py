"""When the circuit of a connection's queue opens, what it lets through, and that it always closes again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from delivery.circuit import FEWEST_KEYS, Circuit, Position, Rules, Word, word_of
from errors import (
    BusError,
    DependencyError,
    MappingError,
    RefusedError,
    RetryableError,
    UnknownOutcomeError,
)

RULES = Rules()
IN_FLIGHT = 8
KEYS = st.sampled_from([f"s:{number}" for number in range(12)])


def closed(in_flight: int = IN_FLIGHT) -> Circuit:
    return Circuit(in_flight, RULES)


def failing(circuit: Circuit, *keys: str, at: float = 0.0) -> list[bool]:
    """All begin, then all fail; whether each was counted as its row's own try."""
    for key in keys:
        circuit.begin(key)
    return [circuit.failed(key, "gp.away", at, 1.0) for key in keys]


def passing(circuit: Circuit, *keys: str, at: float = 0.0) -> None:
    for key in keys:
        circuit.begin(key)
        circuit.passed(key, at)


def opened(in_flight: int = IN_FLIGHT) -> Circuit:
    circuit = closed(in_flight)
    failing(circuit, *"abcde")
    return circuit


def test_several_different_keys_open_it_and_the_last_failure_is_no_try() -> None:
    circuit = closed()

    assert failing(circuit, *"abcde") == [True, True, True, True, False]
    assert (circuit.position, circuit.why, circuit.keys) == (Position.OPEN, "gp.away", tuple("abcde"))
    assert circuit.allowed(1000.0) == 0


@given(st.lists(st.tuples(st.sampled_from(["fails", "passes"]), st.floats(0, 5)), max_size=60), KEYS)
def test_one_key_failing_alone_never_opens_it(results: list[tuple[str, float]], bad: str) -> None:
    circuit, at = closed(), 0.0
    for number, (result, passed_s) in enumerate(results):
        at += passed_s
        if result == "fails":
            assert failing(circuit, bad, at=at) == [True]
        else:
            passing(circuit, f"other:{number}", at=at)

    assert (circuit.position, circuit.allowed(at)) == (Position.CLOSED, IN_FLIGHT)


@given(st.lists(st.tuples(KEYS, st.booleans(), st.floats(0, 10)), max_size=80))
def test_it_opens_only_for_enough_different_keys_of_the_window(results: list[tuple[str, bool, float]]) -> None:
    circuit, at, last = closed(), 0.0, dict[str, tuple[float, bool]]()
    for key, passes, passed_s in results:
        at += passed_s
        last[key] = (at, passes)
        recent = {each: good for each, (then, good) in last.items() if at - then <= RULES.window_s}
        bad = [each for each, good in recent.items() if not good]
        if passes:
            passing(circuit, key, at=at)
            continue
        failing(circuit, key, at=at)
        needed = max(FEWEST_KEYS, min(RULES.keys, len(recent)))
        assert (circuit.position is Position.OPEN) == (len(bad) >= needed and 2 * len(bad) >= len(recent))
        if circuit.position is Position.OPEN:
            assert set(circuit.keys) == set(bad)
            return


def test_fewer_keys_are_enough_where_fewer_are_tried_but_never_two() -> None:
    two, three, four = closed(), closed(), closed()
    failing(two, *"ababab")
    failing(three, *"abc")
    for key in "abcd":
        four.begin(key)
    for key in "abc":
        four.failed(key, "gp.away", 0.0, 1.0)

    assert (two.position, three.position, four.position) == (Position.CLOSED, Position.OPEN, Position.CLOSED)


def test_it_stays_closed_while_most_keys_pass() -> None:
    circuit = closed()
    passing(circuit, *(f"good:{number}" for number in range(11)))

    assert failing(circuit, *(f"bad:{number}" for number in range(10))) == [True] * 10
    assert circuit.position is Position.CLOSED
    assert failing(circuit, "bad:10") == [False]


def test_failures_further_apart_than_the_window_do_not_add_up() -> None:
    circuit = closed()
    for number in range(20):
        failing(circuit, f"s:{number}", at=number * (RULES.window_s / 2 + 1))

    assert circuit.position is Position.CLOSED


def test_probe_becomes_due_and_later_each_time_it_fails() -> None:
    circuit, at, waited = opened(), 0.0, []
    for _ in range(7):
        wait_s = circuit.wakes_in(at)
        assert wait_s is not None
        assert not circuit.probe_is_due(at + wait_s - 0.01)
        at += wait_s
        assert circuit.probe_is_due(at)
        waited.append(round(wait_s))
        circuit.probe_failed(at, 1.0)

    assert waited == [5, 10, 20, 40, 60, 60, 60]


def test_it_comes_back_by_one_then_two_then_four() -> None:
    circuit, allowed = opened(), []
    circuit.probe_passed()
    for number in range(7):
        allowed.append(circuit.allowed(10.0))
        passing(circuit, f"s:{number}", at=10.0)

    assert allowed == [1, 2, 2, 4, 4, 4, 4]
    assert (circuit.position, circuit.allowed(10.0)) == (Position.CLOSED, IN_FLIGHT)


@pytest.mark.parametrize("passed", [0, 1, 4])
def test_failure_on_the_way_back_opens_it_at_once_and_is_no_try(passed: int) -> None:
    circuit = opened()
    circuit.probe_passed()
    passing(circuit, *(f"s:{number}" for number in range(passed)), at=10.0)

    assert failing(circuit, "z", at=10.0) == [False]
    assert (circuit.position, circuit.wakes_in(10.0)) == (Position.OPEN, 10.0)


def test_key_that_fails_again_while_others_pass_does_not_hold_up_the_way_back() -> None:
    circuit = opened()
    for expected in (False, True, True):
        circuit.probe_passed() if circuit.position is Position.OPEN else None
        passing(circuit, "good", at=10.0)
        assert failing(circuit, "bad", at=10.0) == [expected]

    assert circuit.position is Position.RAMP


def test_what_was_begun_before_it_opened_says_nothing_of_what_came_later() -> None:
    circuit = closed()
    circuit.begin("slow")
    circuit.begin("slower")
    failing(circuit, *"abcdefg")
    circuit.probe_passed()
    circuit.passed("slow", 60.0)

    assert (circuit.position, circuit.allowed(60.0)) == (Position.HALF_OPEN, 1)
    assert circuit.failed("slower", "timed_out", 60.0, 1.0) is False
    assert circuit.position is Position.HALF_OPEN


def test_target_that_asks_to_wait_holds_everything_and_opens_nothing() -> None:
    circuit = closed()

    assert circuit.wait(30.0, 100.0) == 30.0
    assert circuit.wait(10.0, 101.0) == 29.0
    assert (circuit.position, circuit.allowed(129.9), circuit.wakes_in(120.0)) == (Position.CLOSED, 0, 10.0)
    assert (circuit.allowed(130.0), circuit.wakes_in(130.0)) == (IN_FLIGHT, None)
    assert circuit.wait(86_400.0, 200.0) == RULES.longest_wait_s
    assert closed().wait(None, 0.0) == RULES.first_delay_s


def test_probe_waits_too_where_the_target_asks_to_wait() -> None:
    circuit = opened()
    circuit.wait(100.0, 0.0)

    assert (circuit.probe_is_due(99.0), circuit.probe_is_due(100.0)) == (False, True)


@given(st.lists(KEYS, max_size=60), st.integers(1, 300))
def test_it_always_closes_after_enough_rows_passed(bad: list[str], in_flight: int) -> None:
    circuit = opened(in_flight)
    for key in bad:
        if circuit.position is Position.OPEN:
            circuit.probe_passed()
        failing(circuit, key, at=1.0)
    if circuit.position is Position.OPEN:
        circuit.probe_passed()
    passing(circuit, *(f"good:{number}" for number in range(2 * in_flight)), at=2.0)

    assert (circuit.position, circuit.allowed(2.0)) == (Position.CLOSED, in_flight)


class Traffic(RuleBasedStateMachine):
    """Rows of any keys, any results, any time: what it allows is kept to, and it never gets stuck."""

    def __init__(self) -> None:
        super().__init__()
        self.circuit = Circuit(IN_FLIGHT, RULES)
        self.at = 0.0
        self.under_way: set[str] = set()
        self.reached = self.circuit.position

    @rule(key=KEYS)
    def begin(self, key: str) -> None:
        if key not in self.under_way and len(self.under_way) < self.circuit.allowed(self.at):
            self.circuit.begin(key)
            self.under_way.add(key)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), result=st.sampled_from(["passes", "fails", "nothing"]))
    def end(self, data: st.DataObject, result: str) -> None:
        key = data.draw(st.sampled_from(sorted(self.under_way)))
        before, allowed = self.circuit.position, self.circuit.allowed(self.at)
        if result == "passes":
            self.circuit.passed(key, self.at)
        elif result == "fails" and self.circuit.failed(key, "away", self.at, 0.5):
            assert before in {Position.CLOSED, Position.RAMP}, "met while it was open or half open: no try"
            assert self.circuit.position is before
        self.circuit.end(key)
        self.under_way.discard(key)
        assert self.circuit.allowed(self.at) <= max(2 * allowed, 1), "it comes back step by step"

    @rule(passed_s=st.floats(0, 40))
    def time_goes_on(self, passed_s: float) -> None:
        self.at += passed_s

    @rule(asked_s=st.floats(0, 400))
    def asked_to_wait(self, asked_s: float) -> None:
        before = self.circuit.position
        self.circuit.wait(asked_s, self.at)
        assert self.circuit.position is before

    @precondition(lambda self: self.circuit.probe_is_due(self.at))
    @rule(works=st.booleans())
    def probe(self, works: bool) -> None:
        if works:
            self.circuit.probe_passed()
            assert self.circuit.allowed(self.at) == 1
        else:
            self.circuit.probe_failed(self.at, 0.5)

    @invariant()
    def more_comes_by_a_result_or_by_time(self) -> None:
        allowed, wakes_in = self.circuit.allowed(self.at), self.circuit.wakes_in(self.at)
        assert 0 <= allowed <= IN_FLIGHT
        if allowed == 0:
            assert wakes_in is not None or self.circuit.probe_is_due(self.at)
        if self.circuit.position is Position.OPEN:
            assert allowed == 0
        if self.circuit.position is Position.HALF_OPEN:
            assert allowed <= 1


TestTraffic = Traffic.TestCase
TestTraffic.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (RetryableError("gp.away", ""), Word.FAILS),
        (RetryableError("prepare_timed_out", ""), Word.FAILS),
        (UnknownOutcomeError("timed_out", ""), Word.FAILS),
        (RetryableError("clarity.throttled", ""), Word.WAIT),
        (RetryableError("clarity.throttled", "", retry_after_s=3.0), Word.WAIT),
        (RetryableError("clarity.away", "", retry_after_s=3.0), Word.WAIT),
        (RetryableError("clarity.absent", "a sink looks at this one later", retry_after_s=5.0), Word.NOTHING),
        (RetryableError("store_unavailable", ""), Word.NOTHING),
        (RetryableError("registry_away", ""), Word.NOTHING),
        (DependencyError("customer:s:1", ""), Word.NOTHING),
        (MappingError("total", "missing"), Word.NOTHING),
        (RefusedError("gp.67", ""), Word.WORKS),
    ],
)
def test_what_an_error_says_about_the_target(error: BusError, word: Word) -> None:
    assert word_of(error) is word
