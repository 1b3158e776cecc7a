"""An allowance is a minute's worth at once, then evenly."""

from producers.gateway.rate import Allowance


def test_a_minutes_worth_may_come_at_once_and_then_no_more() -> None:
    allowance = Allowance(60)

    waits = [allowance.wait_s(100.0) for _ in range(61)]

    assert waits[:60] == [0.0] * 60
    assert waits[60] == 1.0


def test_it_fills_evenly_and_never_above_a_minutes_worth() -> None:
    allowance = Allowance(60)
    for _ in range(60):
        allowance.wait_s(0.0)

    assert allowance.wait_s(0.5) == 0.5
    assert allowance.wait_s(1.0) == 0.0
    assert [allowance.wait_s(10_000.0) for _ in range(61)].count(0.0) == 60


def test_a_clock_that_goes_back_gives_nothing() -> None:
    allowance = Allowance(1)
    allowance.wait_s(50.0)

    assert allowance.wait_s(10.0) > 0
