"""The order sink on a GP company: whatever happens in between, an order is one document or nothing at all."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
import pytest

from bus.codec import Codecs
from bus.registry import MemoryRegistry
from connect.systems.dynamics_gp.client import GpClient
from consumers.dynamics_gp.sink import SalesOrderSink
from consumers.dynamics_gp.target import TARGET
from consumers.routes import SALES_ORDER, mappings_to
from delivery.ports import Absent, Found, Intent, Row, Settlement
from delivery.states import Kind, State
from errors import DependencyError, RefusedError, RetryableError, TooLateError, UnknownOutcomeError
from mapping.port import Lookups
from schemas import topics
from schemas.canonical.address import Address
from schemas.canonical.order import Order, OrderLine
from tests.integration.dynamics_gp.company import Gp, eventually

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPTIONS = {"document_id": "WEB", "site": "MAIN", "tax_schedule": "WEBTAX", "tax_detail": "WEBTAX"}
REFUSING = {**OPTIONS, "missing_items": "refuse"}
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
    return SalesOrderSink(client, CODEC, SALES_ORDER, Lookups({TARGET: REFUSING}), lambda: NOON, 15.0)


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


async def test_a_deployment_s_user_defined_fields_are_written_and_changed(gp: Gp, client: GpClient) -> None:
    own = f"""
mapping: mappings/gp_orders
extends: consumers/dynamics_gp/sales_order@{SALES_ORDER.version}
version: 1
fields:
  user_defined: {{fields: {{USERDEF2: 'default(order.custom["gift"], "")'}}}}
