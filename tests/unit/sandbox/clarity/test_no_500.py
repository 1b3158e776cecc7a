"""Whatever is sent to the simulated store, it answers in its own words: never a 500, never a trace."""

import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.clarity.app import DEFAULT_BASE_PATH, Settings, Simulator

API_WRITES: dict[str, dict[str, Any]] = {
    "/Ordering/SalesOrder/Upsert": {"CustomKey": "1001", "TrackingNumber": "1", "SerializableAttributes": {}},
    "/Shipping/Shipment/Upsert": {
        "CustomKey": "S",
        "SalesOrderID": 1001,
        "ShipDate": "2026-01-01",
        "Items": [{"Sku": "JUG-600", "Quantity": 1}],
    },
    "/Catalog/Product/Upsert": {"CustomKey": "JUG-600", "Name": "Jug", "PriceBase": 1, "Active": True},
    "/Inventory/ProductInventoryLocationSection/Upsert": {"CustomKey": "JUG-600|MAIN", "Quantity": 1},
    "/auth/identity": {"UserName": "bus", "Password": "sandbox-bus"},
}
CONTROL_WRITES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/orders"): {
        "account_key": "C1001",
        "lines": [{"sku": "JUG-600", "quantity": 1, "unit_price": "1.00"}],
        "shipping": 1,
        "custom": {"a": "b"},
        "seed": 1,
        "allow_unknown_sku": True,
    },
    ("POST", "/orders/1001/edit"): {"set_quantity": {"JUG-600": 1}, "note": "x"},
    ("PUT", "/clock"): {"offset_s": 1, "now": "2026-01-01T00:00:00Z"},
    ("PUT", "/faults"): {"fail_next": [{"status": 500}], "webhooks": {"drop_next": 1}, "lost_requests": 1},
    ("PUT", "/webhooks/target"): {"url": "http://bus/hook", "secret": "whsec_MTIz"},
    ("POST", "/webhooks/forge"): {"kind": "replay", "webhook_id": "x"},
    ("POST", "/products/JUG-600/edit"): {"name": "Jug", "price": "1.00"},
    ("POST", "/customers/C1001/edit"): {"email": "a@example.org", "billing": {"street1": "x"}},
    ("POST", "/traffic"): {"orders": 1, "per_second": 0.5},
}
STRANGE_NUMBERS = (2**63, -(2**63), 2**64, 10**40, 1e308, -0.0, 1e-9)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(STRANGE_NUMBERS)
    | st.text(max_size=20)
    | st.sampled_from(["NaN", "Infinity", "1e999999", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "\x00"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@st.composite
def nearly(draw: st.DrawFn, body: dict[str, Any]) -> dict[str, Any]:
    """The body with some of its members, at any depth, put wrong, left out or added."""
    changed = dict(body)
    for name, value in body.items():
        match draw(st.sampled_from(["keep", "keep", "replace", "remove", "deeper"])):
            case "replace":
                changed[name] = draw(values)
            case "remove":
                del changed[name]
            case "deeper" if isinstance(value, dict):
                changed[name] = draw(nearly(value))
            case "deeper" if isinstance(value, list):
                changed[name] = [draw(nearly(each)) for each in value]
            case _:
                pass
    if draw(st.integers(0, 4)) == 0:
        changed[draw(st.text(max_size=8))] = draw(values)
    return changed


class Asker:
    """Asks a store one thing after the other from synchronous code."""

    def __init__(self, folder: Path, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._simulator = Simulator(Settings(data=folder, seed=1))
        transport = httpx.ASGITransport(self._simulator)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://store")
        credentials = {"UserName": "bus", "Password": "sandbox-bus"}
        assert self.ask("POST", f"{DEFAULT_BASE_PATH}/auth/identity", json=credentials).status_code == 200
        assert self.ask("POST", "/control/orders", json={"lines": [{"sku": "JUG-600"}]}).status_code == 201

    def ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """An exception inside the store comes out here."""
        return self._runner.run(self._http.request(method, path, **arguments))

    def clean(self) -> None:
        self.ask("DELETE", "/control/faults")
        self.ask("DELETE", "/control/traffic")
        # nothing may really be sent
        self.ask("PUT", "/control/webhooks/target", json={"url": None})

    def close(self) -> None:
        self._runner.run(self._http.aclose())
        self._runner.run(self._simulator.stop())


@pytest.fixture(scope="module")
def asker() -> Iterator[Asker]:
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        asker = Asker(Path(folder), runner)
        yield asker
        asker.close()


unhurried = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@unhurried
@given(data=st.data())
def test_api_writes_with_nearly_right_bodies(asker: Asker, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(API_WRITES)))
    body = data.draw(nearly(API_WRITES[path]) | values)

    answer = asker.ask("POST", DEFAULT_BASE_PATH + path, content=json.dumps(body).encode("utf-8", "replace"))

    assert answer.status_code in {200, 400, 401}, answer.text
    assert "ResponseStatus" in answer.json() or isinstance(answer.json()["ActionSucceeded"], bool)


@unhurried
@given(data=st.data())
def test_control_writes_with_nearly_right_bodies(asker: Asker, data: st.DataObject) -> None:
    route = data.draw(st.sampled_from(sorted(CONTROL_WRITES)))
    body = data.draw(nearly(CONTROL_WRITES[route]) | values)

    answer = asker.ask(route[0], f"/control{route[1]}", content=json.dumps(body).encode("utf-8", "replace"))
    asker.clean()

    assert answer.status_code in {200, 201, 202, 400, 404, 409, 422}, answer.text
    assert answer.json() is not None


@unhurried
@given(body=st.binary(max_size=60), path=st.sampled_from(sorted(API_WRITES)))
def test_bodies_that_are_no_json(asker: Asker, body: bytes, path: str) -> None:
    answer = asker.ask("POST", DEFAULT_BASE_PATH + path, content=body)

    assert answer.status_code in {200, 400, 401}, answer.text


@unhurried
@given(
    path=st.sampled_from(
        [
            "/Ordering/SalesOrders",
            "/Catalog/Products",
            "/Inventory/ProductInventoryLocationSections",
            "/Accounts/Accounts",
        ]
    ),
    parameters=st.dictionaries(
        st.sampled_from(["Page", "PageSize", "ModifiedSince", "SortBy", "AsListing", "StatusKey", "ProductKey"]),
        st.text(max_size=30) | st.integers().map(str) | st.datetimes().map(lambda moment: moment.isoformat()),
    ),
)
def test_lists_with_any_parameters(asker: Asker, path: str, parameters: dict[str, str]) -> None:
    answer = asker.ask("GET", DEFAULT_BASE_PATH + path, params=parameters)

    assert answer.status_code in {200, 400}, answer.text


@unhurried
@given(
    prefix=st.sampled_from(["/Ordering/SalesOrder/ID/", "/Ordering/SalesOrder/Key/", "/Catalog/Product/Key/"]),
    key=st.text(min_size=1, max_size=20),
)
def test_reads_of_any_key(asker: Asker, prefix: str, key: str) -> None:
    escaped = "".join(f"%{byte:02X}" for byte in key.encode("utf-8", "replace"))

    answer = asker.ask("GET", f"{DEFAULT_BASE_PATH}{prefix}{escaped}")

    assert answer.status_code in {200, 400, 404}, answer.text
