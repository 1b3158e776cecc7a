"""When a census is taken by itself, of which time, and what becomes of what it finds."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from operations import census, commands
from operations.acting import By
from operations.census import Counted, Uncaptured, fetching
from operations.census_rounds import is_due, take, window
from operations.projection.census import CensusTold
from schemas.bus.command import Command
from tests.doubles.deployment import deployment, of_system

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
WHOLE = CensusTold(
    connection="shop",
    at=NOW - timedelta(minutes=20),
    since=NOW - timedelta(hours=5),
    until=NOW - timedelta(minutes=30),
    listed=40,
    uncaptured=0,
)
SHOP = deployment(of_system("shop", "clarity"))
LACKING = msgspec.structs.replace(WHOLE, uncaptured=2)


def missing(id_: str, hours_ago: float = 1.0) -> Uncaptured:
    return Uncaptured(
        connection="shop",
        record="order",
        id=id_,
        root_key=f"shop:{id_}",
        changed_at=NOW - timedelta(hours=hours_ago),
        source_version=7,
        last_heard_at=None,
    )


def test_source_is_asked_every_hour_and_sooner_where_something_was_missing() -> None:
    assert is_due(None, NOW)
    assert not is_due(WHOLE, NOW)
    assert is_due(msgspec.structs.replace(WHOLE, at=NOW - timedelta(hours=1)), NOW)
    assert is_due(LACKING, NOW)
    assert not is_due(msgspec.structs.replace(LACKING, at=NOW - timedelta(minutes=9)), NOW)
    # nobody brings what the source itself says is not there
    assert not is_due(msgspec.structs.replace(LACKING, absent=2), NOW)
    assert is_due(msgspec.structs.replace(LACKING, absent=1), NOW)


def test_next_census_goes_on_a_little_before_the_last_one_and_back_to_what_was_missing() -> None:
    until = NOW - timedelta(minutes=10)

    assert window(None, NOW, 60.0) == (until - timedelta(days=1), until)
    assert window(WHOLE, NOW, 60.0) == (WHOLE.until - timedelta(hours=1), until)
    assert window(LACKING, NOW, 60.0) == (LACKING.since, until)
    # what topics do not remember any more cannot be told from what never arrived
    long_ago = msgspec.structs.replace(WHOLE, until=NOW - timedelta(days=60))
    assert window(long_ago, NOW, 60.0) == (until - timedelta(days=13), until)
    # a poller that polls seldom gets its time
    assert window(WHOLE, NOW, 900.0)[1] == NOW - timedelta(minutes=30)


def test_document_is_asked_for_once_in_six_hours_the_oldest_first_and_not_all_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(census, "MOST_ASKED_FOR", 2)
    by = By(who="census", why="missing", at=NOW)
    documents = [missing("1", 1), missing("2", 3), missing("3", 2)]

    asked = fetching(documents, by)
    again = fetching(documents, msgspec.structs.replace(by, at=NOW + timedelta(minutes=20)))
    later = fetching(documents, msgspec.structs.replace(by, at=NOW + timedelta(hours=6)))

    assert [(each.act, each.queue, each.values) for each in asked] == [
        ("ask", "fetchers", {"waits_for": "order:shop:2"}),
        ("ask", "fetchers", {"waits_for": "order:shop:3"}),
    ]
    assert [each.id for each in again] == [each.id for each in asked]
    assert not {each.id for each in later} & {each.id for each in asked}


def test_what_the_source_says_is_not_there_makes_room_for_the_next_and_is_asked_for_ever_more_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(census, "MOST_ASKED_FOR", 2)
    by = By(who="census", why="missing", at=NOW)
    gone = [
        msgspec.structs.replace(each, answered=census.NOT_THERE, answers=1, answered_at=NOW - timedelta(hours=1))
        for each in (missing("1", 9), missing("2", 8))
    ]

    asked = fetching([*gone, missing("3", 7), missing("4", 6), missing("5", 5)], by)

    assert [each.values["waits_for"] for each in asked] == ["order:shop:3", "order:shop:4"]
    rests = [
        msgspec.structs.replace(gone[0], answers=answers, answered_at=NOW).again_at for answers in (0, 1, 2, 3, 6, 9999)
    ]
    assert rests == [NOW + timedelta(hours=hours) for hours in (6, 6, 12, 24, 168, 168)]
    later = msgspec.structs.replace(by, at=NOW + timedelta(hours=5))
    assert [each.values["waits_for"] for each in fetching(gone, later)] == ["order:shop:1", "order:shop:2"]


def test_what_is_asked_for_and_not_answered_is_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Command] = []
    silent, new = missing("1", 4), missing("2", 2)
    lists = iter([(silent,), (silent, new), (silent, new)])
    monkeypatch.setattr(census, "of_connection", lambda *_given, **_named: Counted(listed=9, uncaptured=next(lists)))
    monkeypatch.setattr(commands, "ask", lambda _settings, asked, **_named: sent.extend(asked))

    _, written = take(SHOP, "shop", WHOLE, NOW)
    _, written = take(SHOP, "shop", LACKING, NOW + timedelta(minutes=10), written)
    take(SHOP, "shop", LACKING, NOW + timedelta(minutes=20), written)

    assert [each.values["waits_for"] for each in sent] == ["order:shop:1", "order:shop:2"]


@pytest.mark.parametrize("documents", [(), (missing("1"), missing("2", 4))])
def test_what_a_census_finds_missing_is_asked_for_and_told(
    monkeypatch: pytest.MonkeyPatch, documents: tuple[Uncaptured, ...]
) -> None:
    sent: list[Command] = []
    found = Counted(listed=9, uncaptured=documents)
    monkeypatch.setattr(census, "of_connection", lambda *_given, **_named: found)
    monkeypatch.setattr(commands, "ask", lambda _settings, asked, **_named: sent.extend(asked))

    told, _ = take(SHOP, "shop", WHOLE, NOW)

    assert [each.values["waits_for"] for each in sent] == (["order:shop:2", "order:shop:1"] if documents else [])
    assert (told.at, told.listed, told.uncaptured) == (NOW, 9, len(documents))
    assert told.oldest == (NOW - timedelta(hours=4) if documents else None)
