"""Captured rows find the order they belong to."""

from datetime import UTC, datetime

from producers.fetchers.router import (
    DocumentKey,
    Origin,
    document_of,
    key_of_order,
    order_of,
    origin_in,
    unknown_origins,
)
from schemas.systems.captured import Captured
from schemas.systems.dynamics_gp.captured import SalesDocumentRow

ORDER = DocumentKey(SOPTYPE=2, SOPNUMBE="ORD0000007")
INVOICE = DocumentKey(SOPTYPE=3, SOPNUMBE="INV0000003")
BACK_ORDER = DocumentKey(SOPTYPE=5, SOPNUMBE="BKO0000001")


def captured(*, before: SalesDocumentRow | None, after: SalesDocumentRow | None) -> Captured[SalesDocumentRow]:
    return Captured(
        before=before,
        after=after,
        op="u",
        connection="gp-two",
        table="SOP10100",
        at=datetime(2026, 3, 1, tzinfo=UTC),
        ts_us=1,
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
