"""`towpath ledger`: everything accepted, and where it ended or is."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from operations.cli.deployment import settings
from operations.cli.output import AsJson, err, out, print_json
from operations.cli.tables import print_table
from operations.cli.times import Since, Until, moment
from operations.ledger import DeliveryLine, Explained, IntakeLine, Ledger
from operations.ledger import ledger as balanced
from operations.projection.replay_accounts import ReplayLine

INTAKE = ("accepted", "mapped", "merged", "filtered", "suppressed", "dead", "in_flight", "remainder")
DELIVERY = (
    *("taken_in", "delivered", "superseded", "suppressed", "merged", "filtered", "discarded", "dead", "parked"),
    *("in_flight", "remainder"),
)


def ledger(
    since: Since = "24h",
    until: Until = "now",
    wait_s: Annotated[float, typer.Option("--wait", help="Seconds to wait for the projector.")] = 30.0,
    explain: Annotated[
        bool, typer.Option("--explain/--no-explain", help="Name the events behind each number that needs somebody.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Events to name for each number.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Everything accepted, and where it ended or is; exit code 1 if something is unaccounted for."""
    now = datetime.now(UTC)
    # what arrives while we ask belongs to it
    end = moment(until, now) if until != "now" else now + timedelta(minutes=5)
    found = balanced(settings(), moment(since, now), end, wait_s=wait_s, named=limit if explain else 0)
    if as_json:
        print_json(found)
    else:
        _print(found)
    if not found.balanced:
        raise typer.Exit(1)


def _print(found: Ledger) -> None:
    out().print("Intake", style="bold")
    lines = [(f"{line.hour:%Y-%m-%d %H}h", line.topic, *_columns(line, INTAKE)) for line in found.intake]
    print_table(("hour", "topic", *INTAKE), [*lines, ("", "all", *_columns(found.intake_total, INTAKE))])
    out().print("\nDelivery", style="bold")
    lines = [
        (f"{line.hour:%Y-%m-%d %H}h", f"{line.record} to {line.target}", *_columns(line, DELIVERY))
        for line in found.delivery
    ]
    print_table(("hour", "record", *DELIVERY), [*lines, ("", "all", *_columns(found.delivery_total, DELIVERY))])
    if found.replays:
        out().print("\nReplays", style="bold")
        replays = [
            (each.begun_at, f"{each.replay[:8]} to {each.target}", *_columns(each, DELIVERY)) for each in found.replays
        ]
        print_table(("begun", "replay", *DELIVERY), replays)
    for spool in found.spooled:
        waits = f"{spool.in_flight} accepted and not in Kafka yet" if spool.here else "not on this machine: ask there"
        never = f", {spool.refused} can never be sent" if spool.refused else ""
        out().print(f"\nSpool of {spool.connection}: {waits}{never}", markup=False)
    for each in found.replays:
        if each.remainder:
            line = f"unaccounted: {each.remainder} events of the replay {each.replay[:8]} to {each.target}"
            err().print(line, style="red", markup=False)
    for number in found.explained:
        _print_explained(number)
    for lost in () if found.explained else found.unaccounted:
        target = f" at {lost.target}" if lost.target else ""
        line = f"unaccounted{target}: {lost.topic}/{lost.partition}/{lost.offset} {lost.root_key}"
        # a key may hold brackets that are no markup
        err().print(line, style="red", markup=False)
    for topic, records in found.uncounted.items():
        err().print(f"uncounted: {records} records of {topic}", style="red", markup=False)
    if found.balanced:
        out().print(f"\nBalanced as of {found.as_of:%Y-%m-%d %H:%M:%S}Z: nothing is unaccounted for.")


def _print_explained(number: Explained) -> None:
    where = f"{number.of} to {number.target}" if number.target else number.of
    out().print(f"\n{number.count} {number.column.replace('_', ' ')}: {where}", style="bold", markup=False)
    print_table(
        ("key", "event", "since", "stands", "why", "what would move it"),
        (
            (
                each.root_key,
                f"{each.topic}/{each.partition}/{each.offset}",
                each.since,
                each.stands,
                each.why,
                each.to_do,
            )
            for each in number.events
        ),
    )
    if number.more:
        out().print(f"and {number.more} more: --limit {number.count} names them all")


def _columns(line: IntakeLine | DeliveryLine | ReplayLine, names: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(getattr(line, name) for name in names)
