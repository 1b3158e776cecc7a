"""What the store writes is read exactly, in whatever case and with whatever it leaves out."""

from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import DecodeError
from schemas.bus.change import Change
from schemas.systems.clarity.order import ClarityListedOrder, ClarityOrder
from schemas.systems.clarity.shipment import ClarityShipmentItem, UpsertShipment
from schemas.systems.clarity.stock_section import UpsertStockSection, section_key
from schemas.systems.clarity.webhook import read_webhook
from schemas.systems.clarity.wire import Ticks, decode, encode, ticks_at, ticks_from

EXAMPLES = Path("schemas/examples")
TICKS = 17_724_603_091_234_567


def order(case: str) -> ClarityOrder:
    return decode((EXAMPLES / "clarity.orders.v1" / f"{case}.json").read_bytes(), ClarityOrder)


def test_money_is_read_digit_for_digit() -> None:
    read = order("full_order")

    assert str(read.totals.sub_total) == "105.50"
    assert read.sales_items[0].unit_sold_price == Decimal("22.50")
    assert read.sales_items[0].ordered_quantity == 3
    assert read.discounts[0].discount_total == Decimal("5.00")
    assert read.updated_date == TICKS
    assert read.updated_date.moment == datetime(2026, 3, 2, 14, 5, 9, 123456, tzinfo=UTC)
    assert read.updated_date.text == "2026-03-02T14:05:09.1234567Z"


def test_the_order_adds_up() -> None:
    totals = order("full_order").totals

    assert totals.sub_total + totals.shipping + totals.handling + totals.tax - totals.discounts == totals.total


def test_a_free_item_is_free_and_ships_to_the_billing_address() -> None:
    read = order("guest_order")

    assert read.sales_items[0].unit_price == 0
    assert read.account_key == ""
    assert read.ships_to is not None
    assert read.ships_to.address.city == "Lucca"


def test_camel_case_nulls_and_service_stack_dates_are_the_same_record() -> None:
    read = order("camel_case_order")

    assert read.id == 1003
    assert read.updated_date.moment == datetime(2026, 3, 3, 8, tzinfo=UTC)
    assert str(read.totals.total) == "12.35"
    assert read.sales_items[0].ordered_quantity == Decimal("1.5")
    assert read.serializable_attributes["giftWrap"].value == "2"
    assert read.billing_contact is not None
    assert read.billing_contact.address.street1 == "Storgatan 1"


@pytest.mark.parametrize(
    ("text", "ticks"),
    [
        ("2026-03-02T14:05:09.1234567Z", TICKS),
        ("2026-03-02T15:05:09.1234567+01:00", TICKS),
        ("2026-03-02T09:05:09.1234567-0500", TICKS),
        ("2026-03-02T14:05:09Z", TICKS - 1_234_567),
        ("2026-03-02T14:05:09.1234567", TICKS),
        ("/Date(1772460309123)/", TICKS - 4_567),
        ("/Date(1772460309123-0000)/", TICKS - 4_567),
    ],
)
def test_moments(text: str, ticks: int) -> None:
    assert ticks_from(text) == ticks


def test_a_moment_without_offset_is_the_sites_local_time() -> None:
    assert ticks_from("2026-07-01T12:00:00", ZoneInfo("America/Chicago")).text == "2026-07-01T17:00:00.0000000Z"


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01",
        "0001-01-01T00:00:00",
        "0001-01-01T00:00:00+01:00",
        "0001-01-01T05:00:00Z",
        "/Date(-62135596800000)/",
        "/Date(-62135600400000+0100)/",
        "/Date(-62135578800000-0500)/",
    ],
)
def test_a_date_that_was_never_set_is_none(text: str) -> None:
    body = f'{{"ID":1,"UpdatedDate":"2026-03-02T14:05:09Z","OriginalDate":"{text}","CustomKey":"{text}"}}'.encode()

    read = decode(body, ClarityOrder)

    assert read.original_date is None
    assert read.custom_key == text
    with pytest.raises(DecodeError, match="UpdatedDate"):
        decode(f'{{"ID":1,"UpdatedDate":"{text}"}}'.encode(), ClarityOrder)


@pytest.mark.parametrize(
    "text",
    [
        "1899-12-31T23:59:59Z",
        "9999-12-31T23:59:59-05:00",
        "0001-01-03T00:00:00",
        "/Date(999999999999999)/",
        "/Date(-9999999999999)/",
    ],
)
def test_a_date_beyond_the_calendar_is_undecodable(text: str) -> None:
    with pytest.raises(DecodeError):
        decode(f'{{"ID":1,"UpdatedDate":"{text}"}}'.encode(), ClarityOrder)


OFFSETS = st.integers(-24 * 60 + 1, 24 * 60 - 1).map(
    lambda minutes: f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
)


