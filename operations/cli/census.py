"""`towpath census`: what sources list as changed, compared with what arrived."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from operations.census import NOT_THERE, WHY, Uncaptured, fetching, window
from operations.census import census as compared
from operations.cli.acts import Who, by
from operations.cli.deployment import settings
from operations.cli.output import AsJson, err, out, print_json
from operations.cli.tables import print_table
from operations.cli.times import Since, Until, moment
from operations.commands import ask


def census(
    since: Since = "24h",
    until: Until = "settled",
    fetch: Annotated[bool, typer.Option("--fetch/--no-fetch", help="Have what is missing fetched.")] = True,
    wait_s: Annotated[float, typer.Option("--wait", min=1, help="Seconds to wait for the projector.")] = 30.0,
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """What each store lists as changed, compared with what arrived; exit code 1 if something is uncaptured.

    What is missing is asked for: its connection's fetchers read it. Without --until it ends where the pollers have had
    their turn twice. The projector's process takes a census every hour by itself.
    """
    now = datetime.now(UTC)
    given = settings()
    start, end = window(now, moment(since, now), given)
    found = compared(given, start, end if until == "settled" else moment(until, now), wait_s=wait_s)
    asked_for = fetching(found.uncaptured, by(who, WHY)) if fetch else ()
    if asked_for:
        ask(given, asked_for, wait_s=0)
    if as_json:
        print_json(msgspec.structs.replace(found, asked_for=len(asked_for)))
    else:
        print_table(
            ("hour", "connection", "record", "listed", "captured", "uncaptured"),
            (
                (f"{each.hour:%Y-%m-%d %H}h", each.connection, each.record, each.listed, each.captured, each.uncaptured)
                for each in found.lines
            ),
        )
        for lost in found.uncaptured:
            heard = f"last heard of {lost.last_heard_at:%Y-%m-%d %H:%M:%S}Z" if lost.last_heard_at else "never heard of"
            line = f"uncaptured: {lost.root_key} changed {lost.changed_at:%Y-%m-%d %H:%M:%S}Z, {heard}{_said(lost)}"
            # a key may hold brackets that are no markup
            err().print(line, style="red", markup=False)
        if resting := sum(1 for each in found.uncaptured if each.again_at is not None and each.again_at > now):
            out().print(f"{resting} of them are left alone until later: `towpath parked ask THING` asks for one now.")
        if asked_for:
            named = ", ".join(sorted({f"fetchers@{each.connection}" for each in asked_for}))
            out().print(f"Asked {named} for {len(asked_for)} of them: see whether they are there in a minute.")
        # the last hour is most often not over: what changes in it later is not in the table
        what = "Nothing is uncaptured" if found.complete else "Looked"
        out().print(f"{what} up to {found.until:%Y-%m-%d %H:%M:%S}Z.")
    if not found.complete:
        raise typer.Exit(1)


def _said(lost: Uncaptured) -> str:
    """What the source said of a document, and when it is asked again."""
    if lost.answered_at is None or lost.again_at is None:
        return ""
    what = "said it is not there" if lost.answered == NOT_THERE else f"answered {lost.answered}"
    times = f"{lost.answers} times, last at" if lost.answers > 1 else "at"
    return f"; {what} {times} {lost.answered_at:%Y-%m-%d %H:%M}Z, is asked again at {lost.again_at:%Y-%m-%d %H:%M}Z"
