"""How the simulated store adds up an order, and how it reads over the API."""

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.clarity import orders
from sandbox.clarity.orders import Buyer, Identity, OrderRefusedError, Shelf
from sandbox.clarity.records import Product, SalesOrder, encode
from sandbox.clarity.requests import AddressRequest, LineRequest, OrderRequest

if TYPE_CHECKING:
    from tests.unit.sandbox.clarity.conftest import Client

IDENTITY = Identity(order_id=1001, ticks=17_637_000_000_000_001, transaction_number="ABC", last4="4242")
BUYER = Buyer(
    account=None,
    first_name="Zoë",
    last_name="O'Brien",
    email="zoe@example.org",
    phone=None,
    billing=AddressRequest(name="Zoë O'Brien", street1="1 Main St", city="Austin", region="TX", postal_code="78701"),
    shipping=None,
)


def product(sku: str, price: str, **changes: Any) -> Product:
    members: dict[str, Any] = {
        "id": 1,
        "custom_key": sku,
        "active": True,
        "created_date": "",
        "updated_date": "",
        "name": sku,
        "unit_of_measure": "EACH",
        "weight": Decimal(1),
        "price_base": Decimal(price),
        "is_taxable": True,
        "allow_back_order": True,
        "category_key": "c",
        "type_key": "t",
    }
    return Product(**(members | changes))


SHELF = Shelf(
    products={
        "A": product("A", "19.99"),
        "B": product("B", "0.335"),
        "FREE": product("FREE", "0.00", is_taxable=False),
        "LAST": product("LAST", "5.00", allow_back_order=False),
    },
    available={"A": Decimal(10), "B": Decimal(1000), "FREE": Decimal(10), "LAST": Decimal(2)},
)


def placed(**members: Any) -> SalesOrder:
    return orders.place(OrderRequest(**members), BUYER, SHELF, IDENTITY)


def test_totals_are_exact_to_the_cent() -> None:
    order = placed(
        lines=[LineRequest(sku="A", quantity=Decimal(3), discount=Decimal("2.00")), LineRequest(sku="B")],
        shipping=Decimal("7.95"),
        handling=Decimal("2.50"),
        fees=Decimal("1.25"),
        discount=Decimal("1.10"),
        tax_rate=Decimal("0.0825"),
    )

    # 59.97 + 0.34; tax 57.97 x 8.25 % = 4.782525 and 0.34 x 8.25 % = 0.02805
    totals = order.totals
    assert (totals.sub_total, totals.tax, totals.discounts) == (Decimal("60.31"), Decimal("4.81"), Decimal("3.10"))
    assert totals.total == Decimal("73.72")
    assert order.sales_order_payments[0].payment.amount == Decimal("73.72")
    assert order.balance_due == Decimal("73.72")


def test_money_is_written_as_numbers_with_all_their_cents() -> None:
    text = encode(placed(lines=[LineRequest(sku="A", quantity=Decimal(10))])).decode()

    assert '"SubTotal":199.90,' in text
    assert '"Shipping":0.00,' in text
    assert '"TotalQuantity":10,' in text
    assert '"CreatedDate":"2025-11-21T04:40:00.0000001Z"' in text


def test_what_has_no_value_is_left_out() -> None:
    wire = json.loads(encode(placed(lines=[LineRequest(sku="A")])))

    for absent in ("AccountKey", "UserUserName", "TrackingNumber", "ShippingContact", "PurchaseOrderNumber"):
        assert absent not in wire
    assert "UnitSoldPrice" not in wire["SalesItems"][0]
    assert wire["ShippingSameAsBilling"] is True
    assert wire["Discounts"] == []


def test_free_items_are_sold_at_zero_and_need_no_payment() -> None:
    order = placed(lines=[LineRequest(sku="FREE")])

    assert order.sales_items[0].unit_sold_price == 0
    assert order.totals.total == 0
    assert order.sales_order_payments == []


def test_what_is_not_on_the_shelf_is_back_ordered() -> None:
    lines = [LineRequest(sku="A", quantity=Decimal(8)), LineRequest(sku="A", quantity=Decimal(5))]

    first, second = placed(lines=lines).sales_items

    assert [first.quantity, first.quantity_back_ordered, first.total_quantity] == [8, 0, 8]
    assert [second.quantity, second.quantity_back_ordered, second.total_quantity] == [2, 3, 5]
    assert second.extended_price == Decimal("99.95")


