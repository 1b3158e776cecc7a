"""Who is the system that is remembered, who is another, and what a client does once it has met one."""

import pytest

from connect.expected import Expected
from connect.identity import Known, Seen, StrangerError, Verdict, remembered, together, verdict

TWO = Seen(name="TWO", parts={"cluster": "7", "database": "16384"}, high_water=100, newest="ORD100")


def seen(high_water: int = 100, newest: str = "ORD", **parts: str) -> Seen:
    return Seen(name="TWO", parts=TWO.parts | parts, high_water=high_water, newest=newest)


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (seen(), Verdict.SAME),
        (seen(120), Verdict.SAME),
        (seen(99), Verdict.BEHIND),
        (seen(120, database="16999"), Verdict.OTHER),
        (seen(99, cluster="8"), Verdict.OTHER),
        # somebody took away all receipts; their numbers go on
        (seen(100, ""), Verdict.SAME),
        # a login that may read less, or more, is no other database
        (Seen(parts={"cluster": "7"}, high_water=100), Verdict.SAME),
        (seen(100, fork="f"), Verdict.SAME),
    ],
)
def test_system_is_recognised(there: Seen, found: Verdict) -> None:
    assert verdict(TWO, there) is found


def test_only_a_proof_that_stands_is_remembered() -> None:
    drawn = seen(130, "")

    assert remembered(drawn).high_water == 0
    assert (together(TWO, drawn).high_water, together(TWO, drawn).newest) == (100, "ORD100")
    assert (together(TWO, seen(101, "ORD101")).newest) == "ORD101"
    assert together(TWO, seen(fork="f")).parts == {**TWO.parts, "fork": "f"}


def expecting(known: Seen = TWO, life: int = 1) -> Expected:
    expected = Expected()
    expected.expect(Known(system=known, life=life), 0)
    return expected


def test_nobody_is_admitted_before_one_is_remembered() -> None:
    expected = Expected()
    expected.admit(seen(database="1"))
    expected.expect(None, 0)

    with pytest.raises(StrangerError) as met:
        expected.admit(TWO)

    assert (met.value.code, met.value.seen) == ("identity.unmet", TWO)


def test_after_a_stranger_nothing_is_done_until_it_is_said_whom_to_expect() -> None:
    expected, other = expecting(), seen(database="16999")
    with pytest.raises(StrangerError) as met:
        expected.admit(other)
    assert met.value.seen == other

    for attempt in (expected.still, lambda: expected.drawn(101, 100)):
        with pytest.raises(StrangerError) as again:
            attempt()
        assert (again.value.code, again.value.seen) == ("identity.other", None)

    # what was found out before it was met says nothing
    assert not expected.expect(Known(system=TWO, life=1), 0)
    with pytest.raises(StrangerError):
        expected.still()

    assert expected.expect(Known(system=other, life=2), expected.refusals)
    expected.still()
    expected.admit(other)
    assert not expected.is_still(TWO)


def test_number_that_was_drawn_before_is_an_older_copy() -> None:
    expected = expecting()
    before = expected.high_water
    expected.stands(105, "ORD105")
    # drawn beside the one that is committed already
    expected.drawn(104, before)

    with pytest.raises(StrangerError) as met:
        expected.drawn(103, expected.high_water)

    assert met.value.code == "identity.behind"
    assert met.value.seen is not None
    assert verdict(TWO, met.value.seen) is Verdict.SAME
    assert met.value.seen.high_water == 102


def test_what_this_process_wrote_is_not_forgotten_for_what_was_written_down_before() -> None:
    expected = expecting()
    expected.stands(105, "ORD105")

    expected.expect(Known(system=TWO, life=1), 0)
    assert expected.high_water == 105

    # but nothing of it is said of a system that was accepted since
    expected.expect(Known(system=seen(90), life=2), 0)
    assert expected.high_water == 90
