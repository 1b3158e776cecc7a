"""The store at work: what customers do, what the API changes, and the e-mails and webhooks that follow.

Each change is one transaction: the new record with a later UpdatedDate, the e-mail, the webhook's place in the outbox.
"""

import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec

from sandbox.clarity import money, orders, records, shoppers, stocked
from sandbox.clarity.catalogue import Catalogue
from sandbox.clarity.clock import StoreClock, iso_from_ticks, ticks_from_iso
from sandbox.clarity.requests import (
    AddressRequest,
    CustomerEditRequest,
    EditRequest,
    LineRequest,
    OrderRequest,
    ProductEditRequest,
    WebhookChoice,
)
from sandbox.clarity.statuses import EDITABLE, STEPS, Action
from sandbox.clarity.store import Store, StoredEmail, StoredOrder, StoredStock
from sandbox.clarity.upserts import ProductUpsert, SalesOrderUpsert, ShipmentUpsert, StockUpsert
from sandbox.clarity.webhooks import Outbox

FIRST_ORDER_ID = 1001
_PAID_FROM = frozenset({"Pending", "Confirmed", "Partial Payment Received"})
_ORDER = msgspec.json.Decoder(records.SalesOrder)
_PRODUCT = msgspec.json.Decoder(records.Product)
_ACCOUNT = msgspec.json.Decoder(records.Account)
_TERMS = msgspec.json.Decoder(orders.Terms)


class NotThereError(Exception):
    """No order, product or customer of that name."""


class TooLateError(Exception):
    """The order can no longer be changed by its customer."""


class Reply(NamedTuple):
    """What CEF answers to a write; HTTP 200 either way."""

    succeeded: bool
    messages: list[str]
    result: int | None
    #: the fields that have another value than before
    changed: list[str]


