"""Which action an order's status takes at the store, and when none is taken; at the simulated store."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from bus import metrics
from bus.secret import Secret
from bus.settings import ROOT, Connection, load
from connect.systems.clarity.client import Action, ClarityClient, open_client
from consumers.clarity.order_status_sink import OrderStatusSink, PossibleTables, require_possible
from consumers.clarity.rules import StatusStep, status_step
from consumers.documents import Documents
from consumers.routes import ORDER_STATUS
from delivery.ports import Absent, Found, Intent, LastSeen, Row, Settlement
from delivery.states import Kind, State
from errors import ConfigurationError, MappingError, RetryableError
from mapping.data import DataMapping
from mapping.port import Lookups
from sandbox.clarity.app import DEFAULT_BASE_PATH, Settings, Simulator
from schemas.canonical.order_status import OrderState, OrderStatus
from schemas.systems.clarity.site import CEF, site_of

AT = datetime(2026, 3, 2, 15, tzinfo=UTC)
ACTIONS = {
    "received": "Confirm",
    "processing": "CreatePickTicket",
    "shipped": "Ship",
    "cancelled": "Void",
}
KEYS = {"received": "Confirmed", "processing": "Processing", "shipped": "Shipped", "cancelled": "Void"}


def lookups(**changed: dict[str, str]) -> Lookups:
    return Lookups({"clarity_status_actions": ACTIONS, "clarity_status_keys": KEYS} | changed)


class Nothing:
    """A connection that has seen nothing."""

    async def last_seen(self, _record: str, _key: str) -> LastSeen | None:
        return None

    async def expected(self, _record: str, _root_key: str) -> frozenset[str]:
        return frozenset()

    async def known_as(self, _canonical_id: str, _record: str) -> str | None:
        return None


class Statuses:
    """Reads a status from a payload that is its word and the order's id."""

    def decode(self, data: bytes) -> OrderStatus:
        status, _, order_id = data.decode().partition(" ")
        return OrderStatus(id=f"clarity-main:{order_id}", source_version=7, occurred_at=AT, status=status)


def row(status: str, order_id: str) -> Row:
    return Row(
        id=1, queue="consumers", topic="t", topic_id="t", partition=0, offset=0, root="t/0/0", root_key="k",
        message_key="k", record="order_status", kind=Kind.STATE, source_version=7, state=State.READY, cause=None,
        attempts=0, due=AT, lease_owner="me", epoch=1, intent=None, reference=None, document_number=None,
        payload=f"{status} {order_id}".encode(), payload_digest="", mapping_in="", mapping_out="", command_id="",
        origin="", hops=0, traceparent="", amount=Decimal(0), currency="", taken_in_at=AT,
    )  # fmt: skip


class Shop:
    """A store with its control API, and the sink that writes to it."""

    def __init__(self, simulator: Simulator) -> None:
        transport = httpx.ASGITransport(simulator)
        connection = Connection(
            name="clarity-main",
            system="clarity",
            store_dsn=Secret(""),
            url=f"http://store{DEFAULT_BASE_PATH}",
            user="bus",
            password=Secret("sandbox-bus"),
        )
        self.client: ClarityClient = open_client(connection, transport)
        self.control = httpx.AsyncClient(base_url="http://store/control", transport=transport)
        self.sink = self.sink_of(ORDER_STATUS)

    def sink_of(self, mapping: DataMapping, said: Lookups | None = None) -> OrderStatusSink:
        tables = said or PossibleTables(lookups(), self.client.site)
        return OrderStatusSink(self.client, Statuses(), Documents(mapping, tables, lambda: AT), Nothing())

    async def place(self) -> str:
        return str((await self.control.post("/orders", json={})).json()["id"])

    async def planned(self, status: str, order_id: str) -> Intent:
        intent = await self.sink.prepare(row(status, order_id))
        assert isinstance(intent, Intent)
        return intent

    async def left_alone(self, status: str, order_id: str) -> str:
        settled = await self.sink.prepare(row(status, order_id))
        assert isinstance(settled, Settlement)
        assert settled.state is State.SUPPRESSED
        return settled.code


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    simulator = Simulator(Settings(data=tmp_path, seed=5))
    made = Shop(simulator)
    yield made
    await made.client.aclose()
    await made.control.aclose()
    await simulator.stop()


