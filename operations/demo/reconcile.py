"""Compares the store's order book, GP's tables and the topics row by row; asks none of the bus's own books. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec

from operations.demo.facts import INVOICE, ORDER, Company, GpDocument, Placed, Shelf, Shop, Stock, StoreOrder
from operations.demo.plan import Story
from operations.demo.states import CANCELLED, STORE_STATUS, state_of
from schemas.types import message_key, root_key

ZERO = Decimal(0)
#: Stories whose order GP never gets.
NEVER_AT_GP = frozenset({Story.UNKNOWN_SKU})
#: Stories of which it is chance whether GP gets a document before the order is cancelled.
PERHAPS_AT_GP = frozenset({Story.CANCELS_AT_ONCE})


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not told alike; what a witness does not say is empty."""

    #: `order 1001`, `stock JUG-600 at MAIN`.
    subject: str
    field: str
    store: str = ""
    gp: str = ""
    topics: str = ""


class Documents:
    """GP's documents, found by the store's order and by the order they came of."""

    def __init__(self, company: Company) -> None:
        self.orders: dict[str, list[GpDocument]] = defaultdict(list)
        self.invoices: dict[str, list[GpDocument]] = defaultdict(list)
        for document in company.documents:
            if document.type == ORDER:
                self.orders[document.purchase_order].append(document)
            elif document.type == INVOICE:
                self.invoices[document.origin_number].append(document)

    def of(self, order: Placed) -> tuple[GpDocument | None, list[GpDocument]]:
        """The order's document and its invoices; of several the first, as all but one are wrong."""
        found = self.orders.get(order.number, [])
        return (found[0], self.invoices.get(found[0].number, [])) if found else (None, [])


def compare(placed: Sequence[Placed], shop: Shop, company: Company, store: str) -> tuple[Difference, ...]:
    """Where the store and GP do not agree on this run's orders, or on any stock.

    Args:
        placed: What the customers did.
        shop: The store's order book and stock.
        company: GP's tables.
        store: Name of the store's connection, as our receipts spell it.
    """
    documents = Documents(company)
    book = {order.id: order for order in shop.orders}
    found: list[Difference] = []
    for order in placed:
        entry = book.get(order.order_id)
        if entry is None:
            found.append(Difference(subject=name_of(order), field="order", store="not in the book"))
            continue
        document, invoices = documents.of(order)
        found += _documents(order, entry, documents.orders.get(order.number, []))
        if document is not None:
            found += _receipts(order, document, company, store)
            found += _parcels(order, entry, invoices)
        found += _status(order, entry, document, invoices)
        found += _mails(order, entry)
    strangers = book.keys() - {order.order_id for order in placed}
    found += [Difference(subject=f"order {each}", field="order", store="placed by somebody else") for each in strangers]
    return (*found, *_stock(shop.stock, company.stock))


def duplicated(placed: Iterable[Placed], company: Company) -> int:
    """Documents beyond the one an order may have."""
    documents = Documents(company)
    return sum(max(0, len(documents.orders.get(order.number, ())) - 1) for order in placed)


def name_of(order: Placed) -> str:
    """The order as people call it."""
    return f"order {order.number}"


def key_of(order: Placed, store: str) -> str:
    """The order's root key on the topics."""
    return root_key(store, str(order.order_id))


def amount_at_gp(order: Placed, total: Decimal) -> Decimal:
    """What GP's document must come to: a change that came too late never got there."""
    return total if order.total_before_late_edit is None else order.total_before_late_edit


def _documents(order: Placed, entry: StoreOrder, documents: Sequence[GpDocument]) -> Iterator[Difference]:
    allowed = {0} if order.story in NEVER_AT_GP else {0, 1} if order.story in PERHAPS_AT_GP else {1}
    if len(documents) not in allowed:
        numbers = ", ".join(document.number for document in documents) or "none"
        wanted = "none" if order.story in NEVER_AT_GP else "one"
        yield Difference(subject=name_of(order), field="documents", store=wanted, gp=numbers)
    wanted_amount = amount_at_gp(order, entry.total)
    for document in documents:
        if document.amount != wanted_amount:
            yield Difference(
                subject=name_of(order), field="amount", store=plain(wanted_amount), gp=plain(document.amount)
            )
        if order.cancelled and not document.voided:
            yield Difference(
                subject=name_of(order), field="cancelled", store="by its customer", gp=f"{document.number} stands"
            )


