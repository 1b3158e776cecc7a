"""The simulated Clarity store as a process: killed, stopped, cut off in the middle of an answer."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

API = "/DesktopModules/ClarityEcommerce/API"
ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 30.0


class StoreProcess:
    """One store on its data folder, started as often as a test likes."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client()

    def start(self, *arguments: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "sandbox.clarity", "--port", str(port), "--data", str(self._data), *arguments]
        with (self._data.parent / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=log)
        self.http.close()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}")
        wait_until(self._is_up)

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._data.parent / "log").read_text()
        with suppress(httpx.TransportError):
            return self.http.get("/control/health").status_code == 200
        return False

    def sign_in(self) -> None:
        credentials = {"UserName": "bus", "Password": "sandbox-bus"}
        assert self.http.post(f"{API}/auth/identity", json=credentials).status_code == 200

    def end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(DEADLINE_S)

    def close(self) -> None:
        self.http.close()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(DEADLINE_S)


def wait_until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < ends, "the condition never came true"
        time.sleep(0.02)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StoreProcess]:
    store = StoreProcess(tmp_path / "store")
    store._data.mkdir()
    yield store
    store.close()


def ids(store: StoreProcess) -> list[int]:
    listed: list[dict[str, Any]] = store.http.get("/control/orders", params={"limit": 5000}).json()["orders"]
    return [order["id"] for order in listed]


def test_orders_that_were_answered_survive_a_kill(store: StoreProcess) -> None:
    store.start("--seed", "1")
    store.http.post("/control/traffic", json={"orders": 100_000, "per_second": 1000})
    answered = [store.http.post("/control/orders", json={}).json()["id"] for _ in range(20)]

    store.end(signal.SIGKILL)
    store.start()

    assert set(answered) <= set(ids(store))
    newest = ids(store)[-1]
    assert store.http.post("/control/orders", json={}).json()["id"] == newest + 1


def test_sigterm_ends_it_in_order_even_with_traffic_and_open_connections(store: StoreProcess) -> None:
    # A target nobody listens on: the sender is always busy.
    store.start("--webhook-url", "http://127.0.0.1:9/hook")
    store.http.post("/control/traffic", json={"orders": 100_000, "per_second": 100})
    wait_until(lambda: store.http.get("/control/health").json()["orders"] > 3)
    started = time.monotonic()

    assert store.end(signal.SIGTERM) == 0

    assert time.monotonic() - started < 10
    assert "Traceback" not in (store._data.parent / "log").read_text()


def test_sessions_end_with_the_process(store: StoreProcess) -> None:
    store.start()
    store.sign_in()
    cookies = dict(store.http.cookies)
    store.end(signal.SIGTERM)

    store.start()
    store.http.cookies.update(cookies)

    assert store.http.get(f"{API}/auth").status_code == 401


@pytest.mark.parametrize(("fault", "status"), [("lost_answers", "Shipped"), ("lost_requests", "Pending")])
def test_a_cut_connection_carries_no_byte_of_an_answer(store: StoreProcess, fault: str, status: str) -> None:
    store.start()
    store.sign_in()
    store.http.post("/control/orders", json={"seed": 1})
    store.http.put("/control/faults", json={fault: 1})

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        store.http.patch(f"{API}/Ordering/SalesOrder/Ship/1001")

    assert store.http.get(f"{API}/Ordering/SalesOrder/ID/1001").json()["StatusKey"] == status
    assert "Traceback" not in (store._data.parent / "log").read_text()


@pytest.mark.parametrize("arguments", [["--webhook-secret", "whsec_*"], ["--data", "/dev/null/x"]])
def test_impossible_settings_are_told_and_nothing_starts(tmp_path: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "sandbox.clarity", "--port", "1", "--data", str(tmp_path), *arguments]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False)

    assert ended.returncode == 1
    assert ended.stderr.startswith("clarity sandbox: ")