"""
    mapping = mappings_to("dynamics-gp", {"mappings/gp_orders.yaml": own.encode()})["order"]
    sink = SalesOrderSink(client, CODEC, mapping, Lookups({TARGET: REFUSING}), lambda: NOON, 15.0)

    await sink.deliver(await prepared(sink, order(custom={"gift": "yes"})))
    assert user_defined(gp) == ("shop:1001", "yes")
    intent = await prepared(sink, order(source_version=2, custom={"gift": "wrapped"}))
    await sink.deliver(intent)

    assert user_defined(gp) == ("shop:1001", "wrapped")
    assert intent.mapping.startswith("mappings/gp_orders@1+")


def user_defined(gp: Gp) -> tuple[str, str]:
    gp.connection.rollback()
    ((first, second),) = gp.rows('SELECT trim("USERDEF1"), trim("USERDEF2") FROM dbo."SOP10106"')
    return first, second


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


async def test_replayed_order_whose_document_is_gone_is_made_anew_once(gp: Gp, sink: SalesOrderSink) -> None:
    first = await sink.deliver(await prepared(sink, order()))
    replayed = msgspec.structs.replace(row(order()), replay="r-1")
    assert isinstance(await sink.prepare(replayed), Settlement)
    for table in ("SOP10100", "SOP10200"):
        gp.connection.execute(f'DELETE FROM dbo."{table}"')
    gp.connection.commit()
    foreseen = await sink.foresee(replayed)
    assert isinstance(foreseen, Intent)
    assert (foreseen.creates, foreseen.document_number) == (True, "")
    await sink.rehearse(foreseen)

    assert isinstance(await sink.prepare(row(order())), Settlement), "a person deleted it: live events leave it so"
    with pytest.raises(RetryableError, match=r"gp\.absent"):
        await sink.prepare(replayed)
    intent = await sink.prepare(msgspec.structs.replace(replayed, code="gp.absent"))
    assert isinstance(intent, Intent)
    again = await sink.deliver(intent)

    assert (again.code, standing(gp)) == ("created", (1, 2, 2, 1))
    assert again.document_number != first.document_number
    assert await sink.find(intent) == Found(settlement=again)
    assert isinstance(await sink.prepare(replayed), Settlement)


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


async def test_order_waits_for_an_item_that_is_missing_and_takes_no_number_meanwhile(gp: Gp, client: GpClient) -> None:
    waiting = SalesOrderSink(client, CODEC, SALES_ORDER, Lookups({TARGET: OPTIONS}), lambda: NOON, 15.0)
    next_number = 'SELECT "SOPNUMBE" FROM dbo."SOP40200" WHERE "DOCID" = \'WEB\''
    before = gp.rows(next_number)

    with pytest.raises(DependencyError) as missing:
        await waiting.prepare(row(with_unknown_item()))
    gp.connection.rollback()

    assert missing.value.waits_for == "item:NOBODY-KNOWS-IT"
    assert gp.rows(next_number) == before
    assert isinstance(await waiting.prepare(row(order())), Intent)
    # who only asks is told the same, and sees the document all the same
    foreseen = await waiting.foresee(row(with_unknown_item()))
    assert isinstance(foreseen, Intent)
    with pytest.raises(DependencyError) as blocked:
        await waiting.rehearse(foreseen)
    assert blocked.value.waits_for == "item:NOBODY-KNOWS-IT"


async def test_items_are_known_in_any_case(client: GpClient) -> None:
    asked = ("cof-esp-250", "COF-ESP-1KG ", "NOBODY-KNOWS-IT")
    assert await client.in_transaction(lambda gp: gp.unknown_items(asked)) == ("NOBODY-KNOWS-IT",)


async def test_rehearsed_order_leaves_nothing_and_is_delivered_afterwards(gp: Gp, sink: SalesOrderSink) -> None:
    intent = await prepared(sink, order())

    await sink.rehearse(intent)
    assert standing(gp) == NOTHING
    assert await sink.find(intent) == Absent()

    await sink.deliver(intent)
    assert standing(gp) == ONE_ORDER


async def test_rehearsal_is_refused_as_the_order_would_be(gp: Gp, sink: SalesOrderSink) -> None:
    with pytest.raises(RefusedError) as refused:
        await sink.rehearse(await prepared(sink, with_unknown_item()))

    assert refused.value.code == "gp.90023"
    assert refused.value.facts["item"]
    assert standing(gp) == NOTHING


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


async def test_server_that_crashes_at_the_commit_leaves_it_unknown(gp: Gp, sink: SalesOrderSink) -> None:
    intent = await prepared(sink, order())
    set_faults(gp, proxy={"crash_at_commits": 1, "commit_of": "taSopHdrIvcInsert"})

    with pytest.raises(UnknownOutcomeError):
        await sink.deliver(intent)

    assert await sink.find(intent) == Absent()
    assert standing(gp) == NOTHING


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


def lines_of(gp: Gp, number: str) -> list[tuple[int, int, str, Decimal]]:
    gp.connection.rollback()
    return gp.rows(
        """
        SELECT "LNITMSEQ", "CMPNTSEQ", trim("ITEMNMBR"), "QUANTITY" FROM dbo."SOP10200" WHERE "SOPNUMBE" = %s
        ORDER BY 1, 2
        """,
        number,
    )


def taxed(*taxes: str, whole: str) -> Order:
    """The order with each line's tax, and all of its tax: freight is taxed too."""
    standing = order()
    lines = tuple(
        msgspec.structs.replace(line, tax=Decimal(tax)) for line, tax in zip(standing.lines, taxes, strict=False)
    )
    subtotal = sum(line.extended for line in lines)
    return order(lines=lines, subtotal=subtotal, tax=Decimal(whole), total=subtotal + Decimal(whole))


async def written(sink: SalesOrderSink, record: Order) -> Settlement:
    return await sink.deliver(await prepared(sink, record))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (taxed("2.22", "2.43", whole="4.65"), order()),
        (taxed("2.22", "0", whole="2.22"), taxed("0", "2.43", whole="2.43")),
        (taxed("2.22", whole="2.62"), taxed("2.22", "2.43", whole="5.05")),
        (taxed("0", whole="0.40"), taxed("0", "0", whole="0.40")),
    ],
    ids=["exempt now", "another line's", "line added", "freight's tax goes to the line added"],
)
async def test_tax_rows_follow_the_order(gp: Gp, sink: SalesOrderSink, before: Order, after: Order) -> None:
    made = await written(sink, before)

    changed = await written(sink, msgspec.structs.replace(after, source_version=2))

    assert (changed.code, changed.document_number) == ("updated", made.document_number)
    gp.connection.rollback()
    summed = gp.rows(
        'SELECT coalesce(sum("STAXAMNT"), 0) FROM dbo."SOP10105" WHERE "SOPNUMBE" = %s AND "LNITMSEQ" <> 0',
        made.document_number,
    )
    assert summed == [(after.tax,)]


