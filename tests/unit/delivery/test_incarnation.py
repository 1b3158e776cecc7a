"""Which store may be worked on, given what was heard of it."""

from datetime import UTC, datetime

import pytest

from bus.store_marks import newest
from delivery.incarnation import Held, Incarnation, refusal
from schemas.bus.store_mark import StoreMark

NOW = datetime(2026, 3, 2, 16, tzinfo=UTC)
HEARD = Incarnation(store_id="a", counter=7)


@pytest.mark.parametrize("found", [HEARD, Incarnation(store_id="a", counter=8)])
def test_store_that_went_on_may_be_worked_on(found: Incarnation) -> None:
    assert refusal("gp-two", found, HEARD) is None


def test_new_store_of_which_nobody_has_heard_may_be_worked_on() -> None:
    assert refusal("gp-two", Incarnation(store_id="b", counter=0), None) is None


@pytest.mark.parametrize(
    "found",
    [Incarnation(store_id="a", counter=6), Incarnation(store_id="b", counter=9), None],
    ids=["older", "other", "lost"],
)
def test_store_that_does_not_know_what_was_announced_is_refused(found: Incarnation | None) -> None:
    why = refusal("gp-two", found, HEARD)

    assert why is not None
    assert why.code == "store_restored"


def test_store_that_is_being_recovered_is_refused_whatever_was_heard() -> None:
    why = refusal("gp-two", Incarnation(store_id="a", counter=9, held=Held.RECOVERING), None)

    assert why is not None
    assert why.code == "store_recovering"


def mark(store_id: str, counter: int) -> StoreMark:
    return StoreMark(connection="gp-two", store_id=store_id, counter=counter, at=NOW)


def test_late_mark_of_a_slow_relay_does_not_hide_a_later_one() -> None:
    assert newest([mark("a", 3), mark("a", 5), mark("a", 4)])["gp-two"].counter == 5


def test_store_that_took_the_place_of_another_counts() -> None:
    assert newest([mark("a", 9), mark("b", 2)])["gp-two"] == mark("b", 2)
