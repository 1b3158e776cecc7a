"""How long a mapping takes beside the same one written by hand: a Clarity order of three lines, decoded already.

.venv/bin/python -m benchmarks.mapping
"""

import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.by_hand.order_from_clarity import order_by_hand
from mapping.data import DataMapping
from mapping.port import Lookups
from schemas.bus.fetched import Fetched
from schemas.systems.clarity import wire
from schemas.systems.clarity.order import ClarityOrder
from schemas.types import root_key
from streams.orders.rules import standing_of

ROOT = Path(__file__).parent.parent
FILE = ROOT / "streams" / "orders" / "from_clarity.yaml"
EXAMPLE = ROOT / "schemas" / "examples" / "clarity.orders.v1" / "full_order.json"
NOW = datetime(2026, 3, 2, 16, tzinfo=UTC)
LOOKUPS = Lookups({"connection:clarity-main": {"currency": "USD"}})
ROUNDS = 21
CALLS = 400


def main() -> None:
    """Print the medians of both and how often one takes the other, in turns, so that a busy machine slows both."""
    fetched = Fetched(connection="clarity-main", id="1001", read_at=NOW, source_version=0, body=b"")
    order = three_lines()

    def store_order(fetched: Fetched) -> ClarityOrder:  # noqa: ARG001 - in the rule's place
        return order

    rules: Any = {"store_order": store_order, "standing_of": standing_of, "root_key": root_key}
    data = DataMapping(FILE, FILE.name, rules=rules)
    assert data(fetched, LOOKUPS, NOW) == order_by_hand(fetched, order, LOOKUPS, NOW)

    by_data, by_hand = [], []
    for _ in range(ROUNDS):
        by_data.append(measured(lambda: data(fetched, LOOKUPS, NOW)))
        by_hand.append(measured(lambda: order_by_hand(fetched, order, LOOKUPS, NOW)))
    ratio = statistics.median(one / other for one, other in zip(by_data, by_hand, strict=True))
    print(f"data {statistics.median(by_data):.1f} us, by hand {statistics.median(by_hand):.1f} us: {ratio:.2f} times")
    print(json.dumps({"data_us": min(by_data), "by_hand_us": min(by_hand), "ratio": ratio}))


def three_lines() -> ClarityOrder:
    """The example with three lines that add up."""
    order = wire.decode(EXAMPLE.read_bytes(), ClarityOrder)
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


def measured(function: Callable[[], object]) -> float:
    """Microseconds a call."""
    begun = time.perf_counter()
    for _ in range(CALLS):
        function()
    return (time.perf_counter() - begun) / CALLS * 1e6


if __name__ == "__main__":
    main()
