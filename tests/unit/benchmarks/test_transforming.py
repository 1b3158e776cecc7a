"""What all contenders of the transform benchmark make of an order is the same."""

import pytest

from benchmarks.transforming import by_hand, mapping, orders
from bus.events import Incoming
from mapping.port import Lookups
from streams.agents import Way


@pytest.mark.parametrize("form", ["avro", "json"])
@pytest.mark.parametrize("lines", [3, 26])
def test_ours_makes_what_is_made_by_hand(form: str, lines: int) -> None:
    value = orders.value_of(17, lines, form)
    route = mapping.route(form, "orders", "placed")
    event = Incoming(
        topic="orders", topic_id="id", partition=3, offset=5, timestamp_ms=0, key=orders.key_of(17), value=value
    )

    (made,) = Way(route, mapping.codecs(form), Lookups({}), "test").go(event)

    assert made.value == by_hand.transform_of(form)(value)
    assert made.key == orders.key_of(17).decode()
    assert dict(made.headers)["towpath-origin"] == b"store-main"


@pytest.mark.parametrize(("lines", "least", "most"), [(3, 300, 360), (26, 2_700, 3_500), (260, 27_000, 33_000)])
def test_orders_are_as_large_as_is_said(lines: int, least: int, most: int) -> None:
    assert least < len(orders.value_of(17, lines, "avro")) < most


def test_an_order_is_told_by_its_key() -> None:
    assert orders.number_of(orders.key_of(4711)) == 4711
