"""How a demonstration looks: a live table on a terminal, a quiet line now and then otherwise, tables at the end."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.live import Live
from rich.table import Table
from rich.text import Text

from operations.cli.output import err, out
from operations.cli.tables import print_table
from operations.demo.reconcile import Difference
from operations.demo.report import Report
from operations.demo.run import Progress, Watch

#: Between two lines where nobody watches.
LINE_EVERY_S = 10.0
MOST_DIFFERENCES = 50

TROUBLE = {
    "bad_signature": "a webhook with a forged signature",
    "unsigned": "a webhook without a signature",
    "stale": "a webhook an hour old",
    "broken_json": "a webhook with broken JSON, rightly signed",
}
STORY = {
    "webhook_twice": "the same webhook sent twice",
    "webhook_never": "a webhook never sent: the poller found the order",
    "unknown_sku": "goods GP has never heard of",
    "never_seen": "a customer GP has never seen",
    "edits": "changed by the customer before it was picked",
    "edits_too_late": "changed by the customer after a part had left",
    "cancels_at_once": "cancelled in the moment after buying",
    "cancels_later": "cancelled when GP had it",
}
FLOW = {
    "orders": "order: webhook to GP's document",
    "shipments": "shipment: GP to store",
    "order_statuses": "status: GP to store",
    "inventory_levels": "stock: GP to store",
}
INTAKE = ("accepted", "mapped", "merged", "filtered", "suppressed", "dead", "in_flight", "remainder")
DELIVERY = ("taken_in", "delivered", "superseded", "suppressed", "merged", "dead", "parked", "in_flight", "remainder")


def say(doing: str) -> None:
    """A step of the start."""
    err().print(doing, style="dim", markup=False)


@contextmanager
def live() -> Iterator[Watch]:
    """Told how far a run is for the time of it."""
    console = err()
    if not console.is_terminal:
        yield _Lines().told
        return
    with Live(Text("starting"), console=console, refresh_per_second=4, transient=True) as drawn:
        yield lambda progress: drawn.update(_table(progress))


class _Lines:
    """A line now and then."""

    def __init__(self) -> None:
        self._next = 0.0
        self._doing = ""

    def told(self, progress: Progress) -> None:
        if progress.doing == self._doing and time.monotonic() < self._next:
            return
        self._doing, self._next = progress.doing, time.monotonic() + LINE_EVERY_S
        told = ", ".join(f"{name} {value}" for name, value in _counts(progress))
        err().print(f"{progress.doing}: {told}", markup=False)


def _counts(progress: Progress) -> tuple[tuple[str, object], ...]:
    return (
        ("orders placed", f"{progress.placed} of {progress.asked}"),
        ("accepted", progress.accepted),
        ("documents in GP", progress.documents),
        ("shipments", progress.shipped),
        ("statuses told to the store", progress.statuses),
        ("dead letters", progress.dead_letters),
        ("waiting", progress.waiting or "-"),
    )


def _table(progress: Progress) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, title=progress.doing, title_justify="left")
    for name, value in _counts(progress):
        table.add_row(Text(name, style="dim"), Text(str(value)))
    return table


def print_report(found: Report) -> None:
    """The report in an operator's words."""
    _print_orders(found)
    _print_troubles(found)
    _print_latencies(found)
    _print_books(found)
    if found.differences:
        heading(_counted(found.differences, "difference"))
        shown = found.differences[:MOST_DIFFERENCES]
        print_table(("what", "field", "store", "GP", "topics"), (_columns(each) for each in shown))
        if len(found.differences) > len(shown):
            out().print(f"and {len(found.differences) - len(shown)} more: see --report")
    for each in found.not_played:
        out().print(f"not played: {each}", style="red" if found.faults else "yellow", markup=False)
    if found.waiting:
        out().print(f"still under way: {found.waiting}", style="red", markup=False)
    _print_verdict(found)


def heading(text: str) -> None:
    """Before a table."""
    out().print(f"\n{text}", style="bold", markup=False)


def _print_orders(found: Report) -> None:
    heading(
        f"{found.orders_placed} orders placed at {found.orders_per_second} a second, {found.orders_accepted} accepted"
    )
    print_table(("last outcome at GP", "orders"), Counter(found.orders_by_outcome).most_common())
    print_table(("status in the store", "orders"), Counter(found.store_statuses).most_common())
    out().print(
        f"{found.documents_created} documents in GP, {found.documents_duplicated} of them twice, "
        f"{found.documents_voided} void; {found.invoices} invoices"
    )
    out().print("GP's user: " + ", ".join(f"{deed} {count}" for deed, count in sorted(found.deeds.items())))


def _print_troubles(found: Report) -> None:
    special = [line for line in found.orders if line.story in STORY]
    if special:
        heading("Out of the ordinary")
        print_table(
            ("order", "what happened", "last outcome", "document", "status"),
            ((line.order, STORY[line.story], line.outcome, line.document, line.status) for line in special),
        )
    for each in found.hostile_webhooks:
        out().print(f"{TROUBLE.get(each.kind, each.kind)}: answered {each.status}")
    if found.gp_away_s is not None:
        out().print(f"GP's database killed and started again: away for {found.gp_away_s} s")
    if found.dead_letter_list:
        heading(_counted(found.dead_letter_list, "dead letter"))
        print_table(
            ("key", "stage", "says", "to do"),
            ((each.key, each.stage, each.happened, each.to_do) for each in found.dead_letter_list),
        )


def _print_latencies(found: Report) -> None:
    heading("How long it took, in milliseconds")
    print_table(
        ("flow", "p50", "p99", "count"),
        ((FLOW.get(name, name), each.p50, each.p99, each.count) for name, each in found.latency_ms.items()),
    )


def _print_books(found: Report) -> None:
    if found.ledger is None:
        return
    heading("Ledger, everything since the topics began")
    intake, delivery = found.ledger.intake_total, found.ledger.delivery_total
    print_table(INTAKE, [[getattr(intake, name) for name in INTAKE]])
    print_table(DELIVERY, [[getattr(delivery, name) for name in DELIVERY]])
    if found.census is not None:
        listed = sum(line.listed for line in found.census.lines)
        out().print(f"Census: the store lists {listed} orders as changed, {found.uncaptured} of them uncaptured")


def _columns(each: Difference) -> tuple[str, ...]:
    return each.subject, each.field, each.store, each.gp, each.topics


def _print_verdict(found: Report) -> None:
    out().print()
    if found.agreed:
        out().print(
            f"Store, GP and topics agree row by row; the ledger closes; nothing is uncaptured. {found.duration_s} s.",
            style="green",
        )
    else:
        out().print(f"The demonstration failed: {', '.join(_reasons(found))}. {found.duration_s} s.", style="red")
    out().print("Everything goes on running for a look: `towpath trace`, `towpath ledger`; `towpath down` ends it.")


def _reasons(found: Report) -> Iterator[str]:
    if found.differences:
        yield _counted(found.differences, "difference")
    if found.ledger_remainder:
        yield f"the ledger's remainder is {found.ledger_remainder}"
    if found.uncaptured:
        yield f"{found.uncaptured} uncaptured"
    if found.waiting:
        yield "something is still under way"
    if found.faults and found.not_played:
        yield f"{_counted(found.not_played, 'thing')} {'was' if len(found.not_played) == 1 else 'were'} not played"


def _counted(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}" if len(things) == 1 else f"{len(things)} {name}s"
