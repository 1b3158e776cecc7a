"""The store's own clock and its way of writing time; for everything in the simulator that dates something.

Moments are counted in ticks of 100 ns since 1970, the resolution of .NET's DateTime, as every change of the store
gets a tick of its own.
"""

import re
import time
from datetime import UTC, datetime, timedelta

TICKS_PER_SECOND = 10_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Years a clock may show: with a margin on both sides, as changes may come faster than the clock runs.
_FIRST_TICK, _LAST_TICK = 0, 253_370_764_800 * TICKS_PER_SECOND
#: What SQL Server's datetime can hold: the years 1753 to 9999.
FIRST_STORABLE_TICK, LAST_STORABLE_TICK = -6_847_804_800 * TICKS_PER_SECOND, 253_402_300_800 * TICKS_PER_SECOND - 1

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)


class StoreClock:
    """The time the store believes it is: the machine's, shifted."""

    def __init__(self, offset_s: float = 0.0) -> None:
        self.offset_s = offset_s

    def ticks(self) -> int:
        ticks = time.time_ns() // 100 + round(self.offset_s * TICKS_PER_SECOND)
        return min(max(ticks, _FIRST_TICK), _LAST_TICK)

    def now(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.ticks() // 10)


def iso_from_ticks(ticks: int) -> str:
    """ISO 8601 in UTC with seven decimals, as .NET writes it."""
    seconds, fraction = divmod(ticks, TICKS_PER_SECOND)
    return f"{(_EPOCH + timedelta(seconds=seconds)):%Y-%m-%dT%H:%M:%S}.{fraction:07d}Z"


def ticks_from_iso(text: str) -> int:
    """Ticks of an ISO 8601 moment; without an offset it is taken as UTC.

    Raises:
        ValueError: the text is no moment.
    """
    # A '+' that a client forgot to escape arrives as a space before the offset.
    found = _ISO.fullmatch(re.sub(r" (\d\d:?\d\d)$", r"+\1", text.strip()) if "T" in text.upper() else text.strip())
    if found is None:
        raise ValueError(f"not an ISO 8601 date and time: {text[:40]!r}")
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    fraction = int((found[7] or "").ljust(7, "0")[:7])
    ticks = (moment - _EPOCH) // timedelta(seconds=1) * TICKS_PER_SECOND + fraction
    return ticks - _offset_seconds(found[8]) * TICKS_PER_SECOND


def _offset_seconds(text: str | None) -> int:
    if text is None or text.upper() == "Z":
        return 0
    sign = -1 if text[0] == "-" else 1
    return sign * (int(text[1:3]) * 3600 + int(text[-2:]) * 60)
