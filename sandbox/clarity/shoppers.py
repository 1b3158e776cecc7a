"""Customers made up by the sandbox: the same seed fills a shopping basket the same way.  Pure."""

import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from sandbox.clarity import records
from sandbox.clarity.catalogue import CatalogueCustomer
from sandbox.clarity.orders import Shelf
from sandbox.clarity.requests import AddressRequest, CustomerChoice, GuestRequest, LineRequest, OrderRequest

_FIRST_NAMES = ("Avery", "Noé", "Imani", "Łucja", "Søren", "Tamsin", "Yūki", "Zora", "D'Arcy", "María")
_LAST_NAMES = ("O'Hara", "Nkemelu", "Grünwald", "van Dijkstra", "Castañeda", "Ivanova", "Sato", "Whitlock", "Håkansson")
_STREETS = ("Juniper Row", "Old Quarry Rd", "Larkspur Ln", "Second Ave", "Mill Race Ct")
_CITIES = (
    ("Boise", "ID", "83702"),
    ("Tucson", "AZ", "85701"),
    ("Duluth", "MN", "55802"),
    ("Burlington", "VT", "05401"),
)
_SALES_TAX = {
    "TX": "0.0825",
    "ME": "0.055",
    "CO": "0.0475",
    "NY": "0.08875",
    "MA": "0.0625",
    "WA": "0.101",
    "IL": "0.1025",
}
_QUANTITIES = (1, 1, 1, 1, 2, 2, 2, 3, 4, 6, 12, 24)
_NOTES = (
    "Please leave it with the neighbour.",
    "Gift: no invoice in the parcel, s'il vous plaît.",
    "Call before delivery; the dog is friendly.\nThe gate is not.",
)


class Chance(NamedTuple):
    """How often, of a hundred orders."""

    extra_address: int = 25
    line_discount: int = 12
    order_discount: int = 15
    own_price: int = 8
    note: int = 12
    gift: int = 15
    purchase_order: int = 20


_CHANCE = Chance()


def filled(
    request: OrderRequest, rng: random.Random, shelf: Shelf, customers: Mapping[str, CatalogueCustomer]
) -> OrderRequest:
    """The request with everything it leaves open made up; given lines leave only the customer open."""
    if request.account_key is None and request.guest is None:
        request = _with_customer(request, rng, customers)
    if request.lines is not None:
        return request
    return _with_basket(request, rng, shelf, customers)


def choose_customer(
    rng: random.Random, choice: CustomerChoice, customers: Sequence[CatalogueCustomer]
) -> CatalogueCustomer | None:
    """One of the customers the choice allows; None stands for a guest."""
    if choice == "guest" or (choice == "any" and rng.random() < 0.1):
        return None
    fitting = [each for each in customers if choice == "any" or each.known_to_erp == (choice == "known")]
    return rng.choice(fitting)


def _with_customer(
    request: OrderRequest, rng: random.Random, customers: Mapping[str, CatalogueCustomer]
) -> OrderRequest:
    customer = choose_customer(rng, request.customers, list(customers.values()))
    if customer is None:
        return msgspec.structs.replace(request, guest=_guest(rng))
    return msgspec.structs.replace(request, account_key=customer.account_key)


def _with_basket(
    request: OrderRequest, rng: random.Random, shelf: Shelf, customers: Mapping[str, CatalogueCustomer]
) -> OrderRequest:
    customer = customers.get(request.account_key or "")
    lines = _lines(rng, shelf)
    worth = sum((line.quantity * shelf.products[line.sku].price_base for line in lines), Decimal(0))
    off = Decimal(rng.choice((5, 10, 15))) / 100 if _happens(rng, _CHANCE.order_discount) else Decimal(0)
    made_up = OrderRequest(
        shipping=Decimal(0) if worth > 150 else rng.choice((Decimal("7.95"), Decimal("12.50"), Decimal("24.00"))),
        handling=rng.choice((Decimal(0), Decimal(0), Decimal("2.50"))),
        fees=rng.choice((Decimal(0), Decimal(0), Decimal(0), Decimal("1.25"))),
        discount=(worth * off / 2).quantize(Decimal("0.01")),
        tax_rate=_tax_rate(customer, request.guest),
        shipping_address=_other_address(rng, customer),
        purchase_order_number=f"PO-{rng.randrange(10_000, 99_999)}" if _happens(rng, _CHANCE.purchase_order) else None,
        note=rng.choice(_NOTES) if _happens(rng, _CHANCE.note) else None,
        custom={"gift_message": "Alles Gute, Großmutter!"} if _happens(rng, _CHANCE.gift) else None,
    )
    open_members = ("shipping", "handling", "fees", "discount", "tax_rate", "shipping_address", "purchase_order_number",
                    "note", "custom")  # fmt: skip
    changes = {name: getattr(made_up, name) for name in open_members if getattr(request, name) is None}
    return msgspec.structs.replace(request, lines=lines, **changes)


def _lines(rng: random.Random, shelf: Shelf) -> list[LineRequest]:
    sellable = [
        sku
        for sku, product in shelf.products.items()
        if product.active and (product.allow_back_order or shelf.available.get(sku, 0) >= max(_QUANTITIES))
    ]
    chosen = rng.sample(sellable, k=min(len(sellable), rng.choice((1, 1, 2, 2, 3, 4, 6))))
    return [_line(rng, shelf.products[sku]) for sku in chosen]


def _line(rng: random.Random, product: records.Product) -> LineRequest:
    # Nobody orders a dozen espresso machines on a whim.
    dear = product.price_base > 300
    quantity = Decimal(1 if dear or not product.price_base else rng.choice(_QUANTITIES))
    own_price = (product.price_base * Decimal("0.9")).quantize(Decimal("0.01"))
    price = own_price if _happens(rng, _CHANCE.own_price) else product.price_base
    off = (price * quantity / 10).quantize(Decimal("0.01")) if _happens(rng, _CHANCE.line_discount) else Decimal(0)
    return LineRequest(
        sku=product.custom_key,
        quantity=quantity,
        unit_price=None if price == product.price_base else price,
        discount=off,
    )


def _happens(rng: random.Random, percent: int) -> bool:
    return rng.randrange(100) < percent


def _tax_rate(customer: CatalogueCustomer | None, guest: GuestRequest | None) -> Decimal:
    address = customer.billing if customer else guest.billing if guest else None
    if address is None or address.country != "US":
        return Decimal(0)
    return Decimal(_SALES_TAX.get(address.region or "", "0.06"))


def _other_address(rng: random.Random, customer: CatalogueCustomer | None) -> AddressRequest | None:
    """One of the customer's further shipping addresses, now and then; the first is the billing address."""
    if customer is None or len(customer.shipping) < 2 or not _happens(rng, _CHANCE.extra_address):
        return None
    return rng.choice(customer.shipping[1:])


def _guest(rng: random.Random) -> GuestRequest:
    first, last = rng.choice(_FIRST_NAMES), rng.choice(_LAST_NAMES)
    city, region, postal_code = rng.choice(_CITIES)
    billing = AddressRequest(
        name=f"{first} {last}",
        street1=f"{rng.randrange(1, 4000)} {rng.choice(_STREETS)}",
        city=city,
        region=region,
        postal_code=postal_code,
        phone=f"555-01{rng.randrange(100):02}",
    )
    return GuestRequest(
        first_name=first, last_name=last, email=f"guest{rng.randrange(100_000)}@example.org", billing=billing
    )
