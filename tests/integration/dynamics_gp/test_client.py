"""The GP client over ODBC: a transaction stands or falls as one, a snapshot sees one moment."""

import asyncio
import time
from collections.abc import Mapping
from decimal import Decimal
from functools import partial

import psycopg
import pytest

from connect.systems.dynamics_gp.client import GpClient, GpTransaction
from connect.systems.dynamics_gp.dialect import Parameter
from errors import RefusedError, RetryableError, UnknownOutcomeError
from schemas.systems.dynamics_gp.receipt import Receipt
from schemas.systems.dynamics_gp.sales_order import DocumentId
from tests.integration.dynamics_gp.company import HEADER, LINE, Gp

ONE_LINE = {"SUBTOTAL": "26.85", "TAXAMNT": 0, "FREIGHT": 0, "DOCAMNT": "26.85"}


def receipt(number: str) -> Receipt:
    return Receipt(
        reference="shop:1", operation="create", record="order", document_type=2, document_number=number, digest=""
    )


def of_procedure(given: Mapping[str, object]) -> dict[str, Parameter]:
    return {f"I_v{name}": value for name, value in given.items() if isinstance(value, Parameter)}


def write(gp: GpTransaction, number: str, **header: object) -> None:
    """A receipt and an order of one line, not committed."""
    gp.add_receipt(receipt(number))
    gp.call("taSopLineIvcInsert", of_procedure({**LINE, "SOPNUMBE": number}))
    gp.call("taSopHdrIvcInsert", of_procedure({**HEADER, **ONE_LINE, "SOPNUMBE": number, **header}))


def traces(gp: Gp, number: str) -> dict[str, int]:
    """Rows that stand of a document, by table."""
    gp.connection.rollback()
    found = {
        table: gp.rows(f'SELECT count(*) FROM dbo."{table}" WHERE "SOPNUMBE" = %s', number)[0][0]
        for table in ("SOP10100", "SOP10200")
    }
    found["receipts"] = gp.rows("SELECT count(*) FROM towpath.receipts WHERE document_number = %s", number)[0][0]
    return found


NOTHING = {"SOP10100": 0, "SOP10200": 0, "receipts": 0}
ALL_OF_IT = {"SOP10100": 1, "SOP10200": 1, "receipts": 1}


async def test_a_statement_is_prepared_once_though_its_text_is_made_anew_each_time(client: GpClient) -> None:
    def work(gp: GpTransaction) -> list[int]:
        for item in ("NONE-1", "NONE-2", "NONE-3"):
            gp.unknown_items([item])
        plans = "SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement LIKE '%IV00101%'"
        return [int(row[0]) for row in gp.listed(plans)]

    assert await client.in_transaction(work) == [3]


async def test_what_is_committed_stands(gp: Gp, client: GpClient) -> None:
    def work(transaction: GpTransaction) -> None:
        write(transaction, "ORD1")
        transaction.commit()

    await client.in_transaction(work)

    assert traces(gp, "ORD1") == ALL_OF_IT


async def test_nothing_stands_before_its_commit(gp: Gp, client: GpClient) -> None:
    seen: list[dict[str, int]] = []

    def work(transaction: GpTransaction) -> None:
        write(transaction, "ORD1")
        seen.append(traces(gp, "ORD1"))

    await client.in_transaction(work)

    assert seen == [NOTHING]
    assert traces(gp, "ORD1") == NOTHING


async def test_refused_call_takes_everything_before_it_along(gp: Gp, client: GpClient) -> None:
    with pytest.raises(RefusedError):
        await client.in_transaction(lambda transaction: write(transaction, "ORD1", DOCAMNT="1.00"))

    assert traces(gp, "ORD1") == NOTHING


