"""Which GP documents are shipments of an order, and when one was shipped; named by the route and its mapping."""

from datetime import UTC, datetime

from schemas.bus.seen import Seen
from schemas.systems.dynamics_gp.sales_order import INVOICE, SalesOrder
from schemas.systems.dynamics_gp.shipped import Shipped
from schemas.types import message_key

__all__ = ["message_key", "shipments_in", "start_of"]


def shipments_in(seen: Seen[SalesOrder]) -> tuple[Seen[Shipped], ...]:
    """Each invoice of the order, void ones too: a shipment taken back is told as such."""
    return tuple(
        Seen(
            connection=seen.connection,
            key=seen.key,
            read_at=seen.read_at,
            source_version=seen.source_version,
            content=Shipped(order=seen.content, invoice=document),
        )
        for document in seen.content.others
        if document.SOPTYPE == INVOICE
    )


def start_of(day: datetime) -> datetime:
    """GP keeps days without a zone: the day's start in UTC, the same at every reading."""
    return day.replace(tzinfo=UTC)
