"""Times as people write them on a command line: `2h`, `3d`, `now`, `2026-11-21T14:00`."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

AGO = re.compile(r"(\d+)\s*(s|m|h|d|w)")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

Since = Annotated[str, typer.Option("--since", help="From when: `2h`, `3d`, `2026-11-21T14:00` (UTC).")]
Until = Annotated[str, typer.Option("--until", help="Until when: `now`, `1h`, `2026-11-21T15:00` (UTC).")]


def ahead(text: str, now: datetime) -> datetime:
    """The moment a text means that speaks of what is to come: `2h` is in two hours.

    Raises:
        typer.BadParameter: it is none.
    """
    if (span := AGO.fullmatch(text.strip())) is not None:
        return now + timedelta(**{UNITS[span.group(2)]: int(span.group(1))})
    return moment(text, now)


def moment(text: str, now: datetime) -> datetime:
    """The moment a text means, seen from now.

    Raises:
        typer.BadParameter: it is none; says how it is written.
    """
    if text == "now":
        return now
    if (ago := AGO.fullmatch(text.strip())) is not None:
        return now - timedelta(**{UNITS[ago.group(2)]: int(ago.group(1))})
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time: write 2h, 3d, now or 2026-11-21T14:00") from error
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
