"""`towpath status`: one screen of what needs somebody, worst first."""

from datetime import datetime, timedelta
from typing import Annotated

import typer

from operations.cli.amounts import money
from operations.cli.deployment import settings
from operations.cli.output import AsJson, out, print_json
from operations.findings import Finding, Severity
from operations.status import Status
from operations.status import status as asked

STYLES = {Severity.ALARM: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def status(
    ledger: Annotated[
        bool, typer.Option("--ledger/--no-ledger", help="Balance the books of the last 24 h, too.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """What needs somebody, worst first, with money, age and what to do; exit code 1 with an alarm.

    Whatever is away is told of, and the rest is shown.
    """
    found = asked(settings(), with_ledger=ledger)
    if as_json:
        print_json(found)
    else:
        _print(found)
    if found.alarmed:
        raise typer.Exit(1)


def _print(found: Status) -> None:
    for finding in found.findings:
        out().print(_line(finding, found.as_of), style=STYLES[finding.severity], markup=False)
        out().print(f"         {finding.to_do}", markup=False)
    looked = ", ".join(found.looked_at)
    if found.well:
        out().print(f"All is well at {found.as_of:%Y-%m-%d %H:%M:%S}Z. Looked at: {looked}.", markup=False)
    else:
        out().print(f"\nAs of {found.as_of:%Y-%m-%d %H:%M:%S}Z. Looked at: {looked or 'nothing'}.", markup=False)
    for left_out in found.not_asked:
        out().print(f"Not asked: {left_out.what} ({left_out.why}).", style="dim", markup=False)


def _line(finding: Finding, now: datetime) -> str:
    facts = [money(finding.money)] if finding.money else []
    facts += [f"for {age(now - finding.since)}"] if finding.since is not None else []
    return f"{finding.severity:8} {finding.headline}" + (f" [{', '.join(facts)}]" if facts else "")


def age(lasted: timedelta) -> str:
    """How long, in the two largest units: `3 d 4 h`, `2 h 5 min`, `12 s`."""
    seconds = max(0, int(lasted.total_seconds()))
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    first = next((number for number, (_, size) in enumerate(units) if seconds >= size), len(units) - 1)
    parts: list[str] = []
    for name, size in units[first : first + 2]:
        amount, seconds = divmod(seconds, size)
        if amount or not parts:
            parts.append(f"{amount} {name}")
    return " ".join(parts)
