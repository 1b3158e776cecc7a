"""The control API: playing customers, reading the books, setting the clock, starting over."""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sandbox.clarity.app import Settings, Simulator

if TYPE_CHECKING:
    from tests.unit.sandbox.clarity.conftest import Client


async def test_routes_are_listed_and_served(client: "Client") -> None:
    routes = (await client.control("GET", "")).json()

    for route in routes:
        path = route["path"].replace("{id}", "1").replace("{key:path}", "x").removeprefix("/control")
        answer = await client.control(route["method"], path)
        assert answer.status_code not in {405, 500}, route
        assert "GET /control lists" not in answer.text


async def test_unknown_routes_are_404_in_the_style_of_their_side(client: "Client") -> None:
    control = await client.control("GET", "/nothing")
    api = await client.api("GET", "/Nothing")
    slash = await client.control("GET", "/health/")

    assert (control.status_code, api.status_code, slash.status_code) == (404, 404, 404)
    assert "error" in control.json()
    assert api.json()["ResponseStatus"]["ErrorCode"] == "FileNotFoundException"


async def test_the_same_seed_makes_the_same_order(client: "Client") -> None:
    first, second, third = [(await client.place(seed=seed)) for seed in (5, 5, 6)]

    assert (first["account_key"], first["lines"], first["total"]) == (
        second["account_key"],
        second["lines"],
        second["total"],
    )
    assert first["lines"] != third["lines"]


async def test_customers_made_up_are_those_asked_for(client: "Client") -> None:
    known = [(await client.place(seed=seed))["account_key"] for seed in range(30)]
    new = [(await client.place(seed=seed, customers="new"))["account_key"] for seed in range(5)]
    guest = await client.place(seed=1, customers="guest")

    assert not any(key.startswith("N") for key in known)
    assert all(key.startswith("N") for key in new)
    assert guest["account_key"] is None
    assert "AccountKey" not in guest["order"]


async def test_a_guest_orders_with_an_address_of_their_own(client: "Client") -> None:
    billing = {"name": "Ζωή Δ.", "street1": "Οδός 1", "city": "Αθήνα", "postal_code": "105 58", "country": "GR"}
    guest = {"first_name": "Ζωή", "last_name": "Δ.", "email": "zoe@example.org", "billing": billing}

    order = (await client.place(guest=guest, lines=[{"sku": "JUG-600"}]))["order"]

    assert order["BillingContact"]["FullName"] == "Ζωή Δ."
    assert order["BillingContact"]["Address"]["CountryName"] == "Greece"
    assert order["UserContactEmail"] == "zoe@example.org"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"lines": []}, 400),
        ({"lines": [{"sku": "JUG-600", "quantity": 0}]}, 400),
        ({"lines": [{"sku": "JUG-600", "quantity": "NaN"}]}, 400),
        ({"lines": [{"sku": "JUG-600", "qty": 1}]}, 400),
        ({"tax_rate": 2}, 400),
        ({"currency": "usd"}, 400),
        ({"account_key": "C1001", "guest": {"last_name": "x", "billing": {}}}, 400),
        ({"account_key": "C9999"}, 404),
        ({"lines": [{"sku": "NOPE"}]}, 422),
        ({"lines": [{"sku": "SIPHON-5"}]}, 422),
    ],
)
async def test_orders_the_store_cannot_take_are_refused(client: "Client", body: dict[str, Any], status: int) -> None:
    answer = await client.control("POST", "/orders", json=body)

    assert answer.status_code == status
    assert answer.json()["error"]
    assert (await client.control("GET", "/orders")).json()["total"] == 0


async def test_the_order_book_tells_every_order_in_pages(client: "Client") -> None:
    for seed in range(5):
        await client.place(seed=seed, webhook="skip")
    await client.api(
        "POST",
        "/Shipping/Shipment/Upsert",
        json={"CustomKey": "S1", "SalesOrderID": 1001, "TrackingNumber": "1Z", "Items": []},
    )

    first = (await client.control("GET", "/orders", params={"limit": 3})).json()
    rest = (await client.control("GET", "/orders", params={"since_id": first["next_since_id"]})).json()

    assert [order["id"] for order in first["orders"] + rest["orders"]] == [1001, 1002, 1003, 1004, 1005]
    assert first["total"] == 5
    entry = first["orders"][0]
    assert entry["total"] == f"{(await client.order(1001))['Totals']['Total']:.2f}"
    assert entry["shipments"] == [{"key": "S1", "tracking_number": "1Z", "carrier_key": None, "items": {}}]
    assert entry["currency"] == "USD"