def _receipts(order: Placed, document: GpDocument, company: Company, store: str) -> Iterator[Difference]:
    wanted, found = (key_of(order, store),), company.receipts.get(document.number, ())
    if found != wanted:
        yield Difference(
            subject=name_of(order), field="receipt", store=wanted[0], gp=", ".join(found) or f"{document.number}: none"
        )


def _status(
    order: Placed, entry: StoreOrder, document: GpDocument | None, invoices: Sequence[GpDocument]
) -> Iterator[Difference]:
    """The store's status says what GP's documents say."""
    if document is None:
        wanted = STORE_STATUS[CANCELLED] if order.cancelled else "Pending"
        told = "no document"
    else:
        wanted, told = STORE_STATUS[state_of(document, invoices)], state_of(document, invoices)
    if entry.status != wanted:
        yield Difference(subject=name_of(order), field="status", store=entry.status, gp=f"{told}: {wanted}")


def _parcels(order: Placed, entry: StoreOrder, invoices: Sequence[GpDocument]) -> Iterator[Difference]:
    """Each invoice is a shipment in the store, and no shipment is there without its invoice."""
    parcels = {parcel.key: parcel for parcel in entry.parcels}
    for invoice in invoices:
        subject = f"{name_of(order)}, shipment {invoice.number}"
        parcel = parcels.pop(invoice.number, None)
        if parcel is None:
            yield Difference(subject=subject, field="shipment", store="none", gp=f"invoice {invoice.number}")
            continue
        tracking, items = tracking_of(invoice), items_of(invoice)
        if parcel.tracking_number != tracking:
            yield Difference(subject=subject, field="tracking", store=parcel.tracking_number, gp=tracking)
        if parcel.items != items:
            yield Difference(subject=subject, field="quantities", store=listed(parcel.items), gp=listed(items))
        missing = [number for number in invoice.tracking_numbers if number not in entry.tracking_number.split(", ")]
        if missing and not invoice.voided:
            yield Difference(
                subject=name_of(order), field="tracking", store=entry.tracking_number, gp=", ".join(missing)
            )
    for key in parcels:
        yield Difference(subject=f"{name_of(order)}, shipment {key}", field="shipment", store=key, gp="no such invoice")


def _mails(order: Placed, entry: StoreOrder) -> Iterator[Difference]:
    """Nobody is told twice that his parcel is on its way."""
    wanted = int(entry.status == "Shipped")
    sent = entry.mails.get("shipped", 0)
    if sent != wanted:
        yield Difference(subject=name_of(order), field="mails of shipping", store=str(sent), gp=str(wanted))


def _stock(store: Mapping[Shelf, Stock], gp: Mapping[Shelf, Stock]) -> Iterator[Difference]:
    for shelf, there in sorted(gp.items()):
        here = store.get(shelf)
        for field in ("on_hand", "allocated"):
            ours, theirs = None if here is None else getattr(here, field), getattr(there, field)
            if ours != theirs:
                told = "no such shelf" if ours is None else plain(ours)
                yield Difference(subject=shelf_name(shelf), field=field, store=told, gp=plain(theirs))


def shelf_name(shelf: Shelf) -> str:
    """The shelf as people call it."""
    return f"stock {shelf[0]} at {shelf[1]}"


def items_of(invoice: GpDocument) -> dict[str, Decimal]:
    """What left with an invoice; nothing of one that was taken back."""
    items: dict[str, Decimal] = defaultdict(Decimal)
    for line in () if invoice.voided else invoice.lines:
        if line.quantity > ZERO:
            items[line.item] += line.quantity
    return dict(items)


def tracking_of(invoice: GpDocument) -> str:
    """An invoice's tracking numbers as the store's one field holds them."""
    return "" if invoice.voided else ", ".join(invoice.tracking_numbers)


def shipment_key(order: Placed, invoice: GpDocument, store: str) -> str:
    """The shipment's key on the topics."""
    return message_key(root_key(store, str(order.order_id)), invoice.number)


def listed(items: Mapping[str, Decimal]) -> str:
    """Items and quantities as a person reads them."""
    return ", ".join(f"{plain(quantity)} {item}" for item, quantity in sorted(items.items())) or "nothing"


def plain(amount: Decimal) -> str:
    """A number without the zeros a database pads it with, amounts with their cents."""
    normal = amount.normalize()
    exponent = normal.as_tuple().exponent
    return format(amount.quantize(Decimal("0.01")) if isinstance(exponent, int) and exponent >= -2 else normal, "f")
