"""How the store builds an order and adds it up: from what a customer asks for to the record on the wire.  Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from sandbox.clarity import money, records, regions
from sandbox.clarity.clock import iso_from_ticks
from sandbox.clarity.requests import AddressRequest, EditRequest, GuestRequest, LineRequest, OrderRequest
from sandbox.clarity.statuses import STATUSES

_CARRIER = records.ShippingDetail(
    ship_carrier_key="UPS",
    ship_carrier_name="United Parcel Service",
    ship_carrier_method_key="GROUND",
    ship_carrier_method_name="Ground",
)
_LINES_PER_ORDER = 1000


class OrderRefusedError(Exception):
    """The store does not sell it like that; the text says why."""


class Buyer(msgspec.Struct, frozen=True, kw_only=True):
    """Who orders: an account of the store, or a guest without one."""

    account: records.Account | None
    first_name: str
    last_name: str
    email: str
    phone: str | None
    billing: AddressRequest
    #: None: ships to the billing address
    shipping: AddressRequest | None


class Shelf(msgspec.Struct, frozen=True, kw_only=True):
    """What the store can sell: its products and how much of each is free."""

    products: Mapping[str, records.Product]
    available: Mapping[str, Decimal]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What an order was agreed on; kept with the order, so that an edited one adds up the same way."""

    currency: str
    tax_rate: Decimal
    shipping: Decimal
    handling: Decimal
    fees: Decimal
    discount: Decimal


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What the store gives every order: its number, its moment, its payment's number and card."""

    order_id: int
    ticks: int
    transaction_number: str
    last4: str


def terms_of(request: OrderRequest) -> Terms:
    return Terms(
        currency=request.currency,
        tax_rate=request.tax_rate or money.ZERO,
        shipping=money.money(request.shipping or money.ZERO, request.currency),
        handling=money.money(request.handling or money.ZERO, request.currency),
        fees=money.money(request.fees or money.ZERO, request.currency),
        discount=money.money(request.discount or money.ZERO, request.currency),
    )


def place(request: OrderRequest, buyer: Buyer, shelf: Shelf, identity: Identity) -> records.SalesOrder:
    """The order a customer has just placed; its status is Pending.

    Raises:
        OrderRefusedError: a SKU the store has not, too little stock, or discounts above what is to pay.
    """
    terms = terms_of(request)
    moment = iso_from_ticks(identity.ticks)
    items = price_lines(request.lines or [], terms, shelf, rules_of(request), identity.order_id, ())
    order = records.SalesOrder(
        id=identity.order_id,
        custom_key=str(identity.order_id),
        active=True,
        created_date=moment,
        updated_date=moment,
        original_date=moment,
        type_id=1,
        type_key="Web",
        type_name="Web",
        status_id=STATUSES["Pending"].id,
        status_key="Pending",
        status_name="Pending",
        state_id=1,
        state_key="WORK",
        state_name="Work",
        user_contact_email=buyer.email,
        user_contact_first_name=buyer.first_name,
        user_contact_last_name=buyer.last_name,
        purchase_order_number=request.purchase_order_number,
        item_quantity=money.ZERO,
        balance_due=money.ZERO,
        totals=add_up(items, (), terms),
        shipping_same_as_billing=buyer.shipping is None,
        billing_contact_id=identity.order_id * 10 + 1,
        billing_contact=contact(identity.order_id * 10 + 1, buyer.billing, buyer, buyer.email),
        sales_items=items,
        discounts=_order_discounts(identity.order_id, terms),
        shipping_detail=_CARRIER,
        sales_order_payments=[],
        shipments=[],
        notes=[],
        serializable_attributes={
            key: records.Attribute(key=key, value=value) for key, value in (request.custom or {}).items()
        },
    )
    if buyer.account is not None:
        order = _of_account(order, buyer.account)
    if buyer.shipping is not None:
        order = shipped_to(order, buyer.shipping)
    if request.note:
        order = noted(order, request.note, identity.ticks)
    order = with_lines(order, items, terms)
    return _paid(order, terms, identity)


def with_lines(order: records.SalesOrder, items: list[records.SalesItem], terms: Terms) -> records.SalesOrder:
    """The order with these lines, added up again."""
    totals = add_up(items, order.discounts, terms)
    payments = [
        msgspec.structs.replace(paid, payment=msgspec.structs.replace(paid.payment, amount=totals.total))
        for paid in order.sales_order_payments
    ]
    captured = any(paid.payment.status_key == "Captured" for paid in payments)
    return msgspec.structs.replace(
        order,
        sales_items=items,
        totals=totals,
        item_quantity=money.plain(sum((item.total_quantity for item in items), money.ZERO)),
        balance_due=money.money(money.ZERO, terms.currency) if captured else totals.total,
        sales_order_payments=payments,
    )


