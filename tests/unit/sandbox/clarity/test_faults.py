"""Each thing the simulated store can be told to get wrong."""

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from sandbox.clarity.app import Simulator
    from tests.unit.sandbox.clarity.conftest import Client


async def set_faults(client: "Client", **faults: Any) -> None:
    answer = await client.control("PUT", "/faults", json=faults)
    assert answer.status_code == 200, answer.text


async def test_faults_are_shown_and_cleared(client: "Client") -> None:
    await set_faults(client, latency_ms=1, lost_answers=2)
    shown = (await client.control("GET", "/faults")).json()
    cleared = (await client.control("DELETE", "/faults")).json()

    assert (shown["latency_ms"], shown["lost_answers"]) == (1, 2)
    assert cleared == {
        "latency_ms": 0,
        "error_rate": 0.0,
        "error_status": 503,
        "rate_limit_per_minute": None,
        "lost_answers": 0,
        "lost_requests": 0,
        "fail_next": [],
        "webhooks": {
            "drop_next": 0,
            "drop_rate": 0.0,
            "duplicate_next": 0,
            "delay_ms": 0,
            "reorder": False,
            "enabled": True,
        },
    }


@pytest.mark.parametrize(
    "body", [{"latency": 5}, {"error_rate": 2}, {"error_status": 200}, {"lost_answers": -1}, {"webhooks": {"drop": 1}}]
)
async def test_misspelt_and_impossible_faults_are_refused(client: "Client", body: dict[str, Any]) -> None:
    answer = await client.control("PUT", "/faults", json=body)

    assert answer.status_code == 400
    assert "error" in answer.json()


async def test_latency_delays_the_api_but_not_the_control_api(client: "Client") -> None:
    await set_faults(client, latency_ms=60)

    started = time.monotonic()
    await client.control("GET", "/health")
    between = time.monotonic()
    await client.api("GET", "/auth")
    ended = time.monotonic()

    assert ended - between >= 0.06 > between - started


async def test_error_rate_answers_the_given_status_before_any_work(client: "Client") -> None:
    await client.place(seed=1)
    await set_faults(client, error_rate=1, error_status=502)

    answer = await client.api("PATCH", "/Ordering/SalesOrder/Ship/1001")

    assert answer.status_code == 502
    assert "ResponseStatus" in answer.json()
    assert (await client.control("GET", "/orders/1001")).json()["status_key"] == "Pending"


async def test_rate_limit_answers_429_with_retry_after(client: "Client") -> None:
    await set_faults(client, rate_limit_per_minute=30)

    answers = [await client.api("GET", "/auth") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].headers["retry-after"] == "2"
    assert answers[-1].json()["ResponseStatus"]["ErrorCode"] == "TooManyRequests"


async def test_lost_answers_are_carried_out_and_only_writes_count(client: "Client") -> None:
    await client.place(seed=1)
    await set_faults(client, lost_answers=1)

    assert (await client.order(1001))["StatusKey"] == "Pending"
    with pytest.raises(httpx.RemoteProtocolError):
        await client.act("Ship", 1001)

    assert (await client.order(1001))["StatusKey"] == "Shipped"
    assert (await client.act("Ship", 1001))["ActionSucceeded"] is True


async def test_lost_requests_are_not_carried_out(client: "Client") -> None:
    await client.place(seed=1)
    await set_faults(client, lost_requests=1)

    with pytest.raises(httpx.RemoteProtocolError):
        await client.act("Ship", 1001)

    assert (await client.order(1001))["StatusKey"] == "Pending"


async def test_fail_next_hits_what_fits_as_often_as_asked(client: "Client") -> None:
    await client.place(seed=1)
    await set_faults(
        client,
        fail_next=[
            {"method": "patch", "path_contains": "/Ship/", "status": 503, "times": 2, "retry_after_s": 7},
            {"status": 500, "path_contains": "Catalog"},
        ],
    )

    async def status(method: str, path: str) -> int:
        return (await client.api(method, path)).status_code

    assert await status("PATCH", "/Ordering/SalesOrder/Confirm/1001") == 200
    refused = await client.api("PATCH", "/Ordering/SalesOrder/Ship/1001")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "7")
    assert await status("PATCH", "/Ordering/SalesOrder/Ship/1001") == 503
    assert await status("PATCH", "/Ordering/SalesOrder/Ship/1001") == 200
    assert [await status("GET", "/Catalog/Products") for _ in range(2)] == [500, 200]
    assert (await client.control("GET", "/faults")).json()["fail_next"] == []


async def test_fail_next_after_the_work_leaves_it_done(client: "Client") -> None:
    await client.place(seed=1)
    await set_faults(client, fail_next=[{"status": 500, "when": "after"}])

    answer = await client.api("PATCH", "/Ordering/SalesOrder/Ship/1001")

    assert answer.status_code == 500
    assert (await client.order(1001))["StatusKey"] == "Shipped"


async def test_a_fault_of_the_sandbox_itself_shows_no_trace(simulator: "Simulator", client: "Client") -> None:
    transport = httpx.ASGITransport(simulator, raise_app_exceptions=False)
    simulator.store._db.execute("DROP TABLE orders")
    async with httpx.AsyncClient(transport=transport, base_url="http://store", cookies=client.http.cookies) as http:
        answer = await http.get("/DesktopModules/ClarityEcommerce/API/Ordering/SalesOrder/ID/1001")
        control = await http.get("/control/health")

    assert (answer.status_code, control.status_code) == (500, 500)
    assert answer.json()["ResponseStatus"]["ErrorCode"] == "Exception"
    assert "sqlite" not in answer.text.lower() + control.text.lower()
