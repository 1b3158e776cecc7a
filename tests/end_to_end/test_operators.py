"""What an operator does at two in the morning: look at what is stuck, cure it, try again, leave it, pause a system."""

import json
import uuid
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from confluent_kafka import Producer

from bus.codec import Codecs
from bus.partitioner import partition_of
from bus.registry import Registry
from schemas.bus.fetched import Fetched
from schemas.topics import CLARITY_ORDERS
from tests.end_to_end.outside import Outside, towpath, until

pytestmark = pytest.mark.timeout(180)


def letters(order: dict[str, Any], status: str = "standing") -> list[dict[str, Any]]:
    """Dead letters of an order, as the command lists them."""
    listing = json.loads(
        towpath("dead-letters", "list", "--key", f"clarity-main:{order['key']}", "--status", status, "--json")
    )
    return [each["letter"] for each in listing["letters"]]


def refused(bus: Outside, **order: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """An order GP refuses, and its dead letter."""
    placed = bus.place(**order)
    (letter,) = until(partial(letters, placed), within_s=60, what=f"a dead letter of order {placed['key']}")
    return placed, letter


def unknown_item(sku: str) -> dict[str, Any]:
    line = {"sku": sku, "quantity": "1", "unit_price": "5.00"}
    return {"lines": [line], "allow_unknown_sku": True}


def test_dead_letter_is_redriven_once_its_cause_is_cured(bus: Outside) -> None:
    bus.change('UPDATE dbo."RM00101" SET "INACTIVE" = 1 WHERE "CUSTNMBR" = ?', "C1003")
    try:
        order, letter = refused(bus, account_key="C1003")
        assert letter["code"] == "gp.90004"
        assert letter["amount"] == f"{order['total']}000"
        assert verdict(letter) == "fails"
        answered = json.loads(towpath("dead-letters", "redrive", letter["id"][:8], "--json"))
        assert answered["rows"] == 1
        until(partial(tried_twice, order), within_s=60, what="the same refusal again")
    finally:
        bus.change('UPDATE dbo."RM00101" SET "INACTIVE" = 0 WHERE "CUSTNMBR" = ?', "C1003")

    assert verdict(letter) == "passes"
    assert bus.documents(order["key"]) == []
    towpath("dead-letters", "redrive", "--cause", letter["cause"], "--yes", "--why", "active again")

    assert bus.document(order)
    (cured,) = until(partial(letters, order, "cured"), within_s=60, what="a cured letter")
    assert cured["id"] == letter["id"]
    steps = json.loads(towpath("trace", order["key"], "--json"))["stories"][0]["steps"]
    assert any("An operator had the dead letter tried again" in step["sentence"] for step in steps)


def test_row_that_was_missing_is_set_and_the_order_goes_on(bus: Outside) -> None:
    sku = f"ALIAS-{uuid.uuid4().hex[:6].upper()}"
    order, letter = refused(bus, **unknown_item(sku))
    words = ("lookups", "set", "gp_items", sku, "TAMP-585", "--why", "an alias of the shop's", "--as", "mara")

    said = json.loads(towpath(*words, "--redrive", "--json"))

    try:
        assert [(each["cause"], each["count"]) for each in said["cures"]] == [(letter["cause"], 1)]
        assert said["redriven"]["silent"] == []
        assert bus.document(order)
        (row,) = json.loads(towpath("lookups", "show", "gp_items", sku, "--json"))["rows"]
        assert (row["value"], row["file_says"], row["who"]) == ("TAMP-585", None, "mara")
    finally:
        towpath("lookups", "remove", "gp_items", sku, "--why", "the test is over")


def verdict(letter: dict[str, Any]) -> str:
    """What its target says a redrive would come to."""
    (found,) = json.loads(towpath("dead-letters", "preflight", letter["id"], "--json"))["verdicts"]
    return str(found["verdict"])


def tried_twice(order: dict[str, Any]) -> bool:
    told = towpath("outcomes", "--key", f"clarity-main:{order['key']}", "--state", "parked", "--json")
    outcomes: list[dict[str, Any]] = [each["outcome"] for each in json.loads(told)["outcomes"]]
    return [each["cause"] for each in outcomes] == ["refused", "refused"]


def test_corrected_order_waits_behind_its_dead_letter_until_that_is_skipped(bus: Outside) -> None:
    order, letter = refused(bus, **unknown_item("NOBODY-KNOWS-1"))
    edited = bus.store.post(f"/orders/{order['id']}/edit", json={"lines": [{"sku": "COF-ESP-250", "quantity": "2"}]})
    assert edited.status_code == 200, edited.text
    until(partial(mapped_twice, order), within_s=60, what="the corrected order on its topic")
    assert bus.documents(order["key"]) == []

    towpath("dead-letters", "skip", letter["id"], "--why", "corrected at the store")

    assert bus.document(order)
    (skipped,) = until(partial(letters, order, "skipped"), within_s=60, what="a skipped letter")
    assert skipped["id"] == letter["id"]


def mapped_twice(order: dict[str, Any]) -> bool:
    steps: list[dict[str, Any]] = json.loads(towpath("trace", order["key"], "--json"))["stories"][0]["steps"]
    return (
        len({(step["partition"], step["offset"]) for step in steps if step.get("topic") == "canonical.orders.v1"}) >= 2
    )


def test_discarded_order_is_over_for_good_and_says_who_and_why(bus: Outside) -> None:
    order, _ = refused(bus, **unknown_item("NOBODY-KNOWS-2"))

    towpath("parked", "discard", f"clarity-main:{order['key']}", "--yes", "--why", "a test order", "--as", "mara")

    until(partial(letters, order, "discarded"), within_s=60, what="a discarded letter")
    listed = json.loads(towpath("outcomes", "--key", f"clarity-main:{order['key']}", "--state", "discarded", "--json"))
    (outcome,) = [each["outcome"] for each in listed["outcomes"]]
    assert (outcome["who"], outcome["why"], outcome["code"]) == ("mara", "a test order", "discarded")
    assert bus.documents(order["key"]) == []


def test_letter_of_streams_is_mapped_again_and_can_be_ended(bus: Outside) -> None:
    key = f"clarity-main:E2E-{uuid.uuid4().hex[:8]}"
    fetched = Fetched(connection="clarity-main", id="1", read_at=datetime.now(UTC), source_version=1, body=b"no order")
    with closing(Registry(bus.info["registry"])) as registry:
        value = Codecs(registry).of(CLARITY_ORDERS).encode(fetched)
    producer = Producer({"bootstrap.servers": bus.info["kafka"]})
    producer.produce(CLARITY_ORDERS.name, value, key, partition=partition_of(key, CLARITY_ORDERS.partitions))
    assert producer.flush(30) == 0
    order = {"key": key.removeprefix("clarity-main:")}
    (letter,) = until(partial(letters, order), within_s=60, what="a dead letter of streams")
    assert letter["stage"] == "streams"

    (answer,) = json.loads(towpath("dead-letters", "redrive", letter["id"], "--json", ends_with=(1,)))["answers"]
    assert answer["code"] == "command.failed_again"
    towpath("dead-letters", "discard", letter["id"], "--why", "a test")

    (ended,) = until(partial(letters, order, "discarded"), within_s=60, what="a discarded letter")
    assert ended["id"] == letter["id"]


def test_paused_connection_gets_nothing_until_it_is_resumed(bus: Outside) -> None:
    answered = json.loads(towpath("pause", "gp-two", "--why", "year end close", "--json"))
    try:
        assert {answer["queue"] for answer in answered["answers"]} == {"fetchers", "consumers"}
        assert answered["silent"] == []
        order = bus.place()
        # once it is on its topic nothing but the pause holds it back; what is not paused goes on meanwhile
        until(partial(is_mapped, order), within_s=60, what="the order on its topic")
        paused = json.loads(
            towpath("outcomes", "--key", f"clarity-main:{order['key']}", "--connection", "gp-two", "--json")
        )
        assert paused["outcomes"] == []
        assert bus.documents(order["key"]) == []
    finally:
        towpath("resume", "gp-two")

    assert bus.document(order)


def is_mapped(order: dict[str, Any]) -> bool:
    told = towpath("trace", order["key"], "--json", ends_with=(0, 1))
    steps: list[dict[str, Any]] = json.loads(told)["stories"][0]["steps"] if told else []  # at first nobody knows of it
    return any(step.get("topic") == "canonical.orders.v1" for step in steps)
