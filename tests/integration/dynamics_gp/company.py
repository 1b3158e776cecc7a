"""A simulated GP company of a test's own, and a caller of its procedures."""

import json
import socket
import subprocess
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import psycopg
import pyodbc
from psycopg import sql

ITEM, OTHER_ITEM, NO_BACK_ORDER_ITEM = "COF-ESP-250", "COF-ESP-1KG", "NBO-1"
DAY = "2026-01-31"
DEADLINE_S = 20


class Sandbox(msgspec.Struct, frozen=True):
    """A running simulator with a database of its own."""

    superuser_dsn: str
    dsn: str
    control: httpx.Client
    proxied: str
    role: str

    def odbc(self) -> pyodbc.Connection:
        return pyodbc.connect(self.proxied, autocommit=False, timeout=5)


class Gp:
    """A caller of the procedures, in one transaction until `commit`."""

    def __init__(self, connection: psycopg.Connection, sandbox: Sandbox) -> None:
        self.connection = connection
        self.sandbox = sandbox

    def call(self, procedure: str, **parameters: object) -> list[int]:
        """The error numbers."""
        named = {name if name.startswith("I_") else f"I_v{name}": value for name, value in parameters.items()}
        statement = sql.SQL("SELECT * FROM dbo.{}(%s::jsonb)").format(sql.Identifier(procedure))
        row = self.connection.execute(statement, [json.dumps(named)]).fetchone()
        assert row is not None
        numbers = [int(number) for number in row[1].split()]
        assert row[0] == (numbers[0] if numbers else 0)
        return numbers

    def take_number(self, document_id: str = "WEB", kind: int = 2, step: int = 1) -> str:
        row = self.connection.execute(
            'SELECT "O_vSopNumber", "O_iErrorState" FROM dbo."taGetSopNumber"(%s::jsonb)',
            [json.dumps({"I_tSOPTYPE": kind, "I_cDOCID": document_id, "I_tInc_Dec": step})],
        ).fetchone()
        assert row is not None
        assert row[1] == 0
        return str(row[0])

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.encode(), list(values)).fetchall()

    def line(self, number: str, **changes: object) -> list[int]:
        return self.call("taSopLineIvcInsert", **{**LINE, "SOPNUMBE": number, **changes})

    def header(self, number: str, **changes: object) -> list[int]:
        return self.call("taSopHdrIvcInsert", **{**HEADER, "SOPNUMBE": number, **changes})

    def lines_and_taxes(self, number: str) -> None:
        """3 x 8.95 and 2 x 29.50 with their tax: 85.85 and 7.09."""
        assert self.line(number) == []
        assert self.line(number, ITEMNMBR=OTHER_ITEM, UNITPRCE="29.50", QUANTITY=2, XTNDPRCE="59.00") == []
        for sequence, sales, tax in ((16384, "26.85", "2.22"), (32768, "59.00", "4.87")):
            row = {"SOPTYPE": 2, "SOPNUMBE": number, "CUSTNMBR": "C1001", "LNITMSEQ": sequence, "TAXDTLID": "WEBTAX"}
            assert self.call("taSopLineIvcTaxInsert", **row, SALESAMT=sales, STAXAMNT=tax) == []

    def order(self, **changes: object) -> str:
        """A committed order of 97.94: lines 85.85, tax 7.09, freight 5.00."""
        number = self.take_number()
        self.lines_and_taxes(number)
        assert self.header(number, **changes) == []
        self.connection.commit()
        return number

    def document(self, kind: int, number: str) -> dict[str, Any]:
        answer = self.sandbox.control.get(f"/control/documents/{kind}/{number}")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def user(self, action: str, **body: object) -> dict[str, Any]:
        answer = self.sandbox.control.post(f"/control/user/{action}", json=body)
        assert answer.status_code == 200, answer.text
        done: dict[str, Any] = answer.json()
        return done

    def stock(self, item: str, site: str) -> tuple[Decimal, Decimal]:
        rows = self.sandbox.control.get("/control/stock", params={"item": item}).json()["stock"]
        row = next(row for row in rows if row["site"] == site)
        return Decimal(row["on_hand"]), Decimal(row["allocated"])


LINE: dict[str, object] = {
    "SOPTYPE": 2, "CUSTNMBR": "C1001", "DOCDATE": DAY, "ITEMNMBR": ITEM, "UNITPRCE": "8.95", "XTNDPRCE": "26.85",
    "QUANTITY": 3, "LOCNCODE": "MAIN", "UOFM": "EACH",
}  # fmt: skip
HEADER: dict[str, object] = {
    "SOPTYPE": 2, "DOCID": "WEB", "DOCDATE": DAY, "CUSTNMBR": "C1001", "BACHNUMB": "WEB20260131", "CSTPONBR": "1001",
    "SUBTOTAL": "85.85", "FREIGHT": "5.00", "TAXAMNT": "7.09", "DOCAMNT": "97.94",
}  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(control: httpx.Client) -> bool:
    try:
        return control.get("/control/health").status_code == 200
    except httpx.TransportError:
        return False


def eventually(holds: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert process is None or process.poll() is None, "the simulator ended"
        assert time.monotonic() < deadline, "not within the deadline"
        time.sleep(0.02)
