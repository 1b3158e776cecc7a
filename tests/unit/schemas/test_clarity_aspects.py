"""What the store owns of an order, told apart from what we set there."""

from pathlib import Path

import msgspec
import pytest

from schemas.systems.clarity import wire
from schemas.systems.clarity.aspects import cancelled, own_aspect
from schemas.systems.clarity.order import ClarityOrder
from schemas.systems.clarity.wire import Ticks

EXAMPLES = Path(__file__).parents[3] / "schemas" / "examples" / "clarity.orders.v1"


@pytest.fixture(params=sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def order(request: pytest.FixtureRequest) -> ClarityOrder:
    path: Path = request.param
    return msgspec.structs.replace(wire.decode(path.read_bytes(), ClarityOrder), status_key="Pending")


def test_a_status_or_tracking_number_we_set_is_no_change_of_the_customer_s(order: ClarityOrder) -> None:
    echoed = msgspec.structs.replace(
        order, status_key="Shipped", tracking_number="1Z1", updated_date=Ticks(order.updated_date + 7)
    )

    assert own_aspect(echoed) == own_aspect(order)


def test_a_cancellation_is_a_change(order: ClarityOrder) -> None:
    assert own_aspect(cancelled(order)) != own_aspect(order)


def test_what_the_customer_edits_is_a_change(order: ClarityOrder) -> None:
    line = order.sales_items[0]
    edited = msgspec.structs.replace(
        order,
        sales_items=(msgspec.structs.replace(line, total_quantity=line.ordered_quantity + 1), *order.sales_items[1:]),
    )

    assert own_aspect(edited) != own_aspect(order)


def test_another_address_or_note_is_a_change(order: ClarityOrder) -> None:
    assert own_aspect(msgspec.structs.replace(order, billing_contact=None)) != own_aspect(order)
    assert own_aspect(msgspec.structs.replace(order, purchase_order_number="P-9")) != own_aspect(order)
