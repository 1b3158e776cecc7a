"""What a demonstration ends with: every order and where it is, what three witnesses say, how fast it was."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from operations.census import Census
from operations.demo.board import Answered, Board
from operations.demo.books import Books
from operations.demo.facts import INVOICE, ORDER, Company, Placed, Shop
from operations.demo.latency import CONSUMERS, Latency, latencies
from operations.demo.plan import Story
from operations.demo.reconcile import Difference, Documents, compare, duplicated, key_of, name_of
from operations.demo.reconcile_topics import (
    compare_topics,
    dead_letters,
    echoes,
    order_violations,
    uncaptured,
    unique,
)
from operations.demo.topic_facts import OnTopics
from operations.ledger import Ledger
from operations.sentences import sentence
from schemas.bus.dead_letter import DeadLetter

GP_RECORD = "order"


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """One order, as the report lists it."""

    order: str
    story: str
    #: Code of its last outcome on the way to GP; empty where there is none.
    outcome: str
    total: Decimal
    document: str
    invoices: tuple[str, ...]
    status: str


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter, without its bytes."""

    id: str
    key: str
    stage: str
    code: str
    happened: str
    to_do: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Stable names: fields are added, never renamed."""

    #: Three witnesses agree, the ledger closes, nothing is uncaptured; with faults, all of them were played.
    agreed: bool
    began_at: datetime
    ended_at: datetime
    duration_s: float
    seed: int
    faults: bool
    orders_asked: int
    #: In the store's own order book.
    orders_placed: int
    #: Of these, what the bus heard of.
    orders_accepted: int
    orders_per_second: float
    #: Code of the last outcome on the way to GP to orders.
    orders_by_outcome: dict[str, int]
    documents_created: int
    documents_duplicated: int
    documents_voided: int
    invoices: int
    #: The store's status to orders.
    store_statuses: dict[str, int]
    dead_letters: int
    dead_letter_list: tuple[Letter, ...]
    order_violations: int
    #: Orders told more often than their customers changed them, or less often.
    echoes: int
    ledger_remainder: int
    uncaptured: int
    latency_ms: dict[str, Latency]
    #: What GP's user did, by deed.
    deeds: dict[str, int]
    hostile_webhooks: tuple[Answered, ...]
    #: How long GP's database was away, where it was restarted.
    gp_away_s: float | None
    differences: tuple[Difference, ...]
    #: Follow-ups that could not be played.
    not_played: tuple[str, ...]
    #: What was still under way when patience ended; empty at rest.
    waiting: str
    orders: tuple[OrderLine, ...]
    ledger: Ledger | None
    census: Census | None


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, and who takes part."""

    orders: int
    per_second: float
    seed: int
    faults: bool
    store: str
    erp: str


class Witnessed(msgspec.Struct, frozen=True, kw_only=True):
    """What the three witnesses say at the end."""

    shop: Shop
    company: Company
    seen: OnTopics


def differences(setting: Setting, board: Board, found: Witnessed) -> tuple[Difference, ...]:
    """Everything that is not told alike by all, or not as it was played."""
    broken = sum(each.kind == "broken_json" for each in board.hostile)
    store, seen, company = setting.store, found.seen, found.company
    return (
        *compare(board.orders, found.shop, company, store),
        *compare_topics(board.orders, found.shop, company, seen, store, setting.erp),
        *echoes(board.orders, seen, store),
        *order_violations(seen),
        *dead_letters(board.orders, seen, store, broken),
        *uncaptured(board.orders, seen, store),
        *_hostile(board.hostile, store),
        *_customers(board, company),
    )


