"""The daily statement of a pair: what a store's orders of a day became at its ERP, to the cent.

Every figure is told from where each order stood at two moments, the day's beginning and its end, by one rule. So what
was open, what came and what ended add up, and yesterday's end is today's beginning, however late an outcome is told of.
Beside our own books stands what the store itself lists as changed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from bus.settings import Pair, Settings
from delivery.states import ENDS, ParkedFor, State
from errors import BusError, ConfigurationError
from operations import census
from operations.ledger import wait_for_projector
from operations.offsets import admin_of, describe, ends
from operations.projection import books, day, migrate
from operations.projection.day import OrderEvent, Told
from operations.projection.worker import Scope
from operations.readers import Routed, routed

#: An order is one thing through all its versions; what ended it last was one of these.
DONE = frozenset({State.DELIVERED, State.DEAD, State.DISCARDED})
#: Codes of deliveries that left no document, or a void one.
CANCELLED = frozenset({"voided", "cancelled_before_creation", "gp.already_void"})
LISTED = 50


class Where(StrEnum):
    """Where an order stands at a moment."""

    ABSENT = "absent"
    #: Open: on its way, waiting for something or somebody, refused.
    IN_FLIGHT = "in flight"
    HELD = "held"
    REFUSED = "refused"
    #: Ended: there is a document, it was cancelled, somebody ended it without one, nothing was to be done.
    DOCUMENT = "document"
    CANCELLED = "cancelled"
    GIVEN_UP = "given up"
    NEEDLESS = "needless"


OPEN = (Where.IN_FLIGHT, Where.HELD, Where.REFUSED)
ENDED = (Where.DOCUMENT, Where.CANCELLED, Where.GIVEN_UP, Where.NEEDLESS)


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """An order at a moment."""

    where: Where
    #: Of the order as it was last told before that moment.
    amount: Decimal = Decimal(0)
    currency: str = ""
    code: str = ""
    values: dict[str, str] = {}
    document_number: str = ""
    since: datetime | None = None


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A number of orders and their totals."""

    orders: int = 0
    #: Currency to amount; orders without a currency have no total.
    money: dict[str, Decimal] = {}

    def __add__(self, other: "Figure") -> "Figure":
        return self._with(other, 1)

    def __sub__(self, other: "Figure") -> "Figure":
        return self._with(other, -1)

    def _with(self, other: "Figure", sign: int) -> "Figure":
        currencies = sorted({*self.money, *other.money})
        zero = Decimal(0)
        sums = {each: self.money.get(each, zero) + sign * other.money.get(each, zero) for each in currencies}
        return Figure(orders=self.orders + sign * other.orders, money=sums)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One order in the appendix; field names are a contract."""

    root_key: str
    amount: Decimal
    currency: str
    document_number: str
    code: str
    values: dict[str, str]
    since: datetime | None


class Entries(msgspec.Struct, frozen=True, kw_only=True):
    """The first orders of a kind, and how many more there are."""

    entries: tuple[Entry, ...] = ()
    more: int = 0


class AtTheStore(msgspec.Struct, frozen=True, kw_only=True):
    """What the store itself lists as changed on the day, against what reached us."""

    listed: int = 0
    uncaptured: tuple[str, ...] = ()
    #: Why the store was not asked; empty: it was.
    not_asked: str = ""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A day of a pair; field names are a contract."""

    store: str
    erp: str
    day: date
    time_zone: str
    since: datetime
    #: The day's end, or now.
    until: datetime
    at_the_store: AtTheStore
    #: Changes told by the store on the day of which no order was made: refused before, or still being read.
    refused_before: int
    being_read: int
    opening: Figure
    came_in: Figure
    #: Had ended, and were changed at the store or tried again on the day.
    opened_again: Figure
    #: Orders open at the beginning whose total was changed since; their number is not added.
    changed: Figure
    #: By where they ended.
    ended: dict[Where, Figure]
    #: By where they are open at the end.
    closing: dict[Where, Figure]
    #: What does not add up; nothing, or the statement is wrong.
    difference: Figure
    appendix: dict[Where, Entries]

    @property
    def balanced(self) -> bool:
        """Whether it adds up, and nothing the store lists is missing."""
        adds_up = not self.difference.orders and not any(self.difference.money.values())
        return adds_up and not self.at_the_store.uncaptured


