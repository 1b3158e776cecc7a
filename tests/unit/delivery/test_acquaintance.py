"""What becomes of what is known of a system when it, or another, is met."""

from connect.identity import Known, Seen
from delivery.acquaintance import Acquaintance, accepted, after, values_of

TWO = Seen(name="TWO", parts={"database": "1"}, high_water=100, newest="ORD100")
OTHER = Seen(name="TWO", parts={"database": "2"}, high_water=40, newest="ORD040")
OLDER = Seen(name="TWO", parts={"database": "1"}, high_water=97, newest="ORD097")
KNOWN = Acquaintance(known=Known(system=TWO))


def proof(number: int) -> Seen:
    return Seen(name="TWO", parts={"database": "1"}, high_water=number, newest=f"ORD{number}")


def test_newer_proofs_are_remembered() -> None:
    now = after(KNOWN, proof(110), Known(system=proof(105)))

    assert (now.known.system.high_water, now.held) == (110, "")


def test_stranger_stops_it_and_changes_nothing_of_what_is_known() -> None:
    now = after(KNOWN, OTHER, None)

    assert (now.known, now.held, now.seen) == (KNOWN.known, "identity.other", OTHER)


def test_older_copy_is_known_by_what_a_process_wrote_and_nobody_wrote_down() -> None:
    now = after(KNOWN, proof(101), Known(system=proof(104)))

    assert (now.held, now.known.system.high_water) == ("identity.behind", 104)


def test_what_was_written_while_it_was_asked_is_not_missing_from_its_answer() -> None:
    assert after(KNOWN, TWO, Known(system=proof(101)), proven=100).held == ""
    assert after(KNOWN, OLDER, Known(system=proof(101)), proven=100).held == "identity.behind"
    assert after(KNOWN, OTHER, None, proven=0).held == "identity.other"


def test_what_was_written_to_a_system_before_another_was_accepted_says_nothing_of_it() -> None:
    new = accepted(after(KNOWN, OLDER, None), "c-1")

    assert (new.known.system.high_water, new.known.life, new.held) == (97, 2, "")
    assert after(new, proof(98), Known(system=proof(104), life=1)).held == ""


def test_right_one_that_is_back_is_recognised() -> None:
    assert after(after(KNOWN, OTHER, None), TWO, None) == KNOWN
    assert after(after(KNOWN, OLDER, None), TWO, None) == KNOWN


def test_numbers_that_went_on_by_themselves_do_not_make_an_older_copy_whole() -> None:
    held = after(KNOWN, OLDER, None)
    drawn = Seen(name="TWO", parts={"database": "1"}, high_water=130)

    assert after(held, drawn, None) == held


def test_only_a_stranger_can_be_accepted() -> None:
    assert accepted(KNOWN, "c-1") == KNOWN


def test_values_name_both_by_what_people_can_look_up() -> None:
    assert values_of(after(KNOWN, OTHER, None)) == {
        "known": "TWO (database 1)",
        "seen": "TWO (database 2)",
        "known_newest": "ORD100 (receipt 100)",
        "seen_newest": "ORD040 (receipt 40)",
    }
