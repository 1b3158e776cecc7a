"""Times of the week in which a system is left alone, as a deployment writes them: `sun 02:00-04:00`, `23:30-00:15`."""

import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta

import msgspec

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WRITTEN = re.compile(r"(?:(mon|tue|wed|thu|fri|sat|sun)\s+)?([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)")
DAY = timedelta(days=1)


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """From a time of day to another one, the next day's where that is not later."""

    #: Day of the week it begins on, Monday is 0; None: every day.
    day: int | None
    begins: time
    ends: time


def parse(text: str) -> Window:
    """A window as it is written.

    Raises:
        ValueError: it is none.
    """
    found = WRITTEN.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is no window: write `sun 02:00-04:00`, or `02:00-04:00` for every day")
    day, *numbers = found.groups()
    from_hour, from_minute, to_hour, to_minute = map(int, numbers)
    return Window(
        day=DAYS.index(day) if day else None, begins=time(from_hour, from_minute), ends=time(to_hour, to_minute)
    )


def open_until(windows: Sequence[Window], now: datetime) -> datetime | None:
    """When the windows that are open at a moment end; None outside of all.

    Args:
        windows: In the wall time of the zone of `now`.
        now: Aware.
    """
    ends = [end for window in windows if (end := _end(window, now)) is not None]
    return max(ends, default=None)


def _end(window: Window, now: datetime) -> datetime | None:
    # one that began yesterday may last into today
    for first in (now.date(), (now - DAY).date()):
        if window.day is not None and first.weekday() != window.day:
            continue
        last = first if window.ends > window.begins else first + DAY
        begins = datetime.combine(first, window.begins, now.tzinfo)
        ends = datetime.combine(last, window.ends, now.tzinfo)
        if begins <= now < ends:
            return ends
    return None
