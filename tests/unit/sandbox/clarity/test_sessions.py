"""Signing in at the simulated store."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.sandbox.clarity.conftest import Client


@pytest.mark.parametrize("path", ["/auth/identity", "/auth/credentials", "/auth"])
async def test_right_password_sets_the_three_session_cookies(stranger: "Client", path: str) -> None:
    answer = await stranger.sign_in(path=path)

    assert answer.status_code == 200
    assert set(answer.cookies) == {"ss-id", "ss-pid", "ss-opt"}
    assert answer.json()["UserName"] == "bus"


@pytest.mark.parametrize(("user", "password"), [("bus", "wrong"), ("nobody", "sandbox-bus"), ("bus", "пароль")])
async def test_wrong_credentials_are_401_with_a_response_status(stranger: "Client", user: str, password: str) -> None:
    answer = await stranger.api("POST", "/auth/identity", json={"UserName": user, "Password": password})

    assert answer.status_code == 401
    assert answer.json()["ResponseStatus"]["ErrorCode"] == "Unauthorized"
    assert not answer.cookies


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/Ordering/SalesOrder/ID/1001"),
        ("GET", "/Ordering/SalesOrders"),
        ("POST", "/Ordering/SalesOrder/Upsert"),
        ("PATCH", "/Ordering/SalesOrder/Ship/1001"),
        ("GET", "/Catalog/Products"),
        ("POST", "/Inventory/ProductInventoryLocationSection/Upsert"),
        ("GET", "/auth"),
    ],
)
async def test_routes_need_a_session(stranger: "Client", method: str, path: str) -> None:
    answer = await stranger.api(method, path)

    assert answer.status_code == 401
    assert answer.json()["ResponseStatus"]["ErrorCode"] == "AuthenticationException"


async def test_the_flat_feed_needs_a_session(stranger: "Client") -> None:
    answer = await stranger.http.get("/feed/orders/1001")

    assert answer.status_code == 401


async def test_expired_sessions_must_sign_in_again(client: "Client") -> None:
    assert (await client.api("GET", "/auth")).status_code == 200

    expired = await client.control("POST", "/sessions/expire")

    assert expired.json() == {"expired": 1}
    assert (await client.api("GET", "/auth")).status_code == 401
    await client.sign_in()
    assert (await client.api("GET", "/auth")).status_code == 200


async def test_remembered_sessions_live_by_their_permanent_cookie(stranger: "Client") -> None:
    await stranger.api("POST", "/auth", json={"userName": "bus", "password": "sandbox-bus", "rememberMe": True})
    stranger.http.cookies.delete("ss-id")

    assert (await stranger.api("GET", "/auth")).status_code == 200


async def test_signing_out_ends_the_session(client: "Client") -> None:
    await client.api("POST", "/auth/logout")

    assert (await client.api("GET", "/auth")).status_code == 401


async def test_metadata_and_openapi_are_open_and_true(stranger: "Client") -> None:
    metadata = (await stranger.api("GET", "/metadata")).json()
    openapi = (await stranger.api("GET", "/openapi")).json()

    told = {(each["Verb"].lower(), each["Route"]) for each in metadata["Operations"]}
    assert told == {(verb, path) for path, verbs in openapi["paths"].items() for verb in verbs}
    for verb, path in told:
        filled = path.replace("{id}", "1").replace("{key}", "x")
        assert (await stranger.api(verb.upper(), filled)).status_code not in {404, 405}, (verb, path)
