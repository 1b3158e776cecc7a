"""What of a replay is queued, what ends at once, and how much may wait at a time."""

import msgspec
import pytest

from delivery.ports import Arrival, Requests
from delivery.preflight import Told, Verdict
from delivery.replay_plan import Asked, Costs, Scan, listed, told
from delivery.replay_rules import Feed, OpenEvent, Stands, holds, prefix, room, sorted_out
from delivery.replaying import Pace
from delivery.states import Kind

QUIET = Feed(paused=False, estranged=False, waiting=0, open=0, overdue_s=0.0, unsent=0)


def event(offset: int, version: int = 5, key: str = "s:1") -> Arrival:
    return Arrival(
        topic="t", topic_id="id", partition=0, offset=offset, root=f"id/0/{offset}", root_key=key, message_key=key,
        record="order", kind=Kind.STATE, replaces_with=None, source_version=version, payload=b"", payload_digest="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("stands", "ends"),
    [
        (Stands(), None),
        (Stands(version=5, offset=7), None),
        (Stands(version=5), None),
        (Stands(version=4, offset=3), None),
        (Stands(version=6, offset=9), "older"),
        # of two events with one version the later one stands: it was mapped anew
        (Stands(version=5, offset=8), "older"),
        (Stands(version=5, offset=7, open=(OpenEvent("id", 0, 7, 5),)), "already_queued"),
        # of a topic that was made anew, or another partition of a record without versions
        (Stands(open=(OpenEvent("other", 0, 9, 5),)), None),
        (Stands(open=(OpenEvent("id", 0, 9, 0),)), "older"),
        (Stands(open=(OpenEvent("other", 0, 1, 6),)), "older"),
        (Stands(open=(OpenEvent("id", 0, 6, 4),)), None),
    ],
)
def test_what_stands_decides(stands: Stands, ends: str | None) -> None:
    sorted_ = sorted_out([event(7)], {("s:1", "order"): stands})

    assert [end.code for end in sorted_.ended] == ([ends] if ends else [])
    assert len(sorted_.queued) + len(sorted_.ended) == 1


def test_prefix_ends_before_the_first_row_too_many() -> None:
    standing = {("s:1", "order"): Stands(version=9)}
    events = [event(0), event(1, key="s:2"), event(2), event(3, key="s:3"), event(4)]

    assert [prefix(events, standing, most) for most in (1, 2)] == [3, 5]


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        ({}, 4),
        ({"waiting": 3}, 1),
        ({"waiting": 9}, 0),
        # live events wait: one at a time goes on, so that it ends some day
        ({"overdue_s": 3.0}, 1),
        ({"overdue_s": 3.0, "waiting": 1}, 0),
        ({"paused": True}, 0),
        ({"open": 1000}, 0),
        ({"unsent": 5000}, 0),
    ],
)
def test_room_is_a_quarter_and_live_events_come_first(change: dict[str, object], rows: int) -> None:
    assert room(msgspec.structs.replace(QUIET, **change), 16) == rows


def test_what_it_waits_for_is_named() -> None:
    assert holds(QUIET) == ""
    assert holds(msgspec.structs.replace(QUIET, paused=True)) == "replay.paused"
    assert holds(msgspec.structs.replace(QUIET, estranged=True)) == "replay.estranged"


def test_pace_is_even() -> None:
    pace = Pace(120)

    assert pace.allowed(10.0) == 2
    pace.spend(2, 10.0)
    assert (pace.allowed(10.9), pace.allowed(11.0)) == (0, 2)
    assert Pace(0).allowed(0.0) > 1_000_000
    assert Pace(6).allowed(0.0) == 1


def test_plan_of_a_sample_tells_requests_and_minutes_of_all() -> None:
    scan = Scan(events=900, candidates=600, keys=set(range(600)))
    creates = Asked(told=Told(verdict=Verdict.MAPS, creates=True), record="order", took_s=0.1)
    equal = Asked(told=Told(verdict=Verdict.APPLIED), record="order", took_s=0.1)
    blocked = Asked(told=Told(verdict=Verdict.BLOCKED, values={"waits_for": "customer:C1"}), record="order", took_s=0.1)
    costs = Costs(requests={"order": Requests(look=1, write=2)}, at_once=2, requests_per_minute=100)

    values = told(scan, [creates, equal, equal, blocked], costs, 0)

    names = ("records", "asked", "creates", "updates", "equal", "blocked", "requests", "minutes")
    assert [values[name] for name in names] == ["600", "4", "1", "0", "2", "1", "900", "9.0"]
    assert values["why"] == "customer:C1 x1"
    assert told(scan, [], costs, 60)["minutes"] == "10.0"


def test_whoever_wants_each_is_told_by_its_key_what_it_comes_to() -> None:
    blocked = Told(verdict=Verdict.BLOCKED, values={"waits_for": "customer:C1"})
    asked = [
        Asked(told=Told(verdict=Verdict.MAPS), record="order", took_s=0.1, key="shop:1"),
        Asked(told=blocked, record="order", took_s=0.1, key="shop:2"),
    ]

    each = msgspec.json.decode(listed(asked)["each"])

    assert each == [["shop:1", "updates", ""], ["shop:2", "blocked", "customer:C1"]]
