"""Reads what is in the company database, trimmed and as JSON, for the control API."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from sandbox.dynamics_gp.company import Company

_HEADER = """
  "SOPTYPE", "SOPNUMBE", "DOCID", "DOCDATE", "CUSTNMBR", "CUSTNAME", "CSTPONBR", "BACHNUMB", "LOCNCODE", "PRCLEVEL",
  "PRBTADCD", "PRSTADCD", "ShipToName", "CNTCPRSN", "ADDRESS1", "ADDRESS2", "ADDRESS3", "CITY", "STATE", "ZIPCODE",
  "CCode", "COUNTRY", "PHNUMBR1", "PHNUMBR2", "SHIPMTHD", "PYMTRMID", "TAXSCHID", "SUBTOTAL", "REMSUBTO", "TRDISAMT",
  "FRTAMNT", "MISCAMNT", "TAXAMNT", "FRTTXAMT", "MSCTXAMT", "DOCAMNT", "PYMTRCVD", "DEPRECVD", "ACCTAMNT", "CURNCYID",
  "ORIGTYPE", "ORIGNUMB", "MSTRNUMB", "SOPSTATUS", "PSTGSTUS", "VOIDSTTS", "ALLOCABY", "ReqShipDate", "ORDRDATE",
  "INVODATE", "ACTLSHIP", "FUFILDAT", "POSTEDDT", "COMMNTID", "REFRENCE", "USER2ENT", "CREATDDT", "MODIFDT",
  "DEX_ROW_TS", "DEX_ROW_ID"
"""
_LINE = """
  "SOPTYPE", "SOPNUMBE", "LNITMSEQ", "ITEMNMBR", "ITEMDESC", "NONINVEN", "DROPSHIP", "UOFM", "QTYBSUOM", "LOCNCODE",
  "UNITPRCE", "XTNDPRCE", "REMPRICE", "MRKDNAMT", "TAXAMNT", "QUANTITY", "ATYALLOC", "QTYFULFI", "QTYTBAOR", "QTYCANCE",
  "QTYPRINV", "QTYREMAI", "QTYTOINV", "ReqShipDate", "ACTLSHIP", "SHIPMTHD", "PRSTADCD", "ShipToName", "ADDRESS1",
  "ADDRESS2", "CITY", "STATE", "ZIPCODE", "COUNTRY", "ORGSEQNM"
"""
_CONDITIONS = {
    "type": '"SOPTYPE" = %(type)s',
    "number": '"SOPNUMBE" = %(number)s::bpchar',
    "since": '"DEX_ROW_TS" >= %(since)s',
    "reference": """("SOPNUMBE", "SOPTYPE") IN (
      SELECT "SOPNUMBE", "SOPTYPE" FROM "SOP10100" WHERE "CSTPONBR" = %(reference)s::bpchar UNION ALL
      SELECT "SOPNUMBE", "SOPTYPE" FROM "SOP30200" WHERE "CSTPONBR" = %(reference)s::bpchar UNION ALL
      SELECT "SOPNUMBE", "SOPTYPE" FROM "SOP10106" WHERE "USERDEF1" = %(reference)s::bpchar
    )""",
}
#: rows of the chosen documents, whatever the table
_CHOSEN = """
  JOIN unnest(%(types)s::smallint[], %(numbers)s::bpchar[]) AS chosen (kind, number)
  ON row."SOPTYPE" = chosen.kind AND row."SOPNUMBE" = chosen.number
"""


async def find_documents(
    company: Company, *, kind: int | None, number: str | None, reference: str | None, since: datetime | None, limit: int
) -> dict[str, Any]:
    """Documents in work and history, oldest change first; `reference` is CSTPONBR or USERDEF1."""
    given = {"type": kind, "number": number, "reference": reference, "since": since}
    # only what is asked for: a condition on nothing would keep the database from its indexes
    conditions = " AND ".join(_CONDITIONS[name] for name, value in given.items() if value is not None) or "true"
    headers = await company.query(
        f"""
        SELECT *, count(*) OVER () AS total FROM (
          SELECT 'work' AS state, {_HEADER} FROM "SOP10100" UNION ALL SELECT 'history', {_HEADER} FROM "SOP30200"
        ) AS document
        WHERE {conditions} ORDER BY "DEX_ROW_TS", "SOPTYPE", "SOPNUMBE" LIMIT %(limit)s
        """,  # noqa: S608 - texts of this module
        {**given, "limit": limit},
    )
    total = headers[0]["total"] if headers else 0
    return {"total": total, "documents": await _whole(company, headers)}


async def _whole(company: Company, headers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Headers with everything that belongs to them, read set by set."""
    values = {
        "types": [header["SOPTYPE"] for header in headers],
        "numbers": [header["SOPNUMBE"] for header in headers],
    }
    lines = await company.query(
        f"""
        SELECT {_LINE} FROM (
          SELECT {_LINE} FROM "SOP10200" UNION ALL SELECT {_LINE} FROM "SOP30300"
        ) AS row {_CHOSEN} ORDER BY "LNITMSEQ"
        """,  # noqa: S608 - as above
        values,
    )
    tracking = await company.query(
        f'SELECT row.* FROM "SOP10107" AS row {_CHOSEN} ORDER BY row."DEX_ROW_ID"',  # noqa: S608 - as above
        values,
    )
    taxes = await company.query(
        f"""
        SELECT row."SOPTYPE", row."SOPNUMBE", "LNITMSEQ", "TAXDTLID", "STAXAMNT", "FRTTXAMT", "MSCTXAMT", "TAXDTSLS"
        FROM "SOP10105" AS row {_CHOSEN} ORDER BY "LNITMSEQ", "TAXDTLID"
        """,  # noqa: S608 - as above
        values,
    )
    payments = await company.query(
        f"""
        SELECT row."SOPTYPE", row."SOPNUMBE", "SEQNUMBR", "PYMTTYPE", "DOCNUMBR", "CARDNAME", "AUTHCODE", "AMNTPAID"
        FROM "SOP10103" AS row {_CHOSEN} ORDER BY "SEQNUMBR"
        """,  # noqa: S608 - as above
        values,
    )
    user_defined = await company.query(f'SELECT row.* FROM "SOP10106" AS row {_CHOSEN}', values)  # noqa: S608 - as above
    found = {(header["SOPTYPE"], header["SOPNUMBE"]): _document(header) for header in headers}
    for name, rows in (("lines", lines), ("taxes", taxes), ("payments", payments)):
        for row in rows:
            found[_key(row)][name].append(_without_key(row))
    for row in tracking:
        found[_key(row)]["tracking"].append(row["Tracking_Number"].rstrip())
    for row in user_defined:
        found[_key(row)]["user_defined"] = _without_key(row)
        found[_key(row)]["USERDEF1"] = row["USERDEF1"].rstrip()
    return list(found.values())


