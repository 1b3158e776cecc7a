"""Lineage beside a record: repeats are recognisable, strangers do no harm."""

import uuid
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from bus.headers import NAMESPACE, Lineage, descended, event_id, from_headers, new_trace, to_headers
from schemas.types import Root

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ROOT = Root("topic-id/3/17")


def test_lineage_comes_back_as_it_went() -> None:
    lineage = Lineage(
        root=ROOT,
        origin="shop",
        mapping="streams/orders/from_clarity@1+abc.def",
        hops=2,
        traceparent="00-0102030405060708090a0b0c0d0e0f10-0102030405060708-01",
        ce_id="2f5c1c1e-0000-5000-8000-000000000000",
        ce_source="/streams/orders/from_clarity",
        ce_type="towpath.canonical.orders.v1",
        ce_time="2026-11-21T12:00:00Z",
    )

    assert from_headers(to_headers(lineage)) == lineage


def test_event_id_is_the_same_for_a_repeat_and_another_for_anything_else() -> None:
    first = event_id(ROOT, "route", 0, "digest")

    assert event_id(ROOT, "route", 0, "digest") == first
    others = {
        event_id("topic-id/3/18", "route", 0, "digest"),
        event_id(ROOT, "other", 0, "digest"),
        event_id(ROOT, "route", 1, "digest"),
        event_id(ROOT, "route", 0, "another"),
    }
    assert len(others | {first}) == 5
    assert event_id("a", "b", 0) == "4ebb8828-89b1-51de-9afe-62e876db9f0d"


def test_root_and_origin_of_the_source_event_go_on() -> None:
    parent = Lineage(root=Root("first/0/1"), origin="shop", traceparent="00-a-b-01", hops=1)

    made = from_headers(descended(parent, root=ROOT, route="r", ordinal=0, ce_type="t", at=NOON, origin="erp"))

    assert (made.root, made.origin, made.traceparent, made.hops) == ("first/0/1", "shop", "00-a-b-01", 1)
    assert made.ce_time == "2026-11-21T12:00:00Z"


def test_what_descends_says_the_same_as_its_lineage_and_nothing_twice() -> None:
    parent = Lineage(root=Root("first/0/1"), traceparent="00-a-b-01", hops=1)

    made = descended(parent, root=ROOT, route="r", ordinal=0, ce_type="t", at=NOON, mapping="m", origin="erp")

    assert sorted(made) == sorted(to_headers(from_headers(made)))


def test_event_without_lineage_is_its_own_root() -> None:
    made = from_headers(descended(Lineage(), root=ROOT, route="r", ordinal=0, ce_type="t", at=NOON, origin="erp"))

    assert (made.root, made.origin) == (ROOT, "erp")


@given(st.lists(st.tuples(st.sampled_from(["towpath-root", "towpath-hops", "ce_id", "x"]), st.none() | st.binary())))
def test_headers_of_strangers_do_no_harm(headers: list[tuple[str, bytes | None]]) -> None:
    assert from_headers(headers).hops >= 0


def test_trace_that_begins_here_has_the_form_of_w3c() -> None:
    assert new_trace(b"\1" * 16, b"\2" * 8) == f"00-{'01' * 16}-{'02' * 8}-01"


@given(st.text(), st.text(), st.integers(), st.text())
def test_ids_are_those_of_the_standard_library(root: str, route: str, ordinal: int, digest: str) -> None:
    name = "\n".join((root, route, str(ordinal), digest))

    assert event_id(root, route, ordinal, digest) == str(uuid.uuid5(NAMESPACE, name))
