"""What must be decided before a Clarity store is written to; some of it named by its mappings."""

from enum import StrEnum

from delivery.ports import Settlement
from delivery.states import State
from schemas.canonical.order_status import OrderState
from schemas.canonical.shipment import Shipment
from schemas.systems.clarity.shipment import ClarityShipment, UpsertShipment
from schemas.systems.clarity.site import Site
from schemas.systems.clarity.stock_section import ClarityStockSection, UpsertStockSection, section_key
from schemas.systems.clarity.wire import ticks_at
from schemas.types import RootKey, id_of

__all__ = [
    "StatusStep",
    "id_there",
    "left_alone",
    "section_key",
    "shipment_stands",
    "status_step",
    "stock_stands",
    "ticks_at",
    "tracking_of_order",
    "tracking_without",
]

#: Between the numbers in the order's one tracking field.
_BETWEEN = ", "


class StatusStep(StrEnum):
    """What the store's status asks for."""

    ACT = "act"
    EQUAL = "equal"
    CANCELLED_AT_STORE = "cancelled_at_store"
    FINISHED_AT_STORE = "finished_at_store"


def status_step(current_key: str, wanted_key: str, wanted: OrderState, site: Site) -> StatusStep:
    """Whether the store's status has to be set.

    A repeated action may send the customer a second mail, so an equal status is left alone. An order the customer
    cancelled stays cancelled: his cancellation is on its way to the ERP. What has left the house is not cancelled,
    whatever became of its documents at the ERP: there they are purged one day.
    """
    if current_key == wanted_key:
        return StatusStep.EQUAL
    if current_key == site.cancelled:
        return StatusStep.CANCELLED_AT_STORE
    if current_key in site.completed or (wanted is OrderState.CANCELLED and current_key in site.shipped):
        return StatusStep.FINISHED_AT_STORE
    return StatusStep.ACT


def left_alone(step: StatusStep) -> Settlement:
    """Why nothing was sent."""
    return Settlement(state=State.SUPPRESSED, code=step.value)


def id_there(root_key: str) -> str:
    """The order's own id at the store, of its root key."""
    return id_of(RootKey(root_key))


def shipment_stands(standing: ClarityShipment | None, wanted: UpsertShipment) -> bool:
    """Does the store have exactly this shipment?"""
    return standing is not None and (
        standing.sales_order_id == wanted.sales_order_id
        and standing.tracking_number == wanted.tracking_number
        and standing.carrier_key == wanted.carrier_key
        and standing.ship_date == wanted.ship_date
        and standing.items == wanted.items
    )


def tracking_of_order(current: str, standing: ClarityShipment | None, shipment: Shipment) -> str:
    """The order's tracking field with this shipment's numbers in it, or without them when it was taken back.

    Numbers the standing shipment had and the new one lacks go too: they were corrected at the ERP.
    """
    before = _numbers_in(standing.tracking_number) if standing is not None else ()
    wanted = () if shipment.voided else shipment.tracking_numbers
    gone = {*before, *shipment.tracking_numbers} - {*wanted}
    kept = [number for number in _numbers_in(current) if number not in gone]
    return _BETWEEN.join(dict.fromkeys([*kept, *wanted]))


def tracking_without(current: str, standing: ClarityShipment | None, shipment: Shipment) -> str:
    """The order's tracking field as it goes with the standing shipment, whatever a try at the new one left in it."""
    before = _numbers_in(standing.tracking_number) if standing is not None else ()
    kept = [number for number in _numbers_in(current) if number in before or number not in shipment.tracking_numbers]
    return _BETWEEN.join(dict.fromkeys([*kept, *before]))


def _numbers_in(tracking_number: str) -> tuple[str, ...]:
    return tuple(number for number in (part.strip() for part in tracking_number.split(",")) if number)


def stock_stands(standing: ClarityStockSection | None, wanted: UpsertStockSection) -> bool:
    """Does the store have exactly this stock?"""
    return (
        standing is not None
        and standing.quantity == wanted.quantity
        and standing.quantity_allocated == wanted.quantity_allocated
    )