def _document(header: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": header["SOPTYPE"],
        "number": header["SOPNUMBE"].rstrip(),
        "state": header["state"],
        "voided": header["VOIDSTTS"] == 1,
        "posted": header["PSTGSTUS"] == 2,
        "CSTPONBR": header["CSTPONBR"].rstrip(),
        "USERDEF1": "",
        "header": readable({name: value for name, value in header.items() if name not in {"state", "total"}}),
        "lines": [],
        "tracking": [],
        "taxes": [],
        "payments": [],
        "user_defined": {},
    }


async def stock(company: Company, item: str | None) -> list[dict[str, Any]]:
    """Every item at every site, in base units; the total of all sites is the row with the empty site."""
    rows = await company.query(
        """
        SELECT "ITEMNMBR" AS item, "LOCNCODE" AS site, "RCRDTYPE" AS record_type, "QTYONHND" AS on_hand,
          "ATYALLOC" AS allocated, "QTYONHND" - "ATYALLOC" AS available, "QTYBKORD" AS back_ordered, "QTYSOLD" AS sold
        FROM "IV00102" WHERE %(item)s::text IS NULL OR "ITEMNMBR" = %(item)s::bpchar
        ORDER BY "ITEMNMBR", "RCRDTYPE", "LOCNCODE"
        """,
        {"item": item},
    )
    return [readable(row) for row in rows]


async def customer(company: Company, number: str) -> dict[str, Any] | None:
    """A customer with addresses and e-mail addresses, or None."""
    values = {"number": number}
    found = await company.query('SELECT * FROM "RM00101" WHERE "CUSTNMBR" = %(number)s::bpchar', values)
    if not found:
        return None
    addresses = await company.query(
        'SELECT * FROM "RM00102" WHERE "CUSTNMBR" = %(number)s::bpchar ORDER BY "ADRSCODE"', values
    )
    mail = await company.query(
        """
        SELECT "ADRSCODE", "INET1" FROM "SY01200"
        WHERE "Master_Type" = 'CUS' AND "Master_ID" = %(number)s::bpchar ORDER BY "ADRSCODE"
        """,
        values,
    )
    return {
        "number": found[0]["CUSTNMBR"].rstrip(),
        "customer": readable(found[0]),
        "addresses": [readable(row) for row in addresses],
        "emails": {row["ADRSCODE"].rstrip(): row["INET1"].rstrip() for row in mail},
    }


async def receivables(company: Company, number: str | None) -> list[dict[str, Any]]:
    """Open receivables, of one customer or all."""
    rows = await company.query(
        """
        SELECT "CUSTNMBR", "DOCNUMBR", "RMDTYPAL", "DOCDATE", "DUEDATE", "ORTRXAMT", "CURTRXAM", "CSPORNBR"
        FROM "RM20101" WHERE %(number)s::text IS NULL OR "CUSTNMBR" = %(number)s::bpchar ORDER BY "DEX_ROW_ID"
        """,
        {"number": number},
    )
    return [readable(row) for row in rows]


def readable(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON can carry it: no padding, amounts as text, GP's empty date as null, no binary columns."""
    return {name: _value(value) for name, value in row.items() if not isinstance(value, bytes)}


def _value(value: object) -> object:
    if isinstance(value, str):
        return value.rstrip()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return None if value.year == 1900 else value.isoformat(timespec="milliseconds")
    return value


def _key(row: dict[str, Any]) -> tuple[int, str]:
    return row["SOPTYPE"], row["SOPNUMBE"]


def _without_key(row: dict[str, Any]) -> dict[str, Any]:
    return readable(_but(row, ("SOPTYPE", "SOPNUMBE", "DEX_ROW_ID")))


def _but(row: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}