async def test_another_tax_detail_takes_the_old_one_s_rows_away(gp: Gp, sink: SalesOrderSink) -> None:
    made = await written(sink, taxed("2.22", "2.43", whole="4.65"))
    with psycopg.connect(gp.sandbox.superuser_dsn) as superuser:
        superuser.execute(
            """
            INSERT INTO dbo."TX00201"
            SELECT (jsonb_populate_record(detail, '{"TAXDTLID": "OLDTAX", "DEX_ROW_ID": 99}')).*
            FROM dbo."TX00201" detail WHERE "TAXDTLID" = 'WEBTAX' ON CONFLICT DO NOTHING
            """
        )
        superuser.execute('UPDATE dbo."SOP10105" SET "TAXDTLID" = %s', ["OLDTAX"])

    changed = await written(
        sink, msgspec.structs.replace(taxed("2.22", "2.43", whole="4.65"), source_version=2, note="x")
    )

    assert (changed.code, changed.document_number) == ("updated", made.document_number)


async def test_mended_mapping_writes_the_same_version_again(gp: Gp, client: GpClient) -> None:
    written_as: list[str] = []
    for site in ("MAIN", "NORTH", "MAIN", "NORTH"):
        options = {**OPTIONS, "site": site}
        sink = SalesOrderSink(client, CODEC, SALES_ORDER, Lookups({TARGET: options}), lambda: NOON, 15.0)
        settled = await written(sink, order())
        gp.connection.rollback()
        (row,) = gp.rows('SELECT trim("LOCNCODE") FROM dbo."SOP10100" WHERE "SOPNUMBE" = %s', settled.document_number)
        written_as.append(row[0])

    assert written_as == ["MAIN", "NORTH", "MAIN", "NORTH"]


async def test_line_the_store_took_off_is_deleted(gp: Gp, sink: SalesOrderSink) -> None:
    made = await written(sink, order())

    await written(sink, msgspec.structs.replace(taxed("0", whole="0"), source_version=2))

    assert lines_of(gp, made.document_number) == [(16384, 0, "COF-ESP-250", Decimal(3))]


async def test_line_a_person_put_in_is_not_deleted(gp: Gp, sink: SalesOrderSink) -> None:
    made = await written(sink, order())
    assert gp.line(made.document_number, CUSTNMBR="NEVERSEEN", LNITMSEQ=24576) == []
    gp.connection.commit()
    standing = lines_of(gp, made.document_number)
    intent = await prepared(sink, order(source_version=2, note="gift"))

    with pytest.raises(TooLateError, match=r"gp\.changed_by_hand"):
        await sink.deliver(intent)

    assert lines_of(gp, made.document_number) == standing
    assert len(standing) == 3
    assert await sink.find(intent) == Absent()


async def test_kit_is_taken_off_once_and_its_components_go_with_it(gp: Gp, sink: SalesOrderSink) -> None:
    made = await written(sink, order())
    with psycopg.connect(gp.sandbox.superuser_dsn, autocommit=True) as superuser:
        superuser.execute(
            """
            SELECT engine."add_SOP10200"(jsonb_populate_record(line, '{"CMPNTSEQ": 16384, "ITEMNMBR": "COF-DEC-250"}'))
            FROM dbo."SOP10200" line WHERE "SOPNUMBE" = %s AND "LNITMSEQ" = 32768
            """,
            [made.document_number],
        )

    changed = await written(sink, msgspec.structs.replace(taxed("0", whole="0"), source_version=2))

    assert changed.code == "updated"
    assert [line for line in lines_of(gp, made.document_number) if not line[1]] == [
        (16384, 0, "COF-ESP-250", Decimal(3))
    ]