class Shop:
    """All that can happen in the store."""

    def __init__(
        self, store: Store, clock: StoreClock, catalogue: Catalogue, outbox: Outbox, rng: random.Random
    ) -> None:
        self.store = store
        self.clock = clock
        self.outbox = outbox
        self._catalogue = catalogue
        self._customers = {each.account_key: each for each in catalogue.customers}
        self._rng = rng
        self._products: dict[str, records.Product] = {}
        with store.transaction():
            if not store.entities("product"):
                self._fill()
        self._load_products()

    # the contents

    def reset(self, first_order_id: int | None) -> None:
        """Back to the catalogue; order numbers start at `first_order_id`, or go on where there is none."""
        with self.store.transaction():
            self.store.empty()
            if first_order_id is not None:
                self.store.set_setting("next order", str(first_order_id))
                # A new store: it may also begin before the last change of the old one, whose clock may have run ahead.
                self.store.set_setting("last tick", None)
            self._fill()
        self._load_products()

    def _fill(self) -> None:
        products, customers, sites = self._catalogue.products, self._catalogue.customers, self._catalogue.sites
        entries = len(products) + len(customers) + len(products) * len(sites)
        ticks = iter(self.store.next_ticks(self.clock.ticks(), entries))
        for number, product in enumerate(products, start=1):
            tick = next(ticks)
            wire = stocked.first_product(number, product, iso_from_ticks(tick))
            self.store.put_entity("product", product.sku, number, tick, records.encode(wire))
        for number, customer in enumerate(customers, start=1):
            tick = next(ticks)
            account = stocked.first_account(number, customer, iso_from_ticks(tick))
            self.store.put_entity("account", customer.account_key, number, tick, records.encode(account))
        shelves = ((product, site) for product in products for site in sites)
        for number, (product, site) in enumerate(shelves, start=1):
            tick = next(ticks)
            quantity = str(product.stock.get(site.key, 0))
            key = f"{product.sku}|{site.key}"
            self.store.put_stock(StoredStock(key, number, product.sku, site.key, quantity, "0", tick, tick))

    def _load_products(self) -> None:
        wires = (_PRODUCT.decode(document) for document in self.store.entities("product"))
        self._products = {product.custom_key: product for product in wires}

    def _tick(self) -> int:
        return self.store.next_tick(self.clock.ticks())

    def section_name(self, section: str) -> str | None:
        return next((site.name for site in self._catalogue.sites if site.key == section), None)

    # reading

    def order(self, order_id: int) -> records.SalesOrder:
        stored = self.store.order(order_id)
        if stored is None:
            raise NotThereError(f"no sales order with ID {order_id}")
        return _ORDER.decode(stored.document)

    def account(self, key: str) -> records.Account:
        document = self.store.entity("account", key)
        if document is None:
            raise NotThereError(f"no account with key {key}")
        return _ACCOUNT.decode(document)

    def product(self, sku: str) -> records.Product | None:
        return self._products.get(sku)

    def stock_section(self, stock: StoredStock) -> records.StockSection:
        product = self._products[stock.sku]
        return records.StockSection(
            id=stock.id,
            custom_key=stock.key,
            active=True,
            created_date=iso_from_ticks(stock.created),
            updated_date=iso_from_ticks(stock.updated),
            product_id=product.id,
            product_key=stock.sku,
            inventory_location_section_key=stock.section,
            inventory_location_section_inventory_location_key=stock.section,
            inventory_location_section_inventory_location_name=self.section_name(stock.section) or stock.section,
            quantity=Decimal(stock.quantity),
            quantity_allocated=Decimal(stock.allocated),
        )

    def _shelf(self) -> orders.Shelf:
        available: dict[str, Decimal] = {}
        for stock in self.store.all_stock():
            free = Decimal(stock.quantity) - Decimal(stock.allocated)
            available[stock.sku] = available.get(stock.sku, money.ZERO) + free
        return orders.Shelf(products=self._products, available=available)

    # what customers do

    def place(self, request: OrderRequest, rng: random.Random | None = None) -> records.SalesOrder:
        """A customer buys.

        Raises:
            NotThereError: no such customer.
            OrderRefusedError: the store does not sell it like that.
        """
        shelf = self._shelf()
        rng = rng or (self._rng if request.seed is None else random.Random(request.seed))
        request = shoppers.filled(request, rng, shelf, self._customers)
        buyer = self._buyer(request)
        with self.store.transaction():
            tick = self._tick()
            identity = orders.Identity(
                order_id=self.store.next_number("next order", FIRST_ORDER_ID),
                ticks=tick,
                transaction_number=f"{rng.getrandbits(48):012X}",
                last4=f"{rng.randrange(10_000):04}",
            )
            order = orders.place(request, buyer, shelf, identity)
            self._keep(order, orders.terms_of(request), tick, tick)
            self._email(order.id, "placed")
            self.outbox.announce("order.created", order.id, order.custom_key, tick, request.webhook)
        return order

    def edit(self, order_id: int, request: EditRequest) -> records.SalesOrder:
        """A customer changes an order.

        Raises:
            NotThereError: no such order.
            TooLateError: it is on its way, done or void.
            OrderRefusedError: the store does not sell it like that.
        """

        def change(order: records.SalesOrder, terms: orders.Terms, tick: int) -> records.SalesOrder:
            _check_editable(order)
            if request.lines is not None or request.set_quantity:
                lines = request.lines or _with_quantities(order, request.set_quantity or {})
                rules = orders.rules_of(request)
                items = orders.price_lines(lines, terms, self._shelf(), rules, order.id, order.sales_items)
                order = orders.with_lines(order, items, terms)
            if request.shipping_address is not None:
                order = orders.shipped_to(order, request.shipping_address)
            return orders.noted(order, request.note, tick) if request.note is not None else order

        return self._change(order_id, change, request.webhook)

    def cancel(self, order_id: int, webhook: WebhookChoice) -> records.SalesOrder:
        """A customer cancels.

        Raises:
            NotThereError: no such order.
            TooLateError: it is on its way, done or void.
        """

        def change(order: records.SalesOrder, _terms: orders.Terms, _tick: int) -> records.SalesOrder:
            _check_editable(order)
            self._email(order.id, "cancelled")
            return _voided(order)

        return self._change(order_id, change, webhook)

    def _buyer(self, request: OrderRequest) -> orders.Buyer:
        if request.guest is not None:
            buyer = orders.guest_buyer(request.guest)
        else:
            account = self.account(request.account_key or "")
            customer = self._customers[account.custom_key]
            buyer = orders.Buyer(
                account=account,
                first_name=customer.first_name,
                last_name=customer.last_name,
                email=account.contact.email1 or customer.email,
                phone=account.contact.phone1,
                billing=_address_of(account.contact),
                shipping=None,
            )
        if request.shipping_address is None:
            return buyer
        return msgspec.structs.replace(buyer, shipping=request.shipping_address)

    def edit_product(self, sku: str, request: ProductEditRequest) -> records.Product:
        product = self._products.get(sku)
        if product is None:
            raise NotThereError(f"no product with SKU {sku}")
        given = _differences(
            product,
            {
                "name": request.name,
                "description": request.description,
                "active": request.active,
                "price_base": None if request.price is None else money.price(request.price, "USD"),
            },
        )
        return self._keep_product(msgspec.structs.replace(product, **given), request.webhook)

    def edit_customer(self, key: str, request: CustomerEditRequest) -> records.Account:
        account = self.account(key)
        contact = account.contact
        if request.billing is not None:
            contact = msgspec.structs.replace(contact, address=orders.wire_address(request.billing))
        contact = msgspec.structs.replace(
            contact, email1=request.email or contact.email1, phone1=request.phone or contact.phone1
        )
        with self.store.transaction():
            tick = self._tick()
            account = msgspec.structs.replace(account, contact=contact, updated_date=iso_from_ticks(tick))
            self.store.put_entity("account", key, account.id, tick, records.encode(account))
            self.outbox.announce("customer.updated", account.id, key, tick, request.webhook)
        return account

    # what the API changes

    def act(self, order_id: int, action: Action) -> Reply:
        """Carry out a status action; impossible ones are answered, not raised."""
        stored = self.store.order(order_id)
        if stored is None:
            return _refused(f"No sales order with ID {order_id}")
        step = STEPS[action]
        captured = action == "CapturePayment"
        allowed = step.allowed_from | ({"Shipped"} if captured else frozenset())
        if stored.status not in allowed:
            return _refused(f"Cannot {action} sales order {order_id}: its status is {stored.status}")
        order = _ORDER.decode(stored.document)
        if captured and not any(paid.payment.status_key == "Authorized" for paid in order.sales_order_payments):
            return _refused(f"Nothing to capture on sales order {order_id}")

        def change(order: records.SalesOrder, _terms: orders.Terms, tick: int) -> records.SalesOrder:
            if step.email:
                self._email(order.id, step.email)
            if action == "Void":
                return _voided(order)
            if captured:
                order = _captured(order)
                return orders.in_status(order, step.status) if order.status_key in _PAID_FROM else order
            if action == "Ship" and order.actual_ship_date is None:
                order = msgspec.structs.replace(order, actual_ship_date=iso_from_ticks(tick))
            return orders.in_status(order, step.status)

        after = self._change(order_id, change, "send")
        return Reply(True, [], order_id, ["StatusKey"] if after.status_key != order.status_key else [])

    def upsert_order(self, upsert: SalesOrderUpsert) -> Reply:
        """Set the given members of an order there is; orders are not created this way."""
        stored = self.store.order_by_key(upsert.custom_key)
        if stored is None or (upsert.id is not None and upsert.id != stored.id):
            return _refused(f"No sales order with key {upsert.custom_key}; orders are not created by Upsert")
        order = _ORDER.decode(stored.document)
        given = {
            "tracking_number": upsert.tracking_number,
            "purchase_order_number": upsert.purchase_order_number,
            "serializable_attributes": _merged(order.serializable_attributes, upsert),
        }
        changes = _differences(order, given)
        if changes:
            self._change(stored.id, lambda order, _terms, _tick: msgspec.structs.replace(order, **changes), "send")
        return Reply(True, [], stored.id, [records.pascal_case(name) for name in changes])

    def upsert_shipment(self, upsert: ShipmentUpsert) -> Reply:
        """Set a parcel of an order, new or known by its key."""
        known_in = self.store.shipment_order(upsert.custom_key)
        order_id = upsert.sales_order_id or known_in
        stored = self.store.order(order_id) if order_id is not None else None
        if stored is None:
            return _refused(f"No sales order with ID {order_id}")
        if known_in not in {None, stored.id}:
            return _refused(f"Shipment {upsert.custom_key} belongs to sales order {known_in}")
        order = _ORDER.decode(stored.document)
        before = next((each for each in order.shipments if each.custom_key == upsert.custom_key), None)
        shipment = self._shipment(order, before, upsert)
        problem = _overshipped(order, shipment)
        if problem:
            return _refused(problem)
        if before is not None and before == msgspec.structs.replace(shipment, updated_date=before.updated_date):
            return Reply(True, [], before.id, [])
        return self._keep_shipment(order, before, shipment)

    def _shipment(
        self, order: records.SalesOrder, before: records.Shipment | None, upsert: ShipmentUpsert
    ) -> records.Shipment:
        blank = records.Shipment(
            id=0,
            custom_key=upsert.custom_key,
            active=True,
            created_date="",
            updated_date="",
            sales_order_id=order.id,
            sales_order_key=order.custom_key,
            items=[],
        )
        given = {
            "tracking_number": upsert.tracking_number,
            "carrier_key": upsert.carrier_key,
            "ship_date": None if upsert.ship_date is None else iso_from_ticks(ticks_from_iso(upsert.ship_date)),
            "items": upsert.wire_items(),
        }
        return msgspec.structs.replace(
            before or blank, **{name: value for name, value in given.items() if value is not None}
        )

    def _keep_shipment(
        self, order: records.SalesOrder, before: records.Shipment | None, shipment: records.Shipment
    ) -> Reply:
        changed = [
            records.pascal_case(name)
            for name in ("tracking_number", "carrier_key", "ship_date", "items")
            if getattr(shipment, name) != (getattr(before, name) if before else None)
        ]

        def change(order: records.SalesOrder, _terms: orders.Terms, tick: int) -> records.SalesOrder:
            nonlocal shipment
            moment = iso_from_ticks(tick)
            if before is None:
                number = self.store.next_number("next shipment", 1)
                shipment = msgspec.structs.replace(shipment, id=number, created_date=moment)
                self.store.put_shipment(number, shipment.custom_key, order.id)
            shipment = msgspec.structs.replace(shipment, updated_date=moment)
            others = [each for each in order.shipments if each.custom_key != shipment.custom_key]
            parcels = sorted([*others, shipment], key=lambda each: each.id)
            return msgspec.structs.replace(order, shipments=parcels)

        self._change(order.id, change, "send")
        return Reply(True, [], shipment.id, changed)

    def upsert_stock(self, upsert: StockUpsert) -> Reply:
        """Set the absolute stock of a product in a section; fires no webhook."""
        sku, _, section = upsert.custom_key.rpartition("|")
        if upsert.product_key not in {None, sku} or upsert.inventory_location_section_key not in {None, section}:
            return _refused("CustomKey must be <ProductKey>|<InventoryLocationSectionKey>")
        if sku not in self._products:
            return _refused(f"No product with key {sku}")
        if self.section_name(section) is None:
            return _refused(f"No inventory location section with key {section}")
        before = self.store.stock(upsert.custom_key)
        with self.store.transaction():
            tick = self._tick()
            number = before.id if before else self.store.next_number("next stock", 1_000_000)
            known = before or StoredStock(upsert.custom_key, number, sku, section, "0", "0", tick, tick)
            quantity = known.quantity if upsert.quantity is None else str(money.plain(upsert.quantity))
            allocated = (
                known.allocated if upsert.quantity_allocated is None else str(money.plain(upsert.quantity_allocated))
            )
            pairs = {"Quantity": (known.quantity, quantity), "QuantityAllocated": (known.allocated, allocated)}
            changed = [name for name, (old, new) in pairs.items() if old != new]
            if changed or before is None:
                self.store.put_stock(known._replace(quantity=quantity, allocated=allocated, updated=tick))
        return Reply(True, [], known.id, changed)

    def upsert_product(self, upsert: ProductUpsert) -> Reply:
        """Set the given members of a product; a new one needs a name and a price."""
        before = self._products.get(upsert.custom_key)
        if before is None and (upsert.name is None or upsert.price_base is None):
            return _refused(f"No product with key {upsert.custom_key}; a new one needs Name and PriceBase")
        given = upsert.members()
        if before is None:
            with self.store.transaction():
                number = self.store.next_number("next product", 1_000_000)
            before = stocked.blank_product(number, upsert.custom_key)
        changes = _differences(before, given)
        if changes:
            self._keep_product(msgspec.structs.replace(before, **changes), "send")
        return Reply(True, [], before.id, [records.pascal_case(name) for name in changes])

    # keeping

    def _change(
        self,
        order_id: int,
        change: Callable[[records.SalesOrder, orders.Terms, int], records.SalesOrder],
        webhook: WebhookChoice,
    ) -> records.SalesOrder:
        with self.store.transaction():
            stored = self.store.order(order_id)
            if stored is None:
                raise NotThereError(f"no sales order with ID {order_id}")
            tick = self._tick()
            terms = _TERMS.decode(stored.terms)
            order = change(_ORDER.decode(stored.document), terms, tick)
            order = msgspec.structs.replace(order, updated_date=iso_from_ticks(tick))
            self._keep(order, terms, stored.created, tick)
            self.outbox.announce("order.updated", order.id, order.custom_key, tick, webhook)
        return order

    def _keep(self, order: records.SalesOrder, terms: orders.Terms, created: int, updated: int) -> None:
        self.store.put_order(
            StoredOrder(
                id=order.id,
                key=order.custom_key,
                updated=updated,
                created=created,
                status=order.status_key,
                account=order.account_key,
                document=records.encode(order),
                terms=msgspec.json.encode(terms),
            )
        )

    def _keep_product(self, product: records.Product, webhook: WebhookChoice) -> records.Product:
        with self.store.transaction():
            tick = self._tick()
            moment = iso_from_ticks(tick)
            product = msgspec.structs.replace(product, updated_date=moment, created_date=product.created_date or moment)
            self.store.put_entity("product", product.custom_key, product.id, tick, records.encode(product))
            self.outbox.announce("product.updated", product.id, product.custom_key, tick, webhook)
        self._products[product.custom_key] = product
        return product

    def _email(self, order_id: int, kind: str) -> None:
        self.store.add_email(StoredEmail(0, iso_from_ticks(self.clock.ticks()), order_id, kind))


