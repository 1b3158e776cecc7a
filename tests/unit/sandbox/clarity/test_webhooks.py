"""The simulated store's webhooks: signed by Standard Webhooks, repeated until a 2xx, and all that can befall them."""

import asyncio
import base64
import hashlib
import hmac
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sandbox.clarity.app import Settings, Simulator
from sandbox.clarity.webhooks import RETRY_DELAYS_S, Sender, Wires, retry_delay_s

if TYPE_CHECKING:
    from tests.unit.sandbox.clarity.conftest import Client, Receiver

SECRET = "whsec_c2FuZGJveC1zZWNyZXQtb2YtMzItYnl0ZXMtbG9uZyE="


def signature_of(request: httpx.Request, secret: str = SECRET) -> str:
    """Worked out by hand from the specification, not by the library the sender uses."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.content
    return "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


async def wait_for(client: "Client", state: str, count: int) -> list[dict[str, Any]]:
    """The webhooks, once that many are in that state."""
    ends = time.monotonic() + 5
    while True:
        answer = (await client.control("GET", "/webhooks")).json()
        if answer["counts"][state] >= count:
            webhooks: list[dict[str, Any]] = answer["webhooks"]
            return webhooks
        assert time.monotonic() < ends, answer
        await asyncio.sleep(0.002)


async def test_a_placed_order_is_announced_thin_and_signed(sending: "Client", receiver: "Receiver") -> None:
    order = await sending.place(seed=1)

    (webhook,) = await wait_for(sending, "sent", 1)

    (request,) = receiver.received
    body = httpx.Response(200, content=request.content).json()
    assert body == {"type": "order.created", "timestamp": order["created"], "data": {"id": 1001, "key": "1001"}}
    assert request.headers["webhook-signature"] == signature_of(request)
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 5
    assert request.headers["content-type"] == "application/json"
    assert (webhook["id"], webhook["order_id"]) == (request.headers["webhook-id"], 1001)
    assert (webhook["state"], webhook["attempts"], webhook["last_status"]) == ("sent", 1, 204)


async def test_every_change_has_its_own_webhook(sending: "Client", receiver: "Receiver") -> None:
    await sending.place(account_key="C1001", lines=[{"sku": "JUG-600"}])
    await sending.act("Confirm", 1001)
    await sending.api("POST", "/Ordering/SalesOrder/Upsert", json={"CustomKey": "1001", "TrackingNumber": "1"})
    await sending.api("POST", "/Shipping/Shipment/Upsert", json={"CustomKey": "S", "SalesOrderID": 1001})
    await sending.control("POST", "/orders/1001/edit", json={"note": "hello"})
    await sending.control("POST", "/orders/1001/cancel")
    await sending.control("POST", "/products/TEA%2FOOL-100/edit", json={"price": "13.00"})
    await sending.control("POST", "/customers/C1001/edit", json={"phone": "512-555-0199"})

    webhooks = await wait_for(sending, "sent", 8)

    told = [(webhook["type"], webhook["subject_key"]) for webhook in webhooks]
    assert told == [
        ("order.created", "1001"),
        *[("order.updated", "1001")] * 5,
        ("product.updated", "TEA/OOL-100"),
        ("customer.updated", "C1001"),
    ]
    assert len(set(receiver.ids())) == 8


async def test_stock_writes_and_refused_actions_are_not_announced(sending: "Client") -> None:
    await sending.place(seed=1, webhook="skip")
    stock = {"CustomKey": "JUG-600|MAIN", "Quantity": 3}
    await sending.api("POST", "/Inventory/ProductInventoryLocationSection/Upsert", json=stock)
    await sending.act("Ship", 4711)

    answer = (await sending.control("GET", "/webhooks")).json()

    assert [(webhook["state"], webhook["last_error"]) for webhook in answer["webhooks"]] == [
        ("dropped", "left out as asked for")
    ]


async def test_retries_keep_the_id_and_sign_anew(sending: "Client", receiver: "Receiver") -> None:
    receiver.answers = [httpx.Response(500), httpx.Response(302, headers={"location": "/"}), httpx.ConnectError("no")]

    await sending.place(seed=1)

    (webhook,) = await wait_for(sending, "sent", 1)
    assert len(set(receiver.ids())) == 1
    assert webhook["attempts"] == 4
    for request in receiver.received:
        assert request.headers["webhook-signature"] == signature_of(request)
    assert len({request.content for request in receiver.received}) == 1


async def test_a_retry_carries_the_time_of_the_retry(sending: "Client", receiver: "Receiver") -> None:
    receiver.answers = [httpx.Response(503, headers={"retry-after": "3600"})]
    await sending.place(seed=1)
    await _until_attempted(sending)
    await sending.control("PUT", "/clock", json={"offset_s": 100})

    await sending.control("POST", f"/webhooks/{receiver.ids()[0]}/resend")
    await wait_for(sending, "sent", 1)

    first, second = (int(request.headers["webhook-timestamp"]) for request in receiver.received)
    assert 99 <= second - first <= 105
    assert receiver.received[1].headers["webhook-signature"] == signature_of(receiver.received[1])


async def _until_attempted(client: "Client") -> dict[str, Any]:
    ends = time.monotonic() + 5
    while True:
        webhook: dict[str, Any] = (await client.control("GET", "/webhooks")).json()["webhooks"][0]
        if webhook["attempts"]:
            return webhook
        assert time.monotonic() < ends
        await asyncio.sleep(0.002)


@pytest.mark.parametrize(
    ("attempts", "retry_after", "delay_s"),
    [(1, None, 1), (2, None, 2), (3, None, 5), (4, None, 10), (5, None, 30), (99, None, 30), (1, "7", 7), (5, "7", 30)],
)
def test_the_retry_schedule_honours_retry_after(attempts: int, retry_after: str | None, delay_s: float) -> None:
    assert retry_delay_s(RETRY_DELAYS_S, attempts, retry_after) == delay_s


@pytest.mark.parametrize("retry_after", ["soon", "-5", "", "Wed, 21 Oct 2026 07:28:00 GMT", "1.5"])
def test_a_retry_after_that_is_no_number_is_not_minded(retry_after: str) -> None:
    assert retry_delay_s(RETRY_DELAYS_S, 1, retry_after) == 1


async def test_410_ends_all_webhooks_until_a_target_is_set_again(sending: "Client", receiver: "Receiver") -> None:
    receiver.answers = [httpx.Response(410)]
    await sending.place(seed=1)
    await wait_for(sending, "dropped", 1)

    await sending.place(seed=2)
    await wait_for(sending, "dropped", 2)
    assert len(receiver.received) == 1
    assert "410" in (await sending.control("GET", "/health")).json()["webhook_refusal"]

    await sending.control("PUT", "/webhooks/target", json={"url": "http://bus/hook", "secret": SECRET})
    await sending.place(seed=3)
    await wait_for(sending, "sent", 1)


async def test_dropped_webhooks_are_never_sent(sending: "Client", receiver: "Receiver") -> None:
    await sending.control("PUT", "/faults", json={"webhooks": {"drop_next": 2}})

    for seed in range(3):
        await sending.place(seed=seed)

    webhooks = await wait_for(sending, "sent", 1)
    assert [webhook["state"] for webhook in webhooks] == ["dropped", "dropped", "sent"]
    assert len(receiver.received) == 1


async def test_a_drop_rate_of_one_drops_all(sending: "Client", receiver: "Receiver") -> None:
    await sending.control("PUT", "/faults", json={"webhooks": {"drop_rate": 1}})
    await sending.place(seed=1)

    await wait_for(sending, "dropped", 1)

    assert receiver.received == []


async def test_duplicates_carry_the_same_id(sending: "Client", receiver: "Receiver") -> None:
    await sending.control("PUT", "/faults", json={"webhooks": {"duplicate_next": 1}})
    await sending.place(seed=1)
    await sending.place(seed=2, webhook="twice")
    await sending.place(seed=3)

    await wait_for(sending, "sent", 3)

    assert sorted(receiver.ids().count(each) for each in set(receiver.ids())) == [1, 2, 2]


async def test_delayed_webhooks_wait(sending: "Client", receiver: "Receiver") -> None:
    await sending.control("PUT", "/faults", json={"webhooks": {"delay_ms": 80}})
    started = time.monotonic()
    await sending.place(seed=1)

    await wait_for(sending, "sent", 1)

    assert time.monotonic() - started >= 0.08


async def test_what_falls_due_just_after_a_look_is_not_forgotten(
    sending: "Client", receiver: "Receiver", monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Sender._start_due

    def slow_look(sender: Sender, *given: Any) -> None:
        look(sender, *given)
        time.sleep(0.05)

    monkeypatch.setattr(Sender, "_start_due", slow_look)
    await sending.control("PUT", "/faults", json={"webhooks": {"delay_ms": 30}})
    await sending.place(seed=1)

    await wait_for(sending, "sent", 1)

    assert len(receiver.received) == 1


async def test_reordered_webhooks_all_arrive(sending: "Client", receiver: "Receiver") -> None:
    await sending.control("PUT", "/faults", json={"webhooks": {"reorder": True}})
    for seed in range(12):
        await sending.place(seed=seed)

    webhooks = await wait_for(sending, "sent", 12)

    assert receiver.ids() != [webhook["id"] for webhook in webhooks]
    assert sorted(receiver.ids()) == sorted(webhook["id"] for webhook in webhooks)


async def test_a_paused_sender_keeps_what_it_has(sending: "Client", receiver: "Receiver") -> None:
    await sending.control("PUT", "/faults", json={"webhooks": {"enabled": False}})
    await sending.place(seed=1)
    assert (await sending.control("GET", "/health")).json()["webhooks"]["pending"] == 1
    assert receiver.received == []

    await sending.control("DELETE", "/faults")

    await wait_for(sending, "sent", 1)


async def test_a_resent_webhook_keeps_its_id(sending: "Client", receiver: "Receiver") -> None:
    await sending.place(seed=1)
    (webhook,) = await wait_for(sending, "sent", 1)

    answer = await sending.control("POST", f"/webhooks/{webhook['id']}/resend")
    await wait_for(sending, "sent", 1)

    assert answer.status_code == 202
    assert receiver.ids() == [webhook["id"]] * 2
    assert (await sending.control("POST", "/webhooks/msg_none/resend")).status_code == 404


async def test_without_a_target_nothing_is_announced(client: "Client") -> None:
    await client.place(seed=1)

    assert (await client.control("GET", "/webhooks")).json()["webhooks"] == []


async def test_a_target_without_a_secret_gets_one(client: "Client", receiver: "Receiver") -> None:
    answer = (await client.control("PUT", "/webhooks/target", json={"url": "http://bus/hook"})).json()
    await client.place(seed=1)
    await wait_for(client, "sent", 1)

    (request,) = receiver.received
    assert answer["secret"].startswith("whsec_")
    assert request.headers["webhook-signature"] == signature_of(request, answer["secret"])


@pytest.mark.parametrize("secret", ["whsec_", "whsec_*", "whsec_ö", "whsec_a"])
async def test_secrets_that_are_none_are_refused(client: "Client", secret: str) -> None:
    answer = await client.control("PUT", "/webhooks/target", json={"url": "http://bus/hook", "secret": secret})

    assert answer.status_code == 400
    assert (await client.control("GET", "/webhooks/target")).json()["url"] is None


async def test_a_restarted_store_sends_what_was_still_waiting(tmp_path: Path, receiver: "Receiver") -> None:
    wires = Wires(httpx.MockTransport(receiver))
    settings = Settings(data=tmp_path, webhook_url="http://bus/hook", webhook_secret=SECRET)
    first = Simulator(settings, wires)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(first), base_url="http://store") as http:
        await http.post("/control/orders", json={"seed": 1})
    await first.stop()

    second = Simulator(Settings(data=tmp_path), wires)
    await second.start()
    ends = time.monotonic() + 5
    async with httpx.AsyncClient(transport=httpx.ASGITransport(second), base_url="http://store") as http:
        while not (await http.get("/control/health")).json()["webhooks"]["sent"]:
            assert time.monotonic() < ends
            await asyncio.sleep(0.002)
    await second.stop()

    assert len(receiver.received) == 1


async def test_forged_webhooks_are_sent_at_once_and_the_answer_told(sending: "Client", receiver: "Receiver") -> None:
    await sending.place(seed=1)
    await wait_for(sending, "sent", 1)
    (genuine,) = receiver.received
    receiver.answers = [httpx.Response(401, text="no")] * 5

    async def forge(kind: str) -> httpx.Request:
        answer = await sending.control("POST", "/webhooks/forge", json={"kind": kind})
        assert answer.json()["answer"] == {"status": 401, "body": "no"}, answer.text
        return receiver.received[-1]

    wrong = await forge("bad_signature")
    assert wrong.headers["webhook-signature"] != signature_of(wrong)
    stale = await forge("stale")
    assert stale.headers["webhook-signature"] == signature_of(stale)
    assert int(stale.headers["webhook-timestamp"]) <= time.time() - 3600
    broken = await forge("broken_json")
    assert broken.headers["webhook-signature"] == signature_of(broken)
    with pytest.raises(ValueError, match="Expecting"):
        httpx.Response(200, content=broken.content).json()
    replayed = await forge("replay")
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    assert [replayed.headers[name] for name in names] == [genuine.headers[name] for name in names]
    assert replayed.content == genuine.content
    assert "webhook-signature" not in (await forge("unsigned")).headers


async def test_forging_needs_a_target_and_something_to_replay(client: "Client", receiver: "Receiver") -> None:
    without = await client.control("POST", "/webhooks/forge", json={"kind": "stale"})
    await client.control("PUT", "/webhooks/target", json={"url": "http://bus/hook"})
    nothing = await client.control("POST", "/webhooks/forge", json={"kind": "replay"})
    receiver.answers = [httpx.ConnectError("no")]
    unreachable = await client.control("POST", "/webhooks/forge", json={"kind": "stale"})

    assert (without.status_code, nothing.status_code) == (409, 409)
    assert (unreachable.json()["answer"], unreachable.json()["error"]) == (None, "ConnectError")
