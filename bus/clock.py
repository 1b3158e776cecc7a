"""What time it is, for plumbing; pure code gets the time as an argument."""

from collections.abc import Callable
from datetime import UTC, datetime

#: Where the time comes from; tests hand in their own.
Clock = Callable[[], datetime]


def now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)
