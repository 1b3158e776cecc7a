"""Order statuses into a Clarity store: by its action routes, after a look at what stands there."""

import hashlib
from collections.abc import Iterator

import msgspec
import structlog

from bus import metrics
from connect.systems.clarity.client import Action, ClarityClient
from consumers.clarity.rules import StatusStep, left_alone, status_step
from consumers.documents import Documents
from delivery.ports import (
    Absent,
    CannotTell,
    Decoder,
    Finding,
    Found,
    Intent,
    LastSeen,
    Memory,
    Reference,
    Requests,
    Row,
    Settlement,
)
from delivery.states import Repeats, State
from delivery.things import thing
from errors import ConfigurationError, DependencyError, MappingError, RejectedError, RetryableError
from mapping.port import Lookups, Tables, Unfit
from schemas.canonical.order_status import OrderState, OrderStatus
from schemas.systems.clarity.aspects import cancelled, own_aspect
from schemas.systems.clarity.order import ClarityOrder
from schemas.systems.clarity.site import Site, Standing
from schemas.systems.clarity.status_change import StatusChange

log = structlog.get_logger(__name__)

#: Lookup tables by order state: the action that leads to the store's status, and the status it leads to.
ACTIONS = "clarity_status_actions"
KEYS = "clarity_status_keys"
#: Until an action is chosen once more: the store's reads agree with each other by then.
CHOSEN_AGAIN_S = 5.0


class SetStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One action on one order, as it is stored before it is sent."""

    order_id: str
    root_key: str
    action: str
    #: StatusKey the action leads to.
    status_key: str
    #: StatusKey the action was chosen at; empty in what was kept before this was.
    status_before: str = ""
    #: What the ERP says of the order.
    wanted: OrderState = OrderState.UNKNOWN
    #: Digest of the customer's part of the order as it will read, where the action changes it and we know what it was.
    aspect_after: str = ""


class OrderStatusSink:
    """Sets an order's status where it differs; never twice, as each action may send a mail."""

    repeats = Repeats.REPEATABLE
    #: The order; the order once more, the action, and what came of it.
    requests = Requests(look=1, write=3)

    def __init__(
        self, client: ClarityClient, decoder: Decoder[OrderStatus], documents: Documents, memory: Memory
    ) -> None:
        self._client = client
        self._decoder = decoder
        self._memory = memory
        self._documents = documents

    async def prepare(self, row: Row) -> Intent | Settlement:
        """Read the order and choose the action, if one is needed.

        Raises:
            DependencyError: the store does not show the order: what it reads from may lag.
            MappingError: the document says what cannot be; a deployment's own mapping need not ask the tables.
        """
        status = self._decoder.decode(row.payload)
        change, stamped = self._documents.of(status)
        wanted = _possible(change, self._client.site)
        order_id = change.order_id
        order = await self._order(order_id, status.id)
        step = status_step(order.status_key, change.status_key, wanted, self._client.site)
        if step is not StatusStep.ACT:
            return left_alone(step)
        body = SetStatus(
            order_id=order_id,
            root_key=status.id,
            action=change.action,
            status_key=change.status_key,
            status_before=order.status_key,
            wanted=wanted,
            aspect_after=await self._aspect_after(order, status.id, wanted),
        )
        return Intent(
            reference=Reference(record="order_status", business=status.id, operation=f"set:{status.source_version}"),
            body=msgspec.json.encode(body),
            mapping=stamped,
            leaves=_left_by(body),
        )

    async def deliver(self, intent: Intent) -> Settlement:
        """Look once more, then act: who stood still since he chose would have the customer mailed again.

        Raises:
            RetryableError: the order went on to another status since the action was chosen: choose once more. What was
                read then may have lagged.
        """
        work = msgspec.json.decode(intent.body, type=SetStatus)
        before = await self._order(work.order_id, work.root_key)
        done = self._done(work, before)
        if done is not None:
            return done
        if _moved(work, before):
            at = f"{before.status_key}, not {work.status_before} any more"
            raise RetryableError("status_moved", f"the order is at {at}", retry_after_s=CHOSEN_AGAIN_S)
        await self._client.act(_action(work.action), work.order_id)
        return await self._led_to(work, before.status_key)

    async def find(self, intent: Intent) -> Finding:
        """The status tells: an order that is not where the action was chosen has had it, wherever that led.

        What stands there by now is looked at as it was before the action was chosen. Somebody else may have moved the
        order; the action is not sent then either, as it may mail the customer again.
        """
        work = msgspec.json.decode(intent.body, type=SetStatus)
        try:
            order = await self._client.order(work.order_id)
        except RetryableError as error:
            return CannotTell(reason=error.code)
        if order is None:
            return Absent()
        done = self._done(work, order) or (_otherwise(work, order) if _moved(work, order) else None)
        return Absent() if done is None else Found(settlement=done)

    def _done(self, work: SetStatus, order: ClarityOrder) -> Settlement | None:
        """How it ended if there is nothing left to do."""
        step = status_step(order.status_key, work.status_key, work.wanted, self._client.site)
        match step:
            case StatusStep.ACT:
                return None
            case StatusStep.EQUAL:
                return _settlement(work)
            case _:
                return left_alone(step)

    async def _led_to(self, work: SetStatus, before: str) -> Settlement:
        """The action is done; where it led elsewhere than the table says, each later status would do it again.

        Nobody undoes it, and a site may move an order on by itself: it is told and holds up nothing. What the store
        reads from may lag: the status from before says nothing, nor does a read that fails.
        """
        try:
            order = await self._client.order(work.order_id)
        except (RetryableError, RejectedError):
            order = None
        if order is None or order.status_key in {before, work.status_key}:
            return _settlement(work)
        return _otherwise(work, order)

    async def _order(self, order_id: str, root_key: str) -> ClarityOrder:
        order = await self._client.order(order_id)
        if order is None:
            raise DependencyError(thing("order", root_key), f"the store has no order {order_id}")
        return order

    async def _aspect_after(self, order: ClarityOrder, root_key: str, wanted: OrderState) -> str:
        """So that a cancellation of ours is not taken for the customer's when the store tells us of it.

        Only when nothing he changed is still unread: that would be swallowed with it.
        """
        if wanted is not OrderState.CANCELLED:
            return ""
        seen = await self._memory.last_seen("order", root_key)
        site = self._client.site
        if seen is None or seen.digest != digest(order, site):
            return ""
        return digest(cancelled(order, site), site)