def statement(settings: Settings, pair: Pair, of: date, *, limit: int = LISTED, wait_s: float = 30.0) -> Statement:
    """The statement of a day, or of what has passed of it.

    Raises:
        ConfigurationError: the day lies ahead, or the deployment's time zone is none.
        RetryableError: Kafka or the projection cannot be read, or the projector is behind after `wait_s`.
    """
    since, until = bounds(of, settings.time_zone)
    now = datetime.now(UTC)
    if since >= now:
        raise ConfigurationError("--day", f"{of} has not begun in {settings.time_zone}")
    until = min(until, now)
    way = next(
        (
            each
            for each in routed(settings)
            if (each.record, each.owner, each.target) == ("order", pair.store, pair.erp)
        ),
        None,
    )
    if way is None:
        raise ConfigurationError("pairs", f"no route takes orders from {pair.store} to {pair.erp}")
    admin = admin_of(settings.kafka)
    places = describe(admin, (topic.name for topic in Scope().topics))
    written = {(places[name].topic_id, number): end for (name, number), end in ends(admin, places).items()}
    with migrate.opened(settings.projection_dsn.reveal()) as wire:
        wait_for_projector(lambda: books.positions(wire), written, wait_s)
        found = day.read(wire, way, since, until)
    return drawn_up(
        found.events,
        found.told,
        way,
        of=of,
        time_zone=settings.time_zone,
        since=since,
        until=until,
        at_the_store=_asked(settings, pair.store, since, until),
        refused_before=found.refused_before,
        being_read=found.being_read,
        limit=limit,
    )


def bounds(of: date, time_zone: str) -> tuple[datetime, datetime]:
    """The beginning of a day and of the next where the deployment's clock hangs; pure.

    Raises:
        ConfigurationError: there is no such time zone.
    """
    try:
        zone = ZoneInfo(time_zone)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigurationError("deployment.time_zone", f"{time_zone!r} is no time zone") from error

    def midnight(which: date) -> datetime:
        return datetime(which.year, which.month, which.day, tzinfo=zone).astimezone(UTC)

    return midnight(of), midnight(of + timedelta(days=1))


def drawn_up(
    events: Iterable[OrderEvent],
    told: Iterable[Told],
    way: Routed,
    *,
    of: date,
    time_zone: str,
    since: datetime,
    until: datetime,
    at_the_store: AtTheStore,
    refused_before: int = 0,
    being_read: int = 0,
    limit: int = LISTED,
) -> Statement:
    """The statement from the events of every order that may matter, and what was told of them; pure."""
    of_event: dict[tuple[str, int, int], list[Told]] = defaultdict(list)
    for each in told:
        of_event[each.event].append(each)
    of_key: dict[str, list[OrderEvent]] = defaultdict(list)
    for event in events:
        if event.at < until:
            of_key[event.root_key].append(event)
    sums: dict[str, Figure] = defaultdict(Figure)
    lists: dict[Where, list[Entry]] = defaultdict(list)
    for key, own in sorted(of_key.items()):
        before, after = (stand(own, of_event, moment) for moment in (since, until))
        worked = any(since <= event.at < until for event in own) or any(
            since <= each.at < until for event in own for each in of_event.get(event.event, ())
        )
        if not _count(sums, before, after, worked=worked):
            continue
        lists[after.where].append(
            Entry(
                root_key=key,
                amount=after.amount,
                currency=after.currency,
                document_number=after.document_number,
                code=after.code,
                values=after.values,
                since=after.since,
            )
        )
    ended = {where: sums[where] for where in ENDED}
    closing = {where: sums[where] for where in OPEN}
    came = sums["opening"] + sums["came in"] + sums["opened again"] + sums["changed"]
    return Statement(
        store=way.owner,
        erp=way.target,
        day=of,
        time_zone=time_zone,
        since=since,
        until=until,
        at_the_store=at_the_store,
        refused_before=refused_before,
        being_read=being_read,
        opening=sums["opening"],
        came_in=sums["came in"],
        opened_again=sums["opened again"],
        changed=sums["changed"],
        ended=ended,
        closing=closing,
        difference=came - total(ended) - total(closing),
        appendix={
            where: Entries(entries=tuple(lists[where][:limit]), more=max(0, len(lists[where]) - limit))
            for where in (*OPEN, *ENDED)
        },
    )


