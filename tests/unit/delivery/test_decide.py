"""What becomes of a row, by the kind of error and the call that raised it."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.decide import Pace, Step, Turn, after, backoff_s, cannot_be_told, for_a_person, settled, still_unknown
from delivery.ports import Intent, Reference, Row, Settlement
from delivery.states import ENDS, OPEN, SWEEPS, Kind, ParkedFor, State, Sweep
from delivery.things import document_of
from errors import (
    BusError,
    DependencyError,
    FatalError,
    MappingError,
    RefusedError,
    RejectedError,
    RetryableError,
    TooLateError,
    UnknownOutcomeError,
)

PACE = Pace()
INTENT = Intent(reference=Reference(record="order", business="s:1", operation="create"), body=b"x")


def a_row(state: State = State.READY, cause: ParkedFor | None = None, attempts: int = 0) -> Row:
    return Row(
        id=1,
        queue="consumers",
        topic="t",
        topic_id="id",
        partition=0,
        offset=0,
        root="id/0/0",
        root_key="s:1",
        message_key="s:1",
        record="order",
        kind=Kind.DOCUMENT,
        source_version=0,
        state=state,
        cause=cause,
        attempts=attempts,
        due=None,
        lease_owner="me",
        epoch=1,
        intent=None,
        reference=None,
        document_number=None,
        payload=b"",
        payload_digest="",
        mapping_in="",
        mapping_out="",
        command_id="",
        origin="",
        hops=0,
        traceparent="",
        amount=Decimal(0),
        currency="",
        taken_in_at=datetime(2026, 5, 1, tzinfo=UTC),
    )


ERRORS: list[BusError] = [
    RetryableError("busy", "later"),
    RetryableError("throttled", "later", retry_after_s=30.0),
    UnknownOutcomeError("lost", "perhaps"),
    DependencyError("customer:s:C1", "not yet"),
    MappingError("lines[2].sku", "missing"),
    RefusedError("gp.4628", "no", number=4628),
    TooLateError("posted", "no"),
    BusError("something", "new"),
]
errors = st.sampled_from(ERRORS)
steps = st.sampled_from(Step)
jitters = st.floats(0, 1)
rows = st.builds(
    lambda place, attempts: a_row(place[0], place[1], attempts),
    st.sampled_from(sorted(SWEEPS, key=str)),
    st.integers(0, 10_000),
)


@given(errors, steps, rows, jitters)
def test_every_row_ends_or_is_found_by_some_sweep(error: BusError, step: Step, row: Row, jitter: float) -> None:
    turn = after(error, step, row, INTENT, PACE, jitter)

    assert turn.state in ENDS or (turn.state, turn.cause) in SWEEPS
    found_by = SWEEPS.get((turn.state, turn.cause))
    assert (turn.delay_s is None) == (turn.state in ENDS or found_by is Sweep.COMMAND)
    assert turn.attempts == row.attempts + 1


def test_every_open_state_has_a_sweep() -> None:
    assert {state for state, _ in SWEEPS} == OPEN
    assert {cause for state, cause in SWEEPS if state is State.PARKED} == set(ParkedFor)


@given(rows, jitters)
def test_person_is_waited_for_without_a_time(row: Row, jitter: float) -> None:
    turn = for_a_person(row, INTENT, "several", {})
    assert ((turn.state, turn.cause) in SWEEPS, turn.delay_s) == (True, None)


@given(st.sampled_from([error for error in ERRORS if not isinstance(error, RejectedError)]), steps, rows, jitters)
def test_nothing_but_a_refusal_makes_a_dead_letter(error: BusError, step: Step, row: Row, jitter: float) -> None:
    assert after(error, step, row, INTENT, PACE, jitter).cause is not ParkedFor.REFUSED


@given(errors, rows, jitters)
def test_what_may_be_there_never_ends_by_an_error_of_asking(error: BusError, row: Row, jitter: float) -> None:
    assert after(error, Step.FIND, row, INTENT, PACE, jitter).state is State.UNKNOWN


@given(errors, rows, jitters)
def test_nothing_is_unknown_before_it_was_sent(error: BusError, row: Row, jitter: float) -> None:
    assert after(error, Step.PREPARE, row, None, PACE, jitter).state is not State.UNKNOWN


@given(st.sampled_from([error for error in ERRORS if type(error) in {UnknownOutcomeError, BusError}]), rows, jitters)
def test_doubtful_call_is_looked_for_not_before_it_settled(error: BusError, row: Row, jitter: float) -> None:
    turn = after(error, Step.DELIVER, row, INTENT, PACE, jitter)

    assert (turn.state, turn.intent) == (State.UNKNOWN, INTENT)
    assert turn.delay_s is not None
    assert turn.delay_s >= PACE.settling_delay_s


@given(st.sampled_from(ERRORS), rows, jitters)
def test_looks_are_counted_from_what_was_sent_last(error: BusError, row: Row, jitter: float) -> None:
    looked = after(error, Step.FIND, msgspec.structs.replace(row, asked=3), INTENT, PACE, jitter)
    sent = after(UnknownOutcomeError("lost", ""), Step.DELIVER, msgspec.structs.replace(row, asked=3), INTENT, PACE, 1)

    assert (looked.asked, looked.settles_s) == (4, None)
    assert (sent.asked, sent.settles_s) == (0, sent.delay_s)
    assert looked.waits_for == sent.waits_for == "order:s:1"


@given(rows, jitters)
def test_what_cannot_be_told_keeps_its_intent_and_is_still_waited_for(row: Row, jitter: float) -> None:
    turn = cannot_be_told(still_unknown(row, INTENT, "asked_in_vain", {"reason": "gp.odd"}, PACE, jitter))

    assert (turn.state, turn.cause, turn.delay_s, turn.intent) == (State.PARKED, ParkedFor.PERSON, None, INTENT)
    assert (turn.code, turn.values["reason"], turn.waits_for) == ("cannot_tell", "gp.odd", "order:s:1")


def test_status_and_shipment_belong_to_their_order() -> None:
    named = [document_of(record, "s:1") for record in ("order", "order_status", "sales_order", "shipment")]
    assert named == ["order:s:1"] * 4
    assert document_of("inventory_level", "gp:A@MAIN") == "inventory_level:gp:A@MAIN"


@pytest.mark.parametrize("step", Step)
def test_fatal_error_stops_the_worker(step: Step) -> None:
    with pytest.raises(FatalError):
        after(FatalError("denied", "no"), step, a_row(), INTENT, PACE, 0.5)


@given(st.integers(0, 10**6), jitters)
def test_backoff_rises_to_its_longest_and_never_vanishes(attempts: int, jitter: float) -> None:
    delay_s = backoff_s(attempts, PACE, jitter)
    assert PACE.first_backoff_s / 2 <= delay_s <= PACE.longest_backoff_s
    assert backoff_s(attempts + 1, PACE, jitter) >= delay_s


def test_backoff_doubles() -> None:
    assert [backoff_s(attempts, PACE, 1.0) for attempts in range(4)] == [1.0, 2.0, 4.0, 8.0]


def test_target_that_names_a_time_is_believed() -> None:
    turn = after(RetryableError("throttled", "", retry_after_s=30.0), Step.DELIVER, a_row(), INTENT, PACE, 0.0)
    assert (turn.state, turn.cause, turn.delay_s) == (State.PARKED, ParkedFor.BACKOFF, 30.0)


def test_first_look_is_after_the_settling_delay_however_often_it_was_tried_before() -> None:
    turn = still_unknown(a_row(State.PARKED, ParkedFor.BACKOFF, attempts=9), INTENT, "lost", {}, PACE, 1.0)
    assert turn.delay_s == PACE.settling_delay_s


def test_facts_become_values() -> None:
    turn = after(RefusedError("gp.4628", "no", number=4628, item=None), Step.DELIVER, a_row(), INTENT, PACE, 0.5)
    assert (turn.state, turn.cause, turn.delay_s) == (State.PARKED, ParkedFor.REFUSED, None)
    assert (turn.code, turn.values) == ("gp.4628", {"number": "4628"})


@pytest.mark.parametrize(
    "state", [State.READY, State.UNKNOWN, State.PARKED, State.SENDING, State.DEAD, State.DISCARDED]
)
def test_sink_cannot_settle_as_what_is_not_its_own(state: State) -> None:
    with pytest.raises(ValueError, match="cannot settle"):
        settled(a_row(), Settlement(state=state, code="x"), None)


def test_settled_is_counted_as_a_try() -> None:
    turn = settled(a_row(attempts=3), Settlement(state=State.DELIVERED, code="created"), INTENT)
    assert turn == Turn(
        row=a_row(attempts=3),
        state=State.DELIVERED,
        code="created",
        attempts=4,
        settlement=Settlement(state=State.DELIVERED, code="created"),
        intent=INTENT,
    )
