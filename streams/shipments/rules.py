"""Which GP documents are shipments of an order."""

import msgspec

from schemas.bus.seen import Seen
from schemas.systems.dynamics_gp.sales_order import INVOICE, SalesDocument, SalesOrder


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """One invoice of an order, with the order it belongs to."""

    order: SalesOrder
    invoice: SalesDocument


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
