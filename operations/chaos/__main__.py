"""`make chaos`: real traffic both ways while everything is hit, then a comparison that decides the exit code."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bus.settings import Settings, load
from errors import BusError
from operations.chaos import plan, victims
from operations.chaos.plan import Fault, Kind
from operations.chaos.report import Asked, Report, page, plan_lines
from operations.chaos.run import Run, Watch
from operations.cli.hints import hint
from operations.cli.output import err, fail, out
from operations.cli.stack_progress import shown
from operations.demo import run as demo
from operations.demo import start
from operations.stack.settings import REPOSITORY_ROOT
from schemas.topics import CLARITY_CHANGES

RESULTS = REPOSITORY_ROOT / "benchmarks" / "results"
#: Orders to a fault, where not asked otherwise.
ORDERS_A_FAULT = 100
LINE_EVERY_S = 10.0
#: The pollers bring again what this topic held and nobody had read: each change is newer than their overlap.
ONCE = ((Kind.TOPIC_RECREATED, CLARITY_CHANGES.name),)


def chaos(
    orders: Annotated[int, typer.Option(min=20, help="How many orders customers place.")] = 10_000,
    stock: Annotated[int, typer.Option(help="How often stock is changed by hand; -1: twice an order.")] = -1,
    faults: Annotated[int, typer.Option(help="How many things go wrong; -1: one in a hundred orders.")] = -1,
    seed: Annotated[int, typer.Option(min=0, help="Decides everything that is left to chance.")] = 1,
    once: Annotated[
        bool, typer.Option(help="Also put a store back from a backup and make a topic anew, in the middle.")
    ] = True,
    results: Annotated[Path, typer.Option(file_okay=False, help="Where chaos.json and chaos.md are kept.")] = RESULTS,
    only_plan: Annotated[bool, typer.Option("--plan", help="Print what would go wrong when, and end.")] = False,
) -> None:
    """Kill, stop and trouble everything while orders go to GP, and stock, status and shipments come back.

    Exit code 0 only if nothing is lost, doubled, out of order or unaccounted for.
    """
    asked = Asked(
        seed=seed,
        orders=orders,
        stock_changes=2 * orders if stock < 0 else stock,
        faults=max(1, orders // ORDERS_A_FAULT) if faults < 0 else faults,
        once=once,
    )
    if only_plan:
        for line in plan_lines(_planned(asked, load(os.environ, REPOSITORY_ROOT))):
            out().print(line, markup=False)
        return
    found = _run(asked)
    results.mkdir(parents=True, exist_ok=True)
    (results / "chaos.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    (results / "chaos.md").write_text(page(found), encoding="utf-8")
    said = "nothing was lost, doubled or reordered" if found.passed else "the run FAILED"
    out().print(f"{said}; {results / 'chaos.md'} tells all of it", markup=False)
    if not found.passed:
        raise typer.Exit(1)


def _planned(asked: Asked, settings: Settings) -> tuple[Fault, ...]:
    hit = victims.all_of(settings, *demo.pair(settings))
    return plan.schedule(
        asked.seed, asked.orders, asked.faults, hit, (*ONCE, (Kind.STORE_RESTORED, hit.erp)) if asked.once else ()
    )


def _run(asked: Asked) -> Report:
    with shown() as progress:
        settings = start.bring_up(REPOSITORY_ROOT, progress, _say)
    dsn = start.company_dsn(REPOSITORY_ROOT)
    start.wait_until_ready(settings, dsn, _say)
    command = (
        f"python -m operations.chaos --seed {asked.seed} --orders {asked.orders} --stock {asked.stock_changes} "
        f"--faults {asked.faults} {'--once' if asked.once else '--no-once'}"
    )
    run = Run(settings, asked, demo.pair(settings), dsn, _watch())
    return asyncio.run(run.go(_planned(asked, settings), command, _commit(settings)))


def _commit(settings: Settings) -> str:
    """Of the code that runs; its version where this is no clone."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607  whichever the user has
        cwd=REPOSITORY_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or settings.code_version


def _say(doing: str) -> None:
    err().print(doing, style="dim", markup=False)


def _watch() -> Watch:
    """A line now and then."""
    told_at = 0.0

    def tell(doing: str) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= LINE_EVERY_S:
            told_at = time.monotonic()
            _say(doing)

    return tell


def main() -> None:
    """Run: 0 passed, 1 failed, 2 used wrongly."""
    try:
        typer.run(chaos)
    except BusError as error:
        fail(error, hint(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
