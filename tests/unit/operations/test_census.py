"""What a source lists as changed, against what was heard of."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from errors import ConfigurationError
from operations.census import by_hour, census, topics_of, uncaptured, window
from producers.pollers.rounds import Listed
from producers.routes import POLLS
from tests.doubles.deployment import deployment, of_system

CHANGED = datetime(2026, 11, 21, 12, 59, tzinfo=UTC)


def listed(id_: str, version: int = 10, changed_at: datetime = CHANGED) -> Listed:
    return Listed(id=id_, changed_at=changed_at, source_version=version)


def missing(*documents: Listed, heard: Mapping[str, tuple[datetime | None, int]]) -> list[str]:
    return [each.id for each in uncaptured("shop", "order", documents, heard)]


def test_ten_orders_missing_for_five_days_are_named() -> None:
    documents = [listed(str(number)) for number in range(12)]
    heard = {f"shop:{number}": (CHANGED + timedelta(seconds=1), 0) for number in (3, 7)}

    assert missing(*documents, heard=heard) == [str(number) for number in range(12) if number not in {3, 7}]


def test_known_version_is_captured_however_it_came() -> None:
    assert missing(listed("1", version=10), heard={"shop:1": (None, 10)}) == []


def test_older_version_heard_of_before_the_change_is_uncaptured() -> None:
    heard = {"shop:1": (CHANGED - timedelta(seconds=1), 9)}

    assert missing(listed("1", version=10), heard=heard) == ["1"]


def test_document_heard_of_after_its_change_is_captured() -> None:
    heard: dict[str, tuple[datetime | None, int]] = {"shop:1": (CHANGED, 0)}

    assert missing(listed("1"), heard=heard) == []


def test_time_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="begin before 2026-11-21T12:59:00"):
        census(deployment(), CHANGED + timedelta(seconds=1), CHANGED)


def test_a_polled_document_arrives_as_a_change_or_whole() -> None:
    assert topics_of(POLLS[0]) == ["clarity.changes.v1", "clarity.orders.v1"]


def test_hours_add_up() -> None:
    documents = [listed("1"), listed("2"), listed("3", changed_at=CHANGED + timedelta(minutes=1))]

    lines = by_hour("shop", "order", documents, {"2"})

    assert [(line.hour.hour, line.listed, line.captured, line.uncaptured) for line in lines] == [
        (12, 2, 1, 1),
        (13, 1, 1, 0),
    ]


def test_only_stores_that_are_polled_are_waited_for() -> None:
    shop, erp = (
        msgspec.structs.replace(of_system(name, system), poll_interval_s=interval_s)
        for name, system, interval_s in (("shop", "clarity", 5.0), ("erp", "dynamics-gp", 600.0))
    )

    assert window(CHANGED, CHANGED, deployment(shop, erp)) == (CHANGED, CHANGED - timedelta(seconds=10))
