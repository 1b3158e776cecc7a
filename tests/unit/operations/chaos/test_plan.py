"""What goes wrong is decided by the seed, and leaves nothing out."""

from collections import Counter

from operations.chaos.plan import Fault, Kind, Victims, schedule

VICTIMS = Victims(
    processes=("gateway", "streams"), servers=("kafka",), simulators=("clarity",), store="clarity-main", erp="gp-two"
)
HIT = {"gateway", "streams", "kafka", "clarity"}
#: One hit for each of four, four troubles of the store, four of GP.
ROUND = 12


def planned(seed: int, count: int, orders: int = 1000) -> tuple[Fault, ...]:
    return schedule(seed, orders, count, VICTIMS, [(Kind.TOPIC_RECREATED, "clarity.changes.v1")])


def test_same_seed_plans_the_same_and_another_one_does_not() -> None:
    assert planned(1, 30) == planned(1, 30)
    assert planned(1, 30) != planned(2, 30)


def test_everything_is_hit_once_before_anything_is_hit_again() -> None:
    hits = Counter(each.target for each in planned(3, ROUND) if each.target in HIT)
    assert hits == dict.fromkeys(HIT, 1)

    both = {(each.target, each.kind) for each in planned(3, 2 * ROUND - 1) if each.target in HIT}
    assert both == {(target, kind) for target in HIT for kind in (Kind.KILLED, Kind.STOPPED)}


def test_two_rounds_hold_every_kind_of_trouble() -> None:
    kinds = {each.kind for each in planned(4, 2 * ROUND - 1)}

    assert kinds == set(Kind) - {Kind.STORE_RESTORED}


def test_faults_come_in_the_order_of_the_orders_and_what_happens_once_in_the_middle() -> None:
    faults = planned(5, 40)

    assert [each.number for each in faults] == list(range(1, 42))
    assert [each.at_order for each in faults] == sorted(each.at_order for each in faults)
    assert all(50 <= each.at_order <= 950 for each in faults)
    (once,) = [each for each in faults if each.kind is Kind.TOPIC_RECREATED]
    assert 400 <= once.at_order <= 600
