"""The client and the simulated store understand each other: the same routes, names, errors."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from bus.secret import Secret
from bus.settings import Connection
from connect import openapi
from connect.systems.clarity.client import Action, ClarityClient, open_client
from errors import ConfigurationError, FatalError, RefusedError, RetryableError, UnknownOutcomeError
from sandbox.clarity.app import DEFAULT_BASE_PATH, Settings, Simulator
from schemas.systems.clarity.aspects import cancelled, own_aspect
from schemas.systems.clarity.order import ClarityOrder
from schemas.systems.clarity.shipment import ClarityShipmentItem, UpsertShipment
from schemas.systems.clarity.site import CEF
from schemas.systems.clarity.stock_section import UpsertStockSection, section_key
from schemas.systems.clarity.wire import Ticks, decode, ticks_from


class Site:
    """A store, the bus's client of it, and its control API."""

    def __init__(self, simulator: Simulator) -> None:
        self.transport = httpx.ASGITransport(simulator)
        self.client = self.client_with("sandbox-bus")
        self.http = httpx.AsyncClient(base_url="http://store/control", transport=self.transport)

    def client_with(self, password: str, **changed: Any) -> ClarityClient:
        connection = Connection(
            name="clarity-main",
            system="clarity",
            store_dsn=Secret(""),
            url=f"http://store{DEFAULT_BASE_PATH}",
            user="bus",
            password=Secret(password),
            **changed,
        )
        return open_client(connection, self.transport)

    async def place(self, **order: Any) -> str:
        answer = await self.http.post("/orders", json=order)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def break_by(self, **faults: Any) -> None:
        answer = await self.http.put("/faults", json=faults)
        assert answer.status_code == 200, answer.text


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    simulator = Simulator(Settings(data=tmp_path, seed=5))
    made = Site(simulator)
    yield made
    await made.client.aclose()
    await made.http.aclose()
    await simulator.stop()


async def test_an_order_is_read_whole_and_its_bytes_are_the_stores(site: Site) -> None:
    order_id = await site.place(note="ring twice", custom={"gift": "yes"}, discount=1)

    document = await site.client.order_document(order_id)

    assert document is not None
    assert document.media_type.startswith("application/json")
    order = decode(document.body, ClarityOrder)
    assert str(order.id) == order_id
    totals = order.totals
    extended = sum((item.extended_price or 0 for item in order.sales_items), Decimal(0))
    assert totals.sub_total == extended
    assert (
        totals.sub_total + totals.shipping + totals.handling + totals.fees + totals.tax - totals.discounts
        == totals.total
    )
    assert order.serializable_attributes["gift"].value == "yes"
    assert order.notes[0].note1 == "ring twice"
    assert order.ships_to is not None
    assert order == await site.client.order_by_key(order.custom_key)


async def test_an_order_that_is_not_there_is_none(site: Site) -> None:
    assert await site.client.order("999999") is None
    assert await site.client.shipment_by_key("S/1|x") is None
    assert await site.client.product_by_key("nothing") is None
    assert await site.client.stock_section_by_key("nothing|MAIN") is None


async def test_changes_are_listed_from_a_moment_on(site: Site) -> None:
    ids = [await site.place() for _ in range(3)]
    listed = [order async for order in site.client.orders_modified_since(Ticks(0))]
    second = listed[1].updated_date

    later = [str(order.id) async for order in site.client.orders_modified_since(second)]

    assert [str(order.id) for order in listed] == ids
    assert later == ids[1:]


async def test_actions_are_carried_out_or_refused_in_the_stores_words(site: Site) -> None:
    order_id = await site.place()

    await site.client.act(Action.SHIP, order_id)

    order = await site.client.order(order_id)
    assert order is not None
    assert order.status_key == "Shipped"
    with pytest.raises(RefusedError, match="its status is Shipped") as caught:
        await site.client.act(Action.HOLD, order_id)
    assert caught.value.code == "clarity.refused"
    with pytest.raises(RefusedError):
        await site.client.act(Action.SHIP, "999999")


@pytest.mark.parametrize("action", [Action.CONFIRM, Action.BACKORDER, Action.CREATE_PICK_TICKET, Action.SHIP])
async def test_what_we_do_to_an_order_is_no_change_of_the_customer_s(site: Site, action: Action) -> None:
    order_id = await site.place(discount=1, custom={"gift": "yes"})
    before = await site.client.order(order_id)
    for each in dict.fromkeys((Action.CONFIRM, action)):
        await site.client.act(each, order_id)
    assert before is not None
    await site.client.set_tracking(before.custom_key, "1Z1")

    after = await site.client.order(order_id)

    assert after is not None
    assert after.status_key != before.status_key
    assert own_aspect(after, CEF) == own_aspect(before, CEF)


