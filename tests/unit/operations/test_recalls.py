"""What a version of a mapping wrote: what stands, what was changed since, what cannot be taken back."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from bus.codec import Codecs
from bus.registry import MemoryRegistry
from consumers.routes import ROUTES as DELIVERIES
from errors import ConfigurationError, MappingError, NotFoundError
from mapping.port import Lookups
from operations import recalled_anew, recalls
from operations.acting import By
from operations.projection.recalls import INBOUND, OUTBOUND, Delivered
from operations.recalls import CANNOT, Recall, Written, cannot, commands_of, of_deliveries, work_of
from tests.doubles.deployment import deployment, of_system
from tests.unit.streams.test_agents import event, route

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
OLD = "streams/orders/from_clarity@2"
GP = Delivered(
    connection="gp-two",
    record="order",
    root_key="clarity-main:1001",
    message_key="clarity-main:1001",
    document_number="WEB100",
    at=NOON,
    mapping_in=f"{OLD}+aa.bb",
    mapping_out="consumers/dynamics_gp/sales_order@1+cc.dd",
    amount=Decimal(5),
    currency="USD",
    last_at=NOON,
    last_mapping_in=f"{OLD}+aa.bb",
    last_mapping_out="consumers/dynamics_gp/sales_order@1+cc.dd",
)


def test_what_was_delivered_by_another_version_since_is_left_alone() -> None:
    later = msgspec.structs.replace(
        GP, last_at=NOON + timedelta(hours=1), last_mapping_in="streams/orders/from_clarity@20+aa.bb"
    )

    stands, changed = of_deliveries([GP, later], OLD, INBOUND)

    assert (stands.changed_by, stands.targets[0].document_number) == ("", "WEB100")
    assert changed.changed_by == "streams/orders/from_clarity@20+aa.bb"
    assert changed.changed_at == NOON + timedelta(hours=1)
    assert of_deliveries([later], "consumers/dynamics_gp/sales_order@1", OUTBOUND)[0].changed_by == ""


def test_every_target_says_what_it_cannot_take_back() -> None:
    assert CANNOT.keys() == {(route.system, route.record) for route in DELIVERIES}


def test_only_targets_that_are_reached_are_spoken_of() -> None:
    settings = deployment(of_system("gp-two", "dynamics-gp"), of_system("clarity-main", "clarity"))

    assert list(cannot(settings, of_deliveries([GP], OLD, INBOUND))) == ["gp-two: order"]


def found(*written: Written, now: str = "streams/orders/from_clarity@3+ee") -> Recall:
    return Recall(mapping=OLD, now=now, written=written, stand=0, changed_since=0, cannot_be_taken_back={})


@pytest.mark.parametrize(
    ("changed_by", "correction", "corrected"),
    [
        ("", "change", True),
        ("", "", True),
        ("", "equal", False),
        ("", "gone", False),
        ("", "refused", False),
        ("other", "", False),
    ],
)
def test_what_changed_since_or_would_be_the_same_is_not_corrected(
    changed_by: str, correction: str, *, corrected: bool
) -> None:
    (written,) = of_deliveries([GP], OLD, INBOUND)

    recall = found(msgspec.structs.replace(written, changed_by=changed_by, correction=correction))

    assert bool(recall.to_correct) is corrected


def test_the_mapping_at_work_is_not_recalled() -> None:
    with pytest.raises(ConfigurationError, match="put the corrected version in place first"):
        commands_of(deployment(), found(now=f"{OLD}+ee"), By(who="mara", why="", at=NOON), 0)


def test_a_mapping_nobody_runs_names_the_nearest() -> None:
    with pytest.raises(NotFoundError, match="streams/orders/from_clarity"):
        work_of(deployment(), "streams/orders/from_clarty@2")


def test_a_plan_goes_past_a_part_that_is_refused_as_the_recall_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recalled_anew, "describe", lambda *_: {})
    codecs = Codecs(MemoryRegistry())
    settings = msgspec.structs.replace(deployment(), lookups=Lookups({"numbers": {"1001": "A-1"}}))
    again = recalled_anew.Again(settings, codecs, route())
    source = event(codecs, b"impossible,1001")

    assert again._mapped(source, "shop:1001").number == "A-1"
    with pytest.raises(MappingError, match="currency"):
        again._mapped(source, "shop:1002")


@pytest.mark.parametrize(
    ("asked", "gone", "by", "corrected"), [("1", "0", "a newer record", 0), ("0", "0", "", 1), ("1", "1", "", 1)]
)
def test_what_a_target_would_not_be_sent_is_left_alone(asked: str, gone: str, by: str, corrected: int) -> None:
    values = {"records": "1", "asked": asked, "left": "0", "gone": gone}
    written, other = of_deliveries([GP], OLD, INBOUND)[0], "clarity-main:1002"
    whole = frozenset(["gp-two"]) if recalls._asked_of_all(values) else frozenset[str]()

    told = recalls._with_answer(written, {"gp-two": {other: ("equal", "equal")}}, whole)

    assert told.changed_by == by
    assert len(found(told).to_correct) == corrected


def test_what_is_equal_is_said_once() -> None:
    (written,) = of_deliveries([GP], OLD, INBOUND)

    told = recalls._with_answer(written, {"gp-two": {written.key: ("equal", "equal")}}, frozenset())

    assert (told.correction, told.why) == ("equal", "")