async def test_a_status_is_set_once(shop: Shop) -> None:
    order_id = await shop.place()

    intent = await shop.planned("shipped", order_id)
    await shop.sink.deliver(intent)

    assert intent.mapping.startswith("consumers/clarity/order_status@")
    assert await shop.left_alone("shipped", order_id) == "equal"


async def test_an_action_that_leads_elsewhere_than_the_table_says_is_told_and_holds_up_nothing(shop: Shop) -> None:
    sink = shop.sink_of(ORDER_STATUS, lookups(clarity_status_keys=KEYS | {"received": "Pending Approval"}))
    shop.client.site = msgspec.structs.replace(CEF, open=CEF.open | {"Pending Approval"})
    order_id = await shop.place()
    intent = await sink.prepare(row("received", order_id))
    assert isinstance(intent, Intent)

    settled = await sink.deliver(intent)

    assert (settled.state, settled.code) == (State.DELIVERED, "status_otherwise")
    assert (settled.values["status"], settled.values["wanted"]) == ("Confirmed", "Pending Approval")


async def test_an_action_that_led_elsewhere_is_not_done_again_after_its_answer_was_lost(shop: Shop) -> None:
    sink = shop.sink_of(ORDER_STATUS, lookups(clarity_status_keys=KEYS | {"received": "Pending Approval"}))
    shop.client.site = msgspec.structs.replace(CEF, open=CEF.open | {"Pending Approval"})
    order_id = await shop.place()
    intent = await sink.prepare(row("received", order_id))
    assert isinstance(intent, Intent)
    assert isinstance(await sink.find(intent), Absent)
    await shop.client.act(Action.CONFIRM, order_id)

    found = await sink.find(intent)

    assert isinstance(found, Found)
    assert (found.settlement.code, found.settlement.values["status"]) == ("status_otherwise", "Confirmed")


async def test_an_order_that_moved_since_its_action_was_chosen_has_it_chosen_once_more(shop: Shop) -> None:
    order_id = await shop.place()
    intent = await shop.planned("shipped", order_id)
    await shop.client.act(Action.CONFIRM, order_id)

    with pytest.raises(RetryableError, match="Confirmed"):
        await shop.sink.deliver(intent)

    assert (await shop.sink.deliver(await shop.planned("shipped", order_id))).code == "status_set"


async def test_an_intent_of_a_release_before_is_sent_as_it_was(shop: Shop) -> None:
    order_id = await shop.place()
    intent = await shop.planned("shipped", order_id)
    body = msgspec.json.encode({**msgspec.json.decode(intent.body), "status_before": ""})
    await shop.client.act(Action.CONFIRM, order_id)

    settled = await shop.sink.deliver(msgspec.structs.replace(intent, body=body))

    assert settled.code == "status_set"


@pytest.mark.parametrize("action", [Action.SHIP, Action.DROP_SHIP, Action.COMPLETE])
async def test_what_has_left_the_house_is_not_voided(shop: Shop, action: Action) -> None:
    order_id = await shop.place()
    await shop.client.act(action, order_id)

    assert await shop.left_alone("cancelled", order_id) == "finished_at_store"


async def test_what_has_not_left_is_voided(shop: Shop) -> None:
    order_id = await shop.place()
    await shop.client.act(Action.READY_FOR_PICKUP, order_id)

    await shop.sink.deliver(await shop.planned("cancelled", order_id))

    assert await shop.left_alone("cancelled", order_id) == "equal"


async def test_after_a_lost_answer_a_cancellation_of_the_customer_s_is_found_and_left(shop: Shop) -> None:
    order_id = await shop.place()
    intent = await shop.planned("shipped", order_id)
    assert isinstance(await shop.sink.find(intent), Absent)

    await shop.control.post(f"/orders/{order_id}/cancel")

    found = await shop.sink.find(intent)
    assert isinstance(found, Found)
    assert (found.settlement.state, found.settlement.code) == (State.SUPPRESSED, "cancelled_at_store")


async def test_after_a_lost_answer_what_was_done_is_found(shop: Shop) -> None:
    order_id = await shop.place()
    intent = await shop.planned("shipped", order_id)
    await shop.sink.deliver(intent)

    found = await shop.sink.find(intent)

    assert isinstance(found, Found)
    assert (found.settlement.state, found.settlement.code) == (State.DELIVERED, "status_set")