async def test_database_that_ends_the_session_leaves_nothing(gp: Gp, client: GpClient) -> None:
    faults = {"procedures": [{"procedure": "taSopHdrIvcInsert", "kind": "terminate"}]}
    gp.sandbox.control.put("/control/faults", json=faults).raise_for_status()

    with pytest.raises(RetryableError):
        await client.in_transaction(lambda transaction: write(transaction, "ORD1"))

    assert traces(gp, "ORD1") == NOTHING


async def test_nothing_is_committed_after_the_time_is_over(gp: Gp, client: GpClient) -> None:
    def work(transaction: GpTransaction) -> None:
        write(transaction, "ORD1")
        time.sleep(0.3)
        transaction.commit()

    with pytest.raises(RetryableError) as error:
        await client.in_transaction(work, within_s=0.3)

    assert error.value.code == "gp.too_slow"
    assert traces(gp, "ORD1") == NOTHING


async def test_of_two_transactions_for_one_operation_the_second_finds_the_first(gp: Gp, client: GpClient) -> None:
    def work(transaction: GpTransaction, number: str) -> None:
        write(transaction, number)
        transaction.commit()

    both = (client.in_transaction(partial(work, number=number)) for number in ("A1", "A2"))
    ended = await asyncio.gather(*both, return_exceptions=True)

    assert [type(one) for one in ended if one is not None] == [UnknownOutcomeError]
    standing = [traces(gp, number) for number in ("A1", "A2")]
    assert standing in ([ALL_OF_IT, NOTHING], [NOTHING, ALL_OF_IT])


async def test_many_documents_are_read_at_once_from_work_and_history(gp: Gp, client: GpClient) -> None:
    standing, void = gp.order(), gp.order()
    gp.user("void", number=void)
    asked = [DocumentId(SOPTYPE=2, SOPNUMBE=number) for number in (standing, void)]
    nowhere = [DocumentId(SOPTYPE=kind, SOPNUMBE=f"NONE{n}") for kind in (2, 3) for n in range(150)]

    def write_receipt(transaction: GpTransaction) -> None:
        transaction.add_receipt(receipt(void))
        transaction.commit()

    await client.in_transaction(write_receipt)
    found = await client.in_transaction(lambda transaction: transaction.headers([*nowhere, *asked]))
    references = await client.in_transaction(lambda transaction: transaction.references_of([*nowhere, *asked]))

    assert {document: header.in_history for document, header in found.items()} == {asked[0]: False, asked[1]: True}
    assert references == {asked[1]: "shop:1"}


async def test_snapshot_sees_one_moment(gp: Gp, client: GpClient) -> None:
    number = gp.order()
    seen: list[Decimal] = []

    def work(transaction: GpTransaction) -> None:
        for _ in range(2):
            header = transaction.header(DocumentId(SOPTYPE=2, SOPNUMBE=number))
            assert header is not None
            seen.append(header.DOCAMNT)
            with psycopg.connect(gp.sandbox.superuser_dsn, autocommit=True) as other:
                other.execute('UPDATE dbo."SOP10100" SET "DOCAMNT" = 1 WHERE "SOPNUMBE" = %s', [number])

    await client.in_snapshot(work)

    assert seen == [Decimal("97.94"), Decimal("97.94")]


async def test_snapshot_leaves_the_session_writable(gp: Gp, client: GpClient) -> None:
    def work(transaction: GpTransaction) -> None:
        write(transaction, "ORD1")
        transaction.commit()

    await client.in_snapshot(lambda transaction: transaction.now())
    await client.in_transaction(work)

    assert traces(gp, "ORD1") == ALL_OF_IT


async def test_probe_tells_whether_the_database_is_there(gp: Gp, client: GpClient) -> None:
    await client.probe()
    faults = {"proxy": {"mode": "refuse", "drop_now": True}}
    gp.sandbox.control.put("/control/faults", json=faults).raise_for_status()

    with pytest.raises(RetryableError) as error:
        await client.probe()

    assert error.value.code == "gp.away"
    gp.sandbox.control.put("/control/faults", json={}).raise_for_status()
    await client.probe()
