"""A shipment and its tracking numbers at the simulated store: written, corrected, taken back."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx
import msgspec
import pytest

from bus.secret import Secret
from bus.settings import ROOT, Connection
from connect.systems.clarity.client import ClarityClient, open_client
from consumers.clarity.as_ordered import named_as_ordered
from consumers.clarity.shipment_sink import ShipmentSink
from consumers.documents import Documents
from consumers.routes import SHIPMENT
from delivery.ports import Absent, Found, Intent, Row, Settlement
from delivery.states import Kind, State
from errors import BusError
from mapping.data import DataMapping
from mapping.port import Lookups
from sandbox.clarity.app import DEFAULT_BASE_PATH, Settings, Simulator
from schemas.canonical.shipment import Shipment, ShipmentLine
from schemas.systems.clarity.order import ClarityOrder

AT = datetime(2026, 3, 2, 15, tzinfo=UTC)
SKU = "JUG-600"


class Shipments:
    """Reads a shipment from JSON."""

    def decode(self, data: bytes) -> Shipment:
        return msgspec.json.decode(data, type=Shipment)


class Shop:
    """A store with one order, its control API, and the sink that writes to it."""

    def __init__(self, simulator: Simulator) -> None:
        transport = httpx.ASGITransport(simulator)
        connection = Connection(
            name="clarity-main",
            system="clarity",
            store_dsn=Secret(""),
            url=f"http://store{DEFAULT_BASE_PATH}",
            user="bus",
            password=Secret("sandbox-bus"),
        )
        self.client: ClarityClient = open_client(connection, transport)
        self.control = httpx.AsyncClient(base_url="http://store/control", transport=transport)
        self.sink = self.sink_of(SHIPMENT)
        self.order_id = ""

    def sink_of(self, mapping: DataMapping) -> ShipmentSink:
        return ShipmentSink(self.client, Shipments(), Documents(mapping, Lookups({}), lambda: AT))

    async def open(self) -> None:
        placed = await self.control.post("/orders", json={"lines": [{"sku": SKU, "quantity": 5}], "ignore_stock": True})
        self.order_id = str(placed.json()["id"])

    def row(
        self,
        number: str,
        *tracking: str,
        voided: bool = False,
        lines: tuple[ShipmentLine, ...] = (ShipmentLine(sku=SKU, quantity=Decimal(1)),),
    ) -> Row:
        shipment = Shipment(
            id=f"clarity-main:{self.order_id}/{number}",
            source_version=7,
            shipped_at=AT,
            order_id=f"clarity-main:{self.order_id}",
            number=number,
            carrier="UPS",
            tracking_numbers=tracking,
            lines=lines,
            voided=voided,
        )
        return Row(
            id=1, queue="consumers", topic="t", topic_id="t", partition=0, offset=0, root="t/0/0", root_key="k",
            message_key="k", record="shipment", kind=Kind.STATE, source_version=7, state=State.READY, cause=None,
            attempts=0, due=AT, lease_owner="me", epoch=1, intent=None, reference=None, document_number=None,
            payload=msgspec.json.encode(shipment), payload_digest="", mapping_in="", mapping_out="", command_id="",
            origin="", hops=0, traceparent="", amount=Decimal(0), currency="", taken_in_at=AT,
        )  # fmt: skip

    async def write(self, row: Row) -> None:
        intent = await self.sink.prepare(row)
        assert isinstance(intent, Intent)
        assert intent.mapping.startswith("consumers/clarity/shipment@")
        await self.sink.deliver(intent)
        assert isinstance(await self.sink.find(intent), Found)

    async def tracking(self) -> str:
        order = await self.client.order(self.order_id)
        assert isinstance(order, ClarityOrder)
        return order.tracking_number


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    simulator = Simulator(Settings(data=tmp_path, seed=5))
    made = Shop(simulator)
    await made.open()
    yield made
    await made.client.aclose()
    await made.control.aclose()
    await simulator.stop()


async def test_a_shipment_is_written_once_and_its_number_stands_on_the_order(shop: Shop) -> None:
    await shop.write(shop.row("INV1", "1Z1"))
    await shop.write(shop.row("INV2", "1Z2"))

    again = await shop.sink.prepare(shop.row("INV1", "1Z1"))

    assert isinstance(again, Settlement)
    assert (again.state, again.code) == (State.SUPPRESSED, "equal")
    assert await shop.tracking() == "1Z1, 1Z2"


async def test_a_corrected_number_takes_the_wrong_one_s_place(shop: Shop) -> None:
    await shop.write(shop.row("INV1", "TYPO"))
    await shop.write(shop.row("INV2", "1Z2"))

    await shop.write(shop.row("INV1", "1Z1"))

    assert await shop.tracking() == "1Z2, 1Z1"


async def test_a_correction_that_broke_off_half_way_is_made_whole(shop: Shop) -> None:
    await shop.write(shop.row("INV1", "TYPO"))
    intent = await shop.sink.prepare(shop.row("INV1", "1Z1"))
    assert isinstance(intent, Intent)
    # The first write passes, the second is turned away.
    await shop.control.put("/faults", json={"fail_next": [{"status": 503, "path_contains": "/Shipment/Upsert"}]})
    with pytest.raises(BusError):
        await shop.sink.deliver(intent)
    assert isinstance(await shop.sink.find(intent), Absent)
    assert await shop.tracking() == "1Z1"
    await shop.write(shop.row("INV1", "1Z1"))

    assert await shop.tracking() == "1Z1"


async def test_a_correction_that_is_refused_after_it_broke_off_half_way_leaves_what_stood(shop: Shop) -> None:
    await shop.write(shop.row("INV1", "TYPO"))
    await shop.write(shop.row("INV2", "1Z2"))
    for status in (429, 400):
        fault = {"status": status, "path_contains": "/Shipment/Upsert"}
        await shop.control.put("/faults", json={"fail_next": [fault]})
        intent = await shop.sink.prepare(shop.row("INV1", "1Z1"))
        assert isinstance(intent, Intent)
        with pytest.raises(BusError):
            await shop.sink.deliver(intent)

    assert await shop.tracking() == "1Z2, TYPO"


async def test_a_shipment_taken_back_leaves_nothing_of_it(shop: Shop) -> None:
    await shop.write(shop.row("INV1", "TYPO"))
    await shop.write(shop.row("INV2", "1Z2"))

    await shop.write(shop.row("INV1", "1Z1", voided=True))

    standing = await shop.client.shipment_by_key("INV1")
    assert standing is not None
    assert (standing.tracking_number, standing.items) == ("", ())
    assert await shop.tracking() == "1Z2"


async def test_a_shipment_under_a_key_of_a_deployment_s_own_is_found_again(shop: Shop) -> None:
    own = (ROOT / SHIPMENT.file).read_bytes()
    own = own.replace(b"custom_key: shipment.number", b'custom_key: f"S-{shipment.number}"')
    own = own.replace(b"numbers if not", b'f"{numbers}X" if not')
    shop.sink = shop.sink_of(DataMapping(own, "own.yaml", rules=SHIPMENT.rules))
    await shop.write(shop.row("INV1", "1Z1"))
    assert await shop.tracking() == "1Z1X"

    again = await shop.sink.prepare(shop.row("INV1", "1Z1"))

    assert isinstance(again, Settlement)
    assert (again.code, again.document_number) == ("equal", "S-INV1")
    await shop.write(shop.row("INV1", "1Z2"))
    assert await shop.tracking() == "1Z2X"


async def test_an_item_the_erp_calls_otherwise_is_written_as_it_was_ordered(shop: Shop) -> None:
    renamed = ShipmentLine(sku="GP-600", quantity=Decimal(2), order_line=1)

    await shop.write(shop.row("INV1", "1Z1", lines=(renamed,)))

    standing = await shop.client.shipment_by_key("INV1")
    assert standing is not None
    assert [(item.sku, item.quantity) for item in standing.items] == [(SKU, Decimal(2))]


@pytest.mark.parametrize(
    ("shipped", "ordered", "named"),
    [
        # both lines of the order are one item at the ERP
        ([("B", 1), ("B", 2)], ["A", "B"], ["A", "B"]),
        # line 1 was taken off at the store since: what is left is not the line it was
        ([("B", 2), ("C", 3)], ["B", "C"], ["B", "C"]),
        ([("GP-B", 2)], ["A", "B"], ["B"]),
        # two left and one was ordered as B: it is the line that only the ERP calls B
        ([("BB", 1)], ["A", "B"], ["A"]),
        ([("GP-B", 3)], ["A", "B"], ["GP-B"]),
        ([("GP-B", 0)], ["A", "B"], ["GP-B"]),
    ],
)
def test_items_are_named_as_ordered_where_that_is_sure(
    shipped: list[tuple[str, int]], ordered: list[str], named: list[str]
) -> None:
    lines = tuple(
        # written twice: two of it
        ShipmentLine(sku="B" if sku == "BB" else sku, quantity=Decimal(2 if sku == "BB" else 1), order_line=place)
        for sku, place in shipped
    )
    one_each = [(sku, Decimal(1)) for sku in ordered]

    found = named_as_ordered(Shipment(id="i", source_version=1, shipped_at=AT, lines=lines), one_each)

    assert [line.sku for line in found.lines] == named