@pytest.mark.parametrize("status", ["backordered", "unknown", "teleported"])
async def test_a_status_without_a_row_is_this_message_s_failure_only(shop: Shop, status: str) -> None:
    with pytest.raises(MappingError, match="clarity_status_actions"):
        await shop.sink.prepare(row(status, await shop.place()))


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"clarity_status_actions": ACTIONS | {"shipped": "Shipp"}}, "clarity_status_actions"),
        ({"clarity_status_keys": {"shipped": "Shipped"}}, "clarity_status_keys"),
        ({"clarity_status_keys": KEYS | {"processing": "Packing"}}, "Packing"),
        ({"clarity_status_keys": KEYS | {"cancelled": "Cancelled"}}, "Cancelled"),
    ],
)
async def test_a_typing_error_in_a_table_is_named_at_the_start(shop: Shop, changed: dict[str, Any], names: str) -> None:
    with pytest.raises(ConfigurationError, match=names):
        PossibleTables(lookups(**changed), shop.client.site)


@pytest.mark.parametrize(
    ("says", "instead", "names"),
    [
        ('lookup("clarity_status_actions", status.status)', "\"'Shipp'\"", "action: 'Shipp' is no action"),
        ('lookup("clarity_status_keys", status.status)', "\"'Sent'\"", "status_key: 'Sent' is no status"),
        ("wanted: status.status", "wanted: \"'gone'\"", "wanted: 'gone' is no state"),
    ],
)
async def test_what_an_own_mapping_says_beside_the_tables_is_checked_before_it_is_kept(
    shop: Shop, says: str, instead: str, names: str
) -> None:
    content = (ROOT / ORDER_STATUS.file).read_text().replace(says, instead)
    sink = shop.sink_of(DataMapping(content.encode(), "own.yaml", rules=ORDER_STATUS.rules))

    with pytest.raises(MappingError, match=names):
        await sink.prepare(row("shipped", await shop.place()))


async def test_an_action_there_is_not_that_was_kept_once_is_this_message_s_failure_only(shop: Shop) -> None:
    intent = await shop.planned("shipped", await shop.place())
    kept = msgspec.structs.replace(intent, body=intent.body.replace(b'"Ship"', b'"Shipp"'))

    with pytest.raises(MappingError, match="action"):
        await shop.sink.deliver(kept)


def test_a_site_s_own_words_for_shipped_and_cancelled_are_heeded() -> None:
    site = site_of("clarity-main", {"shipped_statuses": "Left", "cancelled_status": "Off"}.get)

    assert status_step("Left", "Off", OrderState.CANCELLED, site) is StatusStep.FINISHED_AT_STORE
    assert status_step("Off", "Left", OrderState.SHIPPED, site) is StatusStep.CANCELLED_AT_STORE
    assert status_step("Void", "Left", OrderState.SHIPPED, site) is StatusStep.ACT


def test_a_completed_order_is_left_alone_whatever_is_wanted() -> None:
    for wanted in OrderState:
        assert status_step("Completed", "other", wanted, CEF) is StatusStep.FINISHED_AT_STORE


class Exchanged:
    """Tables that somebody exchanges."""

    def __init__(self, first: Lookups) -> None:
        self.now = first

    def current(self) -> Lookups:
        return self.now


def test_tables_set_while_it_runs_are_taken_and_impossible_ones_are_not() -> None:
    tables = Exchanged(lookups())
    known = PossibleTables(tables, CEF)

    tables.now = lookups(clarity_status_actions={**ACTIONS, "received": "Dance"})
    assert known.current().find("clarity_status_actions", "received") == Action.CONFIRM
    assert metrics.LOOKUPS_REFUSED.labels(table="clarity_status_actions")._value.get() == 1

    tables.now = lookups(clarity_status_actions={}, clarity_status_keys={})
    assert known.current().find("clarity_status_actions", "received") is None
    assert metrics.LOOKUPS_REFUSED.labels(table="clarity_status_actions")._value.get() == 0


def test_the_demonstration_s_tables_reach_every_state_there_is_to_tell() -> None:
    text = (ROOT / "deployments" / "demo" / "towpath.toml").read_text(encoding="utf-8")
    named = {part.split('"')[0] for part in text.split("env:")[1:] if part[0].isupper()}

    tables = load(dict.fromkeys(named, "1"), ROOT).lookups

    require_possible(tables, CEF)
    reached = {state for state in OrderState if tables.find("clarity_status_actions", state) is not None}
    assert reached == set(OrderState) - {OrderState.UNKNOWN}