def _refused(message: str) -> Reply:
    return Reply(False, [message], None, [])


def _check_editable(order: records.SalesOrder) -> None:
    if order.status_key not in EDITABLE:
        raise TooLateError(f"order {order.custom_key} is {order.status_key}")


def _differences(record: msgspec.Struct, given: Mapping[str, object]) -> dict[str, object]:
    """The given members that have another value than the record's."""
    return {name: value for name, value in given.items() if value is not None and value != getattr(record, name)}


def _with_quantities(order: records.SalesOrder, quantities: dict[str, Decimal]) -> list[LineRequest]:
    """The order's lines with other quantities: of a SKU's first line, 0 taking it out, a new SKU added."""
    left = dict(quantities)
    lines = []
    for item in order.sales_items:
        quantity = left.pop(item.sku, item.total_quantity)
        if quantity:
            lines.append(_line_of(item, quantity))
    lines += [LineRequest(sku=sku, quantity=quantity) for sku, quantity in left.items() if quantity]
    if not lines:
        raise orders.OrderRefusedError("an order keeps at least one line; cancel it instead")
    return lines


def _line_of(item: records.SalesItem, quantity: Decimal) -> LineRequest:
    """The line again; its discount shrinks with the quantity."""
    off = sum((each.discount_total for each in item.discounts), money.ZERO)
    return LineRequest(
        sku=item.sku,
        quantity=quantity,
        unit_price=item.unit_core_price if item.unit_sold_price is None else item.unit_sold_price,
        discount=money.money(off * min(quantity / item.total_quantity, Decimal(1)), item.selling_currency_key),
        name=item.name,
    )


