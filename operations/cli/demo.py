"""`towpath demo`: all of it with real traffic, both ways, and a comparison that decides the exit code."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from operations.cli import demo_view
from operations.cli.output import AsJson, err, print_json
from operations.cli.stack_progress import shown
from operations.demo import plan, run, start
from operations.demo.report import Report, Setting
from operations.stack.settings import REPOSITORY_ROOT

INTERRUPTED = 130


def demo(
    orders: Annotated[int, typer.Option(min=1, help="How many orders customers place.")] = 200,
    per_second: Annotated[float, typer.Option(min=0.1, max=100, help="How many of them a second.")] = 5.0,
    faults: Annotated[
        bool,
        typer.Option(help="Hostile webhooks, lost ones, unknown goods, late changes, a database restarted."),
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Decides everything that is left to chance.")] = 1,
    report: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the report to this file, as JSON.")] = None,
    as_json: AsJson = False,
) -> None:
    """Play a store and a Dynamics GP company at work, then compare store, GP and topics row by row.

    Everything it needs is started and goes on running: look round, and end it with `towpath down`. Exit code 0 only
    if all three agree, the ledger closes, nothing is uncaptured, and every trouble asked for was really made.
    """
    if faults and orders < plan.FEWEST:
        err().print(f"towpath demo: with faults at least {plan.FEWEST} orders are needed", style="red")
        raise typer.Exit(2)
    if report is not None and not report.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {report.parent.absolute()}", param_hint="'--report'")
    try:
        found = _demonstrate(orders, per_second, seed, faults=faults)
    except KeyboardInterrupt:
        err().print("stopped; what was started goes on running: `towpath down` ends it", style="yellow")
        sys.exit(INTERRUPTED)
    if report is not None:
        report.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    if as_json:
        print_json(found)
    else:
        demo_view.print_report(found)
    if not found.agreed:
        raise typer.Exit(1)


def _demonstrate(orders: int, per_second: float, seed: int, *, faults: bool) -> Report:
    with shown() as progress:
        settings = start.bring_up(REPOSITORY_ROOT, progress, demo_view.say)
    dsn = start.company_dsn(REPOSITORY_ROOT)
    start.wait_until_ready(settings, dsn, demo_view.say)
    store, erp = run.pair(settings)
    setting = Setting(orders=orders, per_second=per_second, seed=seed, faults=faults, store=store, erp=erp)
    with demo_view.live() as watch:
        return asyncio.run(run.Run(settings, setting, dsn, watch).go())
