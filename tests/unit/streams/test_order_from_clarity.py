"""What of a store's order depends on the site it comes from."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from errors import ConfigurationError, MappingError
from mapping.port import Lookups
from schemas.bus.fetched import Fetched
from schemas.canonical.order import Order
from streams.routes import ORDER_FROM_CLARITY

AT = datetime(2026, 3, 2, 15, tzinfo=UTC)
BODY = Path("schemas/examples/clarity.orders.v1/full_order.json").read_bytes()
CAMEL = Path("schemas/examples/clarity.orders.v1/camel_case_order.json").read_bytes()


def order(body: bytes, **values: str) -> Order:
    fetched = Fetched(connection="clarity-main", id="1001", read_at=AT, source_version=0, body=body)
    mapped: Order = ORDER_FROM_CLARITY(fetched, Lookups({"connection:clarity-main": {"currency": "USD", **values}}), AT)
    return mapped


def in_status(status: str) -> bytes:
    assert b'"StatusKey": "Pending"' in BODY
    return BODY.replace(b'"StatusKey": "Pending"', f'"StatusKey": "{status}"'.encode())


@pytest.mark.parametrize(
    ("status", "state"), [("Pending", "open"), ("Shipped", "open"), ("Completed", "open"), ("Void", "cancelled")]
)
def test_only_whether_it_stands_is_told(status: str, state: str) -> None:
    assert order(in_status(status)).state == state


@pytest.mark.parametrize("status", ["Cancelled", ""])
def test_a_status_nobody_told_us_of_is_not_taken_for_an_open_order(status: str) -> None:
    with pytest.raises(MappingError) as caught:
        order(in_status(status))

    assert caught.value.field == "status"


def test_a_site_s_own_words_are_its_connection_s_options() -> None:
    assert order(in_status("Cancelled"), cancelled_status="Cancelled").state == "cancelled"
    assert order(in_status("Packing"), open_statuses="Packing").state == "open"


def test_moments_without_an_offset_are_the_site_s_local_time() -> None:
    local = BODY.replace(b"2026-03-02T14:05:09.1234567Z", b"2026-03-02T08:05:09.1234567")

    mapped = order(local, time_zone="America/Chicago")

    assert mapped.updated_at == datetime(2026, 3, 2, 14, 5, 9, 123456, tzinfo=UTC)
    assert mapped.source_version == 17_724_603_091_234_567


def test_a_time_zone_nobody_knows_stops_the_stage() -> None:
    with pytest.raises(ConfigurationError):
        order(BODY, time_zone="Mars/Base")


@pytest.mark.parametrize(("currency", "amount"), [("SEK", "12.35"), ("JPY", "12"), ("KWD", "12.345")])
def test_a_line_without_its_own_price_is_worked_out_in_whole_coins(currency: str, amount: str) -> None:
    body = CAMEL.replace(b"SEK", currency.encode()).replace(b"12.35", amount.encode())

    mapped = order(body)

    assert mapped.lines[0].unit_price == Decimal("8.23")
    assert (mapped.lines[0].quantity, mapped.lines[0].extended) == (Decimal("1.5"), Decimal(amount))
    assert mapped.subtotal == mapped.total == Decimal(amount)


def test_a_line_without_its_own_price_in_no_currency_is_refused() -> None:
    with pytest.raises(MappingError, match="'QQQ' is no currency"):
        order(CAMEL.replace(b"SEK", b"QQQ"))
