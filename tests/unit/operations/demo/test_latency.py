"""Percentiles, and which times a flow is measured between."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from operations.demo.latency import Latency, latencies, percentile
from operations.demo.topic_facts import Arrival, OnTopics
from schemas.bus.outcome import Outcome

START = datetime(2026, 5, 4, 12, tzinfo=UTC)


def after(milliseconds: int) -> datetime:
    return START + timedelta(milliseconds=milliseconds)


def delivered(record: str, at: datetime, **values: str) -> Outcome:
    made = Outcome(at=at, stage="consumers", state="delivered", record=record, code="status_set")
    return msgspec.structs.replace(made, **values)


@pytest.mark.parametrize(("percent", "value"), [(50, 50.0), (99, 99.0), (100, 100.0), (1, 1.0)])
def test_percentile_is_a_value_that_occurred(percent: int, value: float) -> None:
    assert percentile([float(each) for each in range(1, 101)], percent) == value


def test_percentile_of_few_and_of_none() -> None:
    assert percentile([7.0], 99) == 7.0
    assert percentile([1.0, 9.0], 50) == 1.0
    assert percentile([], 50) is None


def test_an_order_is_timed_from_the_first_we_heard_of_it() -> None:
    seen = OnTopics(
        arrivals={
            "shop:1": [
                Arrival(root="t/0/0", at=START, cause="webhook"),
                Arrival(root="t/0/1", at=after(900), cause="webhook"),
            ]
        },
        outcomes=[
            delivered("order", after(1500), code="created", root_key="shop:1", root="t/0/1", connection="erp"),
            delivered("order", after(9000), code="updated", root_key="shop:1", root="t/0/2", connection="erp"),
        ],
    )

    assert latencies(seen, "shop")["orders"] == Latency(p50=1500.0, p99=1500.0, count=1)


def test_what_comes_from_the_erp_is_timed_from_its_commit() -> None:
    seen = OnTopics(
        commits={"c/0/0": START},
        outcomes=[
            delivered("order_status", after(250), root="c/0/0", connection="shop"),
            delivered("order_status", after(9000), root="before/0/0", connection="shop"),
            delivered("shipment", after(400), root="c/0/0", connection="another shop"),
        ],
    )

    found = latencies(seen, "shop")

    assert found["order_statuses"] == Latency(p50=250.0, p99=250.0, count=1)
    assert found["shipments"] == Latency(p50=None, p99=None, count=0)