def report(
    setting: Setting,
    board: Board,
    found: Witnessed,
    unlike: tuple[Difference, ...],
    books: Books | None,
    waiting: str,
    began: datetime,
    ended: datetime,
) -> Report:
    """All of it in one record."""
    orders, seen, company = board.orders, found.seen, found.company
    lines = order_lines(setting, board, found)
    letters = unique(seen.dead_letters)
    return Report(
        agreed=not unlike and books is not None and books.closed and not waiting and not _left_out(setting, board),
        began_at=began,
        ended_at=ended,
        duration_s=round((ended - began).total_seconds(), 1),
        seed=setting.seed,
        faults=setting.faults,
        orders_asked=setting.orders,
        orders_placed=len(found.shop.orders),
        orders_accepted=sum(key_of(order, setting.store) in seen.arrivals for order in orders),
        orders_per_second=round(len(orders) / board.placing_s, 2) if board.placing_s else 0.0,
        orders_by_outcome=dict(Counter(line.outcome or "none" for line in lines)),
        documents_created=sum(document.type == ORDER for document in company.documents),
        documents_duplicated=duplicated(orders, company),
        documents_voided=sum(document.type == ORDER and document.voided for document in company.documents),
        invoices=sum(document.type == INVOICE for document in company.documents),
        store_statuses=dict(Counter(entry.status for entry in found.shop.orders)),
        dead_letters=len(letters),
        dead_letter_list=tuple(_letter(each) for each in letters),
        order_violations=len(order_violations(seen)),
        echoes=len(echoes(orders, seen, setting.store)),
        ledger_remainder=books.ledger_remainder if books else -1,
        uncaptured=books.uncaptured if books else -1,
        latency_ms=latencies(seen, setting.store),
        deeds=board.deeds,
        hostile_webhooks=tuple(board.hostile),
        gp_away_s=board.gp_away_s,
        differences=unlike,
        not_played=tuple(board.not_played),
        waiting=waiting,
        orders=lines,
        ledger=books.ledger if books else None,
        census=books.census if books else None,
    )


def _left_out(setting: Setting, board: Board) -> bool:
    """Whether troubles that were asked for did not happen: then nobody has seen the bus deal with them."""
    return setting.faults and bool(board.not_played)


def order_lines(setting: Setting, board: Board, found: Witnessed) -> tuple[OrderLine, ...]:
    """Every order with its outcome, its documents and its status."""
    last = {
        each.root_key: each.code
        for each in found.seen.outcomes
        if each.stage == CONSUMERS and each.record == GP_RECORD and each.connection == setting.erp
    }
    documents = Documents(found.company)
    book = {entry.id: entry for entry in found.shop.orders}
    lines = []
    for order in board.orders:
        entry = book.get(order.order_id)
        document, invoices = documents.of(order)
        lines.append(
            OrderLine(
                order=order.number,
                story=order.story,
                outcome=last.get(key_of(order, setting.store), ""),
                total=entry.total if entry else Decimal(0),
                document=document.number if document else "",
                invoices=tuple(invoice.number for invoice in invoices),
                status=entry.status if entry else "",
            )
        )
    return tuple(lines)


def _hostile(answers: Sequence[Answered], store: str) -> list[Difference]:
    return [
        Difference(
            subject=f"webhooks of {store}",
            field=each.kind,
            store=f"must be answered {each.wanted}",
            topics=f"answered {each.status or 'not at all'}",
        )
        for each in answers
        if each.status != each.wanted
    ]


def _customers(board: Board, company: Company) -> list[Difference]:
    """Who was never seen before is GP's customer now."""
    documents = Documents(company)
    found = []
    for order in board.orders:
        document, _ = documents.of(order)
        if order.story != Story.NEVER_SEEN or document is None:
            continue
        new = document.customer not in board.known_customers and document.customer in company.customers
        if not new:
            found.append(_no_new_customer(order, document.customer))
    return found


def _no_new_customer(order: Placed, customer: str) -> Difference:
    return Difference(
        subject=name_of(order), field="customer", store="a new guest", gp=f"{customer} is no new customer"
    )


def _letter(letter: DeadLetter) -> Letter:
    said = sentence(letter.code, letter.values)
    return Letter(
        id=letter.id,
        key=letter.root_key,
        stage=letter.stage,
        code=letter.code,
        happened=said.happened,
        to_do=said.to_do,
    )