def test_what_cannot_be_back_ordered_is_refused_unless_stock_is_ignored() -> None:
    lines = [LineRequest(sku="LAST", quantity=Decimal(3))]

    with pytest.raises(OrderRefusedError, match="only 2 of SKU LAST"):
        placed(lines=lines)
    assert placed(lines=lines, ignore_stock=True).sales_items[0].quantity == 3


def test_unknown_skus_are_refused_unless_allowed() -> None:
    lines = [LineRequest(sku="NEW", unit_price=Decimal("3.50"), name="Something new")]

    with pytest.raises(OrderRefusedError, match="no product with SKU NEW"):
        placed(lines=lines)
    item = placed(lines=lines, allow_unknown_sku=True).sales_items[0]
    assert (item.product_key, item.name, item.extended_price) == (None, "Something new", Decimal("3.50"))


@pytest.mark.parametrize(
    ("lines", "discount"),
    [([LineRequest(sku="A", discount=Decimal("20.00"))], "0"), ([LineRequest(sku="A")], "20.00")],
)
def test_discounts_above_the_price_are_refused(lines: list[LineRequest], discount: str) -> None:
    with pytest.raises(OrderRefusedError, match="more than"):
        placed(lines=lines, discount=Decimal(discount))


@pytest.mark.parametrize(("currency", "total"), [("JPY", "60"), ("KWD", "59.970"), ("EUR", "59.97")])
def test_currencies_round_to_their_own_minor_unit(currency: str, total: str) -> None:
    order = placed(lines=[LineRequest(sku="A", quantity=Decimal(3))], currency=currency)

    assert str(order.totals.total) == total
    assert order.sales_items[0].selling_currency_key == currency