def add_up(items: Sequence[records.SalesItem], discounts: Sequence[records.Discount], terms: Terms) -> records.Totals:
    """The totals of an order, exact in the currency's minor unit.

    Raises:
        OrderRefusedError: the discounts are more than there is to pay.
    """
    cash = terms.currency
    sub_total = money.total((item.extended_price for item in items), cash)
    tax = money.total((item.extended_tax_amount for item in items), cash)
    off = money.total(
        [each.discount_total for each in discounts]
        + [each.discount_total for item in items for each in item.discounts],
        cash,
    )
    total = sub_total + terms.shipping + terms.handling + terms.fees + tax - off
    if total < 0:
        raise OrderRefusedError("the discounts are more than there is to pay")
    return records.Totals(
        sub_total=sub_total,
        shipping=terms.shipping,
        handling=terms.handling,
        fees=terms.fees,
        tax=tax,
        discounts=off,
        total=total,
    )


class SellingRules(msgspec.Struct, frozen=True, kw_only=True):
    """What an order may ask for beyond what the store has."""

    allow_unknown_sku: bool
    ignore_stock: bool


def rules_of(request: OrderRequest | EditRequest) -> SellingRules:
    return SellingRules(allow_unknown_sku=request.allow_unknown_sku, ignore_stock=request.ignore_stock)


def price_lines(
    lines: Sequence[LineRequest],
    terms: Terms,
    shelf: Shelf,
    rules: SellingRules,
    order_id: int,
    before: Sequence[records.SalesItem],
) -> list[records.SalesItem]:
    """The priced lines of an order; a line that was there before keeps its ID.

    Raises:
        OrderRefusedError: a SKU the store has not, too little stock, or a discount above the line's price.
    """
    free = dict(shelf.available)
    kept = list(before)
    next_id = max([item.id for item in before], default=order_id * _LINES_PER_ORDER) + 1
    items = []
    for line in lines:
        earlier = next((item for item in kept if item.sku == line.sku), None)
        if earlier is not None:
            kept.remove(earlier)
        line_id = earlier.id if earlier else next_id
        next_id += 0 if earlier else 1
        product = shelf.products.get(line.sku)
        if product is None and not rules.allow_unknown_sku:
            raise OrderRefusedError(f"no product with SKU {line.sku}")
        back_ordered = _back_ordered(line, product, free, rules)
        items.append(_sales_item(line, product, terms, order_id, line_id, back_ordered))
    return items


def _back_ordered(
    line: LineRequest, product: records.Product | None, free: dict[str, Decimal], rules: SellingRules
) -> Decimal:
    """How much of a line is not on the shelf; what is, is taken from `free`."""
    if product is None:
        return money.ZERO
    there = max(free.get(line.sku, money.ZERO), money.ZERO)
    missing = max(line.quantity - there, money.ZERO)
    if missing and not product.allow_back_order:
        if not rules.ignore_stock:
            raise OrderRefusedError(f"only {money.plain(there)} of SKU {line.sku} left and it cannot be back-ordered")
        missing = money.ZERO
    free[line.sku] = there - (line.quantity - missing)
    return missing


def _sales_item(
    line: LineRequest,
    product: records.Product | None,
    terms: Terms,
    order_id: int,
    line_id: int,
    back_ordered: Decimal,
) -> records.SalesItem:
    cash = terms.currency
    core = product.price_base if product else line.unit_price or money.ZERO
    sold = core if line.unit_price is None else line.unit_price
    extended = money.money(sold * line.quantity, cash)
    off = money.money(line.discount, cash)
    if off > extended:
        raise OrderRefusedError(f"the discount on SKU {line.sku} is more than its price")
    taxable = product.is_taxable if product else True
    name = line.name or (product.name if product else line.sku)
    discount = records.Discount(id=line_id, custom_key=f"{line_id}-D", name="Line discount", discount_total=off)
    return records.SalesItem(
        id=line_id,
        custom_key=f"{order_id}-{line_id - order_id * _LINES_PER_ORDER}",
        active=True,
        master_id=order_id,
        sku=line.sku,
        name=name,
        description=product.description if product else None,
        product_id=product.id if product else None,
        product_key=product.custom_key if product else None,
        product_name=name,
        product_is_taxable=taxable,
        product_tax_code=product.tax_code if product else None,
        quantity=money.plain(line.quantity - back_ordered),
        quantity_back_ordered=money.plain(back_ordered),
        quantity_pre_sold=money.ZERO,
        total_quantity=money.plain(line.quantity),
        unit_of_measure=product.unit_of_measure if product else "EACH",
        unit_core_price=money.price(core, cash),
        unit_sold_price=money.price(sold, cash) if sold != core or not sold else None,
        extended_price=extended,
        extended_tax_amount=money.money((extended - off) * terms.tax_rate if taxable else money.ZERO, cash),
        original_currency_key=cash,
        selling_currency_key=cash,
        item_type="Item",
        status_key="Pending",
        discounts=[discount] if off else [],
        targets=[],
    )