@pytest.fixture
async def jugs(client: "Client") -> "Client":
    lines = [{"sku": "JUG-600", "quantity": 4, "discount": "8.00"}, {"sku": "CLN-BRUSH", "quantity": 1}]
    await client.place(account_key="C1001", lines=lines, tax_rate="0.10", shipping="5")
    return client


async def test_quantities_are_edited_and_the_order_adds_up_again(jugs: "Client") -> None:
    quantities = {"JUG-600": 2, "CLN-BRUSH": 0, "CHOC-70": "3"}

    edited = (await jugs.control("POST", "/orders/1001/edit", json={"set_quantity": quantities})).json()

    assert [(line["sku"], line["quantity"], line["discount"]) for line in edited["lines"]] == [
        ("JUG-600", "2", "4.00"),
        ("CHOC-70", "3", "0"),
    ]
    # (39.98 - 4.00) + 13.05 = 49.03; tax 3.60 + 1.31 (half up); shipping 5.00
    assert edited["total"] == "58.94"
    ids = [item["ID"] for item in edited["order"]["SalesItems"]]
    assert ids == [1001001, 1001003]
    assert edited["order"]["SalesOrderPayments"][0]["Payment"]["Amount"] == 58.94


async def test_lines_address_and_note_are_edited(jugs: "Client") -> None:
    address = {"name": "A B", "street1": "2 Side St", "city": "Austin", "region": "TX", "postal_code": "78702"}
    body = {"lines": [{"sku": "JUG-350"}], "shipping_address": address, "note": "Later, please"}

    order = (await jugs.control("POST", "/orders/1001/edit", json=body)).json()["order"]

    assert [item["Sku"] for item in order["SalesItems"]] == ["JUG-350"]
    assert order["ShippingSameAsBilling"] is False
    assert order["ShippingContact"]["Address"]["Street1"] == "2 Side St"
    assert order["Notes"][0]["Note1"] == "Later, please"


async def test_an_edit_needs_something_to_edit(jugs: "Client") -> None:
    nothing = await jugs.control("POST", "/orders/1001/edit", json={})
    all_gone = await jugs.control("POST", "/orders/1001/edit", json={"set_quantity": {"JUG-600": 0, "CLN-BRUSH": 0}})

    assert (nothing.status_code, all_gone.status_code) == (400, 422)


async def test_customers_cancel_until_the_order_is_on_its_way(jugs: "Client") -> None:
    await jugs.place(seed=1)
    await jugs.act("Ship", 1002)

    cancelled = (await jugs.control("POST", "/orders/1001/cancel")).json()
    again = await jugs.control("POST", "/orders/1001/cancel")
    late = await jugs.control("POST", "/orders/1002/cancel")
    edit = await jugs.control("POST", "/orders/1002/edit", json={"note": "too late"})

    assert cancelled["status_key"] == "Void"
    assert cancelled["emails"] == {"placed": 1, "cancelled": 1}
    assert cancelled["order"]["SalesOrderPayments"][0]["Payment"]["StatusKey"] == "Voided"
    assert (again.status_code, late.status_code, edit.status_code) == (409, 409, 409)


@pytest.mark.parametrize("path", ["/orders/77", "/orders/77/edit", "/orders/77/cancel", "/products/NOPE/edit"])
async def test_what_is_not_there_is_404(client: "Client", path: str) -> None:
    method = "GET" if path.endswith("77") else "POST"

    answer = await client.control(method, path, json={"note": "x"} if "orders" in path and "edit" in path else None)

    assert answer.status_code == 404


