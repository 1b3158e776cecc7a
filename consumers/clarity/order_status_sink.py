"""Order statuses into a Clarity store: by its action routes, after a look at what stands there."""

import hashlib

import msgspec

from connect.systems.clarity.client import Action, ClarityClient
from consumers.clarity.rules import StatusStep, left_alone, status_step
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
    Row,
    Settlement,
)
from delivery.states import Repeats, State
from errors import RejectedError, RetryableError
from mapping.port import Lookups
from schemas.canonical.order_status import OrderState, OrderStatus
from schemas.systems.clarity.aspects import cancelled, own_aspect
from schemas.systems.clarity.order import ClarityOrder
from schemas.types import RootKey, id_of


class SetStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One action on one order, as it is stored before it is sent."""

    order_id: str
    root_key: str
    action: str
    #: StatusKey the action leads to.
    status_key: str
    #: Digest of the customer's part of the order as it will read, where the action changes it and we know what it was.
    aspect_after: str = ""


class OrderStatusSink:
    """Sets an order's status where it differs; never twice, as each action may send a mail."""

    repeats = Repeats.REPEATABLE

    def __init__(self, client: ClarityClient, decoder: Decoder[OrderStatus], lookups: Lookups, memory: Memory) -> None:
        self._client = client
        self._decoder = decoder
        self._lookups = lookups
        self._memory = memory

    async def prepare(self, row: Row) -> Intent | Settlement:
        """Read the order and choose the action, if one is needed."""
        status = self._decoder.decode(row.payload)
        wanted = OrderState(status.status)
        action = Action(self._lookups.get("clarity_status_actions", wanted, "status"))
        status_key = self._lookups.get("clarity_status_keys", wanted, "status")
        order_id = id_of(RootKey(status.id))
        order = await self._order(order_id)
        step = status_step(order.status_key, status_key, wanted)
        if step is not StatusStep.ACT:
            return left_alone(step)
        body = SetStatus(
            order_id=order_id,
            root_key=status.id,
            action=action.value,
            status_key=status_key,
            aspect_after=await self._aspect_after(order, status.id, wanted),
        )
        return Intent(
            reference=Reference(record="order_status", business=status.id, operation=f"set:{status.source_version}"),
            body=msgspec.json.encode(body),
            leaves=_left_by(body),
        )

    async def deliver(self, intent: Intent) -> Settlement:
        """Act."""
        work = msgspec.json.decode(intent.body, type=SetStatus)
        await self._client.act(Action(work.action), work.order_id)
        return _settlement(work)

    async def find(self, intent: Intent) -> Finding:
        """The status tells."""
        work = msgspec.json.decode(intent.body, type=SetStatus)
        try:
            order = await self._client.order(work.order_id)
        except RetryableError as error:
            return CannotTell(reason=error.code)
        if order is not None and order.status_key == work.status_key:
            return Found(settlement=_settlement(work))
        return Absent()

    async def _order(self, order_id: str) -> ClarityOrder:
        order = await self._client.order(order_id)
        if order is None:
            raise RejectedError("clarity.no_such_order", f"the store has no order {order_id}", order=order_id)
        return order

    async def _aspect_after(self, order: ClarityOrder, root_key: str, wanted: OrderState) -> str:
        """So that a cancellation of ours is not taken for the customer's when the store tells us of it.

        Only when nothing he changed is still unread: that would be swallowed with it.
        """
        if wanted is not OrderState.CANCELLED:
            return ""
        seen = await self._memory.last_seen("order", root_key)
        if seen is None or seen.digest != digest(order):
            return ""
        return digest(cancelled(order))


def digest(order: ClarityOrder) -> str:
    """Digest of the customer's part of an order, as the last-seen copy keeps it."""
    return hashlib.sha256(own_aspect(order)).hexdigest()


def _settlement(work: SetStatus) -> Settlement:
    return Settlement(
        state=State.DELIVERED,
        code="status_set",
        values={"order": work.order_id, "status": work.status_key},
        last_seen=_left_by(work),
    )


def _left_by(work: SetStatus) -> tuple[LastSeen, ...]:
    return (LastSeen(record="order", key=work.root_key, digest=work.aspect_after),) if work.aspect_after else ()