def _order_discounts(order_id: int, terms: Terms) -> list[records.Discount]:
    if not terms.discount:
        return []
    return [
        records.Discount(id=order_id, custom_key=f"{order_id}-D", name="Order discount", discount_total=terms.discount)
    ]


def _paid(order: records.SalesOrder, terms: Terms, identity: Identity) -> records.SalesOrder:
    """With the card's authorisation over the total; nothing to pay, no payment."""
    if not order.totals.total:
        return order
    payment = records.Payment(
        id=order.id,
        custom_key=f"{order.custom_key}-P1",
        amount=order.totals.total,
        currency_key=terms.currency,
        type_key="Credit Card",
        status_key="Authorized",
        card_type="Visa",
        last4_card_digits=identity.last4,
        transaction_number=identity.transaction_number,
    )
    return msgspec.structs.replace(
        order,
        payment_transaction_id=identity.transaction_number,
        sales_order_payments=[records.SalesOrderPayment(id=order.id, master_id=order.id, payment=payment)],
    )


def in_status(order: records.SalesOrder, key: str) -> records.SalesOrder:
    status = STATUSES[key]
    return msgspec.structs.replace(
        order,
        status_id=status.id,
        status_key=status.key,
        status_name=status.key,
        state_id=1 if status.state == "WORK" else 2,
        state_key=status.state,
        state_name=status.state.capitalize(),
    )


def shipped_to(order: records.SalesOrder, address: AddressRequest) -> records.SalesOrder:
    """The order with this address as its shipping address."""
    contact_id = order.id * 10 + 2
    names = Buyer(
        account=None,
        first_name=order.user_contact_first_name,
        last_name=order.user_contact_last_name,
        email=order.user_contact_email,
        phone=None,
        billing=address,
        shipping=None,
    )
    return msgspec.structs.replace(
        order,
        shipping_same_as_billing=False,
        shipping_contact_id=contact_id,
        shipping_contact=contact(contact_id, address, names, None),
    )


def noted(order: records.SalesOrder, text: str, ticks: int) -> records.SalesOrder:
    note = records.Note(
        id=order.id * 100 + len(order.notes) + 1, type_key="Customer", note1=text, created_date=iso_from_ticks(ticks)
    )
    return msgspec.structs.replace(order, notes=[*order.notes, note])


def guest_buyer(guest: GuestRequest) -> Buyer:
    return Buyer(
        account=None,
        first_name=guest.first_name,
        last_name=guest.last_name,
        email=guest.email,
        phone=guest.phone,
        billing=guest.billing,
        shipping=guest.shipping,
    )


def contact(contact_id: int, address: AddressRequest, buyer: Buyer, email: str | None) -> records.Contact:
    """A contact with its address; the address's own name stands before the buyer's."""
    full_name = address.name or f"{buyer.first_name} {buyer.last_name}".strip()
    own = (buyer.first_name, buyer.last_name)
    first, last = own if full_name == " ".join(own) else _split_name(full_name)
    return records.Contact(
        id=contact_id,
        custom_key=str(contact_id),
        first_name=first,
        last_name=last,
        full_name=full_name,
        email1=email,
        phone1=address.phone or buyer.phone,
        address=wire_address(address),
    )


def wire_address(address: AddressRequest) -> records.Address:
    codes = regions.REGIONS.get(address.country, {})
    return records.Address(
        company=address.company,
        street1=address.street1,
        street2=address.street2,
        street3=address.street3,
        city=address.city,
        postal_code=address.postal_code,
        region_code=address.region if address.region in codes else None,
        region_name=codes.get(address.region or "", address.region),
        country_code=address.country,
        country_name=regions.COUNTRIES.get(address.country),
    )


def _split_name(full_name: str) -> tuple[str, str]:
    first, _, last = full_name.rpartition(" ")
    return first, last


def _of_account(order: records.SalesOrder, account: records.Account) -> records.SalesOrder:
    return msgspec.structs.replace(
        order,
        account_id=account.id,
        account_key=account.custom_key,
        account_name=account.name,
        user_id=account.id,
        user_key=account.user_name,
        user_user_name=account.user_name,
    )
