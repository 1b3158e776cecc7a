"""The customer's part of a Clarity order in a normal form, to tell a change from an echo of our own write."""

from decimal import Decimal

import msgspec

from schemas.systems.clarity.order import ClarityOrder, ClaritySalesItem, ClaritySalesOrderPayment
from schemas.systems.clarity.site import Site
from schemas.systems.clarity.wire import Ticks, encode


def own_aspect(order: ClarityOrder, site: Site) -> bytes:
    """The normal form: equal bytes mean that the store has nothing new to say.

    A status or a tracking number we set changes the order's UpdatedDate and fires its webhook, but not this. Everything
    else stays in: a member somebody maps later, forgotten here, would be a change that is never told.
    """
    return encode(
        msgspec.structs.replace(
            order,
            updated_date=Ticks(0),
            # of all a status can say, whether the order stands is the store's own
            status_key=site.standing(order.status_key).value,
            status_name="",
            state_key="",
            tracking_number="",
            actual_ship_date=None,
            balance_due=Decimal(0),
            sales_items=tuple(_own_line(item) for item in order.sales_items),
            sales_order_payments=tuple(_own_payment(paid) for paid in order.sales_order_payments),
            serializable_attributes=dict(sorted(order.serializable_attributes.items())),
        )
    )


def cancelled(order: ClarityOrder, site: Site) -> ClarityOrder:
    """The same order as it will read once it is void."""
    return msgspec.structs.replace(order, status_key=site.cancelled)


def _own_line(item: ClaritySalesItem) -> ClaritySalesItem:
    """How much of it is back-ordered the ERP says; how much of it there is, the customer."""
    return msgspec.structs.replace(
        item,
        total_quantity=item.ordered_quantity,
        quantity=Decimal(0),
        quantity_back_ordered=Decimal(0),
        quantity_pre_sold=Decimal(0),
        status_key="",
    )


def _own_payment(paid: ClaritySalesOrderPayment) -> ClaritySalesOrderPayment:
    """What is paid with is the customer's choice; how far the payment got follows the order's status, which we set."""
    return msgspec.structs.replace(paid, payment=msgspec.structs.replace(paid.payment, status_key=""))