amounts = st.decimals(min_value=0, max_value=1000, places=2)
lines_strategy = st.lists(
    st.builds(
        LineRequest,
        sku=st.sampled_from(["A", "B", "FREE"]),
        quantity=st.decimals(min_value="0.001", max_value=500, places=3),
        unit_price=st.none() | st.decimals(min_value=0, max_value=1000, places=4),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(
    lines=lines_strategy,
    shipping=amounts,
    handling=amounts,
    fees=amounts,
    tax_rate=st.decimals(min_value=0, max_value="0.3", places=5),
    part=st.decimals(min_value=0, max_value=1, places=2),
)
def test_every_order_adds_up(
    lines: list[LineRequest], shipping: Decimal, handling: Decimal, fees: Decimal, tax_rate: Decimal, part: Decimal
) -> None:
    order = placed(
        lines=lines, shipping=shipping, handling=handling, fees=fees, tax_rate=tax_rate, discount=shipping * part
    )

    sums = order.totals
    assert sums.sub_total == sum(item.extended_price for item in order.sales_items)
    assert sums.tax == sum(item.extended_tax_amount for item in order.sales_items)
    assert sums.total == sums.sub_total + sums.shipping + sums.handling + sums.fees + sums.tax - sums.discounts
    assert order.item_quantity == sum(line.quantity for line in lines)
    for item in order.sales_items:
        assert item.total_quantity == item.quantity + item.quantity_back_ordered + item.quantity_pre_sold


async def test_orders_are_numbered_from_1001_and_read_by_id_and_key(client: "Client") -> None:
    first, second = await client.place(seed=1), await client.place(seed=2)

    by_id = await client.api("GET", "/Ordering/SalesOrder/ID/1001")
    by_key = await client.api("GET", "/Ordering/SalesOrder/Key/1001")

    assert (first["id"], second["id"]) == (1001, 1002)
    assert by_id.content == by_key.content
    assert by_id.json() == first["order"]
    assert by_id.json()["CustomKey"] == "1001"


@pytest.mark.parametrize("path", ["ID/1001", "Key/1001", "Key/no/such"])
async def test_absent_orders_are_404_with_a_response_status(client: "Client", path: str) -> None:
    answer = await client.api("GET", f"/Ordering/SalesOrder/{path}")

    assert answer.status_code == 404
    assert answer.json()["ResponseStatus"]["ErrorCode"] == "FileNotFoundException"


@pytest.mark.parametrize("order_id", ["abc", "-1", "99999999999999999999", "1%00", "٣"])
async def test_ids_that_are_no_numbers_are_400(client: "Client", order_id: str) -> None:
    answer = await client.api("GET", f"/Ordering/SalesOrder/ID/{order_id}")

    assert answer.status_code == 400
    assert answer.json()["ResponseStatus"]["Errors"][0]["FieldName"] == "ID"


async def test_pages_follow_the_last_change_and_start_at_modified_since(client: "Client") -> None:
    for seed in range(5):
        await client.place(seed=seed)
    await client.act("Confirm", 1002)
    third = (await client.order(1003))["UpdatedDate"]

    page = (await client.api("GET", "/Ordering/SalesOrders", params={"PageSize": 2, "Page": 3})).json()
    since = (await client.api("GET", "/Ordering/SalesOrders", params={"ModifiedSince": third})).json()

    assert [order["ID"] for order in page["Results"]] == [1002]
    assert (page["CurrentPage"], page["TotalPages"], page["TotalCount"]) == (3, 3, 5)
    assert [order["ID"] for order in since["Results"]] == [1003, 1004, 1005, 1002]
    dates = [order["UpdatedDate"] for order in since["Results"]]
    assert dates == sorted(set(dates))


async def test_modified_since_takes_any_iso_moment(client: "Client") -> None:
    await client.control("PUT", "/clock", json={"now": "2026-03-01T12:00:00Z"})
    # Changes never go back in time, but a new store may begin earlier.
    await client.control("POST", "/reset")
    await client.place(seed=1)

    for moment, found in [
        ("2026-03-01T11:59:59.999Z", 1),
        ("2026-03-01T13:59:00+02:00", 1),
        ("2026-03-01T13:59:00 02:00", 1),
        ("2026-03-01", 1),
        ("0001-01-01T00:00:00", 1),
        ("2026-03-01T12:05:00", 0),
        ("2026-03-01T08:00:00-05:00", 0),
    ]:
        answer = await client.api("GET", "/Ordering/SalesOrders", params={"ModifiedSince": moment})
        assert answer.json()["TotalCount"] == found, moment


async def test_listing_gives_only_what_a_poller_needs(client: "Client") -> None:
    order = (await client.place(seed=1))["order"]

    listing = (await client.api("GET", "/Ordering/SalesOrders", params={"AsListing": "true"})).json()

    wanted = ("ID", "CustomKey", "UpdatedDate", "StatusKey")
    assert listing["Results"] == [{name: order[name] for name in wanted}]


async def test_page_size_is_capped_at_500(client: "Client") -> None:
    answer = await client.api("GET", "/Catalog/Products", params={"PageSize": 100_000})

    assert answer.json()["TotalPages"] == 1
    assert (await client.api("GET", "/Ordering/SalesOrders", params={"PageSize": 501})).json()["TotalPages"] == 0


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"Page": "0"}, "Page"),
        ({"PageSize": "many"}, "PageSize"),
        ({"ModifiedSince": "yesterday"}, "ModifiedSince"),
        ({"ModifiedSince": "2026-13-01"}, "ModifiedSince"),
        ({"SortBy": "Total"}, "SortBy"),
        ({"ModifiedSinec": "2026-01-01"}, "ModifiedSinec"),
    ],
)
async def test_wrong_parameters_are_400_and_named(client: "Client", parameters: dict[str, str], field: str) -> None:
    answer = await client.api("GET", "/Ordering/SalesOrders", params=parameters)

    assert answer.status_code == 400
    assert answer.json()["ResponseStatus"]["Errors"][0]["FieldName"] == field


async def test_the_flat_feed_says_the_same_in_the_projects_own_names(client: "Client") -> None:
    order = (await client.place(account_key="C1001", lines=[{"sku": "JUG-600", "quantity": 2, "discount": "1.00"}]))[
        "order"
    ]

    flat = (await client.http.get("/feed/orders/1001")).json()

    assert flat["orderId"] == "1001"
    assert flat["customerId"] == "C1001"
    assert flat["totalAmount"] == order["Totals"]["Total"] == 38.98
    assert flat["shippingAddress"] == flat["billingAddress"]
    assert flat["lineItems"] == [
        {
            "sku": "JUG-600",
            "name": "Milk Jug 600 ml",
            "quantity": 2,
            "unitPrice": 19.99,
            "taxAmount": 0,
            "discountAmount": 1,
        }
    ]
