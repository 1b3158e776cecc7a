"""A Clarity order as a canonical order, written by hand: what the mapping in `streams/orders` is measured against."""

from datetime import datetime
from decimal import Decimal
from functools import partial

from errors import MappingError
from mapping.functions.currencies import rounded_money
from mapping.port import Lookups
from schemas.bus.fetched import Fetched
from schemas.canonical.address import Address
from schemas.canonical.order import Order, OrderLine
from schemas.systems.clarity.order import ClarityContact, ClarityOrder, ClaritySalesItem
from schemas.systems.clarity.site import Site, Standing, site_of
from schemas.types import root_key

ZERO = Decimal(0)


def order_by_hand(fetched: Fetched, order: ClarityOrder, lookups: Lookups, now: datetime) -> Order:  # noqa: ARG001 - the port's shape
    """Map the order whole; totals must add up to what the customer was told.

    Units: amounts in the order's currency as the store rounded them; fees count as handling.
    Source: reference/clarity-ecommerce.md, 5.2.
    """
    connection = f"connection:{fetched.connection}"
    site = site_of(fetched.connection, partial(lookups.find, connection))
    currency = _currency(order) or lookups.get(connection, "currency", "currency")
    lines = tuple(_line(item, currency) for item in order.sales_items)
    subtotal = sum((line.extended for line in lines), ZERO)
    mapped = Order(
        id=root_key(fetched.connection, fetched.id),
        # The fetcher knew no version where it could not read the body, as it had an older record of it.
        source_version=fetched.source_version or int(order.updated_date),
        ordered_at=(order.original_date or order.created_date or order.updated_date).moment,
        updated_at=order.updated_date.moment,
        connection=fetched.connection,
        number=order.custom_key.strip() or str(order.id),
        state=_standing(order.status_key.strip(), site).value,
        currency=currency,
        customer_id=order.account_key.strip(),
        customer_name=_customer_name(order),
        customer_email=(
            order.user_contact_email or (order.billing_contact.email1 if order.billing_contact else "")
        ).strip(),
        purchase_order_number=order.purchase_order_number.strip(),
        billing=_address(order.billing_contact),
        shipping=_address(order.ships_to),
        ship_method=order.shipping_detail.ship_carrier_method_key.strip(),
        lines=lines,
        subtotal=subtotal,
        discount=_taken_off(*(discount.discount_total for discount in order.discounts)),
        shipping_amount=order.totals.shipping,
        handling_amount=order.totals.handling + order.totals.fees,
        tax=order.totals.tax,
        total=order.totals.total,
        payment_method=_payment_method(order),
        note="\n".join(note.note1 for note in order.notes if note.note1),
        custom={str(name): str(attribute.value) for name, attribute in order.serializable_attributes.items()},
    )
    return _require_sum(_require_lines(mapped), order.totals.total)


def _line(item: ClaritySalesItem, currency: str) -> OrderLine:
    quantity, price = item.ordered_quantity, item.unit_price
    full = item.extended_price
    if full is None:
        full = rounded_money(quantity * price, currency, "half_up")
    discount = _taken_off(*(discount.discount_total for discount in item.discounts))
    return OrderLine(
        line_id=str(item.id),
        sku=item.sku.strip() or item.product_key.strip(),
        description=item.product_name or item.name,
        quantity=quantity,
        unit=item.unit_of_measure.strip().upper() or "EACH",
        unit_price=price,
        discount=discount,
        extended=full - discount,
        tax=item.extended_tax_amount,
        tax_code=item.product_tax_code,
    )


def _standing(status: str, site: Site) -> Standing:
    """Only whether it still stands: how far it got is the ERP's to say."""
    standing = site.standing(status)
    if standing is Standing.UNKNOWN:
        # Were it passed on, an order cancelled in words of the site's own would be carried out.
        option = "name it in the connection's option open_statuses, shipped_statuses or cancelled_status"
        raise MappingError("status", f"{status!r} is no status we know: {option}")
    return standing


def _currency(order: ClarityOrder) -> str:
    named = {item.selling_currency_key or item.original_currency_key for item in order.sales_items} - {""}
    if len(named) > 1:
        raise MappingError("currency", f"lines in several currencies: {', '.join(sorted(named))}")
    return named.pop().upper() if named else ""


def _customer_name(order: ClarityOrder) -> str:
    person = f"{order.user_contact_first_name} {order.user_contact_last_name}".strip()
    return order.account_name.strip() or person or _address(order.billing_contact).name


def _payment_method(order: ClarityOrder) -> str:
    return ", ".join(dict.fromkeys(p.payment.type_key for p in order.sales_order_payments if p.payment.type_key))


def _address(contact: ClarityContact | None) -> Address:
    if contact is None:
        return Address()
    given = contact.address
    return Address(
        name=contact.full_name.strip() or f"{contact.first_name} {contact.last_name}".strip(),
        company=given.company.strip(),
        lines=tuple(line.strip() for line in (given.street1, given.street2, given.street3) if line.strip()),
        city=given.city.strip(),
        region=given.region_code.strip() or given.region_name.strip(),
        postal_code=given.postal_code.strip(),
        country=given.country_code.strip().upper(),
        phone=given.phone.strip() or contact.phone1.strip(),
        email=contact.email1.strip(),
    )


def _taken_off(*discounts: Decimal) -> Decimal:
    return sum((abs(discount) for discount in discounts), ZERO)


def _require_sum(order: Order, said_total: Decimal) -> Order:
    parts = order.subtotal - order.discount + order.shipping_amount + order.handling_amount + order.tax
    if parts != said_total:
        raise MappingError("total", f"parts add up to {parts}, the store says {said_total}")
    return order


def _require_lines(order: Order) -> Order:
    if not order.lines:
        raise MappingError("lines", "the order has no lines")
    for number, line in enumerate(order.lines, start=1):
        if not line.sku:
            raise MappingError(f"lines[{number}].sku", "missing")
        if line.quantity <= ZERO:
            raise MappingError(f"lines[{number}].quantity", f"{line.quantity} is not positive")
    return order
