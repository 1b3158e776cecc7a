"""`towpath census`: what sources list as changed, compared with what arrived."""

from datetime import UTC, datetime

import typer

from operations.census import census as compared
from operations.census import window
from operations.cli.deployment import settings
from operations.cli.output import AsJson, err, out, print_json
from operations.cli.tables import print_table
from operations.cli.times import Since, Until, moment


def census(since: Since = "24h", until: Until = "settled", as_json: AsJson = False) -> None:
    """What each store lists as changed, compared with what arrived; exit code 1 if something is uncaptured.

    Without --until it ends where the pollers have had their turn twice.
    """
    now = datetime.now(UTC)
    given = settings()
    start, end = window(now, moment(since, now), given)
    found = compared(given, start, end if until == "settled" else moment(until, now))
    if as_json:
        print_json(found)
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
            line = f"uncaptured: {lost.root_key} changed {lost.changed_at:%Y-%m-%d %H:%M:%S}Z, {heard}"
            # a key may hold brackets that are no markup
            err().print(line, style="red", markup=False)
        # the last hour is most often not over: what changes in it later is not in the table
        what = "Nothing is uncaptured" if found.complete else "Looked"
        out().print(f"{what} up to {found.until:%Y-%m-%d %H:%M:%S}Z.")
    if not found.complete:
        raise typer.Exit(1)
