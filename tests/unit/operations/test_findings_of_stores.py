"""What status tells of stores that were restored and of topics that were made anew."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from delivery.incarnation import Incarnation
from operations.findings import Kind, Severity, worst_first
from operations.findings_of_stores import of_recreated, of_stores, of_strangers
from operations.projection.queues import Position, StoreStanding, Stranger

NOW = datetime(2026, 3, 2, 16, tzinfo=UTC)


def store(*stood: Position, counter: int = 0) -> StoreStanding:
    return StoreStanding(
        connection="gp-two",
        positions={},
        pauses=(),
        stood=stood,
        incarnation=Incarnation(store_id="a", counter=counter),
    )


def stood(
    topic_id: str, next_: int, *, partition: int = 0, moved_at: datetime = NOW, topic: str = "orders"
) -> Position:
    return Position(
        queue="consumers", topic=topic, topic_id=topic_id, partition=partition, next=next_, moved_at=moved_at
    )


def test_restored_store_is_an_alarm_with_what_to_do() -> None:
    (found,) = of_stores([store(counter=6)], {"gp-two": Incarnation(store_id="a", counter=7)})

    assert (found.severity, found.kind, found.about) == (Severity.ALARM, Kind.STORE, "gp-two")
    assert "towpath store recover gp-two" in found.to_do
    assert worst_first([found])[0] == found


def test_store_that_knows_what_it_announced_is_no_finding() -> None:
    assert list(of_stores([store(counter=7)], {"gp-two": Incarnation(store_id="a", counter=7)})) == []


def test_stranger_is_the_first_alarm_after_the_servers_and_says_what_was_there_and_what_to_do() -> None:
    seen = {"known": "TWO (database 1)", "seen": "TWO (database 2)"}
    stranger = Stranger(code="identity.other", values=seen, since=NOW)
    (found,) = of_strangers([store(), msgspec.structs.replace(store(), stranger=stranger)])

    assert (found.severity, found.kind, found.about, found.since) == (Severity.ALARM, Kind.STRANGER, "gp-two", NOW)
    assert "behind gp-two: TWO (database 2) instead of TWO (database 1)" in found.headline
    assert "towpath resume gp-two --accept-identity --why" in found.to_do
    stands = msgspec.structs.replace(found, kind=Kind.LEDGER, about="ledger")
    assert worst_first([stands, found])[0] == found


def test_events_of_an_old_topic_that_were_never_taken_in_are_an_alarm() -> None:
    standing = store(stood("old", 10), stood("old", 4, partition=1), stood("new", 2))

    (found,) = of_recreated([standing], {"orders": "new"}, {("old", 0): 13, ("old", 1): 4, ("new", 0): 2}, NOW)

    assert (found.severity, found.count) == (Severity.ALARM, 3)


@pytest.mark.parametrize(
    ("topic", "counted", "severity"),
    [
        ("clarity.changes.v1", ("gp-two",), Severity.NOTE),
        ("clarity.changes.v1", (), Severity.ALARM),
        ("canonical.orders.v1", ("gp-two",), Severity.ALARM),
    ],
)
def test_what_pollers_bring_again_is_a_note(topic: str, counted: tuple[str, ...], severity: Severity) -> None:
    standing = store(stood("old", 10, topic=topic))

    (found,) = of_recreated([standing], {topic: "new"}, {("old", 0): 13}, NOW, counted)

    assert (found.severity, found.count) == (severity, 3)


def test_topic_made_anew_after_all_was_taken_in_is_a_note_for_a_while() -> None:
    long_ago = NOW - timedelta(days=15)
    read = {("old", 0): 10}

    assert [each.severity for each in of_recreated([store(stood("old", 10))], {"orders": "new"}, read, NOW)] == [
        Severity.NOTE
    ]
    past = store(stood("old", 10, moved_at=long_ago))
    assert list(of_recreated([past], {"orders": "new"}, read, NOW)) == []
    assert list(of_recreated([store(stood("new", 10))], {"orders": "new"}, read, NOW)) == []
