"""Our side of the mappings that other languages say as well, and how those are timed."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.elsewhere.renamed_order import RenamedOrder
from benchmarks.harness.result import CPU_US_PER_EVENT, EVENTS_PER_S, Figures
from benchmarks.transforming import orders
from benchmarks.transforming.mapping import ORDER
from benchmarks.transforming.store_order import StoreOrder
from mapping.data import DataMapping
from mapping.port import Lookups
from mapping.records import Records
from operations.stack.settings import REPOSITORY_ROOT

NOW: Final = datetime(2026, 11, 21, tzinfo=UTC)
LOOKUPS: Final = Lookups({})
GIVEN: Final = orders.order(7, 3)
RECORD: Final = msgspec.convert(GIVEN, StoreOrder)
RENAMED: Final = DataMapping(
    Path(__file__).with_name("order_renamed.yaml"),
    "benchmarks/elsewhere/order_renamed.yaml",
    records=Records({"store.Order": StoreOrder, "renamed.Order": RenamedOrder}),
)


def renamed_by_hand(order: dict[str, Any]) -> dict[str, Any]:
    """What JMESPath does and no more: a dict to a dict, no kind and no digit looked at."""
    return {
        "id": f"{order['connection']}:{order['number']}",
        "source_version": order["source_version"],
        "ordered_at": order["placed_at"],
        "number": order["number"],
        "currency": order["currency"],
        "customer_name": order["customer_name"],
        "customer_email": order["customer_email"],
        "purchase_order": order["purchase_order"],
        "lines": [
            {
                "sku": line["sku"],
                "description": line["name"],
                "quantity": line["quantity"],
                "unit_price": line["price"],
            }
            for line in order["lines"]
        ],
        "items": sum([line["quantity"] for line in order["lines"]]),
        "shipping": order["shipping"],
        "tax": order["tax"],
        "total": order["total"],
        "note": order["note"],
    }


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping, ready to be called, and the language that says the same."""

    name: str
    language: str
    ours: Callable[[], Any]


PEERS: Final = (
    Peer(name="three lines", language="jsonata", ours=lambda: ORDER(RECORD, LOOKUPS, NOW)),
    Peer(name="three lines, renamed", language="jmespath", ours=lambda: RENAMED(RECORD, LOOKUPS, NOW)),
)


def timed(peer: Peer, python: Path, calls: int) -> Figures:
    """As `mapping.timed`, of the other language.

    Raises:
        AssertionError: it does not make what ours makes.
    """
    command = [str(python), "-m", "benchmarks.elsewhere.peer", peer.language, str(calls)]
    done = subprocess.run(  # noqa: S603 - ours
        command, input=json.dumps(as_json(GIVEN)), capture_output=True, text=True, check=True, cwd=REPOSITORY_ROOT
    )
    told = json.loads(done.stdout)
    made, expected = as_json(told["made"]), as_json(peer.ours())
    assert made == expected, (made, expected)
    return {EVENTS_PER_S: calls / told["wall_s"], CPU_US_PER_EVENT: told["cpu_s"] / calls * 1e6}


def as_json(value: Any) -> Any:
    """As these languages see it: numbers are floats, cents are as near as floats come, times are text."""
    match value:
        case Decimal() | float():
            return round(float(value), 5)
        case datetime():
            return value.isoformat()
        case msgspec.Struct():
            return as_json(msgspec.structs.asdict(value))
        case dict():
            return {key: as_json(each) for key, each in value.items()}
        case list() | tuple():
            return [as_json(each) for each in value]
        case _:
            return value