def stand(events: Iterable[OrderEvent], told: Mapping[tuple[str, int, int], Iterable[Told]], moment: datetime) -> Stand:
    """Where an order stood at a moment; depends on nothing that came later; pure.

    An order is open while any of its versions is, and is told by the worst of them; else by what ended it last.
    """
    known = sorted((event for event in events if event.at < moment), key=lambda event: (event.at, event.event))
    if not known:
        return Stand(where=Where.ABSENT)
    newest = known[-1]
    stands = [(event, last_told(told.get(event.event, ()), moment)) for event in known]
    open_ = [(event, last) for event, last in stands if last is None or last.state not in ENDS]
    ended = [last for _, last in stands if last is not None and last.state in DONE]
    document = next((each.document_number for each in reversed(ended) if each.document_number), "")
    last: Told | None
    if open_:
        event, last = max(open_, key=lambda each: OPEN.index(_where_open(each[1])))
        where = _where_open(last)
    else:
        event, last = newest, ended[-1] if ended else stands[-1][1]
        where = _where_ended(ended[-1] if ended else None)
    return Stand(
        where=where,
        amount=newest.amount,
        currency=newest.currency,
        code=last.code if last is not None else "",
        values=last.code_values if last is not None else {},
        document_number=document,
        since=last.at if last is not None else event.at,
    )


def last_told(told: Iterable[Told], moment: datetime) -> Told | None:
    """What stood of an event at a moment: its last end, before there is one the last parking; as `project` has it."""
    return max(
        (each for each in told if each.at < moment), key=lambda each: (each.state in ENDS, each.at), default=None
    )


def total(figures: Mapping[Where, Figure]) -> Figure:
    """All of them together."""
    return sum(figures.values(), Figure())


def _count(sums: dict[str, Figure], before: Stand, after: Stand, *, worked: bool) -> bool:
    """Add an order where it belongs; whether it belongs anywhere."""
    figure = _figure(after)
    if before.where in OPEN:
        sums["opening"] += _figure(before)
        sums["changed"] += msgspec.structs.replace(figure - _figure(before), orders=0)
    elif before.where is Where.ABSENT and after.where is not Where.ABSENT:
        sums["came in"] += figure
    elif after.where in OPEN or (worked and after.where in ENDED):
        sums["opened again"] += figure
    else:
        return False
    sums[after.where] += figure
    return True


def _figure(stands: Stand) -> Figure:
    return Figure(orders=1, money={stands.currency: stands.amount} if stands.currency else {})


def _where_open(last: Told | None) -> Where:
    if last is None or last.state != State.PARKED:
        return Where.IN_FLIGHT
    return Where.REFUSED if last.cause == ParkedFor.REFUSED else Where.HELD


def _where_ended(last: Told | None) -> Where:
    if last is None:
        return Where.NEEDLESS
    if last.state != State.DELIVERED:
        return Where.GIVEN_UP
    return Where.CANCELLED if last.code in CANCELLED else Where.DOCUMENT


def _asked(settings: Settings, store: str, since: datetime, until: datetime) -> AtTheStore:
    """The store's own list of the day; a store that is away leaves the rest of the statement as it is."""
    try:
        found = census.of_connection(settings, store, since, until)
    except BusError as error:
        return AtTheStore(not_asked=error.message)
    if found is None:
        return AtTheStore(not_asked=f"{store} is of a system that cannot be asked")
    return AtTheStore(listed=found.listed, uncaptured=tuple(each.root_key for each in found.uncaptured))
