"""Customers and GP's user of a run of chaos: as in the demonstration, but nothing that breaks makes them give up."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from errors import RefusedError, RetryableError
from operations.demo.board import Board
from operations.demo.erp_user import COUNTED_BELOW, GOODS_IN, SHORT
from operations.demo.facts import StoreOrder
from operations.demo.outside import Body, Erp, Store

AGAIN_AFTER_S = 0.5
#: Under which the store keeps whose order it is.
MARK = "chaos"
#: The shelves are looked at again after so many changes.
CHANGES_A_LOOK = 50
#: People who count stock at once.
COUNTERS = 3


class PatientStore(Store):
    """The store, asked until it answers; an order whose answer was lost is looked for before it is placed again."""

    def __init__(self, control_url: str, name: str, run: str, admit: Callable[[], Awaitable[None]]) -> None:
        """`admit` returns when the next customer may buy; `run` tells this run's orders from all others."""
        super().__init__(control_url, name)
        self._run = run
        self._admit = admit
        self._baskets = 0
        self._last = 0

    async def place(self, order: Body) -> StoreOrder:
        """A customer buys, once."""
        await self._admit()
        mark = f"{self._run}.{self._baskets}"
        self._baskets += 1
        # goods that are not there are back-ordered: what GP is short of must not end the run
        marked = {**order, "custom": {MARK: mark}, "ignore_stock": True}
        while True:
            try:
                placed = await super().place(marked)
            except RetryableError:
                await asyncio.sleep(AGAIN_AFTER_S)
                found = await self._marked(mark)
                if found is None:
                    continue
                placed = found
            self._last = placed.id
            return placed

    async def cancel(self, order_id: int) -> StoreOrder:
        """A customer takes an order back, if he has not already."""
        try:
            return await super().cancel(order_id)
        except RefusedError:  # the answer to an earlier try was lost
            return await self.order(order_id)

    async def _marked(self, mark: str) -> StoreOrder | None:
        found = await self._ask("GET", "/orders", since_id=self._last)
        ids = [int(entry["id"]) for entry in found["orders"] if entry["attributes"].get(MARK) == mark]
        return await self.order(ids[0]) if ids else None

    async def _ask(self, method: str, path: str, body: Body | None = None, **query: object) -> Any:
        while True:
            try:
                return await super()._ask(method, path, body, **query)
            except RetryableError:
                if (method, path) == ("POST", "/orders"):
                    raise
                await asyncio.sleep(AGAIN_AFTER_S)


class Counters:
    """Those who count GP's stock: as many changes as there have to be for the orders placed."""

    def __init__(self, erp: Erp, board: Board, seed: int) -> None:
        self._erp = erp
        self._board = board
        self._dice = random.Random(seed)  # noqa: S311  what lies on a sandbox's shelf is no secret
        self._shelves: list[dict[str, Any]] = []
        self._begun = 0
        self.changes = 0

    async def count(self, wanted: Callable[[], int], total: int) -> None:
        """Change stock until `total` changes are done, never more than `wanted` says."""
        async with asyncio.TaskGroup() as people:
            for _ in range(COUNTERS):
                people.create_task(self._count(wanted, total))

    async def _count(self, wanted: Callable[[], int], total: int) -> None:
        while self._begun < total:
            if self._begun >= wanted():
                await asyncio.sleep(AGAIN_AFTER_S / 5)
                continue
            self._begun += 1
            await self._change_one()
            self.changes += 1

    async def _change_one(self) -> None:
        while True:
            try:
                if not self._shelves or self._begun % CHANGES_A_LOOK == 0:
                    self._shelves = [row for row in await self._erp.stock() if Decimal(row["on_hand"]) < COUNTED_BELOW]
                row = self._dice.choice(self._shelves)
                short = Decimal(row["available"]) < SHORT
                delta = GOODS_IN if short else self._dice.choice((-3, -2, -1, 1, 2, 5))
                await self._erp.change_stock(row["item"], row["site"], delta)
            except (RetryableError, RefusedError):
                self._shelves = []
                await asyncio.sleep(AGAIN_AFTER_S)
            else:
                self._board.count("stock changed by hand")
                return
