"""The customer's part of a Clarity order in a normal form, to tell a change from an echo of our own write."""

import msgspec

from schemas.systems.clarity.order import ClarityContact, ClarityOrder, ClarityTotals
from schemas.systems.clarity.site import Site, Standing
from schemas.systems.clarity.wire import Wire, encode


class OwnAspect(Wire, frozen=True, kw_only=True):
    """What the store owns of an order: everything but the status, tracking and dates the ERP decides."""

    custom_key: str
    #: Of all a status can say, what is the store's own.
    standing: Standing
    account_key: str
    purchase_order_number: str
    user_contact_email: str
    totals: ClarityTotals
    shipping_same_as_billing: bool
    billing_contact: ClarityContact | None
    shipping_contact: ClarityContact | None
    ship_method: str
    lines: tuple[tuple[str, ...], ...]
    discounts: tuple[str, ...]
    payments: tuple[str, ...]
    notes: tuple[str, ...]
    custom: tuple[tuple[str, str], ...]


def own_aspect(order: ClarityOrder, site: Site) -> bytes:
    """The normal form: equal bytes mean that the store has nothing new to say.

    A status or a tracking number we set changes the order's UpdatedDate and fires its webhook, but not this.
    """
    return encode(
        OwnAspect(
            custom_key=order.custom_key,
            standing=site.standing(order.status_key),
            account_key=order.account_key,
            purchase_order_number=order.purchase_order_number,
            user_contact_email=order.user_contact_email,
            totals=order.totals,
            shipping_same_as_billing=order.shipping_same_as_billing,
            billing_contact=order.billing_contact,
            shipping_contact=order.shipping_contact,
            ship_method=order.shipping_detail.ship_carrier_method_key,
            lines=tuple(
                (
                    str(item.id),
                    item.sku,
                    str(item.ordered_quantity.normalize()),
                    str(item.unit_price.normalize()),
                    str(item.extended_price),
                    str(item.extended_tax_amount),
                    item.unit_of_measure,
                    item.product_name,
                    *(str(discount.discount_total) for discount in item.discounts),
                )
                for item in order.sales_items
            ),
            discounts=tuple(str(discount.discount_total) for discount in order.discounts),
            payments=tuple(f"{p.payment.type_key} {p.payment.amount}" for p in order.sales_order_payments),
            notes=tuple(note.note1 for note in order.notes),
            custom=tuple(sorted((name, str(found.value)) for name, found in order.serializable_attributes.items())),
        )
    )


def cancelled(order: ClarityOrder, site: Site) -> ClarityOrder:
    """The same order as it will read once it is void."""
    return msgspec.structs.replace(order, status_key=site.cancelled)
