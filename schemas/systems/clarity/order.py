"""An order as Clarity eCommerce answers it, whole; what `streams/orders/from_clarity` reads.

Source: reference/clarity-ecommerce.md, 5.1. Empty text and None both mean that the store said nothing. Members
the reference calls unverified differ between sites: the mapping, not this record, decides what must be there.
"""

from decimal import Decimal

import msgspec

from schemas.systems.clarity.wire import FreeText, Ticks, Wire

ZERO = Decimal(0)


class ClarityAddress(Wire, frozen=True, kw_only=True):
    """An address in components."""

    company: str = ""
    street1: str = ""
    street2: str = ""
    street3: str = ""
    city: str = ""
    postal_code: str = ""
    #: Short official code, where the region has one.
    region_code: str = ""
    region_name: str = ""
    #: ISO 3166-1 alpha-2.
    country_code: str = ""
    country_name: str = ""
    phone: str = ""


class ClarityContact(Wire, frozen=True, kw_only=True):
    """A person with an address."""

    id: int = 0
    custom_key: str = ""
    first_name: str = ""
    last_name: str = ""
    full_name: str = ""
    email1: str = ""
    phone1: str = ""
    address: ClarityAddress = ClarityAddress()


class ClarityTotals(Wire, frozen=True, kw_only=True):
    """Total = SubTotal + Shipping + Handling + Fees + Tax - Discounts."""

    sub_total: Decimal = ZERO
    shipping: Decimal = ZERO
    handling: Decimal = ZERO
    fees: Decimal = ZERO
    tax: Decimal = ZERO
    #: The order's own and all lines' discounts; sign differs by site (positive in the simulator).
    discounts: Decimal = ZERO
    total: Decimal = ZERO


class ClarityDiscount(Wire, frozen=True, kw_only=True):
    """What is taken off a line or the order; sign differs by site."""

    id: int = 0
    custom_key: str = ""
    name: str = ""
    discount_total: Decimal = ZERO


class ClarityAttribute(Wire, frozen=True, kw_only=True):
    """One custom field."""

    key: str = ""
    value: FreeText = FreeText("")


class ClaritySalesItem(Wire, frozen=True, kw_only=True):
    """One line of an order."""

    id: int = 0
    custom_key: str = ""
    sku: str = ""
    name: str = ""
    description: str = ""
    product_key: str = ""
    product_name: str = ""
    product_is_taxable: bool = True
    product_tax_code: str = ""
    quantity: Decimal = ZERO
    quantity_back_ordered: Decimal = ZERO
    quantity_pre_sold: Decimal = ZERO
    #: Computed by the store: the sum of the three above; None where the site leaves it out.
    total_quantity: Decimal | None = None
    unit_of_measure: str = ""
    unit_core_price: Decimal = ZERO
    #: Only where sold at another price than the core price; zero is a free item.
    unit_sold_price: Decimal | None = None
    #: Computed by the store: sold price x TotalQuantity, before discounts.
    extended_price: Decimal | None = None
    extended_tax_amount: Decimal = ZERO
    original_currency_key: str = ""
    selling_currency_key: str = ""
    item_type: str = ""
    status_key: str = ""
    discounts: tuple[ClarityDiscount, ...] = ()

    @property
    def ordered_quantity(self) -> Decimal:
        """All that was ordered: Quantity alone leaves out what is back-ordered or pre-sold."""
        if self.total_quantity is not None:
            return self.total_quantity
        return self.quantity + self.quantity_back_ordered + self.quantity_pre_sold

    @property
    def unit_price(self) -> Decimal:
        """Price of one unit before discounts."""
        return self.unit_core_price if self.unit_sold_price is None else self.unit_sold_price


class ClarityPayment(Wire, frozen=True, kw_only=True):
    """A payment; of the card only the last four digits are ever read."""

    id: int = 0
    custom_key: str = ""
    amount: Decimal = ZERO
    currency_key: str = ""
    type_key: str = ""
    #: Authorized, Captured or Voided.
    status_key: str = ""
    card_type: str = ""
    last4_card_digits: str = ""
    transaction_number: str = ""


class ClaritySalesOrderPayment(Wire, frozen=True, kw_only=True):
    """The link of an order to a payment."""

    id: int = 0
    payment: ClarityPayment = ClarityPayment()


class ClarityShippingDetail(Wire, frozen=True, kw_only=True):
    """How the customer wants it sent."""

    ship_carrier_key: str = ""
    ship_carrier_name: str = ""
    ship_carrier_method_key: str = ""
    ship_carrier_method_name: str = ""


class ClarityNote(Wire, frozen=True, kw_only=True):
    """A note somebody wrote on the order."""

    id: int = 0
    type_key: str = ""
    note1: str = ""
    created_date: Ticks | None = None


class ClarityOrder(Wire, frozen=True, kw_only=True):
    """One order of the store."""

    id: int
    #: The store's change number of the order.
    updated_date: Ticks
    #: The order's number as people know it.
    custom_key: str = ""
    active: bool = True
    created_date: Ticks | None = None
    original_date: Ticks | None = None
    actual_ship_date: Ticks | None = None
    requested_ship_date: Ticks | None = None
    type_key: str = ""
    status_key: str = ""
    status_name: str = ""
    #: WORK while something can still happen, HISTORY at the end.
    state_key: str = ""
    #: Empty for guests, as are the user members.
    account_id: int = 0
    account_key: str = ""
    account_name: str = ""
    user_id: int = 0
    user_key: str = ""
    user_user_name: str = ""
    user_contact_email: str = ""
    user_contact_first_name: str = ""
    user_contact_last_name: str = ""
    purchase_order_number: str = ""
    tracking_number: str = ""
    payment_transaction_id: str = ""
    item_quantity: Decimal = ZERO
    balance_due: Decimal = ZERO
    totals: ClarityTotals = ClarityTotals()
    shipping_same_as_billing: bool = False
    billing_contact: ClarityContact | None = None
    #: None where ShippingSameAsBilling.
    shipping_contact: ClarityContact | None = None
    shipping_detail: ClarityShippingDetail = ClarityShippingDetail()
    sales_items: tuple[ClaritySalesItem, ...] = ()
    #: On the whole order.
    discounts: tuple[ClarityDiscount, ...] = ()
    sales_order_payments: tuple[ClaritySalesOrderPayment, ...] = ()
    notes: tuple[ClarityNote, ...] = ()
    serializable_attributes: dict[str, ClarityAttribute] = msgspec.field(default_factory=dict)

    @property
    def ships_to(self) -> ClarityContact | None:
        """Where the goods go: the billing contact where the customer said so."""
        return self.billing_contact if self.shipping_same_as_billing else self.shipping_contact or self.billing_contact


class UpsertOrder(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """What the bus writes into an order; what is left out stays as it is."""

    custom_key: str
    tracking_number: str | None = None


class ClarityListedOrder(Wire, frozen=True, kw_only=True):
    """What a search tells of an order: enough to know that it changed, whatever else the site sends with it."""

    id: int
    updated_date: Ticks
    custom_key: str = ""
    status_key: str = ""
