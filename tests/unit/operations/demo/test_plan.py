"""Who buys what in a demonstration, and what becomes of it."""

from collections import Counter

import pytest

from operations.demo.plan import CUSTOMERS, FEWEST, TROUBLES, Fate, Story, plan

ALL = CUSTOMERS | TROUBLES


def test_the_same_seed_gives_the_same_day() -> None:
    assert plan(200, 7, ALL) == plan(200, 7, ALL)
    assert plan(200, 7, ALL) != plan(200, 8, ALL)


@pytest.mark.parametrize("orders", [FEWEST, 30, 200])
def test_every_trouble_happens_even_in_a_short_run(orders: int) -> None:
    stories = Counter(visit.story for visit in plan(orders, 1, ALL))

    assert set(stories) >= set(ALL)
    assert stories.total() == orders


def test_without_troubles_customers_only_change_their_minds() -> None:
    stories = {visit.story for visit in plan(200, 1, CUSTOMERS)}

    assert stories == {Story.PLAIN, *CUSTOMERS}


def test_gp_s_user_does_everything_he_can_do() -> None:
    assert {visit.fate for visit in plan(30, 1, ALL)} == set(Fate)


def test_an_order_changed_too_late_leaves_in_part_first() -> None:
    late = [visit.fate for visit in plan(200, 1, ALL) if visit.story is Story.EDITS_TOO_LATE]

    assert set(late) == {Fate.PART}


def test_stories_come_early_enough_to_end() -> None:
    numbers = [visit.number for visit in plan(200, 3, ALL) if visit.story is not Story.PLAIN]

    assert max(numbers) < 150
