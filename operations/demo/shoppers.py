"""The store's customers: they buy at a steady pace, and some change or cancel what they bought."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from errors import BusError, RefusedError
from operations.demo.board import Board
from operations.demo.erp_user import ErpUser
from operations.demo.facts import Placed, StoreOrder
from operations.demo.outside import Store
from operations.demo.plan import Story, Visit

#: Until a follow-up has what it waits for.
FOLLOW_UP_WITHIN_S = 240.0
WEBHOOK_OF = {Story.WEBHOOK_TWICE: "twice", Story.WEBHOOK_NEVER: "skip"}
UNKNOWN_SKU = "NOT-IN-GP-{number}"
#: Of what there is plenty of, as that may be a free sample, of which one more would not show.
PRICE = "12.50"

FollowUp = Callable[["Shoppers", Placed, StoreOrder], Awaitable[None]]


class Shoppers:
    """Everybody who buys in a run."""

    def __init__(
        self, store: Store, erp_user: ErpUser, board: Board, run: str, patience_s: float = FOLLOW_UP_WITHIN_S
    ) -> None:
        """`run` makes the guests' addresses new in every run."""
        self._store = store
        self._erp_user = erp_user
        self._board = board
        self._run = run
        self._patience_s = patience_s

    async def shop(self, visits: Sequence[Visit], per_second: float) -> None:
        """Every visit at its time, and what follows from it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as follow_ups:
            for visit in visits:
                # by the plan and not by the last order: a slow moment is caught up with
                await asyncio.sleep(max(0.0, began + visit.number / per_second - loop.time()))
                order, entry = await self._buy(visit)
                follow_up = FOLLOW_UPS.get(visit.story)
                if follow_up is not None:
                    follow_ups.create_task(self._followed(follow_up, order, entry))
            self._board.placing_s = loop.time() - began

    async def _buy(self, visit: Visit) -> tuple[Placed, StoreOrder]:
        entry = await self._store.place(self._basket(visit))
        order = Placed(
            order_id=entry.id,
            number=entry.number,
            story=visit.story.value,
            fate=visit.fate.value,
            at=datetime.now(UTC),
        )
        self._board.orders.append(order)
        return order, entry

    def _basket(self, visit: Visit) -> Mapping[str, Any]:
        order: dict[str, Any] = {"seed": visit.seed, "webhook": WEBHOOK_OF.get(visit.story, "send")}
        match visit.story:
            case Story.UNKNOWN_SKU:
                name = UNKNOWN_SKU.format(number=visit.number)
                lines = [{"sku": name, "name": "A thing GP has never heard of", "quantity": 1, "unit_price": "19.90"}]
                return order | {"lines": lines, "allow_unknown_sku": True}
            case Story.NEVER_SEEN:
                return order | {"guest": _guest(f"{self._run}.{visit.number}", visit.seed)}
            case Story.EDITS | Story.EDITS_TOO_LATE:
                # not free, so that one more shows; and enough that a part can leave and a part stays
                item = self._erp_user.plenty()
                lines = [{"sku": item, "quantity": 3, "unit_price": PRICE}]
                return order | {"lines": lines, "shipping": "7.95", "tax_rate": "0.0825"}
            case _:
                return order

    async def _followed(self, follow_up: FollowUp, order: Placed, entry: StoreOrder) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await follow_up(self, order, entry)
        except (BusError, TimeoutError) as error:
            reason = error.message if isinstance(error, BusError) else "what it waited for did not come"
            self._board.not_played.append(f"order {order.number} ({order.story}): {reason}")

    async def _edit(self, order: Placed, entry: StoreOrder) -> None:
        """Wants one more of the dearest thing, once GP has the order."""
        await self._erp_user.until_document(order.number)
        changed = await self._store.edit(order.order_id, _one_more(entry))
        self._board.update(order, changes=order.changes + 1)
        self._erp_user.wait_for_amount(order.number, changed.total)

    async def _edit_too_late(self, order: Placed, entry: StoreOrder) -> None:
        await self._erp_user.until_shipped(order.number)
        changed = _one_more(entry)
        # told to the board first: whoever compares meanwhile must not take the old total for a mistake
        self._board.update(order, changes=order.changes + 1, total_before_late_edit=entry.total)
        await self._store.edit(order.order_id, changed)

    async def _cancel_at_once(self, order: Placed, _entry: StoreOrder) -> None:
        await self._cancel(order)

    async def _cancel_later(self, order: Placed, _entry: StoreOrder) -> None:
        await self._erp_user.until_document(order.number)
        await self._cancel(order)

    async def _cancel(self, order: Placed) -> None:
        await self._store.cancel(order.order_id)
        self._board.update(order, changes=order.changes + 1, cancelled=True)


FOLLOW_UPS: Mapping[Story, FollowUp] = {
    Story.EDITS: Shoppers._edit,  # noqa: SLF001  the class's own methods
    Story.EDITS_TOO_LATE: Shoppers._edit_too_late,  # noqa: SLF001  see above
    Story.CANCELS_AT_ONCE: Shoppers._cancel_at_once,  # noqa: SLF001  see above
    Story.CANCELS_LATER: Shoppers._cancel_later,  # noqa: SLF001  see above
}


def _one_more(entry: StoreOrder) -> Mapping[str, Any]:
    dearest = max(entry.lines, key=lambda line: line.unit_price)
    if dearest.unit_price == Decimal(0):
        raise RefusedError("demo.free", "everything in the basket is free: one more would not show")
    return {"set_quantity": {dearest.sku: str(dearest.quantity + 1)}, "note": "One more, please."}


def _guest(name: str, seed: int) -> Mapping[str, Any]:
    """Somebody nobody has ever seen."""
    dice = random.Random(seed)  # noqa: S311  an invented person is no secret
    last_name = dice.choice(("Applegarth", "Brightwater", "Corncrake", "Dunmore", "Elderflower"))
    billing = {
        "name": f"Robin {last_name}",
        "street1": f"{dice.randrange(1, 900)} Towpath Lane",
        "city": "Boise",
        "region": "ID",
        "postal_code": "83702",
    }
    return {"first_name": "Robin", "last_name": last_name, "email": f"guest.{name}@example.org", "billing": billing}
