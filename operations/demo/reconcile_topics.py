"""Holds the topics against store and GP: newest records, echoes, order, dead letters, what the poller found. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from operations.demo.facts import Company, Placed, Shop, Stock
from operations.demo.latency import CONSUMERS, DELIVERED
from operations.demo.plan import Story
from operations.demo.reconcile import (
    Difference,
    Documents,
    items_of,
    key_of,
    listed,
    name_of,
    plain,
    shelf_name,
    shipment_key,
    tracking_of,
)
from operations.demo.states import state_of
from operations.demo.topic_facts import OnTopics, Written
from schemas import topics
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.outcome import Outcome
from schemas.canonical.inventory_level import InventoryLevel
from schemas.canonical.order import Order
from schemas.canonical.order_status import OrderStatus
from schemas.canonical.shipment import Shipment
from schemas.types import root_key

#: Stories that must end in a dead letter, and the codes that say why.
DEAD_FOR: Mapping[str, frozenset[str]] = {
    # 90023 is the simulator's own number for it: GP's real one is not public
    Story.UNKNOWN_SKU: frozenset({"gp.unknown_item", "gp.90023"}),
    Story.EDITS_TOO_LATE: frozenset({"gp.too_late"}),
}
#: What the gateway calls a body that is rightly signed and cannot be read.
BROKEN = "gateway.malformed"
#: Stories of which two changes may be read as one.
HURRIED = frozenset({Story.CANCELS_AT_ONCE})


def compare_topics(
    placed: Sequence[Placed], shop: Shop, company: Company, seen: OnTopics, store: str, erp: str
) -> tuple[Difference, ...]:
    """Where the newest canonical records do not say what store and GP say."""
    orders = latest(seen, topics.ORDERS.name)
    statuses = latest(seen, topics.ORDER_STATUSES.name)
    shipments = latest(seen, topics.SHIPMENTS.name)
    documents = Documents(company)
    book = {entry.id: entry for entry in shop.orders}
    found: list[Difference] = []
    for order in placed:
        entry, key = book.get(order.order_id), key_of(order, store)
        if entry is not None:
            said = {line.sku: line.quantity for line in entry.lines}
            found += _order(order, entry.total, said, orders.get(key))
        document, invoices = documents.of(order)
        if document is not None:
            found += _status(order, document.number, state_of(document, invoices), statuses.get(key))
        for invoice in invoices:
            keyed = shipment_key(order, invoice, store)
            found += _shipment(order, tracking_of(invoice), items_of(invoice), keyed, shipments.get(keyed))
    levels = latest(seen, topics.INVENTORY_LEVELS.name)
    for (item, site), there in sorted(company.stock.items()):
        found += _level(shelf_name((item, site)), there, levels.get(root_key(erp, f"{item}@{site}")))
    return tuple(found)


def latest(seen: OnTopics, topic: str) -> dict[str, Any]:
    """The newest record of each key."""
    return {each.key: each.record for each in seen.canonical.get(topic, ())}


def echoes(placed: Iterable[Placed], seen: OnTopics, store: str) -> tuple[Difference, ...]:
    """Orders told more often, or less often, than their customers changed them; a repeat of one version counts once."""
    versions: dict[str, set[int]] = defaultdict(set)
    for each in seen.canonical.get(topics.ORDERS.name, ()):
        versions[each.key].add(each.record.source_version)
    found = []
    for order in placed:
        told = len(versions[key_of(order, store)])
        fewest = 1 if order.story in HURRIED else order.changes
        if not fewest <= told <= order.changes:
            found.append(
                Difference(
                    subject=name_of(order), field="versions", store=f"{order.changes} changes", topics=f"{told} told"
                )
            )
    return tuple(found)


def order_violations(seen: OnTopics) -> tuple[Difference, ...]:
    """Keys on which something older came after something newer."""
    found: list[Difference] = []
    for topic, records in seen.canonical.items():
        found += _falling_versions(topic, records)
    return (*found, *_falling_deliveries(seen.outcomes))


def dead_letters(placed: Sequence[Placed], seen: OnTopics, store: str, broken: int) -> tuple[Difference, ...]:
    """Dead letters that are missing, and those nobody expected.

    Args:
        placed: What the customers did.
        seen: The topics.
        store: The store's connection.
        broken: How many unreadable bodies were sent with a right signature.
    """
    unexpected: list[DeadLetter] = []
    codes: dict[str, list[str]] = defaultdict(list)
    malformed = 0
    expected = {key_of(order, store): DEAD_FOR[order.story] for order in placed if order.story in DEAD_FOR}
    for letter in unique(seen.dead_letters):
        if letter.code == BROKEN and letter.connection == store and malformed < broken:
            malformed += 1
        elif letter.code in expected.get(letter.root_key, ()):
            codes[letter.root_key].append(letter.code)
        else:
            unexpected.append(letter)
    names = {key_of(order, store): name_of(order) for order in placed}
    found = [
        Difference(
            subject=names[key],
            field="dead letter",
            store=f"one for {' or '.join(sorted(wanted))}",
            topics=", ".join(codes[key]) or "none",
        )
        for key, wanted in expected.items()
        if len(codes[key]) != 1
    ]
    if malformed != broken:
        found.append(
            Difference(
                subject=f"webhooks of {store}", field="dead letter", store=f"{broken} broken", topics=str(malformed)
            )
        )
    return (*found, *(_unexpected(letter, names) for letter in unexpected))


def uncaptured(placed: Iterable[Placed], seen: OnTopics, store: str) -> tuple[Difference, ...]:
    """Orders the bus never heard of, and such as it heard of in another way than it had to."""
    found = []
    for order in placed:
        arrivals = seen.arrivals.get(key_of(order, store), ())
        if not arrivals:
            found.append(Difference(subject=name_of(order), field="arrival", store="placed", topics="never heard of"))
        elif order.story == Story.WEBHOOK_NEVER and (cause := min(arrivals, key=lambda each: each.at).cause) != "poll":
            found.append(
                Difference(subject=name_of(order), field="arrival", store="no webhook was sent", topics=f"by {cause}")
            )
    return tuple(found)


def unique(letters: Iterable[DeadLetter]) -> list[DeadLetter]:
    """Each dead letter once, however often it was told."""
    return list({letter.id: letter for letter in letters}.values())


def _order(order: Placed, total: Decimal, said: Mapping[str, Decimal], told: Order | None) -> Iterator[Difference]:
    subject = name_of(order)
    if told is None:
        yield Difference(subject=subject, field="canonical order", store="placed", topics="none")
        return
    if told.total != total:
        yield Difference(subject=subject, field="total", store=plain(total), topics=plain(told.total))
    quantities = {line.sku: line.quantity for line in told.lines}
    if quantities != said:
        yield Difference(subject=subject, field="quantities", store=listed(said), topics=listed(quantities))
    wanted = "cancelled" if order.cancelled else "open"
    if told.state != wanted:
        yield Difference(subject=subject, field="state", store=wanted, topics=told.state)


def _status(order: Placed, number: str, state: str, told: OrderStatus | None) -> Iterator[Difference]:
    subject = name_of(order)
    if told is None:
        yield Difference(subject=subject, field="canonical status", gp=state, topics="none")
        return
    if told.status != state:
        yield Difference(subject=subject, field="canonical status", gp=state, topics=told.status)
    if told.document_number != number:
        yield Difference(subject=subject, field="document number", gp=number, topics=told.document_number)


def _shipment(
    order: Placed, tracking: str, items: Mapping[str, Decimal], key: str, told: Shipment | None
) -> Iterator[Difference]:
    subject = f"{name_of(order)}, shipment {key.rpartition('/')[2]}"
    if told is None:
        yield Difference(subject=subject, field="canonical shipment", gp="invoiced", topics="none")
        return
    numbers = "" if told.voided else ", ".join(told.tracking_numbers)
    if numbers != tracking:
        yield Difference(subject=subject, field="tracking", gp=tracking, topics=numbers)
    quantities: dict[str, Decimal] = defaultdict(Decimal)
    for line in () if told.voided else told.lines:
        quantities[line.sku] += line.quantity
    if quantities != items:
        yield Difference(subject=subject, field="quantities", gp=listed(items), topics=listed(quantities))


def _level(subject: str, there: Stock, told: InventoryLevel | None) -> Iterator[Difference]:
    if told is None:
        yield Difference(subject=subject, field="canonical stock", gp=plain(there.on_hand), topics="none")
        return
    for field in ("on_hand", "allocated"):
        if getattr(told, field) != getattr(there, field):
            yield Difference(
                subject=subject, field=field, gp=plain(getattr(there, field)), topics=plain(getattr(told, field))
            )


def _falling_versions(topic: str, records: Iterable[Written]) -> Iterator[Difference]:
    newest: dict[str, int] = {}
    for each in records:
        version = each.record.source_version
        if version < newest.get(each.key, version):
            yield Difference(subject=each.key, field="order of versions", topics=f"{topic} at {each.offset}: {version}")
        newest[each.key] = max(version, newest.get(each.key, version))


def _falling_deliveries(outcomes: Iterable[Outcome]) -> Iterator[Difference]:
    """A delivery of an event that lies before one already delivered; what is told twice counts once."""
    told: set[tuple[str, str, int, int]] = set()
    furthest: dict[tuple[str, str, str], int] = {}
    for each in outcomes:
        event = (each.connection, each.topic_id, each.partition, each.offset)
        if each.stage != CONSUMERS or each.state != DELIVERED or event in told:
            continue
        told.add(event)
        line = (each.connection, each.topic_id, each.message_key)
        if each.offset < furthest.get(line, each.offset):
            yield Difference(
                subject=each.message_key,
                field="order of deliveries",
                topics=f"{each.topic} at {each.offset} after {furthest[line]}",
            )
        furthest[line] = max(each.offset, furthest.get(line, each.offset))


def _unexpected(letter: DeadLetter, names: Mapping[str, str]) -> Difference:
    subject = names.get(letter.root_key) or letter.root_key or f"webhooks of {letter.connection}"
    return Difference(
        subject=subject, field="dead letter", store="none expected", topics=f"{letter.stage}: {letter.code}"
    )
