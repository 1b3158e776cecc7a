"""What an outsider has to drive the bus with: commands, HTTP, SQL over ODBC."""

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Container
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pyodbc

ROOT = Path(__file__).parents[2]
T = TypeVar("T")


def towpath(*words: str, timeout_s: float = 120, ends_with: Container[int] = (0,)) -> str:
    """Run a command of the bus; its standard output."""
    ran = subprocess.run(
        [str(ROOT / "towpath"), *words],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert ran.returncode in ends_with, f"towpath {' '.join(words)}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def until(seen: Callable[[], T | None], *, within_s: float, what: str) -> T:
    """Look again and again until something is there."""
    deadline = time.monotonic() + within_s
    while True:
        found = seen()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what}; last seen: {found!r}")
        time.sleep(0.2)


class Outside:
    """The store's customer, the GP user, and somebody who looks into GP's tables."""

    def __init__(self, info: dict[str, Any]) -> None:
        self.info = info
        self.store = httpx.Client(base_url=info["sandbox"]["clarity"]["control_url"], timeout=30)
        self.gp = httpx.Client(base_url=info["sandbox"]["dynamics-gp"]["control_url"], timeout=30)
        self.webhooks = info["gateway"]["webhooks"]["clarity-main"]

    def close(self) -> None:
        """Hang up."""
        self.store.close()
        self.gp.close()

    def place(self, **order: Any) -> dict[str, Any]:
        """Place an order as a customer does."""
        answer = self.store.post("/orders", json=order)
        assert answer.status_code == 201, answer.text
        placed: dict[str, Any] = answer.json()
        return placed

    def order(self, order_id: int) -> dict[str, Any]:
        """The order as the store has it now."""
        found: dict[str, Any] = self.store.get(f"/orders/{order_id}").json()
        return found

    def act(self, what: str, **body: Any) -> None:
        """Something the GP user does."""
        answer = self.gp.post(f"/user/{what}", json=body)
        assert answer.status_code == 200, answer.text

    def rows(self, statement: str, *values: object) -> list[pyodbc.Row]:
        """Read GP's tables over ODBC; an outage of the database is waited out."""

        def read() -> list[pyodbc.Row] | None:
            try:
                connection = pyodbc.connect(self.info["connections"]["gp-two"]["odbc"], timeout=5)
            except pyodbc.Error:
                return None
            try:
                return [*connection.execute(statement, *values).fetchall(), None][:-1] or []
            except pyodbc.Error:
                return None
            finally:
                connection.close()

        deadline = time.monotonic() + 60
        while (found := read()) is None:
            assert time.monotonic() < deadline, "GP's database does not answer"
            time.sleep(0.2)
        return found

    def change(self, statement: str, *values: object) -> None:
        """Change GP's tables by hand over ODBC."""
        connection = pyodbc.connect(self.info["connections"]["gp-two"]["odbc"], timeout=5)
        try:
            connection.execute(statement, *values)
            connection.commit()
        finally:
            connection.close()

    def documents(self, order_number: str) -> list[tuple[str, Decimal, int]]:
        """Number, amount and void flag of every GP order with the store's order number, in work and history."""
        columns, orders = '"SOPNUMBE", "DOCAMNT", "VOIDSTTS"', '"SOPTYPE" = 2 AND "CSTPONBR" = ?'
        statement = (
            f'SELECT {columns} FROM dbo."SOP10100" WHERE {orders} '
            f'UNION ALL SELECT {columns} FROM dbo."SOP30200" WHERE {orders}'
        )
        return [(row[0].strip(), row[1], row[2]) for row in self.rows(statement, order_number, order_number)]

    def document(self, order: dict[str, Any], *, within_s: float = 60) -> str:
        """Number of the one GP document of an order, once it is there; its story where it is not."""
        key = order["key"]
        try:
            found = until(lambda: self.documents(key), within_s=within_s, what=f"a document of order {key}")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{towpath('trace', key)}") from late
        amounts = [amount for _, amount, _ in found]
        assert amounts == [Decimal(self.order(order["id"])["total"])], f"order {key}: {found}"
        return found[0][0]

    def send_webhook(self, body: bytes, **headers: str) -> httpx.Response:
        """Post to the gateway with a signature of our own making, unless told otherwise."""
        identity, moment = f"msg_{uuid.uuid4().hex}", str(int(time.time()))
        secret = base64.b64decode(self.webhooks["secrets"][0].removeprefix("whsec_"))
        signature = hmac.new(secret, f"{identity}.{moment}.".encode() + body, hashlib.sha256).digest()
        ours = {
            "content-type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": moment,
            "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
        }
        return httpx.post(self.webhooks["url"], content=body, headers=ours | headers, timeout=10)


def pids(process: str) -> list[int]:
    """Process ids of a process of the bus, as `towpath info` tells them."""
    found: list[int] = json.loads(towpath("info", "--json"))["processes"][process]["pids"]
    return found


def kill(process: str) -> None:
    """End a process the hard way."""
    for pid in pids(process):
        os.kill(pid, signal.SIGKILL)
