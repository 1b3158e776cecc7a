"""When a system is left alone."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.windows import open_until, parse

VIENNA = ZoneInfo("Europe/Vienna")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=VIENNA)


@pytest.mark.parametrize(
    ("window", "moment", "until"),
    [
        # 2026-11-22 is a Sunday
        ("sun 02:00-04:00", "2026-11-22T02:00", "2026-11-22T04:00"),
        ("sun 02:00-04:00", "2026-11-22T03:59", "2026-11-22T04:00"),
        ("sun 02:00-04:00", "2026-11-22T04:00", None),
        ("sun 02:00-04:00", "2026-11-23T03:00", None),
        ("02:00-04:00", "2026-11-23T03:00", "2026-11-23T04:00"),
        ("23:30-00:15", "2026-11-22T23:45", "2026-11-23T00:15"),
        ("23:30-00:15", "2026-11-23T00:14", "2026-11-23T00:15"),
        ("sat 23:30-00:15", "2026-11-22T00:10", "2026-11-22T00:15"),
        ("sat 23:30-00:15", "2026-11-23T00:10", None),
        ("SUN 00:00 - 00:00", "2026-11-22T12:00", "2026-11-23T00:00"),
    ],
)
def test_window_is_open_from_its_beginning_to_its_end(window: str, moment: str, until: str | None) -> None:
    assert open_until([parse(window)], at(moment)) == (at(until) if until else None)


def test_of_two_open_windows_the_later_end_counts() -> None:
    listed = [parse("02:00-04:00"), parse("03:00-05:00")]
    assert open_until(listed, at("2026-11-22T03:30")) == at("2026-11-22T05:00")


@pytest.mark.parametrize("text", ["", "sunday 02:00-04:00", "25:00-26:00", "02:00", "2-4", "sun 02:00-04:60"])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no window"):
        parse(text)


@given(st.times(), st.times(), st.timedeltas(timedelta(0), timedelta(days=365)))
def test_window_never_ends_before_now_nor_lasts_longer_than_a_day(begins: time, ends: time, later: timedelta) -> None:
    now = at("2026-01-01T00:00") + later
    until = open_until([parse(f"{begins:%H:%M}-{ends:%H:%M}")], now)
    assert until is None or timedelta(0) < until.replace(tzinfo=None) - now.replace(tzinfo=None) <= timedelta(days=1)
