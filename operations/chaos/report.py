"""What a run of chaos ends with: figures for programs, a page for people."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from operations.chaos.faults import Happened
from operations.chaos.plan import Fault, Kind
from operations.demo.reconcile import Difference

#: Of each kind of line, on the page.
MOST_LINES = 200


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was asked for."""

    seed: int
    orders: int
    stock_changes: int
    faults: int
    #: Also what happens once.
    once: bool = True


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Stable names: fields are added, never renamed."""

    #: All of the zeros below are zeros, store, GP and topics agree, and every fault was carried out.
    passed: bool
    seed: int
    #: Orders placed and stock changed by hand.
    events: int
    #: Kind to how often it happened.
    faults: dict[str, int]
    #: Orders, shipments and shelves on which store, GP and topics do not agree.
    lost: int
    second_documents: int
    order_violations: int
    ledger_remainder: int
    uncaptured: int
    #: The longest time nothing ended while something was open.
    longest_silence_s: float
    orders: int
    stock_changes: int
    #: GP documents, invoices, and the store's shipments.
    documents: int
    invoices: int
    #: What ended, by state.
    ended: dict[str, int]
    dead_letters: int
    began_at: datetime
    #: From the first order to the last, and until everything had come to rest.
    traffic_s: float
    duration_s: float
    #: What was still under way when patience ended; empty at rest.
    waiting: str
    #: Follow-ups of customers and GP's user that could not be played; they make no run fail.
    not_played: tuple[str, ...]
    happened: tuple[Happened, ...]
    differences: tuple[Difference, ...]
    #: What was run, where, by which code.
    command: str = ""
    machine: str = ""
    commit: str = ""


def counted(happened: Sequence[Happened]) -> dict[str, int]:
    """Kind to how often; every kind is named, so that a missing one shows."""
    return dict.fromkeys((kind.value for kind in Kind), 0) | Counter(each.fault.kind.value for each in happened)


def plan_lines(faults: Sequence[Fault]) -> Iterator[str]:
    """The schedule, a line each."""
    for each in faults:
        hold = f" for {each.hold_s:g} s" if each.hold_s else ""
        told = f": {msgspec.json.encode(each.told).decode()}" if each.told else ""
        yield f"{each.number:4}  at order {each.at_order:5}  {each.target} {each.kind.value}{hold}{told}"


def page(report: Report) -> str:
    """The report as a page."""
    return "\n".join(_page(report)) + "\n"


def _page(report: Report) -> Iterator[str]:
    verdict = "Nothing was lost, doubled or reordered" if report.passed else "THE RUN FAILED"
    yield "# Chaos"
    yield ""
    yield (
        f"{verdict}: {report.orders} orders and {report.stock_changes} changes of stock, both ways, while "
        f"{len(report.happened)} things went wrong. When all had come to rest, store, GP and topics were compared row "
        "by row."
    )
    yield ""
    when = f"{report.began_at:%Y-%m-%d %H:%M} UTC"
    yield f"Run again: `{report.command}`. This was {when}, commit {report.commit}, {report.machine}."
    yield ""
    yield "| figure | |"
    yield "|---|---|"
    for name in ("lost", "second_documents", "order_violations", "ledger_remainder", "uncaptured"):
        yield f"| {name.replace('_', ' ')} | **{getattr(report, name)}** |"
    yield f"| longest silence while work was open | {report.longest_silence_s} s |"
    yield f"| documents in GP, invoices | {report.documents}, {report.invoices} |"
    yield f"| dead letters | {report.dead_letters} |"
    yield f"| orders placed within, everything at rest after | {report.traffic_s:.0f} s, {report.duration_s:.0f} s |"
    for state, count in sorted(report.ended.items()):
        yield f"| events that ended {state} | {count} |"
    if report.waiting:
        yield f"| never came to rest | {report.waiting} |"
    yield ""
    yield "## What went wrong on purpose"
    yield ""
    yield "A process or server counts as back when it runs again; its part of the work may take longer to go on."
    yield ""
    yield "| kind | times | back after, median | longest |"
    yield "|---|---|---|---|"
    for kind in Kind:
        times = sorted(each.lasted_s for each in report.happened if each.fault.kind is kind)
        if times:
            yield f"| {kind.value} | {len(times)} | {times[len(times) // 2]} s | {times[-1]} s |"
    yield ""
    yield "| time | at order | what | lasted | told |"
    yield "|---|---|---|---|---|"
    for each in report.happened[:MOST_LINES]:
        told = f"`{msgspec.json.encode(each.fault.told).decode()}`" if each.fault.told else ""
        failed = f"FAILED: {each.failed}" if each.failed else ""
        since = (each.at - report.began_at).total_seconds()
        what = f"{each.fault.target} {each.fault.kind.value.replace('_', ' ')}"
        yield f"| {since:.0f} s | {each.fault.at_order} | {what} | {each.lasted_s} s | {told}{failed} |"
    if len(report.happened) > MOST_LINES:
        yield f"| | | and {len(report.happened) - MOST_LINES} more, in `chaos.json` | | |"
    if report.differences:
        yield ""
        yield "## Where store, GP and topics do not agree"
        yield ""
        yield "| what | field | store | GP | topics |"
        yield "|---|---|---|---|---|"
        for unlike in report.differences[:MOST_LINES]:
            yield f"| {unlike.subject} | {unlike.field} | {unlike.store} | {unlike.gp} | {unlike.topics} |"