@given(
    st.one_of(
        st.builds(lambda moment, offset: moment.isoformat() + offset, st.datetimes(), st.one_of(st.just("Z"), OFFSETS)),
        st.datetimes().map(lambda moment: moment.isoformat()),
        st.integers(-(10**15) + 1, 10**15 - 1).map(lambda number: f"/Date({number})/"),
    ),
    st.sampled_from([UTC, ZoneInfo("Pacific/Auckland"), ZoneInfo("America/Chicago")]),
)
def test_every_moment_that_is_read_can_be_used(text: str, zone: tzinfo) -> None:
    try:
        ticks = ticks_from(text, zone)
    except ValueError:
        return

    assert ticks < 2**63
    assert 1900 <= ticks.moment.year <= 9999
    assert ticks_from(ticks.text) == ticks


def test_ticks_and_moments_turn_into_each_other() -> None:
    assert ticks_at(Ticks(TICKS).moment) == TICKS - 7


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"ID":1}',
        b'{"ID":"private","UpdatedDate":"2026-03-02T14:05:09Z"}',
        b'{"ID":1,"UpdatedDate":"private"}',
        b'{"ID":1,"UpdatedDate":"2026-02-30"}',
        b'{"ID":1,"UpdatedDate":"2026-03-02T14:05:09+99:00"}',
        b'{"ID":1,"UpdatedDate":"2026-03-02","ItemQuantity":"NaN"}',
        b'{"ID":1,"UpdatedDate":"2026-03-02","ItemQuantity":1e99999}',
        b'{"ID":1,"UpdatedDate":"2026-03-02","CustomKey":"\xff"}',
        b'{"ID":1,"UpdatedDate":"2026-03-02","X":' + b"[" * 100_000,
    ],
)
def test_what_is_no_order_is_undecodable_and_not_quoted(body: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(body, ClarityOrder)

    assert "private" not in str(caught.value)


def test_a_search_result_needs_no_more_than_id_and_change() -> None:
    listed = decode((EXAMPLES / "clarity.orders.v1/guest_order.json").read_bytes(), ClarityListedOrder)

    assert (listed.id, listed.status_key) == (1002, "Void")


def test_what_is_written_is_pascal_case_with_exact_numbers() -> None:
    stock = UpsertStockSection(
        custom_key=section_key("TP-1001", "MAIN"),
        product_key="TP-1001",
        inventory_location_section_key="MAIN",
        quantity=Decimal("12.50"),
    )
    shipment = UpsertShipment(
        custom_key="SHP1",
        sales_order_id=1001,
        ship_date=Ticks(TICKS),
        items=(ClarityShipmentItem(sku="TP-1001", quantity=Decimal(2)),),
    )

    assert encode(stock) == (
        b'{"CustomKey":"TP-1001|MAIN","ProductKey":"TP-1001","InventoryLocationSectionKey":"MAIN","Quantity":12.50}'
    )
    assert b'"ShipDate":"2026-03-02T14:05:09.1234567Z"' in encode(shipment)


def test_every_change_example_decodes() -> None:
    for path in (EXAMPLES / "clarity.changes.v1").iterdir():
        assert msgspec.json.decode(path.read_bytes(), type=Change).connection == "clarity-main"


@pytest.mark.parametrize("kind", ["order.created", "ordercreated", "order.updated", "ORDER.CREATED"])
def test_order_events_are_about_orders(kind: str) -> None:
    webhook = read_webhook(f'{{"type":"{kind}","timestamp":"2026-03-02T14:05:09.1234567Z","data":{{"id":7}}}}'.encode())

    assert (webhook.record, webhook.data.id) == ("order", 7)


def test_an_unknown_event_is_about_nothing() -> None:
    webhook = read_webhook(b'{"type":"moon.full","timestamp":"2026-03-02T14:05:09Z","data":{"id":"a-7"}}')

    assert webhook.record is None


@pytest.mark.parametrize(
    "data",
    [
        '{"id":""}',
        '{"id":" "}',
        '{"id":"."}',
        '{"id":" .. "}',
        '{"id":0}',
        '{"id":-1}',
        '{"id":1.5}',
        '{"id":true}',
        '{"id":null}',
        "{}",
        "[]",
        '"x"',
        '{"id":"a\\u0000b"}',
        '{"id":"a\\nb"}',
        f'{{"id":"{"9" * 101}"}}',
        f'{{"id":{"9" * 40}}}',
    ],
)
def test_a_webhook_without_a_sensible_id_is_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        read_webhook(f'{{"type":"order.created","timestamp":"2026-03-02T14:05:09Z","data":{data}}}'.encode())


def test_a_webhook_without_an_offset_in_its_timestamp_is_refused() -> None:
    with pytest.raises(DecodeError, match="timestamp"):
        read_webhook(b'{"type":"order.created","timestamp":"2026-03-02T14:05:09","data":{"id":7}}')
