"""What the simulated store puts on the wire, in the names of Clarity's CEF generation; for whoever reads or writes it.

PascalCase, money as JSON numbers with exact cents, and no member at all where there is no value, as ServiceStack
answers by default. Field names the reference calls unverified are choices of this simulator and stand in the README.
"""

from decimal import Decimal
from typing import Any

import msgspec

#: Initialisms CEF writes in capitals; every other word only gets its first letter raised.
_CAPITALS = {"id": "ID"}

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def pascal_case(name: str) -> str:
    return "".join(_CAPITALS.get(word, word[:1].upper() + word[1:]) for word in name.split("_"))


class Wire(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=pascal_case):
    """A record of the store; only members that may be absent have a default, so nothing else is ever left out."""


class Address(Wire, frozen=True, kw_only=True):
    company: str | None = None
    street1: str
    street2: str | None = None
    street3: str | None = None
    city: str
    postal_code: str
    #: only where the region has a short official code (US, CA, AU)
    region_code: str | None = None
    region_name: str | None = None
    #: ISO 3166-1 alpha-2
    country_code: str
    country_name: str | None = None


class Contact(Wire, frozen=True, kw_only=True):
    id: int
    custom_key: str
    first_name: str
    last_name: str
    full_name: str
    email1: str | None = None
    phone1: str | None = None
    address: Address


class Totals(Wire, frozen=True, kw_only=True):
    """Total = SubTotal + Shipping + Handling + Fees + Tax - Discounts, to the cent."""

    sub_total: Decimal
    shipping: Decimal
    handling: Decimal
    fees: Decimal
    tax: Decimal
    #: positive; the sum of the order's own and all lines' discounts
    discounts: Decimal
    total: Decimal


class Discount(Wire, frozen=True, kw_only=True):
    id: int
    custom_key: str
    name: str
    #: positive: what is taken off
    discount_total: Decimal


class Attribute(Wire, frozen=True, kw_only=True):
    key: str
    value: str


class SalesItem(Wire, frozen=True, kw_only=True):
    id: int
    custom_key: str
    active: bool
    master_id: int
    sku: str
    name: str
    description: str | None = None
    #: absent, as ProductKey, where the store sells what it has no product for
    product_id: int | None = None
    product_key: str | None = None
    product_name: str
    product_is_taxable: bool
    product_tax_code: str | None = None
    quantity: Decimal
    quantity_back_ordered: Decimal
    quantity_pre_sold: Decimal
    #: computed: Quantity + QuantityBackOrdered + QuantityPreSold
    total_quantity: Decimal
    unit_of_measure: str
    unit_core_price: Decimal
    #: only where sold at another price than the core price, or free
    unit_sold_price: Decimal | None = None
    #: computed: sold price x TotalQuantity, before discounts
    extended_price: Decimal
    extended_tax_amount: Decimal
    original_currency_key: str
    selling_currency_key: str
    item_type: str
    status_key: str
    discounts: list[Discount]
    targets: list[msgspec.Raw]


class Payment(Wire, frozen=True, kw_only=True):
    id: int
    custom_key: str
    amount: Decimal
    currency_key: str
    type_key: str
    #: Authorized | Captured | Voided
    status_key: str
    card_type: str | None = None
    last4_card_digits: str | None = None
    transaction_number: str


class SalesOrderPayment(Wire, frozen=True, kw_only=True):
    id: int
    master_id: int
    payment: Payment


class ShippingDetail(Wire, frozen=True, kw_only=True):
    ship_carrier_key: str
    ship_carrier_name: str
    ship_carrier_method_key: str
    ship_carrier_method_name: str


class ShipmentItem(Wire, frozen=True, kw_only=True):
    sku: str
    quantity: Decimal


class Shipment(Wire, frozen=True, kw_only=True):
    id: int
    custom_key: str
    active: bool
    created_date: str
    updated_date: str
    sales_order_id: int
    sales_order_key: str
    tracking_number: str | None = None
    carrier_key: str | None = None
    ship_date: str | None = None
    items: list[ShipmentItem]


class Note(Wire, frozen=True, kw_only=True):
    id: int
    type_key: str
    note1: str
    created_date: str


class SalesOrder(Wire, frozen=True, kw_only=True):
    """One order as the store answers it, whole."""

    id: int
    custom_key: str
    active: bool
    created_date: str
    updated_date: str
    original_date: str
    actual_ship_date: str | None = None
    requested_ship_date: str | None = None
    type_id: int
    type_key: str
    type_name: str
    status_id: int
    status_key: str
    status_name: str
    state_id: int
    state_key: str
    state_name: str
    #: absent for guests, as are the User members
    account_id: int | None = None
    account_key: str | None = None
    account_name: str | None = None
    user_id: int | None = None
    user_key: str | None = None
    user_user_name: str | None = None
    user_contact_email: str
    user_contact_first_name: str
    user_contact_last_name: str
    purchase_order_number: str | None = None
    tracking_number: str | None = None
    payment_transaction_id: str | None = None
    item_quantity: Decimal
    balance_due: Decimal
    totals: Totals
    shipping_same_as_billing: bool
    billing_contact_id: int
    billing_contact: Contact
    #: absent where ShippingSameAsBilling
    shipping_contact_id: int | None = None
    shipping_contact: Contact | None = None
    shipping_detail: ShippingDetail | None = None
    sales_items: list[SalesItem]
    discounts: list[Discount]
    sales_order_payments: list[SalesOrderPayment]
    shipments: list[Shipment]
    notes: list[Note]
    serializable_attributes: dict[str, Attribute]


class Product(Wire, frozen=True, kw_only=True):
    id: int
    custom_key: str
    active: bool
    created_date: str
    updated_date: str
    name: str
    description: str | None = None
    unit_of_measure: str
    weight: Decimal
    price_base: Decimal
    price_sale: Decimal | None = None
    is_taxable: bool
    tax_code: str | None = None
    allow_back_order: bool
    category_key: str
    type_key: str


class Account(Wire, frozen=True, kw_only=True):
    id: int
    custom_key: str
    active: bool
    created_date: str
    updated_date: str
    name: str
    user_name: str
    contact: Contact
    addresses: list[Contact]


class StockSection(Wire, frozen=True, kw_only=True):
    """CEF's ProductInventoryLocationSection: the stock of one product in one section of one warehouse."""

    id: int
    #: "<sku>|<section key>"
    custom_key: str
    active: bool
    created_date: str
    updated_date: str
    product_id: int
    product_key: str
    inventory_location_section_key: str
    inventory_location_section_inventory_location_key: str
    inventory_location_section_inventory_location_name: str
    quantity: Decimal
    quantity_allocated: Decimal


def encode(record: Any) -> bytes:
    """JSON with decimals as numbers, digit for digit."""
    return _ENCODER.encode(record)
