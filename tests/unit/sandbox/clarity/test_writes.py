"""What clients may change in the simulated store, and what it says to what they may not."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.unit.sandbox.clarity.conftest import Client

STOCK = "/Inventory/ProductInventoryLocationSection"


async def emails(client: "Client", order_id: int) -> dict[str, int]:
    counts: dict[str, int] = (await client.control("GET", f"/orders/{order_id}")).json()["emails"]
    return counts


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ("Confirm", "Confirmed"),
        ("Pending", "Pending"),
        ("Hold", "On Hold"),
        ("Backorder", "Backordered"),
        ("CapturePayment", "Full Payment Received"),
        ("CreatePickTicket", "Processing"),
        ("DropShip", "Shipped from Vendor"),
        ("Ship", "Shipped"),
        ("ReadyForPickup", "Ready For Pickup"),
        ("Complete", "Completed"),
        ("Void", "Void"),
    ],
)
async def test_actions_lead_to_their_status(client: "Client", action: str, status: str) -> None:
    before = (await client.place(account_key="C1001", lines=[{"sku": "JUG-600"}]))["order"]

    reply = await client.act(action, 1001)

    after = await client.order(1001)
    assert reply == {"ActionSucceeded": True, "Messages": [], "Result": 1001}
    assert (after["StatusKey"], after["StatusName"]) == (status, status)
    assert after["UpdatedDate"] > before["UpdatedDate"]


@pytest.mark.parametrize(
    ("first", "then"), [("Void", "Ship"), ("Void", "Confirm"), ("Complete", "Hold"), ("Ship", "Void"), ("Ship", "Hold")]
)
async def test_impossible_actions_are_200_without_success_and_change_nothing(
    client: "Client", first: str, then: str
) -> None:
    await client.place(seed=1)
    await client.act(first, 1001)
    before = await client.order(1001)

    reply = await client.act(then, 1001)

    assert reply["ActionSucceeded"] is False
    assert "its status is" in reply["Messages"][0]
    assert await client.order(1001) == before


async def test_actions_on_absent_orders_are_200_without_success(client: "Client") -> None:
    assert (await client.act("Ship", 4711))["ActionSucceeded"] is False


async def test_a_repeated_ship_succeeds_but_mails_again(client: "Client") -> None:
    await client.place(seed=1)
    await client.act("Ship", 1001)
    shipped = (await client.order(1001))["ActualShipDate"]

    again = await client.act("Ship", 1001)

    assert again["ActionSucceeded"] is True
    assert await emails(client, 1001) == {"placed": 1, "shipped": 2}
    assert (await client.order(1001))["ActualShipDate"] == shipped
    writes = (await client.control("GET", "/writes")).json()
    assert [write["changed"] for write in writes["writes"]] == [["StatusKey"], []]
    assert writes["emails_by_order"] == {"1001": {"placed": 1, "shipped": 2}}


async def test_payments_are_captured_once_and_leave_nothing_due(client: "Client") -> None:
    await client.place(account_key="C1001", lines=[{"sku": "JUG-600"}])

    first, second = await client.act("CapturePayment", 1001), await client.act("CapturePayment", 1001)

    order = await client.order(1001)
    assert (first["ActionSucceeded"], second["ActionSucceeded"]) == (True, False)
    assert order["SalesOrderPayments"][0]["Payment"]["StatusKey"] == "Captured"
    assert order["BalanceDue"] == 0


async def upsert(client: "Client", path: str, body: dict[str, Any]) -> Any:
    answer = await client.api("POST", path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_order_upsert_sets_what_is_given_and_leaves_the_rest(client: "Client") -> None:
    before = (await client.place(seed=1, custom={"gift": "yes", "erp_number": "old"}))["order"]

    reply = await upsert(
        client,
        "/Ordering/SalesOrder/Upsert",
        {
            "CustomKey": "1001",
            "TrackingNumber": "1Z-9",
            "PurchaseOrderNumber": None,
            "SerializableAttributes": {"erp_number": {"Key": "erp_number", "Value": "STDORD2001"}},
        },
    )

    after = await client.order(1001)
    assert reply == {"ActionSucceeded": True, "Messages": [], "Result": 1001}
    attributes = {key: each["Value"] for key, each in after["SerializableAttributes"].items()}
    assert attributes == {"gift": "yes", "erp_number": "STDORD2001"}
    assert after["TrackingNumber"] == "1Z-9"
    assert after["UpdatedDate"] > before["UpdatedDate"]
    for name in ("TrackingNumber", "SerializableAttributes", "UpdatedDate"):
        after.pop(name, None)
        before.pop(name, None)
    assert after == before


async def test_an_upsert_that_changes_nothing_touches_nothing(client: "Client") -> None:
    await client.place(seed=1)
    body = {"CustomKey": "1001", "TrackingNumber": "1Z-9"}
    await upsert(client, "/Ordering/SalesOrder/Upsert", body)
    before = await client.order(1001)

    await upsert(client, "/Ordering/SalesOrder/Upsert", body)

    assert await client.order(1001) == before
    writes = (await client.control("GET", "/writes")).json()["writes"]
    assert [(write["route"], write["key"], write["changed"]) for write in writes] == [
        ("/Ordering/SalesOrder/Upsert", "1001", ["TrackingNumber"]),
        ("/Ordering/SalesOrder/Upsert", "1001", []),
    ]


async def test_orders_are_not_created_by_upsert(client: "Client") -> None:
    await client.place(seed=1)

    absent = await upsert(client, "/Ordering/SalesOrder/Upsert", {"CustomKey": "NEW", "TrackingNumber": "1"})
    other_id = await upsert(client, "/Ordering/SalesOrder/Upsert", {"CustomKey": "1001", "ID": 5})

    assert (absent["ActionSucceeded"], other_id["ActionSucceeded"]) == (False, False)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ('{"CustomKey": "1001", "TrakingNumber": "1"}', "UnknownField", "TrakingNumber"),
        ('{"TrackingNumber": "1"}', "SerializationException", "CustomKey"),
        ('{"CustomKey": "1001", "TrackingNumber": 1}', "SerializationException", "TrackingNumber"),
        ('{"CustomKey": "1001"', "SerializationException", None),
        ("", "SerializationException", None),
        ("[]", "SerializationException", None),
    ],
)
async def test_bodies_that_do_not_fit_are_400_with_the_field(
    client: "Client", body: str, code: str, field: str | None
) -> None:
    answer = await client.api("POST", "/Ordering/SalesOrder/Upsert", content=body)

    status = answer.json()["ResponseStatus"]
    assert answer.status_code == 400
    assert status["ErrorCode"] == code
    assert [each["FieldName"] for each in status["Errors"]] == ([field] if field else [])


async def test_bodies_that_are_not_utf8_or_too_large_are_refused(client: "Client") -> None:
    garbled = await client.api("POST", "/Ordering/SalesOrder/Upsert", content=b'{"CustomKey": "\xff"}')
    large = await client.api("POST", "/Ordering/SalesOrder/Upsert", content=b" " * (1024 * 1024 + 1))

    assert (garbled.status_code, large.status_code) == (400, 413)


SHIPMENT = {
    "CustomKey": "SHP-1",
    "SalesOrderID": 1001,
    "TrackingNumber": "1Z-1",
    "CarrierKey": "UPS",
    "ShipDate": "2026-02-03T04:05:06Z",
    "Items": [{"Sku": "JUG-600", "Quantity": 1}],
}


@pytest.fixture
async def two_jugs(client: "Client") -> "Client":
    await client.place(account_key="C1001", lines=[{"sku": "JUG-600", "quantity": 2}, {"sku": "CLN-BRUSH"}])
    return client


async def test_shipments_are_set_by_key_and_listed_in_their_order(two_jugs: "Client") -> None:
    reply = await upsert(two_jugs, "/Shipping/Shipment/Upsert", SHIPMENT)
    await upsert(two_jugs, "/Shipping/Shipment/Upsert", {"CustomKey": "SHP-1", "TrackingNumber": "1Z-2"})

    shipment = (await two_jugs.api("GET", "/Shipping/Shipment/Key/SHP-1")).json()
    order = await two_jugs.order(1001)
    assert reply["Result"] == shipment["ID"]
    assert shipment["TrackingNumber"] == "1Z-2"
    assert shipment["Items"] == [{"Sku": "JUG-600", "Quantity": 1}]
    assert shipment["ShipDate"] == "2026-02-03T04:05:06.0000000Z"
    assert order["Shipments"] == [shipment]
    assert order["UpdatedDate"] == shipment["UpdatedDate"]
    assert order["StatusKey"] == "Pending"


async def test_the_same_shipment_again_changes_nothing(two_jugs: "Client") -> None:
    first = await upsert(two_jugs, "/Shipping/Shipment/Upsert", SHIPMENT)
    before = await two_jugs.order(1001)

    second = await upsert(two_jugs, "/Shipping/Shipment/Upsert", SHIPMENT)

    assert first == second
    assert await two_jugs.order(1001) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SalesOrderID": 4711}, "No sales order"),
        ({"SalesOrderID": None}, "No sales order"),
        ({"Items": [{"Sku": "NOPE", "Quantity": 1}]}, "is not on sales order"),
        ({"Items": [{"Sku": "JUG-600", "Quantity": 3}]}, "More of SKU JUG-600"),
    ],
)
async def test_impossible_shipments_are_200_without_success(
    two_jugs: "Client", changes: dict[str, Any], message: str
) -> None:
    reply = await upsert(two_jugs, "/Shipping/Shipment/Upsert", SHIPMENT | changes)

    assert reply["ActionSucceeded"] is False
    assert message in reply["Messages"][0]
    assert (await two_jugs.order(1001))["Shipments"] == []


async def test_two_parcels_cannot_hold_more_than_was_ordered(two_jugs: "Client") -> None:
    await upsert(two_jugs, "/Shipping/Shipment/Upsert", SHIPMENT)
    second = SHIPMENT | {"CustomKey": "SHP-2", "Items": [{"Sku": "JUG-600", "Quantity": 2}]}

    reply = await upsert(two_jugs, "/Shipping/Shipment/Upsert", second)

    assert reply["ActionSucceeded"] is False


async def test_a_shipment_stays_with_its_order(two_jugs: "Client") -> None:
    await two_jugs.place(account_key="C1001", lines=[{"sku": "JUG-600"}])
    await upsert(two_jugs, "/Shipping/Shipment/Upsert", SHIPMENT)

    reply = await upsert(two_jugs, "/Shipping/Shipment/Upsert", SHIPMENT | {"SalesOrderID": 1002})

    assert reply["ActionSucceeded"] is False
    assert "belongs to sales order 1001" in reply["Messages"][0]


async def test_products_are_read_by_a_key_with_a_slash_in_it(client: "Client") -> None:
    answer = await client.api("GET", "/Catalog/Product/Key/TEA%2FOOL-100")

    assert answer.json()["CustomKey"] == "TEA/OOL-100"
    assert '"PriceBase":12.40' in answer.text


async def test_products_and_accounts_are_paged(client: "Client") -> None:
    products = (await client.api("GET", "/Catalog/Products", params={"PageSize": 10, "Page": 2})).json()
    accounts = (await client.api("GET", "/Accounts/Accounts", params={"PageSize": 1})).json()

    assert [product["ID"] for product in products["Results"]] == list(range(11, 21))
    assert products["TotalCount"] >= 60
    assert accounts["Results"][0]["CustomKey"] == "C1001"
    assert (await client.api("GET", "/Accounts/Account/Key/C1001")).json() == accounts["Results"][0]


async def test_a_product_is_changed_and_created_by_key(client: "Client") -> None:
    changed = await upsert(client, "/Catalog/Product/Upsert", {"CustomKey": "JUG-600", "PriceBase": 21.5})
    bare = await upsert(client, "/Catalog/Product/Upsert", {"CustomKey": "NEW-1"})
    created = await upsert(
        client, "/Catalog/Product/Upsert", {"CustomKey": "NEW-1", "Name": "New", "PriceBase": 3, "IsTaxable": False}
    )
    await upsert(client, f"{STOCK}/Upsert", {"CustomKey": "NEW-1|MAIN", "Quantity": 4})
    order = (await client.place(account_key="C1001", lines=[{"sku": "JUG-600"}, {"sku": "NEW-1"}]))["order"]

    assert [each["ActionSucceeded"] for each in (changed, bare, created)] == [True, False, True]
    assert [item["UnitCorePrice"] for item in order["SalesItems"]] == [21.5, 3]


async def test_stock_is_set_absolutely_by_product_and_section(client: "Client") -> None:
    key = "TEA/OOL-100|NORTH"
    body = {
        "CustomKey": key,
        "ProductKey": "TEA/OOL-100",
        "InventoryLocationSectionKey": "NORTH",
        "Quantity": 7.5,
        "QuantityAllocated": 2,
    }
    before = (await client.api("GET", f"{STOCK}/Key/TEA%2FOOL-100%7CNORTH")).json()

    for _ in range(2):
        reply = await upsert(client, f"{STOCK}/Upsert", body)

    after = (await client.api("GET", f"{STOCK}/Key/TEA%2FOOL-100%7CNORTH")).json()
    listed = (await client.api("GET", f"{STOCK}s", params={"ProductKey": "TEA/OOL-100"})).json()
    assert reply["Result"] == before["ID"] == after["ID"]
    assert (after["Quantity"], after["QuantityAllocated"]) == (7.5, 2)
    assert after["InventoryLocationSectionInventoryLocationName"] == "North Warehouse"
    assert [each["CustomKey"] for each in listed["Results"]] == ["TEA/OOL-100|MAIN", key]
    stock = (await client.control("GET", "/stock")).json()["stock"]
    assert {"sku": "TEA/OOL-100", "section": "NORTH", "quantity": "7.5", "allocated": "2"} in stock


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"CustomKey": "NOPE|MAIN", "Quantity": 1}, "No product"),
        ({"CustomKey": "JUG-600|SOUTH", "Quantity": 1}, "No inventory location section"),
        ({"CustomKey": "JUG-600|MAIN", "ProductKey": "JUG-350", "Quantity": 1}, "CustomKey must be"),
        ({"CustomKey": "JUG-600", "Quantity": 1}, "No product"),
    ],
)
async def test_stock_of_what_is_not_there_is_200_without_success(
    client: "Client", body: dict[str, Any], message: str
) -> None:
    reply = await upsert(client, f"{STOCK}/Upsert", body)

    assert reply["ActionSucceeded"] is False
    assert message in reply["Messages"][0]
    log = (await client.control("GET", "/writes")).json()["writes"]
    assert (log[0]["succeeded"], log[0]["message"]) == (False, reply["Messages"][0])


@pytest.mark.parametrize("quantity", ["1e400", '"NaN"', '"Infinity"', "1000000001", "0.00000001", "true"])
async def test_quantities_that_are_none_are_400(client: "Client", quantity: str) -> None:
    body = f'{{"CustomKey": "JUG-600|MAIN", "Quantity": {quantity}}}'

    answer = await client.api("POST", f"{STOCK}/Upsert", content=body)

    assert answer.status_code == 400
