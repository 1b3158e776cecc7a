"""Order at the targets as they tell it themselves, and the longest silence."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from operations.chaos.verdict import Write, order_violations, silence_s
from operations.demo.facts import Placed
from operations.demo.topic_facts import OnTopics, Written
from schemas import topics
from schemas.bus.outcome import Outcome
from schemas.canonical.order_status import OrderStatus

START = datetime(2026, 5, 4, 12, tzinfo=UTC)
KEY = "clarity-main:1001"
ORDER = Placed(order_id=1001, number="1001", story="plain", fate="ship")


def accepted(*statuses: tuple[int, str]) -> OnTopics:
    records = [
        Written(
            key=KEY,
            offset=offset,
            record=OrderStatus(id=KEY, source_version=version, occurred_at=START, status=status),
        )
        for offset, (version, status) in enumerate(statuses)
    ]
    return OnTopics(canonical={topics.ORDER_STATUSES.name: records})


def wrote(*actions: str) -> list[Write]:
    return [
        Write(id=number, method="PATCH", route=f"/Ordering/SalesOrder/{action}/1001", succeeded=True)
        for number, action in enumerate(actions)
    ]


def violations(
    seen: OnTopics | None = None, writes: list[Write] | None = None, steps: dict[str, list[str]] | None = None
) -> list[str]:
    found = order_violations([ORDER], seen or OnTopics(), writes or [], steps or {}, "clarity-main")
    return [each.field for each in found]


# a restart writes records twice: what comes again is known by its version
LIFE = ((1, "received"), (2, "processing"), (1, "received"), (2, "processing"), (3, "shipped"))


@pytest.mark.parametrize("told", [(), ("Confirm", "Ship"), ("Confirm", "Confirm", "CreatePickTicket", "Ship")])
def test_actions_in_their_order_are_none(told: tuple[str, ...]) -> None:
    assert violations(accepted(*LIFE), wrote(*told)) == []


@pytest.mark.parametrize("told", [("Ship", "Confirm"), ("Confirm", "CreatePickTicket", "Confirm"), ("Void",)])
def test_action_that_nobody_accepted_there_is_one(told: tuple[str, ...]) -> None:
    assert violations(accepted(*LIFE), wrote(*told)) == ["order of statuses"]


@pytest.mark.parametrize(
    "steps", [[], ["create"], ["create", "cancel"], ["create", "update:3:1", "update:7:2", "cancel"]]
)
def test_steps_of_a_document_in_their_order_are_none(steps: list[str]) -> None:
    assert violations(steps={KEY: steps}) == []


@pytest.mark.parametrize(
    "steps",
    [["update:3:1"], ["create", "cancel", "update:3:2"], ["create", "update:7:1", "update:3:2"], ["create", "create"]],
)
def test_steps_out_of_order_are_one(steps: list[str]) -> None:
    assert violations(steps={KEY: steps}) == ["order of steps"]


def delivery(offset: int, version: int, **values: Any) -> Outcome:
    made = Outcome(
        at=START,
        stage="consumers",
        state="delivered",
        code="stock_set",
        connection="clarity-main",
        topic_id="t",
        partition=0,
        offset=offset,
        message_key="gp-two:TEA@MAIN",
        source_version=version,
    )
    return msgspec.structs.replace(made, **values)


def test_older_version_delivered_after_a_newer_one_is_one() -> None:
    assert violations(OnTopics(outcomes=[delivery(1, 10), delivery(2, 20), delivery(2, 20)])) == []
    assert violations(OnTopics(outcomes=[delivery(1, 20), delivery(2, 10)])) == ["order of deliveries"]
    other = delivery(2, 10, message_key="gp-two:CUP@MAIN")
    assert violations(OnTopics(outcomes=[delivery(1, 20), other])) == []


def at(*seconds: int) -> list[datetime]:
    return [START + timedelta(seconds=each) for each in seconds]


def test_silence_is_the_longest_time_between_ends_with_something_open() -> None:
    (zero, five, ten, sixty, ninety) = at(0, 5, 10, 60, 90)

    assert silence_s([(zero, five), (zero, ten)], [five, ten]) == 5.0
    # nothing was open from ten to sixty
    assert silence_s([(zero, five), (zero, ten), (sixty, ninety)], [five, ten, ninety]) == 30.0
    assert silence_s([(zero, five), (five, sixty), (zero, ten)], [five, ten, sixty]) == 50.0
    assert silence_s([], []) == 0.0