def _voided(order: records.SalesOrder) -> records.SalesOrder:
    return orders.in_status(_with_payment_status(order, "Voided", settled=True), "Void")


def _captured(order: records.SalesOrder) -> records.SalesOrder:
    return _with_payment_status(order, "Captured", settled=True)


def _with_payment_status(order: records.SalesOrder, status: str, *, settled: bool) -> records.SalesOrder:
    payments = [
        msgspec.structs.replace(paid, payment=msgspec.structs.replace(paid.payment, status_key=status))
        for paid in order.sales_order_payments
    ]
    balance = order.balance_due * 0 if settled else order.balance_due
    return msgspec.structs.replace(order, sales_order_payments=payments, balance_due=balance)


def _merged(attributes: dict[str, records.Attribute], upsert: SalesOrderUpsert) -> dict[str, records.Attribute] | None:
    if upsert.serializable_attributes is None:
        return None
    return attributes | {
        key: records.Attribute(key=key, value=each.value) for key, each in upsert.serializable_attributes.items()
    }


def _overshipped(order: records.SalesOrder, shipment: records.Shipment) -> str | None:
    """Why these parcels cannot hold this order's goods, or none."""
    ordered: dict[str, Decimal] = {}
    for item in order.sales_items:
        ordered[item.sku] = ordered.get(item.sku, money.ZERO) + item.total_quantity
    for parcel in [*(each for each in order.shipments if each.custom_key != shipment.custom_key), shipment]:
        for content in parcel.items:
            if content.sku not in ordered:
                return f"SKU {content.sku} is not on sales order {order.id}"
            ordered[content.sku] -= content.quantity
    over = next((sku for sku, left in ordered.items() if left < 0), None)
    return f"More of SKU {over} shipped than sales order {order.id} has" if over is not None else None


def _address_of(contact: records.Contact) -> AddressRequest:
    address = contact.address
    return AddressRequest(
        name=contact.full_name,
        company=address.company,
        street1=address.street1,
        street2=address.street2,
        street3=address.street3,
        city=address.city,
        region=address.region_code or address.region_name,
        postal_code=address.postal_code,
        country=address.country_code,
        phone=contact.phone1,
    )
