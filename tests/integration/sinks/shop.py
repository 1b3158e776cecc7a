"""A simulated Clarity store as a process, for the adapters of its sinks."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bus.secret import Secret
from bus.settings import Connection
from connect.systems.clarity.client import ClarityClient, open_client
from tests.integration.dynamics_gp.company import DEADLINE_S, answers, eventually, free_port

ROOT = Path(__file__).resolve().parents[3]
API = "/DesktopModules/ClarityEcommerce/API"
CONNECTION = "clarity-main"


class Shop:
    """A running store."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def client(self) -> ClarityClient:
        """The product's own."""
        return open_client(
            Connection(
                name=CONNECTION,
                system="clarity",
                store_dsn=Secret(""),
                url=str(self._http.base_url.join(API)),
                user="bus",
                password=Secret("sandbox-bus"),
            )
        )

    def place(self, sku: str = "JUG-600", quantity: int = 5) -> str:
        """Id of a new order."""
        placed = self._asked("POST", "/control/orders", lines=[{"sku": sku, "quantity": quantity}], ignore_stock=True)
        return str(placed["id"])

    def order(self, order_id: str) -> dict[str, Any]:
        """An order as the book has it."""
        return self._asked("GET", f"/control/orders/{order_id}")

    def stock(self) -> list[dict[str, Any]]:
        """What every section of every product has."""
        found: list[dict[str, Any]] = self._asked("GET", "/control/stock")["stock"]
        return found

    def changes_of(self, key: str) -> list[dict[str, Any]]:
        """Writes under a key that changed something."""
        writes = self._asked("GET", "/control/writes?limit=5000")["writes"]
        return [write for write in writes if write["key"] == key and write["changed"]]

    def ship(self, order_id: str) -> None:
        """As somebody else does over the same API."""
        credentials = {"UserName": "bus", "Password": "sandbox-bus"}
        self._http.post(f"{API}/auth/identity", json=credentials).raise_for_status()
        self._http.patch(f"{API}/Ordering/SalesOrder/Ship/{order_id}").raise_for_status()

    def fail_next(self, path: str, status: int, when: str, retry_after_s: int | None = None) -> None:
        """Of the calls whose path has this in it."""
        failure = {"path_contains": path, "status": status, "when": when, "retry_after_s": retry_after_s}
        self._asked("PUT", "/control/faults", fail_next=[failure])

    def calm(self) -> None:
        """No faults."""
        self._http.delete("/control/faults").raise_for_status()

    def _asked(self, method: str, path: str, **body: object) -> dict[str, Any]:
        answer = self._http.request(method, path, json=body or None)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def running_shop(folder: Path) -> Iterator[Shop]:
    """A store of one's own, on a data folder of its own."""
    port = free_port()
    command = [sys.executable, "-m", "sandbox.clarity", "--port", str(port), "--data", str(folder), "--seed", "5"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_S) as http:
            eventually(lambda: answers(http), process)
            yield Shop(http)
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