class PossibleTables:
    """The tables as they stand, or as they last led to statuses there are."""

    def __init__(self, tables: Tables, site: Site) -> None:
        """ConfigurationError as `require_possible`."""
        self._tables = tables
        self._site = site
        self._met = self._possible = tables.current()
        require_possible(self._possible, site)

    def current(self) -> Lookups:
        """Those of now; those from before where they are impossible, which is said once."""
        lookups = self._tables.current()
        if lookups is not self._met:
            self._met = lookups
            try:
                require_possible(lookups, self._site)
                self._possible = lookups
                self._tell(None)
            except ConfigurationError as error:
                setting = str(error.facts.get("setting"))
                self._tell(setting)
                log.error("lookups.refused", setting=setting, reason=error.message)  # noqa: TRY400 - what to do, no stack
        return self._possible

    @staticmethod
    def _tell(refused: str | None) -> None:
        """By the alarm; None: all is well."""
        for table in (ACTIONS, KEYS):
            metrics.LOOKUPS_REFUSED.labels(table=table).set(int(f"lookups/{table}.csv" == refused))


def require_possible(lookups: Lookups, site: Site) -> None:
    """Each state is reached by an action there is, and is what the action leads to; one without rows is never set.

    Raises:
        ConfigurationError: a row is missing or names what there is not; names the table.
    """
    for table, state, fault in _faults(lookups, site):
        raise ConfigurationError(f"lookups/{table}.csv", f"{state}: {fault}")


def unfit(lookups: Lookups, site: Site) -> list[Unfit]:
    """As `require_possible`: all faults, with the rows that have to do with each."""
    return [
        Unfit(
            places=((table, state),) if lookups.find(table, state) is not None else ((ACTIONS, state), (KEYS, state)),
            why=f"lookups/{table}.csv: {state}: {fault}",
        )
        for table, state, fault in _faults(lookups, site)
    ]


def _faults(lookups: Lookups, site: Site) -> Iterator[tuple[str, OrderState, str]]:
    for state in OrderState:
        rows = {table: lookups.find(table, state) for table in (ACTIONS, KEYS)}
        for table, value in rows.items():
            fault = "there is no row" if value is None else impossible_row(table, state, value, site)
            if fault and any(each is not None for each in rows.values()):
                yield table, state, fault


def impossible_row(table: str, key: str, value: str, site: Site) -> str:
    """What is wrong with a row of the two tables by itself; empty: nothing, or another table."""
    if table == ACTIONS and value not in set(Action):
        return f"{value!r} is no action of the store's: there are {', '.join(Action)}"
    if table == KEYS and key in set(OrderState) and not _leads_to(value, OrderState(key), site):
        options = "see the connection's options open_statuses, shipped_statuses and cancelled_status"
        return f"{value!r} is no such status; {options}"
    return ""


def _possible(change: StatusChange, site: Site) -> OrderState:
    """The state the document asks for; its action and status are checked, as no table was perhaps.

    An action that leads elsewhere than the document says would never be seen as done, and mail again at each look.
    """
    if change.wanted not in set(OrderState):
        raise MappingError("wanted", f"{change.wanted!r} is no state of an order")
    wanted = OrderState(change.wanted)
    _action(change.action)
    if not _leads_to(change.status_key, wanted, site):
        raise MappingError("status_key", f"{change.status_key!r} is no status of an order that is {wanted}")
    return wanted


def _action(name: str) -> Action:
    if name not in set(Action):
        raise MappingError("action", f"{name!r} is no action of the store's: there are {', '.join(Action)}")
    return Action(name)


def _leads_to(status_key: str, state: OrderState, site: Site) -> bool:
    """Else our own write would come back as news."""
    match state:
        case OrderState.CANCELLED:
            return status_key == site.cancelled
        case OrderState.SHIPPED:
            return status_key in site.shipped | site.completed
        case _:
            return site.standing(status_key) is Standing.OPEN


def digest(order: ClarityOrder, site: Site) -> str:
    """Digest of the customer's part of an order, as the last-seen copy keeps it."""
    return hashlib.sha256(own_aspect(order, site)).hexdigest()


def _settlement(work: SetStatus) -> Settlement:
    return Settlement(
        state=State.DELIVERED,
        code="status_set",
        values={"order": work.order_id, "status": work.status_key},
        last_seen=_left_by(work),
    )


def _moved(work: SetStatus, order: ClarityOrder) -> bool:
    """Does it stand elsewhere than where the action was chosen?"""
    return bool(work.status_before) and order.status_key != work.status_before


def _otherwise(work: SetStatus, order: ClarityOrder) -> Settlement:
    values = {"order": work.order_id, "status": order.status_key, "wanted": work.status_key, "action": work.action}
    return Settlement(state=State.DELIVERED, code="status_otherwise", values=values)


def _left_by(work: SetStatus) -> tuple[LastSeen, ...]:
    return (LastSeen(record="order", key=work.root_key, digest=work.aspect_after),) if work.aspect_after else ()
