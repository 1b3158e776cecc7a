"""One invoice of a GP sales order: what a shipment is made of."""

import msgspec

from schemas.systems.dynamics_gp.sales_order import SalesDocument, SalesOrder


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """One invoice of an order, with the order it belongs to."""

    order: SalesOrder
    invoice: SalesDocument
