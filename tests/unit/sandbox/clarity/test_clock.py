"""How the simulated store reads and writes moments."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.clarity.clock import TICKS_PER_SECOND, iso_from_ticks, ticks_from_iso

moments = st.datetimes(
    min_value=datetime(1753, 1, 2),  # noqa: DTZ001 -- the strategy wants bounds without a zone
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)


@given(moment=moments)
def test_any_moment_is_read_as_what_it_is(moment: datetime) -> None:
    since_epoch = moment - datetime(1970, 1, 1, tzinfo=UTC)

    assert ticks_from_iso(moment.isoformat()) == since_epoch // timedelta(microseconds=1) * 10


@given(ticks=st.integers(-6_847_804_800 * TICKS_PER_SECOND, 253_402_300_799 * TICKS_PER_SECOND))
def test_what_is_written_is_read_again(ticks: int) -> None:
    text = iso_from_ticks(ticks)

    assert len(text) == len("2026-01-01T00:00:00.0000000Z")
    assert ticks_from_iso(text) == ticks


@pytest.mark.parametrize("text", ["", "2026", "2026-02-30", "2026-01-01T24:00", "2026-01-01T00:00:00+2", "२०२६-०१-०१"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an ISO|must be in|out of range"):
        ticks_from_iso(text)
