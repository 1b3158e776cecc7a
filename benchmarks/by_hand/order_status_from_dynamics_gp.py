"""The status of a GP sales order as the canonical order status, written by hand."""

from datetime import datetime

from benchmarks.by_hand.order_state import state_of
from mapping.port import Lookups
from schemas.bus.seen import Seen
from schemas.canonical.order_status import OrderStatus
from schemas.systems.dynamics_gp.sales_order import SalesOrder


def order_status_by_hand(seen: Seen[SalesOrder], lookups: Lookups, now: datetime) -> OrderStatus:  # noqa: ARG001 - the port's shape
    """Say how far the order has got."""
    return OrderStatus(
        id=seen.key,
        source_version=seen.source_version,
        occurred_at=seen.read_at,
        connection=seen.connection,
        status=state_of(seen.content).value,
        document_number=seen.content.number,
    )
