"""Reads GP's tables with a connection of its own, past the product's client: the demonstration's second witness."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from errors import RetryableError
from operations.demo.facts import INVOICE, ORDER, Company, GpDocument, GpLine, Shelf, Stock

#: The company's database in the sandbox cluster.
DATABASE = "TWO"
CONNECT_WITHIN_S = 5

Row = dict[str, Any]
Key = tuple[int, str]

_HEADER: LiteralString = (
    '"SOPTYPE" AS type, rtrim("SOPNUMBE") AS number, rtrim("CSTPONBR") AS purchase_order, "DOCAMNT" AS amount,'
    ' rtrim("CUSTNMBR") AS customer, "VOIDSTTS" AS voided,'
    ' "ORIGTYPE" AS origin_type, rtrim("ORIGNUMB") AS origin_number'
)
_LINE: LiteralString = (
    'line."SOPTYPE" AS type, rtrim(line."SOPNUMBE") AS number, rtrim("ITEMNMBR") AS item, "QUANTITY" AS quantity,'
    ' "QTYCANCE" AS cancelled, "ATYALLOC" AS allocated, "QTYFULFI" AS fulfilled, "QTYTBAOR" AS back_ordered'
)
#: Orders of these numbers, and the invoices that came of them.
DOCUMENTS: LiteralString = f"""
WITH all_documents AS (
  SELECT {_HEADER} FROM dbo."SOP10100" UNION ALL SELECT {_HEADER} FROM dbo."SOP30200"
), orders AS (
  SELECT * FROM all_documents WHERE type = %(order)s AND purchase_order = ANY (%(numbers)s)
)
SELECT * FROM orders UNION ALL
SELECT * FROM all_documents
WHERE type = %(invoice)s AND origin_type = %(order)s AND origin_number IN (SELECT number FROM orders)
ORDER BY type, number
"""  # noqa: S608  put together from constants
# the key columns are compared as they are stored, or their index would not be used
_CHOSEN: LiteralString = (
    "JOIN unnest(%(types)s::smallint[], %(keys)s::bpchar[]) AS chosen (type, number)"
    ' ON line."SOPTYPE" = chosen.type AND line."SOPNUMBE" = chosen.number'
)
LINES: LiteralString = f"""
SELECT {_LINE} FROM dbo."SOP10200" AS line {_CHOSEN} WHERE "CMPNTSEQ" = 0 UNION ALL
SELECT {_LINE} FROM dbo."SOP30300" AS line {_CHOSEN} WHERE "CMPNTSEQ" = 0
"""  # noqa: S608  put together from constants
TRACKING: LiteralString = f"""
SELECT line."SOPTYPE" AS type, rtrim(line."SOPNUMBE") AS number, rtrim("Tracking_Number") AS tracking
FROM dbo."SOP10107" AS line {_CHOSEN} ORDER BY "DEX_ROW_ID"
"""  # noqa: S608  put together from constants
#: One row a site; RCRDTYPE 1 is the total of all sites.
STOCK: LiteralString = """
SELECT rtrim("ITEMNMBR") AS item, rtrim("LOCNCODE") AS site, "QTYONHND" AS on_hand, "ATYALLOC" AS allocated
FROM dbo."IV00102" WHERE "RCRDTYPE" = 2
"""
CUSTOMERS: LiteralString = 'SELECT rtrim("CUSTNMBR") AS number FROM dbo."RM00101"'
RECEIPTS: LiteralString = """
SELECT document_number AS number, reference FROM towpath.receipts
WHERE operation = 'create' AND document_type = %(order)s AND document_number = ANY (%(numbers)s)
"""
STEPS: LiteralString = """
SELECT reference, operation FROM towpath.receipts WHERE reference = ANY (%(references)s) ORDER BY id
"""
COUNTS: LiteralString = f"""
WITH all_documents AS (
  SELECT {_HEADER} FROM dbo."SOP10100" UNION ALL SELECT {_HEADER} FROM dbo."SOP30200"
), orders AS (
  SELECT number FROM all_documents WHERE type = %(order)s AND purchase_order = ANY (%(numbers)s)
)
SELECT (SELECT count(*) FROM orders) AS orders, (
  SELECT count(*) FROM all_documents
  WHERE type = %(invoice)s AND voided = 0 AND origin_type = %(order)s AND origin_number IN (SELECT number FROM orders)
) AS invoices
"""  # noqa: S608  put together from constants


def read(dsn: str, order_numbers: Sequence[str]) -> Company:
    """The documents of these store orders and all stock, in one snapshot.

    Raises:
        RetryableError: GP's database does not answer.
    """
    with _wire(dsn) as wire:
        documents = _rows(wire, DOCUMENTS, order=ORDER, invoice=INVOICE, numbers=list(order_numbers))
        chosen = {"types": [row["type"] for row in documents], "keys": [row["number"] for row in documents]}
        lines, tracking = _rows(wire, LINES, **chosen), _rows(wire, TRACKING, **chosen)
        numbers = [row["number"] for row in documents if row["type"] == ORDER]
        return Company(
            documents=_documents(documents, lines, tracking),
            stock={
                _shelf(row): Stock(on_hand=row["on_hand"], allocated=row["allocated"]) for row in _rows(wire, STOCK)
            },
            customers=frozenset(row["number"] for row in _rows(wire, CUSTOMERS)),
            receipts=_receipts(_rows(wire, RECEIPTS, order=ORDER, numbers=numbers)),
        )


def counts(dsn: str, order_numbers: Sequence[str]) -> tuple[int, int]:
    """How many orders and invoices there are of these store orders.

    Raises:
        RetryableError: GP's database does not answer.
    """
    with _wire(dsn) as wire:
        (row,) = _rows(wire, COUNTS, order=ORDER, invoice=INVOICE, numbers=list(order_numbers))
        return row["orders"], row["invoices"]


def steps(dsn: str, references: Sequence[str]) -> dict[str, list[str]]:
    """What our receipts say was done for these references, in the order it was done.

    Raises:
        RetryableError: GP's database does not answer.
    """
    found: dict[str, list[str]] = defaultdict(list)
    with _wire(dsn) as wire:
        for row in _rows(wire, STEPS, references=list(references)):
            found[row["reference"]].append(row["operation"])
    return found


def slot_is_read(dsn: str) -> bool:
    """Whether somebody reads the log of the company's database.

    Raises:
        RetryableError: GP's database does not answer.
    """
    with _wire(dsn) as wire:
        return bool(_rows(wire, "SELECT FROM pg_replication_slots WHERE active AND database = current_database()"))


@contextmanager
def _wire(dsn: str) -> Iterator[psycopg.Connection[Row]]:
    """A snapshot of the database; its failures in our words."""
    try:
        with psycopg.connect(dsn, row_factory=dict_row, connect_timeout=CONNECT_WITHIN_S) as wire:
            wire.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield wire
    except psycopg.OperationalError as error:
        raise RetryableError("gp.away", "the GP database does not answer") from error


def _rows(wire: psycopg.Connection[Row], text: LiteralString, **values: object) -> list[Row]:
    return wire.execute(text, values).fetchall()


def _documents(headers: Sequence[Row], lines: Sequence[Row], tracking: Sequence[Row]) -> tuple[GpDocument, ...]:
    lines_of: dict[Key, list[GpLine]] = defaultdict(list)
    for row in lines:
        values = {name: value for name, value in row.items() if name not in {"type", "number"}}
        lines_of[_key(row)].append(GpLine(**values))
    tracking_of: dict[Key, list[str]] = defaultdict(list)
    for row in tracking:
        tracking_of[_key(row)].append(row["tracking"])
    return tuple(
        GpDocument(
            **{**row, "voided": bool(row["voided"]), "amount": Decimal(row["amount"])},
            lines=tuple(lines_of[_key(row)]),
            tracking_numbers=tuple(tracking_of[_key(row)]),
        )
        for row in headers
    )


def _receipts(rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    references: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        references[row["number"]].append(row["reference"])
    return {number: tuple(found) for number, found in references.items()}


def _key(row: Row) -> Key:
    return row["type"], row["number"]


def _shelf(row: Row) -> Shelf:
    return row["item"], row["site"]
