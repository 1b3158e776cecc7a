"""One order at a time, both ways, by everything a customer and a GP user do to it."""

import json
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from tests.end_to_end.outside import Outside, towpath, until

pytestmark = pytest.mark.timeout(180)


def status_is(bus: Outside, order: dict[str, Any], key: str) -> dict[str, Any]:
    return until(
        lambda: found if (found := bus.order(order["id"]))["status_key"] == key else None,
        within_s=60,
        what=f"order {order['key']} {key} at the store",
    )


def dead_letter_of(order: dict[str, Any]) -> dict[str, Any] | None:
    key = f"clarity-main:{order['key']}"
    listing = json.loads(towpath("dead-letters", "list", "--limit", "100", "--json"))
    found: list[dict[str, Any]] = [each["letter"] for each in listing["letters"] if each["letter"]["root_key"] == key]
    return found[0] if found else None


def test_an_order_becomes_a_document_and_its_shipments_come_back(bus: Outside) -> None:
    order = bus.place(lines=[{"sku": "COF-ESP-250", "quantity": "3"}, {"sku": "COF-FIL-250", "quantity": "2"}])
    number = bus.document(order)
    status_is(bus, order, "Confirmed")

    bus.act("ship", number=number, lines={"COF-ESP-250": "2"}, tracking=[f"1ZA{order['id']}"])
    until(lambda: len(bus.order(order["id"])["shipments"]) == 1, within_s=60, what="the first shipment at the store")
    status_is(bus, order, "Processing")
    bus.act("ship", number=number, tracking=[f"1ZB{order['id']}"])
    shipped = status_is(bus, order, "Shipped")

    until(lambda: len(bus.order(order["id"])["shipments"]) == 2, within_s=60, what="both shipments at the store")
    shipped = bus.order(order["id"])
    assert {each["tracking_number"] for each in shipped["shipments"]} == {f"1ZA{order['id']}", f"1ZB{order['id']}"}
    assert shipped["tracking_number"] == f"1ZA{order['id']}, 1ZB{order['id']}"
    assert shipped["emails"]["shipped"] == 1


def test_a_webhook_signed_by_another_program_is_delivered(bus: Outside) -> None:
    order = bus.place(webhook="skip")

    answer = bus.send_webhook(json.dumps({"type": "order.created", "data": {"id": order["id"]}}).encode())

    assert answer.status_code == 202, answer.text
    assert bus.document(order)
    # the poller would have brought it, too
    stories = json.loads(towpath("trace", order["key"], "--json"))["stories"]
    heard = [step["sentence"] for story in stories for step in story["steps"] if step["what"] == "heard"]
    assert any("webhook" in sentence for sentence in heard), heard


def test_a_webhook_that_never_came_is_found_by_the_poller(bus: Outside) -> None:
    order = bus.place(webhook="skip")

    assert bus.document(order)


def test_an_edit_before_transfer_changes_the_document(bus: Outside) -> None:
    order = bus.place(lines=[{"sku": "COF-ESP-250", "quantity": "3"}, {"sku": "COF-FIL-250", "quantity": "2"}])
    number = bus.document(order)

    edited = bus.store.post(f"/orders/{order['id']}/edit", json={"set_quantity": {"COF-ESP-250": "5"}})
    assert edited.status_code == 200, edited.text

    total = Decimal(bus.order(order["id"])["total"])
    assert total > Decimal(order["total"])
    until(lambda: bus.documents(order["key"]) == [(number, total, 0)], within_s=60, what=f"{number} at {total}")


def test_an_order_cancelled_by_the_customer_is_void_in_gp(bus: Outside) -> None:
    order = bus.place()
    number = bus.document(order)

    assert bus.store.post(f"/orders/{order['id']}/cancel").status_code == 200

    until(lambda: [d[2] for d in bus.documents(order["key"])] == [1], within_s=60, what=f"{number} void")


def test_an_order_voided_in_gp_is_void_at_the_store_and_no_change_comes_back(bus: Outside) -> None:
    order = bus.place()
    number = bus.document(order)

    bus.act("void", number=number, type=2)

    status_is(bus, order, "Void")
    story = until(lambda: _echo(order), within_s=60, what="the echo of our own status, suppressed")
    assert story == ["unchanged"]


def _echo(order: dict[str, Any]) -> list[str]:
    """How readings of the order at the store ended after the first."""
    listed = json.loads(towpath("outcomes", "--key", f"clarity-main:{order['key']}", "--json"))["outcomes"]
    outcomes = [each["outcome"] for each in listed]
    readings = [
        each["code"] for each in outcomes if (each["stage"], each["connection"]) == ("fetchers", "clarity-main")
    ]
    return sorted(set(readings) - {"fetched"})


def test_an_edit_after_transfer_is_too_late_and_says_so(bus: Outside) -> None:
    order = bus.place(lines=[{"sku": "COF-ESP-250", "quantity": "3"}])
    number = bus.document(order)
    bus.act("transfer", number=number, lines={"COF-ESP-250": "1"})

    edited = bus.store.post(f"/orders/{order['id']}/edit", json={"set_quantity": {"COF-ESP-250": "9"}})
    assert edited.status_code == 200, edited.text

    letter = until(partial(dead_letter_of, order), within_s=60, what="a dead letter of the late edit")
    assert letter["code"] == "gp.too_late"
    assert [d[1] for d in bus.documents(order["key"])] == [Decimal(order["total"])]


def test_an_unknown_item_is_a_dead_letter_and_the_next_order_goes_on(bus: Outside) -> None:
    order = bus.place(lines=[{"sku": "NOBODY-KNOWS-IT", "quantity": "1", "unit_price": "5.00"}], allow_unknown_sku=True)

    letter = until(partial(dead_letter_of, order), within_s=60, what="a dead letter of the unknown item")

    assert letter["code"].startswith("gp.")
    assert bus.documents(order["key"]) == []
    assert bus.document(bus.place())


def test_stock_changed_by_hand_reaches_the_store(bus: Outside) -> None:
    on_hand = 1 + int(
        bus.rows(
            'SELECT "QTYONHND" FROM dbo."IV00102" WHERE "ITEMNMBR" = ? AND "RCRDTYPE" = 2 AND "LOCNCODE" = ?',
            "TEA/MAT-30",
            "NORTH",
        )[0][0]
    )

    bus.act("stock", item="TEA/MAT-30", site="NORTH", on_hand=str(on_hand))

    def at_store() -> bool:
        stock = bus.store.get("/stock").json()
        rows = stock["stock"] if isinstance(stock, dict) else stock
        return any(
            row["sku"] == "TEA/MAT-30" and row["section"] == "NORTH" and Decimal(row["quantity"]) == on_hand
            for row in rows
        )

    until(at_store, within_s=60, what=f"{on_hand} TEA/MAT-30 at the store's section NORTH")
