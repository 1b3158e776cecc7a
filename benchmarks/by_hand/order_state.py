"""How far a GP order has got, told from its documents."""

from decimal import Decimal

from schemas.canonical.order_status import OrderState
from schemas.systems.dynamics_gp.sales_order import INVOICE, SalesDocument, SalesOrder

ZERO = Decimal(0)


def state_of(order: SalesOrder) -> OrderState:
    """The one state of an order with all that came of it.

    Source: reference/dynamics-gp.md, 5.2: shipped is what stands on invoices that are not void, in work or history.
    """
    document, shipped = order.order, _shipped(order)
    if document is None or document.VOIDSTTS:
        # what was invoiced has left the house, whatever became of the order's own document
        return OrderState.SHIPPED if shipped > ZERO else OrderState.CANCELLED
    wanted = sum((line.QUANTITY - line.QTYCANCE for line in document.lines if not line.CMPNTSEQ), ZERO)
    if shipped > ZERO:
        return OrderState.SHIPPED if shipped >= wanted else OrderState.PARTIALLY_SHIPPED
    if document.lines and wanted <= ZERO:
        return OrderState.CANCELLED
    return _before_shipping(document)


def _shipped(order: SalesOrder) -> Decimal:
    invoices = (document for document in order.others if document.SOPTYPE == INVOICE and not document.VOIDSTTS)
    return sum((line.QUANTITY for invoice in invoices for line in invoice.lines if not line.CMPNTSEQ), ZERO)


def _before_shipping(document: SalesDocument) -> OrderState:
    if any(line.ATYALLOC > ZERO or line.QTYFULFI > ZERO for line in document.lines):
        return OrderState.PROCESSING
    if any(line.QTYTBAOR > ZERO for line in document.lines):
        return OrderState.BACKORDERED
    return OrderState.RECEIVED
