"""A connection lost what it had: replay brings it back, leaves the rest alone and lets live work go on."""

import asyncio
import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from bus.settings import load
from connect.systems.clarity.client import open_client
from schemas.systems.clarity.stock_section import UpsertStockSection, section_key
from tests.end_to_end.outside import ROOT, Outside, towpath, until

pytestmark = pytest.mark.timeout(300)

ITEMS = ("MUG-WHT-300", "ESP-GSK-58", "CLN-BRUSH")
SITE = "NORTH"


def at_store(bus: Outside, item: str) -> Decimal:
    rows = bus.store.get("/stock").json()
    listed = rows["stock"] if isinstance(rows, dict) else rows
    (row,) = [each for each in listed if (each["sku"], each["section"]) == (item, SITE)]
    return Decimal(row["quantity"])


def replayed(*words: str) -> str:
    """The id of a replay that has come to its end."""
    id_ = str(json.loads(towpath("replay", *words, "--yes", "--why", "damaged by hand", "--json"))["replay"])

    def code() -> str | None:
        listed = json.loads(towpath("replay", "list", "--json"))["replays"]
        (told,) = [each["replay"]["code"] for each in listed if each["replay"]["command_id"] == id_] or [""]
        return str(told) if told.startswith("replay.done") else None

    assert until(code, within_s=60, what="the end of the replay") == "replay.done"
    return id_


def outcomes(key: str, connection: str) -> list[dict[str, Any]]:
    listed = json.loads(towpath("outcomes", "--key", key, "--connection", connection, "--json"))["outcomes"]
    return [each["outcome"] for each in listed]


def ends(replay: str, item: str) -> set[str]:
    """How the events of an item's stock ended in a replay."""
    found = outcomes(f"gp-two:{item}@{SITE}", "clarity-main")
    return {each["state"] for each in found if each["replay"] == replay}


def is_read_again(order: dict[str, Any], number: str) -> bool:
    """The document was fetched, and all that came of it is in its queue."""
    key = f"clarity-main:{order['key']}"
    fetched = [
        each for each in outcomes(key, "gp-two") if (each["code"], each["document_number"]) == ("fetched", number)
    ]
    (told,) = json.loads(towpath("explain", key, "--json"))["keys"]
    return bool(fetched) and told["not_read"] == []


def is_balanced(since: datetime) -> bool:
    try:
        told = json.loads(towpath("ledger", "--since", since.strftime("%Y-%m-%dT%H:00"), "--json"))
    except AssertionError:  # it ends with 1 while something is missing
        return False
    return bool(told["balanced"])


async def damage(items: tuple[str, ...]) -> None:
    """Somebody at the store types wrong numbers."""
    async with open_client(load(os.environ, ROOT).connection("clarity-main")) as site:
        for item in items:
            work = UpsertStockSection(
                custom_key=section_key(item, SITE),
                product_key=item,
                inventory_location_section_key=SITE,
                quantity=Decimal(1),
            )
            await site.upsert_stock_section(work)


def test_stock_damaged_at_the_store_and_a_document_deleted_in_gp_come_back(bus: Outside) -> None:
    since = datetime.now(UTC)
    wanted = {item: at_store(bus, item) + 7 for item in ITEMS}
    for item, on_hand in wanted.items():
        bus.act("stock", item=item, site=SITE, on_hand=str(on_hand))
    order = bus.place(lines=[{"sku": "BOOK-BREW", "quantity": "1"}])
    number = bus.document(order)
    until(lambda: {item: at_store(bus, item) for item in ITEMS} == wanted, within_s=60, what=f"{wanted} at the store")
    # told of it, the store would cancel the order: right for whoever meant to delete it
    towpath("pause", "clarity-main", "--why", "deleted by mistake")
    try:
        bus.act("delete", number=number)
        replayed("--to", "gp-two", "--key", f"clarity-main:{order['key']}")
        again = bus.document(order)
        assert again != number
        until(lambda: is_read_again(order, again), within_s=60, what=f"{again} read, and its status in its queue")
    finally:
        towpath("resume", "clarity-main")

    asyncio.run(damage(ITEMS[:2]))
    # nothing brings them back but the replay
    assert [at_store(bus, item) for item in ITEMS[:2]] == [1, 1]
    live = bus.place()
    replay = replayed("--to", "clarity-main", "--since", since.isoformat(), "--record", "inventory_level")

    assert {item: at_store(bus, item) for item in ITEMS} == wanted
    assert [ends(replay, item) for item in ITEMS] == [{"delivered"}, {"delivered"}, {"suppressed"}]
    assert bus.document(live)
    assert bus.order(order["id"])["status_key"] != "Void"
    until(lambda: is_balanced(since), within_s=60, what="a ledger that balances")
