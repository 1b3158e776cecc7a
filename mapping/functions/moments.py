"""Dates and moments: read by a stated format, moved between zones, written as another system wants them.

A format is written with Python's signs: %Y year, %y year of two digits, %m month, %d day, %H hour, %I hour of twelve,
%p AM or PM, %M minute, %S second, %f fraction of a second, %b and %B month by its English name, %a and %A weekday,
%j day of the year, %z offset from UTC.
"""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache, reduce
from importlib.resources import files
from zoneinfo import ZoneInfo

from mapping.functions.faults import FunctionError, shown

_TEXT_LIMIT = 64
_FORMAT_LIMIT = 40
_SIGNS = frozenset("YymdHIpMSfbBaAjz")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Units of a count since 1970, by how many make a second; .NET counts in ticks.
UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ticks": 10_000_000}
#: What formats of other systems say it with; months before minutes, as those stand alone in neither.
_LETTERS = (
    ("YYYY", "%Y"), ("yyyy", "%Y"), ("YY", "%y"), ("yy", "%y"), ("MM", "%m"), ("DD", "%d"), ("dd", "%d"),
    ("HH", "%H"), ("hh", "%I"), ("mm", "%M"), ("SS", "%S"), ("ss", "%S"),
)  # fmt: skip
_MICROSECOND = timedelta(microseconds=1)
_DAYS_LIMIT = 366 * 1000


def to_date(text: str, format: str = "%Y-%m-%d") -> date:  # noqa: A002 - its name in the language
    """A date written as text, by a stated format.

    Example:
        to_date("02/03/2026", "%d/%m/%Y") == to_date("2026-03-02")
    """
    return _parsed(text, format).date()


def is_date(text: str, format: str = "%Y-%m-%d") -> bool:  # noqa: A002 - its name in the language
    """Whether `to_date` can read a text.

    Example:
        is_date("0000-00-00") == False
    """
    try:
        to_date(text, format)
    except FunctionError:
        return False
    return True


def to_instant(text: str, zone: str = "", format: str = "") -> datetime:  # noqa: A002 - its name in the language
    """A moment written as text, by ISO 8601 or a stated format.

    The zone is for texts without an offset, and needed there. The hour that a clock turned back shows twice is the
    first; what it skips is read by the offset before.

    Example:
        to_text(to_instant("2026-03-02T09:05:09.1234567-05:00")) == "2026-03-02T14:05:09.123456Z"
        to_text(to_instant("3/2/2026 9:05 AM", "America/Chicago", "%m/%d/%Y %I:%M %p")) == "2026-03-02T15:05:00Z"
    """
    moment = _parsed(text, format) if format else _iso(text)
    if moment.tzinfo is None:
        if not zone:
            raise FunctionError(f"{shown(text)} has no offset from UTC: name the zone it is meant in")
        moment = moment.replace(tzinfo=zone_of(zone))
    return _utc(moment, text)


def format_date(day: date, format: str = "%Y-%m-%d") -> str:  # noqa: A002 - its name in the language
    """A date as text, by a stated format.

    Example:
        format_date(to_date("2026-03-02"), "%m/%d/%y") == "03/02/26"
    """
    return _written(day, format)


def format_instant(
    moment: datetime,
    format: str = "%Y-%m-%dT%H:%M:%S%z",  # noqa: A002 - its name in the language
    zone: str = "UTC",
) -> str:
    """A moment as text, by a stated format, as clocks of a zone show it.

    Example:
        format_instant(to_instant("2026-03-02T14:05:09Z"), "%Y-%m-%d %H:%M", "Europe/Vienna") == "2026-03-02 15:05"
    """
    return _written(_local(moment, zone), format)


def date_in(moment: datetime, zone: str) -> date:
    """The day a moment falls on in a zone: the document's date.

    Example:
        date_in(to_instant("2026-03-02T02:30:00Z"), "America/Chicago") == to_date("2026-03-01")
    """
    return _local(moment, zone).date()


def instant_of(day: date, zone: str, hour: int = 0, minute: int = 0) -> datetime:
    """The moment of a day at an hour of a zone, midnight unless said.

    Example:
        to_text(instant_of(to_date("2026-03-02"), "America/Chicago", 12)) == "2026-03-02T18:00:00Z"
    """
    check_time(hour, minute)
    return _utc(datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone_of(zone)), day)


def today(now: datetime, zone: str) -> date:
    """The day it is now in a zone; where a record has its own date, map that.

    Example:
        today("Pacific/Auckland") == to_date("2026-03-03")
    """
    return date_in(now, zone)


def from_epoch(count: int, unit: str = "ms") -> datetime:
    """A moment counted since 1970 in UTC: in s, ms, us or ticks (of 100 ns; the last digit is lost).

    .NET's own `Ticks` begin in the year 1: take 621355968000000000 off them.

    Example:
        to_text(from_epoch(1772460309123)) == "2026-03-02T14:05:09.123000Z"
    """
    microseconds = count * 1_000_000 // per_second(unit)
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        raise FunctionError(f"{shown(count)} {unit} since 1970 is beyond the calendar") from None


