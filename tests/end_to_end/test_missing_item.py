"""An order for an item GP does not have: it waits, is told of with money and age, and goes on when the item is made."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.outside import ROOT, Outside, pids, towpath, until

pytestmark = pytest.mark.timeout(300)

ITEM = "TAMP-585"
TABLES = ("IV00101", "IV00102")


@pytest.fixture
def waiting(bus: Outside, tmp_path: Path) -> Iterator[Outside]:
    """The bus, with a deployment that lets orders wait; for what starts from now on, which `consumers@gp-two` does."""
    deployment = tmp_path / "waiting"
    shutil.copytree(ROOT / "deployments" / "demo", deployment)
    file = deployment / "towpath.toml"
    said = file.read_text(encoding="utf-8")
    assert 'missing_items = "refuse"' in said
    file.write_text(said.replace('missing_items = "refuse"', 'missing_items = "wait"'), encoding="utf-8")
    value = ROOT / ".towpath" / "environment" / "waiting.json"
    value.write_text(json.dumps({"TOWPATH_DEPLOYMENT": str(deployment)}), encoding="utf-8")
    try:
        restart("consumers@gp-two")
        yield bus
    finally:
        value.unlink()
        restart("consumers@gp-two")


class Item:
    """An item the store sells and GP has lost, until somebody makes it again."""

    def __init__(self, bus: Outside) -> None:
        self._bus = bus
        self._rows = {table: bus.rows(f'SELECT * FROM dbo."{table}" WHERE "ITEMNMBR" = ?', ITEM) for table in TABLES}
        for table in TABLES:
            bus.change(f'DELETE FROM dbo."{table}" WHERE "ITEMNMBR" = ?', ITEM)

    def make(self) -> None:
        """By hand in GP's tables, as it was; its sites first, as the order goes on as soon as it is there."""
        for table, rows in reversed(self._rows.items()):
            for row in rows:
                self._bus.change(f'INSERT INTO dbo."{table}" VALUES ({", ".join("?" * len(row))})', *row)
        self._rows = {}


@pytest.fixture
def item(waiting: Outside) -> Iterator[Item]:
    """GP has it again afterwards."""
    lost = Item(waiting)
    yield lost
    lost.make()


def restart(process: str) -> None:
    """By its supervisor, which reads the deployment anew."""
    (before,) = pids(process)
    os.kill(before, signal.SIGTERM)
    until(lambda: pids(process) not in ([], [before]), within_s=60, what=f"{process} anew")


def parked(order: dict[str, Any]) -> dict[str, Any] | None:
    """What waits for the item, once the order is among it."""
    listing = json.loads(towpath("parked", "list", "--for", f"item:{ITEM}", "--json"))
    keys = [each["event"]["root_key"] for each in listing["events"]]
    return listing["waiting"][0] if f"clarity-main:{order['key']}" in keys else None


def findings() -> list[dict[str, Any]]:
    """What `towpath status` tells; it ends with 1 while anything at all is an alarm, as other tests leave."""
    words = [str(ROOT / "towpath"), "status", "--json"]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    found: list[dict[str, Any]] = json.loads(ran.stdout)["findings"]
    return found


def asked(thing: str) -> tuple[str, str]:
    """Who answers what."""
    words = ("--why", "a customer rang", "--as", "mara", "--json")
    (answer,) = json.loads(towpath("parked", "ask", thing, *words))["answers"]
    return answer["connection"], answer["code"]


def is_read_again(order: dict[str, Any]) -> bool:
    steps: list[dict[str, Any]] = json.loads(towpath("trace", order["key"], "--json"))["stories"][0]["steps"]
    return any("because somebody asked" in step["sentence"] for step in steps)


def test_order_waits_for_its_item_and_goes_on_when_it_is_made(bus: Outside, item: Item) -> None:
    thing = f"item:{ITEM}"
    order = bus.place(lines=[{"sku": ITEM, "quantity": "2"}])

    group = until(lambda: parked(order), within_s=60, what=f"order {order['key']} waiting for {thing}")
    assert (group["waits_for"], group["count"], group["connection"]) == (thing, 1, "gp-two")
    assert {currency: Decimal(amount) for currency, amount in group["money"].items()} == {
        "USD": Decimal(order["total"])
    }
    (finding,) = [each for each in findings() if thing in each["headline"]]
    assert (Decimal(finding["money"]["USD"]), finding["count"]) == (Decimal(order["total"]), 1)
    assert finding["since"] == group["oldest"]

    assert asked(thing) == ("gp-two", "ask.not_there")
    (told,) = json.loads(towpath("explain", order["key"], "--json"))["keys"]
    assert [(each["who"], each["why"], each["happened"]) for each in told["asked"]] == [
        ("mara", "a customer rang", f"gp-two was asked for {thing}: not there.")
    ]
    assert bus.documents(order["key"]) == []

    item.make()

    assert bus.document(order, within_s=30)
    until(lambda: parked(order) is None, within_s=30, what=f"nothing waiting for {thing}")
    assert asked(f"order:clarity-main:{order['key']}") == ("clarity-main", "ask.sent")
    until(lambda: is_read_again(order), within_s=30, what="the order read anew, as it was asked for")
