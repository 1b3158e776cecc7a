"""A simulated Clarity store per test, spoken to in-process, with a webhook receiver that answers as it is told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.clarity.app import DEFAULT_BASE_PATH, Settings, Simulator
from sandbox.clarity.webhooks import Wires

SECRET = "whsec_c2FuZGJveC1zZWNyZXQtb2YtMzItYnl0ZXMtbG9uZyE="


class Receiver:
    """Takes webhooks; `answers` are used up first, then 204."""

    def __init__(self) -> None:
        self.received: list[httpx.Request] = []
        self.answers: list[httpx.Response | Exception] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.received.append(request)
        answer = self.answers.pop(0) if self.answers else httpx.Response(204)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ids(self) -> list[str]:
        return [request.headers["webhook-id"] for request in self.received]


class Client:
    """Speaks to one store: its API, signed in, and its control API."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def api(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return await self.http.request(method, DEFAULT_BASE_PATH + path, **arguments)

    async def control(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return await self.http.request(method, f"/control{path}", **arguments)

    async def sign_in(self, path: str = "/auth/identity") -> httpx.Response:
        return await self.api("POST", path, json={"UserName": "bus", "Password": "sandbox-bus"})

    async def place(self, **order: Any) -> Any:
        answer = await self.control("POST", "/orders", json=order)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def order(self, order_id: int) -> Any:
        answer = await self.api("GET", f"/Ordering/SalesOrder/ID/{order_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def act(self, action: str, order_id: int) -> Any:
        answer = await self.api("PATCH", f"/Ordering/SalesOrder/{action}/{order_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def simulator(tmp_path: Path, receiver: Receiver) -> AsyncIterator[Simulator]:
    """A store without a webhook target; its sender retries after a few milliseconds."""
    wires = Wires(httpx.MockTransport(receiver), (0.005, 0.01))
    simulator = Simulator(Settings(data=tmp_path, seed=1, flat_feed=True), wires)
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
async def stranger(simulator: Simulator) -> AsyncIterator[Client]:
    """A client that has not signed in."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(simulator), base_url="http://store") as http:
        yield Client(http)


@pytest.fixture
async def client(stranger: Client) -> Client:
    await stranger.sign_in()
    return stranger


@pytest.fixture
async def sending(client: Client) -> Client:
    """A client of a store that sends webhooks to the receiver."""
    answer = await client.control("PUT", "/webhooks/target", json={"url": "http://bus/hook", "secret": SECRET})
    assert answer.status_code == 200
    return client
