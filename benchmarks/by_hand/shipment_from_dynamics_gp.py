"""A GP invoice that came of an order as a canonical shipment, written by hand."""

from datetime import UTC, datetime

from mapping.port import Lookups
from schemas.bus.seen import Seen
from schemas.canonical.shipment import Shipment, ShipmentLine
from schemas.systems.dynamics_gp.sales_order import SalesDocument
from schemas.systems.dynamics_gp.shipped import Shipped
from schemas.types import RootKey, message_key

#: Between the lines of an order of ours.
STEP = 16384


def shipment_by_hand(seen: Seen[Shipped], lookups: Lookups, now: datetime) -> Shipment:  # noqa: ARG001 - the port's shape
    """Map one invoice; tracking entered on the order counts for its only invoice."""
    order, invoice = seen.content.order, seen.content.invoice
    return Shipment(
        id=message_key(RootKey(seen.key), invoice.SOPNUMBE),
        source_version=seen.source_version,
        shipped_at=_shipped_at(invoice, seen.read_at),
        connection=seen.connection,
        order_id=seen.key,
        number=invoice.SOPNUMBE,
        carrier=lookups.find("gp_carriers", invoice.SHIPMTHD) or invoice.SHIPMTHD,
        tracking_numbers=invoice.tracking_numbers or _only_invoice_s(order.order, order.others),
        lines=tuple(
            ShipmentLine(
                sku=line.ITEMNMBR,
                quantity=line.QUANTITY,
                unit=line.UOFM or "EACH",
                order_line=line.LNITMSEQ // STEP if line.LNITMSEQ % STEP == 0 else 0,
            )
            for line in invoice.lines
            if not line.CMPNTSEQ and line.QUANTITY > 0
        ),
        voided=bool(invoice.VOIDSTTS),
    )


def _only_invoice_s(order: SalesDocument | None, others: tuple[SalesDocument, ...]) -> tuple[str, ...]:
    return order.tracking_numbers if order is not None and len(others) == 1 else ()


def _shipped_at(invoice: SalesDocument, read_at: datetime) -> datetime:
    """GP keeps days without a zone: the day's start in UTC, the same at every reading."""
    day = invoice.ACTLSHIP or invoice.DOCDATE
    return day.replace(tzinfo=UTC) if day else read_at