async def test_reset_starts_over_or_keeps_the_numbers(client: "Client") -> None:
    await client.place(seed=1)
    await client.control("PUT", "/faults", json={"latency_ms": 1})
    stock = {"CustomKey": "JUG-600|MAIN", "Quantity": 1}
    await client.api("POST", "/Inventory/ProductInventoryLocationSection/Upsert", json=stock)

    await client.control("POST", "/reset", params={"keep_ids": "true"})
    kept = await client.place(seed=1)
    await client.control("POST", "/reset")
    fresh = await client.place(seed=1)

    assert (kept["id"], fresh["id"]) == (1002, 1001)
    assert (await client.control("GET", "/orders")).json()["total"] == 1
    assert (await client.control("GET", "/faults")).json()["latency_ms"] == 1
    assert {"sku": "JUG-600", "section": "MAIN", "quantity": "77", "allocated": "0"} in (
        await client.control("GET", "/stock")
    ).json()["stock"]
    assert (await client.control("GET", "/writes")).json()["writes"] == []


async def test_the_clock_is_shifted_and_set_right(client: "Client") -> None:
    ahead = (await client.control("PUT", "/clock", json={"offset_s": 86400})).json()
    placed = await client.place(seed=1)
    right = (await client.control("PUT", "/clock", json={"now": None})).json()

    assert ahead["now"] > right["now"]
    assert placed["created"] >= ahead["now"]
    assert right["offset_s"] == 0
    later = await client.place(seed=2)
    assert later["updated"] > placed["updated"]


@pytest.mark.parametrize("now", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
async def test_the_clock_stops_at_the_ends_of_time(client: "Client", now: str) -> None:
    await client.control("PUT", "/clock", json={"now": now})

    orders = [await client.place(seed=seed) for seed in range(2)]

    assert orders[0]["updated"] < orders[1]["updated"]


@pytest.mark.parametrize("body", [{"now": "soon"}, {"offset": 1}, {"offset_s": 1e300}])
async def test_times_that_are_none_are_refused(client: "Client", body: dict[str, Any]) -> None:
    assert (await client.control("PUT", "/clock", json=body)).status_code == 400


async def test_traffic_places_the_orders_asked_for(client: "Client") -> None:
    started = await client.control("POST", "/traffic", json={"orders": 10, "per_second": 1000, "seed": 4})
    ends = time.monotonic() + 5
    while (state := (await client.control("GET", "/traffic")).json())["running"]:
        assert time.monotonic() < ends
        await asyncio.sleep(0.002)

    assert started.status_code == 202
    assert (state["placed"], state["first_id"], state["last_id"]) == (10, 1001, 1010)


async def test_traffic_is_stopped(client: "Client") -> None:
    await client.control("POST", "/traffic", json={"orders": 1000, "per_second": 0.001})

    stopped = (await client.control("DELETE", "/traffic")).json()

    assert stopped["running"] is False
    assert stopped["placed"] < 1000


async def test_a_product_edit_shows_in_the_next_order(client: "Client") -> None:
    await client.control("POST", "/products/TEA%2FOOL-100/edit", json={"price": "13.37", "name": "Oolong"})

    order = (await client.place(account_key="C1001", lines=[{"sku": "TEA/OOL-100"}]))["order"]

    assert (order["SalesItems"][0]["Name"], order["SalesItems"][0]["UnitCorePrice"]) == ("Oolong", 13.37)


async def test_a_customer_edit_shows_in_the_next_order(client: "Client") -> None:
    billing = {"name": "José Ñandú", "street1": "9 New Rd", "city": "Waco", "region": "TX", "postal_code": "76701"}
    await client.control("POST", "/customers/C1001/edit", json={"billing": billing, "email": "jose@example.net"})

    order = (await client.place(account_key="C1001", lines=[{"sku": "JUG-600"}]))["order"]

    assert order["BillingContact"]["Address"]["Street1"] == "9 New Rd"
    assert order["BillingContact"]["Email1"] == "jose@example.net"


async def test_everything_placed_is_there_after_a_restart(tmp_path: Path) -> None:
    async def ask(method: str, path: str, **arguments: Any) -> Any:
        simulator = Simulator(Settings(data=tmp_path))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(simulator), base_url="http://store") as http:
            answer = (await http.request(method, f"/control{path}", **arguments)).json()
        await simulator.stop()
        return answer

    placed = await ask("POST", "/orders", json={"seed": 1})
    await ask("PUT", "/clock", json={"offset_s": -3600})

    assert await ask("GET", "/orders/1001") == placed
    assert (await ask("POST", "/orders", json={"seed": 1}))["id"] == 1002
    assert (await ask("GET", "/clock"))["offset_s"] == -3600
