"""GP's user: takes what comes in, ships it whole or in part, voids some, counts stock by hand."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from functools import partial

from errors import BusError, RefusedError, RetryableError
from operations.demo.board import Board
from operations.demo.facts import Placed
from operations.demo.outside import Erp, Paper
from operations.demo.plan import Fate, Story

LOOK_EVERY_S = 0.75
#: Windows of GP that are open at once.
HANDS = 3
#: Between the first part of an order and its rest.
REST_AFTER_S = 4.0
#: A transaction's rows bear the time of its beginning: what is looked at reaches back behind the newest seen.
OVERLAP = timedelta(seconds=2)
COUNT_EVERY_S = 2.0
#: What is shorter than this is ordered anew before anybody misses it.
SHORT = Decimal(25)
GOODS_IN = 60
CARRIERS = ("1Z", "FX", "94")
#: Services are kept with very large numbers; nobody counts them.
COUNTED_BELOW = Decimal(5000)
NOT_DONE = "could not be done"


class ErpUser:
    """One person with a few windows open."""

    def __init__(self, erp: Erp, board: Board, seed: int, look_every_s: float = LOOK_EVERY_S) -> None:
        self._erp = erp
        self._board = board
        self._look_every_s = look_every_s
        self._dice = random.Random(seed)  # noqa: S311  tracking numbers of a sandbox
        self._hands = asyncio.Semaphore(HANDS)
        self._arrived: dict[str, asyncio.Event] = {}
        self._shipped: dict[str, asyncio.Event] = {}
        #: Orders whose customer has changed them: what they must come to before anything is done.
        self._amounts: dict[str, Decimal] = {}
        self._taken: set[str] = set()
        self._done: set[str] = set()
        self._documents: dict[str, Paper] = {}
        self._looked_at = datetime.now(UTC)
        self._plenty = ""

    # what customers wait for

    async def until_document(self, order_number: str) -> None:
        """Until GP has the order."""
        await self._arrived.setdefault(order_number, asyncio.Event()).wait()

    async def until_shipped(self, order_number: str) -> None:
        """Until something of the order has left."""
        await self._shipped.setdefault(order_number, asyncio.Event()).wait()

    def wait_for_amount(self, order_number: str, amount: Decimal) -> None:
        """Leave the order alone until its document comes to this."""
        self._amounts[order_number] = amount

    def arrived(self) -> int:
        """How many orders GP has."""
        return len(self._documents)

    def plenty(self) -> str:
        """An item of which there is plenty."""
        return self._plenty

    # a day's work

    async def begin(self) -> None:
        """Look round the shelves."""
        self._looked_at = await self._erp.now()
        shelves = [row for row in await self._erp.stock() if Decimal(row["on_hand"]) < COUNTED_BELOW]
        main = [row for row in shelves if row["site"] == "MAIN"]
        self._plenty = max(main, key=lambda row: Decimal(row["available"]))["item"]

    async def work(self, buying: asyncio.Event) -> None:
        """Until nobody is buying any more and everything is done that was planned."""
        async with asyncio.TaskGroup() as deeds:
            while buying.is_set() or self._undone():
                await self._look(deeds)
                await asyncio.sleep(self._look_every_s)

    async def count_stock(self) -> None:
        """Order what is short and correct what was miscounted, until cancelled."""
        while True:
            await asyncio.sleep(COUNT_EVERY_S)
            try:
                await self._count_one()
            except (RefusedError, RetryableError):
                self._board.count(NOT_DONE)

    async def closing_count(self) -> None:
        """One more piece found under a shelf: the last change of the day, by which its end is known."""
        while True:
            try:
                await self._erp.change_stock(self._plenty, "MAIN", 1)
                break
            except RetryableError:
                await asyncio.sleep(LOOK_EVERY_S)
        self._board.count("stock counted")

    async def _look(self, deeds: asyncio.TaskGroup) -> None:
        """Take what came in, and begin with what can be worked on."""
        try:
            changed = await self._erp.orders_since(self._looked_at - OVERLAP)
        except RetryableError:
            return  # the database is away: a person would look again later, too
        self._documents |= changed
        self._looked_at = max([self._looked_at, *(each.changed_at for each in changed.values())])
        for order in list(self._board.orders):
            document = self._documents.get(order.number)
            if document is None or order.number in self._taken:
                continue
            self._arrived.setdefault(order.number, asyncio.Event()).set()
            if order.fate == Fate.LEAVE:
                self._taken.add(order.number)
            elif self._may_begin(order, document):
                self._taken.add(order.number)
                deeds.create_task(self._carry_out(order, document))

    def _undone(self) -> bool:
        return any(order.fate != Fate.LEAVE and order.number not in self._done for order in self._board.orders)

    def _may_begin(self, order: Placed, document: Paper) -> bool:
        """An order its customer is about to change waits until the change is here."""
        return order.story != Story.EDITS or self._amounts.get(order.number) == document.amount

    async def _carry_out(self, order: Placed, document: Paper) -> None:
        try:
            match order.fate:
                case Fate.VOID:
                    await self._patiently(lambda: self._erp.void(document.number), "voided")
                case Fate.SHIP:
                    await self._ship(document, None)
                case _:
                    await self._ship(document, part_of(document.lines))
                    self._shipped.setdefault(order.number, asyncio.Event()).set()
                    if order.fate == Fate.PART_THEN_REST:
                        await asyncio.sleep(REST_AFTER_S)
                        await self._ship(document, None)
        except BusError as error:
            self._board.count(NOT_DONE)
            self._board.not_played.append(f"GP's user at order {order.number} ({order.fate}): {error.message}")
        finally:
            self._done.add(order.number)

    async def _ship(self, document: Paper, lines: Mapping[str, Decimal] | None) -> None:
        """Ship; what is short is ordered first, and what a dead database left half done is finished."""
        tracking = [f"{self._dice.choice(CARRIERS)}{self._dice.randrange(10**12):012d}"]
        ship = partial(self._erp.ship, document.number, lines, tracking)
        deed = "shipped" if lines is None else "shipped in part"
        before = await self._invoices(document)
        try:
            if await self._patiently(ship, deed):
                await self._patiently(
                    partial(self._erp.finish, document.order_number, tracking), "looked for half done"
                )
        except RefusedError:
            await self._patiently(partial(self._erp.finish, document.order_number, tracking), "looked for half done")
            if await self._invoices(document) > before or await self._erp.is_in_history(document.number):
                return  # done by the try whose answer was lost, or all of it had left with the first part
            for item in lines or document.lines:
                await self._patiently(partial(self._erp.change_stock, item, "MAIN", GOODS_IN), "goods received")
            await self._patiently(ship, deed)

    async def _invoices(self, document: Paper) -> int:
        counted: list[int] = []

        async def count() -> None:
            counted.append(await self._erp.invoices(document.order_number))

        await self._patiently(count, "looked up")
        return counted[-1]

    async def _count_one(self) -> None:
        shelves = [row for row in await self._erp.stock() if Decimal(row["on_hand"]) < COUNTED_BELOW]
        short = [row for row in shelves if row["site"] == "MAIN" and Decimal(row["available"]) < SHORT]
        if short:
            row = min(short, key=lambda each: Decimal(each["available"]))
            await self._erp.change_stock(row["item"], row["site"], GOODS_IN)
            self._board.count("goods received")
            return
        row = self._dice.choice([each for each in shelves if Decimal(each["available"]) > SHORT])
        await self._erp.change_stock(row["item"], row["site"], self._dice.choice((-3, -2, -1, 1, 2, 5)))
        self._board.count("stock counted")

    async def _patiently(self, deed: Callable[[], Awaitable[None]], name: str) -> bool:
        """Do something; while GP's database is away, try again as a person would.

        Returns:
            Whether it took more than one try.

        Raises:
            RefusedError: GP does not let him.
        """
        again = False
        while True:
            async with self._hands:
                try:
                    await deed()
                except RetryableError:
                    self._board.count("tried again")
                    again = True
                else:
                    self._board.count(name)
                    return again
            await asyncio.sleep(LOOK_EVERY_S)


def part_of(lines: Mapping[str, Decimal]) -> Mapping[str, Decimal] | None:
    """A part of an order: its first item, or half of its only one; None where it cannot be parted."""
    item, quantity = next(iter(lines.items()))
    if len(lines) > 1:
        return {item: quantity}
    half = (quantity / 2).to_integral_value(ROUND_DOWN)
    return {item: half} if half > 0 else None
