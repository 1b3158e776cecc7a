"""What the store owns of an order, told apart from what we set there."""

from pathlib import Path

import msgspec
import pytest

from errors import ConfigurationError
from schemas.systems.clarity import wire
from schemas.systems.clarity.aspects import cancelled, own_aspect
from schemas.systems.clarity.order import ClarityOrder
from schemas.systems.clarity.site import CEF, site_of
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

    assert own_aspect(echoed, CEF) == own_aspect(order, CEF)


def test_a_cancellation_is_a_change(order: ClarityOrder) -> None:
    assert own_aspect(cancelled(order, CEF), CEF) != own_aspect(order, CEF)


def test_what_the_customer_edits_is_a_change(order: ClarityOrder) -> None:
    line = order.sales_items[0]
    edited = msgspec.structs.replace(
        order,
        sales_items=(msgspec.structs.replace(line, total_quantity=line.ordered_quantity + 1), *order.sales_items[1:]),
    )

    assert own_aspect(edited, CEF) != own_aspect(order, CEF)


def test_another_address_or_note_is_a_change(order: ClarityOrder) -> None:
    assert own_aspect(msgspec.structs.replace(order, billing_contact=None), CEF) != own_aspect(order, CEF)
    assert own_aspect(msgspec.structs.replace(order, purchase_order_number="P-9"), CEF) != own_aspect(order, CEF)


def test_a_site_has_its_own_words_and_an_unknown_one_is_a_change(order: ClarityOrder) -> None:
    options = {"cancelled_status": "Storniert", "open_statuses": "In Prüfung, Packt", "shipped_statuses": "Weg"}
    site = site_of("clarity-main", options.get)

    def read_as(status: str) -> bytes:
        return own_aspect(msgspec.structs.replace(order, status_key=status), site)

    assert read_as("Packt") == read_as("Weg") == read_as("Completed") == read_as("Pending")
    assert len({read_as(status) for status in ("Pending", "Storniert", "Void")}) == 3


def test_a_time_zone_nobody_knows_is_refused_by_name() -> None:
    for name in ("Mars/Base", "../etc/passwd", "Europe"):
        with pytest.raises(ConfigurationError, match="time_zone"):
            site_of("clarity-main", {"time_zone": name}.get)
