"""Captured rows find the order they belong to."""

from datetime import UTC, datetime

import pytest

from producers.fetchers.router import (
    Origin,
    document_of,
    key_of_order,
    order_of,
    origin_in,
    tells_nothing,
    unknown_origins,
)
from schemas.systems.captured import Captured
from schemas.systems.dynamics_gp.captured import SalesDocumentRow
from schemas.systems.dynamics_gp.sales_order import DocumentId

ORDER = DocumentId(SOPTYPE=2, SOPNUMBE="ORD0000007")
INVOICE = DocumentId(SOPTYPE=3, SOPNUMBE="INV0000003")
BACK_ORDER = DocumentId(SOPTYPE=5, SOPNUMBE="BKO0000001")


def captured(
    *, before: SalesDocumentRow | None, after: SalesDocumentRow | None, op: str = "u", table: str = "SOP10100"
) -> Captured[SalesDocumentRow]:
    return Captured(
        before=before,
        after=after,
        op=op,
        connection="gp-two",
        table=table,
        at=datetime(2026, 3, 1, tzinfo=UTC),
    )


def test_a_deleted_row_belongs_to_the_document_it_was_part_of() -> None:
    row = captured(
        before=SalesDocumentRow(SOPTYPE=3, SOPNUMBE="INV0000003   ", ORIGTYPE=2, ORIGNUMB="ORD0000007 "), after=None
    )

    assert document_of(row) == INVOICE
    assert origin_in(row) == Origin(ORIGTYPE=2, ORIGNUMB="ORD0000007")


def test_a_line_names_no_origin() -> None:
    row = captured(before=None, after=SalesDocumentRow(SOPTYPE=3, SOPNUMBE="INV0000003"))

    assert origin_in(row) is None
    assert unknown_origins([INVOICE, INVOICE, ORDER], {}) == (INVOICE,)


@pytest.mark.parametrize(
    ("op", "table", "nothing"),
    [
        ("d", "SOP10100", False),
        ("d", "SOP10200", False),
        ("d", "SOP30200", True),
        ("d", "SOP30300", True),
        ("c", "SOP30200", False),
        ("u", "SOP30200", False),
    ],
)
def test_deletion_in_history_tells_nothing_about_an_order(op: str, table: str, nothing: bool) -> None:
    row = captured(before=SalesDocumentRow(SOPTYPE=2, SOPNUMBE="ORD0000007"), after=None, op=op, table=table)

    assert tells_nothing(row, frozenset()) is nothing
    assert tells_nothing(row, {ORDER}) is nothing


def test_deleted_tracking_number_counts_while_its_document_stands() -> None:
    row = captured(before=SalesDocumentRow(SOPTYPE=2, SOPNUMBE="ORD0000007 "), after=None, op="d", table="SOP10107")

    assert tells_nothing(row, frozenset())
    assert not tells_nothing(row, {ORDER})


def test_an_order_is_its_own() -> None:
    assert order_of(ORDER, {}) == ORDER


def test_an_invoice_of_a_back_order_belongs_to_the_first_order() -> None:
    origins = {
        INVOICE: Origin(ORIGTYPE=5, ORIGNUMB="BKO0000001"),
        BACK_ORDER: Origin(ORIGTYPE=2, ORIGNUMB="ORD0000007"),
    }

    assert order_of(INVOICE, origins) == ORDER


def test_an_invoice_without_an_order_belongs_to_none() -> None:
    assert order_of(INVOICE, {INVOICE: Origin()}) is None


def test_documents_that_name_each_other_belong_to_none() -> None:
    circle = {
        INVOICE: Origin(ORIGTYPE=5, ORIGNUMB="BKO0000001"),
        BACK_ORDER: Origin(ORIGTYPE=3, ORIGNUMB="INV0000003"),
    }

    assert order_of(INVOICE, circle) is None


def test_our_order_has_the_store_s_key_and_another_its_own() -> None:
    assert key_of_order("gp-two", ORDER, {ORDER: "clarity-main:1001"}) == "clarity-main:1001"
    assert key_of_order("gp-two", ORDER, {}) == "gp-two:ORD0000007"
