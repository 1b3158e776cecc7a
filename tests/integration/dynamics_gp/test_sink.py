"""The order sink on a GP company: whatever happens in between, an order is one document or nothing at all."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from bus.codec import Codecs
from bus.registry import MemoryRegistry
from connect.systems.dynamics_gp.client import GpClient
from consumers.dynamics_gp.sales_order import TARGET, sales_order
from consumers.dynamics_gp.sink import SalesOrderSink
from delivery.ports import Absent, Found, Intent, Row, Settlement
from delivery.states import Kind, State
from errors import RefusedError, RetryableError, UnknownOutcomeError
from mapping.port import Lookups
from schemas import topics
from schemas.canonical.address import Address
from schemas.canonical.order import Order, OrderLine
from tests.integration.dynamics_gp.company import Gp, eventually

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPTIONS = {"document_id": "WEB", "site": "MAIN", "tax_schedule": "WEBTAX", "tax_detail": "WEBTAX"}
CODEC = Codecs(MemoryRegistry()).of(topics.ORDERS)
#: Rows an order leaves: header, lines, receipts, and a customer GP never saw.
NOTHING = (0, 0, 0, 0)


def order(**changes: Any) -> Order:
    placed = Order(
        id="shop:1001",
        source_version=1,
        ordered_at=NOON,
        updated_at=NOON,
        connection="shop",
        number="1001",
        state="open",
        currency="USD",
        customer_id="NEVERSEEN",
        customer_name="Aoife O'Malley",
        shipping=Address(name="Aoife O'Malley", lines=("1 Quay Street",), city="Galway", country="IE"),
        lines=(
            OrderLine(line_id="1", sku="COF-ESP-250", quantity=Decimal(3), unit_price=Decimal("8.95"),
                      extended=Decimal("26.85")),
            OrderLine(line_id="2", sku="COF-ESP-1KG", quantity=Decimal(1), unit_price=Decimal("29.50"),
                      extended=Decimal("29.50")),
        ),
        subtotal=Decimal("56.35"),
        total=Decimal("56.35"),
    )  # fmt: skip
    return msgspec.structs.replace(placed, **changes)


def with_unknown_item() -> Order:
    known, other = order().lines
    return order(lines=(known, msgspec.structs.replace(other, sku="NOBODY-KNOWS-IT")))


def row(record: Order) -> Row:
    return Row(
        id=1, queue="consumers", topic=topics.ORDERS.name, topic_id="t", partition=0, offset=0, root="t/0/0",
        root_key=record.id, message_key=record.id, record="order", kind=Kind.DOCUMENT,
        source_version=record.source_version, state=State.READY, cause=None, attempts=0, due=NOON, lease_owner="me",
        epoch=1, intent=None, reference=None, document_number=None, payload=CODEC.encode(record), payload_digest="",
        mapping_in="", mapping_out="", command_id="", origin="shop", hops=0, traceparent="", amount=record.total,
        currency="USD", taken_in_at=NOON,
    )  # fmt: skip


@pytest.fixture
def sink(client: GpClient) -> SalesOrderSink:
    return SalesOrderSink(client, CODEC, sales_order, Lookups({TARGET: OPTIONS}), lambda: NOON)


async def prepared(sink: SalesOrderSink, record: Order) -> Intent:
    intent = await sink.prepare(row(record))
    assert isinstance(intent, Intent)
    return intent


def standing(gp: Gp) -> tuple[int, int, int, int]:
    gp.connection.rollback()
    counted = gp.rows(
        """
        SELECT (SELECT count(*) FROM dbo."SOP10100"), (SELECT count(*) FROM dbo."SOP10200"),
            (SELECT count(*) FROM towpath.receipts), (SELECT count(*) FROM dbo."RM00101" WHERE "CUSTNMBR" ~ 'NEVERSEEN')
        """
    )
    return counted[0]


ONE_ORDER = (1, 2, 1, 1)


def set_faults(gp: Gp, **faults: object) -> None:
    gp.sandbox.control.put("/control/faults", json=faults).raise_for_status()


async def test_delivered_order_is_found_again(gp: Gp, sink: SalesOrderSink) -> None:
    intent = await prepared(sink, order())

    settled = await sink.deliver(intent)

    assert (settled.state, settled.code, settled.document_number) == (
        State.DELIVERED,
        "created",
        intent.document_number,
    )
    assert await sink.find(intent) == Found(settlement=settled)
    assert standing(gp) == ONE_ORDER


async def test_repeat_is_told_to_look_and_changes_nothing(gp: Gp, sink: SalesOrderSink) -> None:
    intent = await prepared(sink, order())
    await sink.deliver(intent)

    with pytest.raises(UnknownOutcomeError):
        await sink.deliver(intent)

    assert standing(gp) == ONE_ORDER


async def test_order_taken_up_again_after_it_was_delivered_has_nothing_to_send(sink: SalesOrderSink) -> None:
    await sink.deliver(await prepared(sink, order()))

    again = await sink.prepare(row(order()))

    assert isinstance(again, Settlement)
    assert again.state is State.SUPPRESSED


async def test_of_two_workers_at_one_order_one_makes_the_document(gp: Gp, sink: SalesOrderSink) -> None:
    intents = [await prepared(sink, order()) for _ in range(2)]

    ended = await asyncio.gather(*(sink.deliver(intent) for intent in intents), return_exceptions=True)

    (settled,) = [one for one in ended if isinstance(one, Settlement)]
    assert [type(one) for one in ended if one is not settled] == [UnknownOutcomeError]
    for intent in intents:
        assert await sink.find(intent) == Found(settlement=settled)
    assert standing(gp) == ONE_ORDER


async def test_refused_order_leaves_nothing_and_is_not_found(gp: Gp, sink: SalesOrderSink) -> None:
    intent = await prepared(sink, with_unknown_item())

    with pytest.raises(RefusedError):
        await sink.deliver(intent)

    assert standing(gp) == NOTHING
    assert await sink.find(intent) == Absent()


async def test_order_refused_once_passes_when_it_was_mended(gp: Gp, sink: SalesOrderSink) -> None:
    with pytest.raises(RefusedError):
        await sink.deliver(await prepared(sink, with_unknown_item()))

    await sink.deliver(await prepared(sink, order(source_version=2)))

    assert standing(gp) == ONE_ORDER


async def test_lost_answer_to_commit_is_unknown_and_found(gp: Gp, sink: SalesOrderSink) -> None:
    intent = await prepared(sink, order())
    set_faults(gp, proxy={"lose_commit_answers": 1, "commit_of": "taSopHdrIvcInsert"})

    with pytest.raises(UnknownOutcomeError):
        await sink.deliver(intent)

    found = await sink.find(intent)
    assert isinstance(found, Found)
    assert found.settlement.document_number == intent.document_number
    assert standing(gp) == ONE_ORDER


async def test_lost_commit_is_unknown_and_not_found_and_may_be_sent_again(gp: Gp, sink: SalesOrderSink) -> None:
    intent = await prepared(sink, order())
    set_faults(gp, proxy={"lose_commits": 1, "commit_of": "taSopHdrIvcInsert"})

    with pytest.raises(UnknownOutcomeError):
        await sink.deliver(intent)

    assert await sink.find(intent) == Absent()
    assert standing(gp) == NOTHING
    await sink.deliver(intent)
    assert standing(gp) == ONE_ORDER


@pytest.mark.parametrize("procedure", ["taUpdateCreateCustomerRcd", "taSopLineIvcInsert", "taSopHdrIvcInsert"])
async def test_database_that_goes_away_in_the_middle_leaves_nothing(
    gp: Gp, sink: SalesOrderSink, procedure: str
) -> None:
    intent = await prepared(sink, order())
    set_faults(gp, procedures=[{"procedure": procedure, "kind": "terminate"}])

    with pytest.raises(RetryableError):
        await sink.deliver(intent)

    assert standing(gp) == NOTHING
    await sink.deliver(intent)
    assert standing(gp) == ONE_ORDER


async def test_worker_cut_off_in_the_middle_leaves_nothing(gp: Gp, sink: SalesOrderSink) -> None:
    intent = await prepared(sink, order())
    set_faults(gp, proxy={"latency_ms": 200})

    sending = asyncio.create_task(sink.deliver(intent))
    await asyncio.to_thread(eventually, lambda: receipt_is_being_written(gp))
    set_faults(gp, proxy={"drop_now": True})

    with pytest.raises(RetryableError):
        await sending
    assert standing(gp) == NOTHING


def receipt_is_being_written(gp: Gp) -> bool:
    """Does a transaction of the product hold a lock on the receipts?"""
    gp.connection.rollback()
    return bool(
        gp.rows(
            """
            SELECT FROM pg_locks JOIN pg_class ON pg_class.oid = relation
            WHERE relname = 'receipts' AND mode = 'RowExclusiveLock' AND pid <> pg_backend_pid()
            """
        )
    )
