"""How long a mapping takes beside the same one written by hand, and beside JSONata and JMESPath, the record decoded.

python -m benchmarks.mapping [--quick] [--repeats 5] [--only order]

The peers' languages are timed in their own environment, on the order of `benchmarks.transform`, in which JSONata can
say all our mapping says and JMESPath a part of it; what comes out is held against ours. Renames from dict to dict by
hand tell how far below JMESPath Python itself can be.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks.by_hand.inventory_level_from_dynamics_gp import inventory_level_by_hand
from benchmarks.by_hand.order_from_clarity import order_by_hand
from benchmarks.by_hand.order_status_from_dynamics_gp import order_status_by_hand
from benchmarks.by_hand.sales_order_for_dynamics_gp import sales_order_by_hand
from benchmarks.by_hand.shipment_from_dynamics_gp import shipment_by_hand
from benchmarks.elsewhere import ours as elsewhere
from benchmarks.harness import peers, question
from benchmarks.harness.result import CPU_US_PER_EVENT, EVENTS_PER_S, Figures, Result, ratio, spreads, tell
from benchmarks.harness.rounds import Run, rounds
from consumers.routes import SALES_ORDER
from mapping.data import DataMapping
from mapping.port import Lookups
from schemas.bus.fetched import Fetched
from schemas.bus.seen import Seen
from schemas.canonical.order import Order
from schemas.systems.captured import Captured
from schemas.systems.clarity import wire
from schemas.systems.clarity.order import ClarityOrder
from schemas.systems.dynamics_gp.captured import ItemSiteRow
from schemas.systems.dynamics_gp.sales_order import SalesOrder
from schemas.types import root_key
from streams import routes
from streams.orders.rules import standing_of
from streams.shipments.rules import shipments_in

ROOT = Path(__file__).parent.parent
FILE = ROOT / "streams" / "orders" / "from_clarity.yaml"
EXAMPLES = ROOT / "schemas" / "examples"
NOW = datetime(2026, 3, 2, 16, tzinfo=UTC)
LOOKUPS = Lookups({"connection:clarity-main": {"currency": "USD"}})
CALLS = 5_000
#: Ours to by hand, of every record.
MOST_OF_BY_HAND = 1.5
#: Theirs to ours. JMESPath says renames only, and so do dicts by hand, which are no 25 times faster: see decision 0064.
LEAST_OF_PEERS = {"jsonata": 20, "jmespath": 12}
DICTS = "three lines, renamed, dicts by hand"


class Pair(NamedTuple):
    """A mapping and the same by hand, each ready to be called."""

    name: str
    data: Callable[[], object]
    by_hand: Callable[[], object]


def main() -> int:
    """Measure in turns, so that a busy machine slows all; 1 where a ratio is not what is wanted."""
    asked = question.ask(__doc__)
    calls = CALLS // 5 if asked.quick else CALLS
    runs: dict[str, Run] = {}
    ratios: dict[str, tuple[str, str]] = {}
    wanted: dict[str, float] = {}
    for pair in (order(), order_status(), shipment(), inventory_level(), sales_order()):
        assert pair.data() == pair.by_hand()
        runs |= {
            pair.name: partial(timed, pair.data, calls),
            f"{pair.name}, by hand": partial(timed, pair.by_hand, calls),
        }
        ratios[f"{pair.name}: ours/by hand"] = (pair.name, f"{pair.name}, by hand")
        wanted[f"{pair.name}: ours/by hand"] = -MOST_OF_BY_HAND
    python = peers.python()
    for peer in elsewhere.PEERS:
        ours, theirs = peer.name, f"{peer.name}, {peer.language}"
        runs |= {ours: partial(timed, peer.ours, calls), theirs: partial(elsewhere.timed, peer, python, calls // 20)}
        ratios[f"{peer.name}: {peer.language}/ours"] = (theirs, ours)
        wanted[f"{peer.name}: {peer.language}/ours"] = LEAST_OF_PEERS[peer.language]
    given = elsewhere.as_json(elsewhere.GIVEN)
    assert elsewhere.renamed_by_hand(given) == elsewhere.as_json(elsewhere.RENAMED(elsewhere.RECORD, LOOKUPS, NOW))
    runs[DICTS] = partial(timed, partial(elsewhere.renamed_by_hand, given), calls)
    ratios["three lines, renamed: jmespath/dicts by hand"] = ("three lines, renamed, jmespath", DICTS)
    chosen = {name: run for name, run in runs.items() if asked.wants(name)}
    found = rounds(chosen, asked.repeats)
    result = Result(
        environment=question.environment("mapping", asked, "msgspec"),
        contenders=spreads(found),
        ratios={
            name: ratio(found, one, other, CPU_US_PER_EVENT)
            for name, (one, other) in ratios.items()
            if one in found and other in found
        },
        wanted=wanted,
    )
    return tell("mapping", result, kept=asked.kept)


def order() -> Pair:
    """A Clarity order of three lines."""
    fetched = Fetched(connection="clarity-main", id="1001", read_at=NOW, source_version=0, body=b"")
    three = three_lines()

    def store_order(fetched: Fetched) -> ClarityOrder:  # noqa: ARG001 - in the rule's place
        return three

    rules: Any = {"store_order": store_order, "standing_of": standing_of, "root_key": root_key}
    data = DataMapping(FILE, FILE.name, rules=rules)
    return Pair("order", lambda: data(fetched, LOOKUPS, NOW), lambda: order_by_hand(fetched, three, LOOKUPS, NOW))


def order_status() -> Pair:
    """Of a GP order with an invoice."""
    seen = gp_order()
    return Pair(
        "order_status",
        lambda: routes.ORDER_STATUS_FROM_DYNAMICS_GP(seen, LOOKUPS, NOW),
        lambda: order_status_by_hand(seen, LOOKUPS, NOW),
    )


def shipment() -> Pair:
    """The invoice of a GP order."""
    (seen,) = shipments_in(gp_order())
    return Pair(
        "shipment",
        lambda: routes.SHIPMENT_FROM_DYNAMICS_GP(seen, LOOKUPS, NOW),
        lambda: shipment_by_hand(seen, LOOKUPS, NOW),
    )


def inventory_level() -> Pair:
    """A row of stock."""
    captured: Any = Captured
    path = EXAMPLES / "dynamics-gp.cdc.IV00102.v1" / "stock_at_one_site.json"
    row = msgspec.json.decode(path.read_bytes(), type=captured[ItemSiteRow])
    return Pair(
        "inventory_level",
        lambda: routes.INVENTORY_LEVEL_FROM_DYNAMICS_GP(row, LOOKUPS, NOW),
        lambda: inventory_level_by_hand(row, LOOKUPS, NOW),
    )


def sales_order() -> Pair:
    """The GP document of an order of two lines."""
    path = EXAMPLES / "canonical.orders.v1" / "full_order.json"
    given = msgspec.json.decode(path.read_bytes(), type=Order)
    options = {"document_id": "WEB", "site": "MAIN", "tax_schedule": "WEBTAX", "tax_detail": "WEBTAX"}
    lookups = Lookups({"target": options, "gp_items": {"TP-1001": "100XLG"}})
    return Pair(
        "sales_order", lambda: SALES_ORDER(given, lookups, NOW), lambda: sales_order_by_hand(given, lookups, NOW)
    )


def gp_order() -> Seen[SalesOrder]:
    """The example that was shipped in part."""
    body = (EXAMPLES / "dynamics-gp.sales-orders.v1" / "partly_shipped.json").read_bytes()
    fetched = Fetched(connection="gp-two", id="1001", read_at=NOW, source_version=1, body=body)
    return routes.gp_sales_order(fetched)


def three_lines() -> ClarityOrder:
    """The example with three lines that add up."""
    order = wire.decode((EXAMPLES / "clarity.orders.v1" / "full_order.json").read_bytes(), ClarityOrder)
    line = msgspec.structs.replace(order.sales_items[0], discounts=())
    lines = (line, msgspec.structs.replace(line, id=2), msgspec.structs.replace(line, id=3))
    full = sum(
        each.extended_price if each.extended_price is not None else each.ordered_quantity * each.unit_price
        for each in lines
    )
    taken = sum(abs(each.discount_total) for each in order.discounts)
    given = order.totals
    total = full - taken + given.shipping + given.handling + given.fees + given.tax
    return msgspec.structs.replace(order, sales_items=lines, totals=msgspec.structs.replace(given, total=total))


def timed(call: Callable[[], object], calls: int) -> Figures:
    """Calls a second, and microseconds of processor time for one."""
    begun, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        call()
    took, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return {EVENTS_PER_S: calls / took, CPU_US_PER_EVENT: cpu / calls * 1e6}


if __name__ == "__main__":
    sys.exit(main())
