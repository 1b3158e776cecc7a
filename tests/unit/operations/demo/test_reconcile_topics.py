"""The topics against store and GP: echoes, falling versions, dead letters, what nobody heard of."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from operations.demo import reconcile_topics
from operations.demo.reconcile import Difference
from operations.demo.topic_facts import Arrival, Written
from schemas import topics
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.outcome import Outcome
from tests.doubles.demo_world import AT, ERP, STORE, World, agreeing, level, order_record, shipment, status

replace = msgspec.structs.replace


def differences(world: World) -> list[tuple[str, str]]:
    found = reconcile_topics.compare_topics(world.placed, world.shop, world.company, world.seen, STORE, ERP)
    return [(each.subject, each.field) for each in found]


def tell(world: World, topic: topics.Topic, key: str, record: Any) -> World:
    """One more record, the newest of its key."""
    world.seen.canonical[topic.name].append(Written(key=key, offset=99, record=record))
    return world


def letter(code: str, key: str, number: str = "1", **values: Any) -> DeadLetter:
    made = DeadLetter(id=number, at=AT, stage="consumers", code=code, root_key=key, connection=ERP)
    return replace(made, **values)


def delivery(offset: int, *, state: str = "delivered") -> Outcome:
    return Outcome(
        at=AT, stage="consumers", state=state, code="created", connection=ERP, topic_id="t", partition=1, offset=offset,
        message_key="shop:1",
    )  # fmt: skip


def test_a_world_that_agrees_has_no_differences() -> None:
    world = agreeing()

    assert differences(world) == []
    assert reconcile_topics.echoes(world.placed, world.seen, STORE) == ()
    assert reconcile_topics.order_violations(world.seen) == ()
    assert reconcile_topics.dead_letters(world.placed, world.seen, STORE, 0) == ()
    assert reconcile_topics.uncaptured(world.placed, world.seen, STORE) == ()


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (order_record(2, "12.51", 2), "total"),
        (order_record(2, "12.50", 2, "cancelled"), "state"),
        (replace(order_record(2, "12.50", 2), lines=()), "quantities"),
    ],
)
def test_an_order_told_otherwise_is_named(record: object, field: str) -> None:
    assert differences(tell(agreeing(), topics.ORDERS, f"{STORE}:2", record)) == [("order 2", field)]


def test_a_status_told_otherwise_is_named() -> None:
    other = replace(status(2, "shipped", 2), document_number="ORD7")

    assert differences(tell(agreeing(), topics.ORDER_STATUSES, f"{STORE}:2", other)) == [
        ("order 2", "canonical status"),
        ("order 2", "document number"),
    ]


@pytest.mark.parametrize(
    ("record", "field"),
    [(replace(shipment(), tracking_numbers=()), "tracking"), (replace(shipment(), lines=()), "quantities")],
)
def test_a_shipment_told_otherwise_is_named(record: object, field: str) -> None:
    world = tell(agreeing(), topics.SHIPMENTS, f"{STORE}:1/INV1", record)

    assert differences(world) == [("order 1, shipment INV1", field)]


def test_stock_told_otherwise_is_named() -> None:
    world = tell(agreeing(), topics.INVENTORY_LEVELS, f"{ERP}:TEA@MAIN", level(41, 3, 2))

    assert differences(world) == [("stock TEA at MAIN", "on_hand")]


@pytest.mark.parametrize("topic", [topics.ORDERS, topics.ORDER_STATUSES, topics.SHIPMENTS, topics.INVENTORY_LEVELS])
def test_what_was_never_told_is_named(topic: topics.Topic) -> None:
    world = agreeing()
    world.seen.canonical[topic.name] = []

    assert differences(world)


def test_an_echo_of_our_own_status_is_named() -> None:
    world = tell(agreeing(), topics.ORDERS, f"{STORE}:2", order_record(2, "12.50", 7))

    assert reconcile_topics.echoes(world.placed, world.seen, STORE) == (
        Difference(subject="order 2", field="versions", store="1 changes", topics="2 told"),
    )


def test_a_version_told_twice_is_no_echo() -> None:
    world = tell(agreeing(), topics.ORDERS, f"{STORE}:2", order_record(2, "12.50"))

    assert reconcile_topics.echoes(world.placed, world.seen, STORE) == ()


def test_a_change_that_was_never_told_is_named() -> None:
    world = agreeing()
    world.placed[0] = replace(world.placed[0], changes=2)

    assert [each.subject for each in reconcile_topics.echoes(world.placed, world.seen, STORE)] == ["order 1"]


def test_a_falling_version_is_a_violation() -> None:
    world = tell(agreeing(), topics.INVENTORY_LEVELS, f"{ERP}:TEA@MAIN", level(39, 3, 0))

    assert [each.subject for each in reconcile_topics.order_violations(world.seen)] == [f"{ERP}:TEA@MAIN"]


def test_an_older_event_delivered_after_a_newer_one_is_a_violation() -> None:
    world = agreeing()
    world.seen.outcomes = [delivery(5), delivery(4)]

    assert [each.field for each in reconcile_topics.order_violations(world.seen)] == ["order of deliveries"]


def test_outcomes_told_twice_are_no_violation() -> None:
    world = agreeing()
    world.seen.outcomes = [delivery(4), delivery(5), delivery(4), delivery(5), delivery(3, state="superseded")]

    assert reconcile_topics.order_violations(world.seen) == ()


def test_an_expected_dead_letter_that_is_missing_is_named() -> None:
    world = agreeing()
    world.placed[1] = replace(world.placed[1], story="edits_too_late")

    (found,) = reconcile_topics.dead_letters(world.placed, world.seen, STORE, 0)

    assert (found.subject, found.store, found.topics) == ("order 2", "one for gp.too_late", "none")


def test_an_expected_dead_letter_is_no_difference() -> None:
    world = agreeing()
    world.placed[1] = replace(world.placed[1], story="edits_too_late")
    world.seen.dead_letters = [letter("gp.too_late", f"{STORE}:2"), letter("gp.too_late", f"{STORE}:2")]

    assert reconcile_topics.dead_letters(world.placed, world.seen, STORE, 0) == ()


def test_a_dead_letter_for_another_reason_is_named() -> None:
    world = agreeing()
    world.seen.dead_letters = [letter("gp.235", f"{STORE}:1"), letter("mapping", "elsewhere:9", "2")]

    found = reconcile_topics.dead_letters(world.placed, world.seen, STORE, 0)

    assert [each.subject for each in found] == ["order 1", "elsewhere:9"]


@pytest.mark.parametrize(("sent", "differ"), [(0, True), (1, False), (2, True)])
def test_broken_webhooks_leave_one_dead_letter_each(sent: int, differ: bool) -> None:
    world = agreeing()
    world.seen.dead_letters = [letter("gateway.malformed", "", stage="gateway", connection=STORE)]

    assert bool(reconcile_topics.dead_letters(world.placed, world.seen, STORE, sent)) is differ


def test_an_order_nobody_heard_of_is_named() -> None:
    world = agreeing()
    del world.seen.arrivals[f"{STORE}:2"]

    assert [each.topics for each in reconcile_topics.uncaptured(world.placed, world.seen, STORE)] == ["never heard of"]


@pytest.mark.parametrize(("cause", "differ"), [("poll", False), ("webhook", True)])
def test_an_order_without_webhook_must_come_by_the_poller(cause: str, differ: bool) -> None:
    world = agreeing()
    world.placed[1] = replace(world.placed[1], story="webhook_never")
    world.seen.arrivals[f"{STORE}:2"] = [Arrival(root="t/0/2", at=AT, cause=cause)]

    assert bool(reconcile_topics.uncaptured(world.placed, world.seen, STORE)) is differ


def test_amounts_are_compared_as_numbers() -> None:
    world = tell(
        agreeing(), topics.ORDERS, f"{STORE}:2", replace(order_record(2, "12.5", 2), total=Decimal("12.50000"))
    )

    assert differences(world) == []