def to_epoch(moment: datetime, unit: str = "ms") -> int:
    """A moment as a count since 1970 in UTC: in s, ms, us or ticks; what the unit is too coarse for is cut off.

    Example:
        to_epoch(to_instant("2026-03-02T14:05:09Z"), "s") == 1772460309
    """
    return (aware(moment) - _EPOCH) // _MICROSECOND * per_second(unit) // 1_000_000


def add_days(day: date, days: int) -> date:
    """The day so many days later, or earlier when negative.

    Example:
        add_days(to_date("2026-03-02"), 30) == to_date("2026-04-01")
    """
    if abs(days) > _DAYS_LIMIT:
        raise FunctionError(f"{shown(days)} days: at most {_DAYS_LIMIT}")
    try:
        return day + timedelta(days=days)
    except OverflowError:
        raise FunctionError(f"{day} and {days} days is beyond the calendar") from None


def days_between(start: date, end: date) -> int:
    """How many days the second day is later than the first.

    Example:
        days_between(to_date("2026-03-02"), to_date("2026-04-01")) == 30
    """
    return (end - start).days


def last_of_month(day: date) -> date:
    """The last day of that month: due dates and closing periods.

    Example:
        last_of_month(to_date("2028-02-10")) == to_date("2028-02-29")
    """
    return day.replace(day=monthrange(day.year, day.month)[1])


def check_time(hour: int, minute: int) -> None:
    """Look whether a day has such a time.

    Raises:
        FunctionError: it has not.
    """
    if not (0 <= hour < 24 and 0 <= minute < 60):
        raise FunctionError(f"{hour}:{minute} is no time of a day")


def _iso(text: str) -> datetime:
    plain = text.strip()
    if len(plain) > _TEXT_LIMIT:
        raise FunctionError(f"{shown(text)} is not a moment by ISO 8601")
    try:
        return datetime.fromisoformat(plain)
    except ValueError:
        raise FunctionError(f"{shown(text)} is not a moment by ISO 8601, such as 2026-03-02T14:05:09Z") from None


def _parsed(text: str, pattern: str) -> datetime:
    check_format(pattern)
    if len(text) > _TEXT_LIMIT:
        raise FunctionError(f"{shown(text)} is not written as {pattern}")
    try:
        return datetime.strptime(text.strip(), pattern)  # noqa: DTZ007 - the caller knows the zone
    except ValueError:
        raise FunctionError(f"{shown(text)} is not written as {pattern}") from None


def _written(value: date, pattern: str) -> str:
    check_format(pattern)
    # C libraries differ in whether a year before 1000 is filled up
    return value.strftime(pattern.replace("%Y", f"{value.year:04d}"))


@lru_cache(256)
def check_format(pattern: str) -> None:
    """Look at a format before anything is written or read by it.

    Raises:
        FunctionError: it is too long, has no signs or signs that mean nothing, or one twice.
    """
    if len(pattern) > _FORMAT_LIMIT:
        raise FunctionError(f"the format has {len(pattern)} characters, more than {_FORMAT_LIMIT}")
    if "%" not in pattern:
        meant = reduce(lambda form, letters: form.replace(*letters), _LETTERS, pattern)
        raise FunctionError(f"format {shown(pattern)} has no signs: write {meant if meant != pattern else '%Y-%m-%d'}")
    signs = [piece[:1] for piece in pattern.split("%")[1:]]
    for sign in signs:
        if sign not in _SIGNS:
            raise FunctionError(f"format {shown(pattern)}: %{sign} is none of %{' %'.join(sorted(_SIGNS))}")
        if signs.count(sign) > 1:
            raise FunctionError(f"format {shown(pattern)}: %{sign} stands there twice")


@cache
def zones() -> frozenset[str]:
    """Names of all time zones; what else a machine keeps beside them (`localtime`) is its own."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


@lru_cache(256)
def zone_of(name: str) -> ZoneInfo:
    """A time zone by its name.

    Raises:
        FunctionError: there is none such.
    """
    if name not in zones():
        raise FunctionError(f"{shown(name)} is no time zone, such as America/Chicago")
    return ZoneInfo(name)


def _local(moment: datetime, zone: str) -> datetime:
    try:
        return aware(moment).astimezone(zone_of(zone))
    except OverflowError:
        raise FunctionError(f"{shown(moment)} is beyond the calendar in {zone}") from None


def _utc(moment: datetime, given: object) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise FunctionError(f"{shown(given)} is beyond the calendar in UTC") from None


def aware(moment: datetime) -> datetime:
    """The moment itself.

    Raises:
        FunctionError: it has no zone, and which one was meant nobody knows.
    """
    if moment.tzinfo is None:
        raise FunctionError(f"{shown(moment)} has no zone")
    return moment


def per_second(unit: str) -> int:
    """How many of a unit make a second.

    Raises:
        FunctionError: it is none of the units.
    """
    if unit not in UNITS:
        raise FunctionError(f"unit {shown(unit)}: one of {', '.join(UNITS)}")
    return UNITS[unit]