async def test_an_order_we_void_reads_as_we_foresaw(site: Site) -> None:
    order_id = await site.place()
    before = await site.client.order(order_id)
    await site.client.act(Action.VOID, order_id)

    after = await site.client.order(order_id)

    assert before is not None
    assert after is not None
    assert own_aspect(after, CEF) == own_aspect(cancelled(before, CEF), CEF)


async def test_tracking_and_shipments_are_written_by_key(site: Site) -> None:
    order_id = await site.place()
    order = await site.client.order(order_id)
    assert order is not None
    shipment = UpsertShipment(
        custom_key="SHP/1",
        sales_order_id=order.id,
        ship_date=ticks_from("2026-03-02T10:00:00.1234567Z"),
        items=(ClarityShipmentItem(sku=order.sales_items[0].sku, quantity=Decimal(1)),),
        tracking_number="1Z999",
        carrier_key="UPS",
    )

    await site.client.set_tracking(order.custom_key, "1Z999")
    await site.client.upsert_shipment(shipment)
    await site.client.upsert_shipment(shipment)

    found = await site.client.shipment_by_key("SHP/1")
    assert found is not None
    assert (found.sales_order_id, found.tracking_number, found.ship_date) == (order.id, "1Z999", shipment.ship_date)
    assert found.items == shipment.items
    again = await site.client.order(order_id)
    assert again is not None
    assert again.tracking_number == "1Z999"


async def test_stock_is_absolute_and_leaves_what_is_promised(site: Site) -> None:
    sku = (await site.client.order(await site.place())).sales_items[0].sku  # type: ignore[union-attr]  # just placed
    section = next(each for each in (await site.http.get("/stock")).json()["stock"] if each["sku"] == sku)["section"]
    key = section_key(sku, section)
    before = await site.client.stock_section_by_key(key)

    await site.client.upsert_stock_section(
        UpsertStockSection(
            custom_key=key, product_key=sku, inventory_location_section_key=section, quantity=Decimal("41.50")
        )
    )

    after = await site.client.stock_section_by_key(key)
    assert before is not None
    assert after is not None
    assert after.quantity == Decimal("41.5")
    assert after.quantity_allocated == before.quantity_allocated
    product = await site.client.product_by_key(sku)
    assert product is not None
    assert product.price_base > 0


async def test_an_ended_session_is_renewed(site: Site) -> None:
    order_id = await site.place()
    await site.client.probe()
    await site.http.post("/sessions/expire")

    assert await site.client.order(order_id) is not None
    await site.http.post("/sessions/expire")
    await site.client.act(Action.CONFIRM, order_id)


async def test_a_wrong_password_stops_the_worker(site: Site) -> None:
    async with site.client_with("wrong") as client:
        with pytest.raises(FatalError):
            await client.probe()


async def test_a_lost_answer_leaves_a_write_unknown_though_it_was_done(site: Site) -> None:
    order_id = await site.place()
    await site.client.probe()
    await site.break_by(lost_answers=1)

    with pytest.raises(UnknownOutcomeError):
        await site.client.act(Action.SHIP, order_id)

    order = await site.client.order(order_id)
    assert order is not None
    assert order.status_key == "Shipped"


async def test_a_throttled_call_says_how_long(site: Site) -> None:
    await site.client.probe()
    await site.break_by(fail_next=[{"status": 429, "retry_after_s": 3}])

    with pytest.raises(RetryableError) as caught:
        await site.client.probe()

    assert (caught.value.code, caught.value.retry_after_s) == ("clarity.throttled", 3)


async def test_a_server_error_to_a_read_is_tried_again(site: Site) -> None:
    await site.client.probe()
    await site.break_by(fail_next=[{"status": 500}])

    with pytest.raises(RetryableError):
        await site.client.order("1")


def test_a_connection_without_an_address_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="url"):
        open_client(Connection(name="clarity-main", system="clarity", store_dsn=Secret("")))


async def test_a_site_that_describes_its_routes_and_no_record_is_known_by_what_it_sent(site: Site) -> None:
    described = await site.client.described()

    assert described is not None
    assert openapi.records(described) == ()
