"""The store's order book as the control API shows it: every order in few words, money as text.  Pure."""

from decimal import Decimal

import msgspec

from sandbox.clarity import money, records


class BookLine(msgspec.Struct, frozen=True, kw_only=True):
    sku: str
    name: str
    quantity: str
    back_ordered: str
    unit_price: str
    extended: str
    tax: str
    discount: str


class BookShipment(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    tracking_number: str | None
    carrier_key: str | None
    items: dict[str, str]


class BookEntry(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    key: str
    #: null for a guest
    account_key: str | None
    email: str
    total: str
    currency: str
    status_key: str
    tracking_number: str | None
    purchase_order_number: str | None
    attributes: dict[str, str]
    shipments: list[BookShipment]
    #: how many e-mails of each kind the customer got
    emails: dict[str, int]
    created: str
    updated: str
    lines: list[BookLine]


def entry(order: records.SalesOrder, emails: dict[str, int]) -> BookEntry:
    return BookEntry(
        id=order.id,
        key=order.custom_key,
        account_key=order.account_key,
        email=order.user_contact_email,
        total=str(order.totals.total),
        currency=next((item.selling_currency_key for item in order.sales_items), "USD"),
        status_key=order.status_key,
        tracking_number=order.tracking_number,
        purchase_order_number=order.purchase_order_number,
        attributes={key: each.value for key, each in order.serializable_attributes.items()},
        shipments=[_shipment(each) for each in order.shipments],
        emails=emails,
        created=order.created_date,
        updated=order.updated_date,
        lines=[_line(item) for item in order.sales_items],
    )


def _shipment(shipment: records.Shipment) -> BookShipment:
    quantities: dict[str, Decimal] = {}
    for item in shipment.items:
        quantities[item.sku] = quantities.get(item.sku, money.ZERO) + item.quantity
    return BookShipment(
        key=shipment.custom_key,
        tracking_number=shipment.tracking_number,
        carrier_key=shipment.carrier_key,
        items={sku: str(quantity) for sku, quantity in quantities.items()},
    )


def _line(item: records.SalesItem) -> BookLine:
    off = sum((each.discount_total for each in item.discounts), money.ZERO)
    return BookLine(
        sku=item.sku,
        name=item.name,
        quantity=str(item.total_quantity),
        back_ordered=str(item.quantity_back_ordered),
        unit_price=str(item.unit_core_price if item.unit_sold_price is None else item.unit_sold_price),
        extended=str(item.extended_price),
        tax=str(item.extended_tax_amount),
        discount=str(off),
    )
