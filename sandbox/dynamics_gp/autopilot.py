"""A GP user who works by himself: takes new web orders one after the other and moves stock, for load and demos."""

import asyncio
import logging
import random
from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec
import psycopg

from sandbox.dynamics_gp.company import Company
from sandbox.dynamics_gp.errors import ControlError, from_database
from sandbox.dynamics_gp.requests import AutopilotRequest, ShipRequest, StockRequest

LOG = logging.getLogger("dynamics_gp.autopilot")
#: how long the second part of an order waits after the first
_REST_AFTER_S = (2.0, 10.0)
#: what comes in when a shelf is empty
_GOODS_IN = Decimal(100)
_CARRIERS = ("1Z", "FX", "94")


class Autopilot:
    """At most one at a time; counts what it did."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self._task: asyncio.Task[None] | None = None
        self._settings: AutopilotRequest | None = None
        self._counts: Counter[str] = Counter()
        self._last_error: str | None = None

    async def start(self, settings: AutopilotRequest) -> None:
        await self.stop()
        self._settings = settings
        self._counts.clear()
        self._last_error = None
        self._task = asyncio.create_task(self._run(settings))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def state(self) -> dict[str, Any]:
        """What it was asked and what it has done."""
        return {
            "running": self._task is not None and not self._task.done(),
            "settings": None if self._settings is None else msgspec.to_builtins(self._settings),
            "done": dict(self._counts),
            "last_error": self._last_error,
        }

    async def _run(self, settings: AutopilotRequest) -> None:
        dice = random.Random(settings.seed)
        await asyncio.gather(self._work_on_orders(settings, dice), self._move_stock(settings, dice))

    async def _work_on_orders(self, settings: AutopilotRequest, dice: random.Random) -> None:
        seen: set[str] = set()
        rests: list[tuple[float, str]] = []
        clock = asyncio.get_running_loop()
        while settings.per_second > 0:
            began = clock.time()
            try:
                due = next((rest for rest in rests if rest[0] <= began), None)
                number = due[1] if due else await self._next_order(settings, seen)
                if due:
                    rests.remove(due)
                    await self._ship(due[1], dice, None)
                elif number:
                    seen.add(number)
                    if await self._decide(number, settings, dice):
                        rests.append((began + dice.uniform(*_REST_AFTER_S), number))
            except (ControlError, psycopg.Error) as error:
                self._note(error)
            await asyncio.sleep(max(0.0, 1 / settings.per_second - (clock.time() - began)))

    async def _next_order(self, settings: AutopilotRequest, seen: set[str]) -> str | None:
        rows = await self._company.query(
            """
            SELECT rtrim("SOPNUMBE") AS number FROM "SOP10100" AS h
            WHERE "SOPTYPE" = 2 AND "DOCID" = %(id)s::bpchar AND "SOPNUMBE" <> ALL (%(seen)s::bpchar[])
              AND NOT EXISTS (SELECT FROM edit_locks AS e WHERE e."SOPTYPE" = 2 AND e."SOPNUMBE" = h."SOPNUMBE")
            ORDER BY "DEX_ROW_ID" LIMIT 1
            """,
            {"id": settings.document_id, "seen": list(seen)},
        )
        return rows[0]["number"] if rows else None

    async def _decide(self, number: str, settings: AutopilotRequest, dice: random.Random) -> bool:
        """Whole, in two parts, void or nothing; is there a rest to ship later?"""
        chance = dice.random()
        if chance < settings.ship_share:
            await self._ship(number, dice, None)
        elif chance < settings.ship_share + settings.partial_share:
            return await self._ship_part(number, dice)
        elif chance < settings.ship_share + settings.partial_share + settings.cancel_share:
            await self._company.void(2, number)
            self._counts["voided"] += 1
        else:
            self._counts["left"] += 1
        return False

    async def _ship(self, number: str, dice: random.Random, lines: dict[str, Decimal] | None) -> None:
        if await self._company.allocate(2, number) > 0:
            await self._receive_goods(number)
        tracking = [f"{dice.choice(_CARRIERS)}{dice.randrange(10**12):012d}"]
        await self._company.ship(ShipRequest(number=number, lines=lines, tracking=tracking))
        self._counts["shipped"] += 1

    async def _ship_part(self, number: str, dice: random.Random) -> bool:
        rows = await self._company.query(
            """
            SELECT rtrim("ITEMNMBR") AS item, sum("QTYREMAI") AS quantity FROM "SOP10200"
            WHERE "SOPTYPE" = 2 AND "SOPNUMBE" = %(number)s::bpchar AND "QTYREMAI" > 0 GROUP BY 1 ORDER BY 1
            """,
            {"number": number},
        )
        total = sum(row["quantity"] for row in rows)
        if total <= 1:
            await self._ship(number, dice, None)
            return False
        first = rows[0]
        part = first["quantity"] if len(rows) > 1 else (first["quantity"] / 2).quantize(Decimal(1)) or Decimal(1)
        await self._ship(number, dice, {first["item"]: part})
        self._counts["shipped_in_part"] += 1
        return True

    async def _receive_goods(self, number: str) -> None:
        short = await self._company.query(
            """
            SELECT DISTINCT rtrim("ITEMNMBR") AS item, rtrim("LOCNCODE") AS site FROM "SOP10200"
            WHERE "SOPTYPE" = 2 AND "SOPNUMBE" = %(number)s::bpchar AND "ATYALLOC" < "QTYREMAI" ORDER BY 1, 2
            """,
            {"number": number},
        )
        for row in short:
            await self._company.stock(StockRequest(item=row["item"], site=row["site"], delta=_GOODS_IN))
            self._counts["goods_received"] += 1
        await self._company.allocate(2, number)

    async def _move_stock(self, settings: AutopilotRequest, dice: random.Random) -> None:
        while settings.stock_changes_per_second > 0:
            await asyncio.sleep(1 / settings.stock_changes_per_second)
            try:
                rows = await self._company.query(
                    """
                    SELECT rtrim("ITEMNMBR") AS item, rtrim("LOCNCODE") AS site FROM "IV00102"
                    WHERE "RCRDTYPE" = 2 AND "QTYONHND" > 10 ORDER BY 1, 2
                    """
                )
                if rows:
                    chosen = dice.choice(rows)
                    change = Decimal(dice.choice((-3, -2, -1, 1, 2, 5, 12)))
                    await self._company.stock(StockRequest(item=chosen["item"], site=chosen["site"], delta=change))
                    self._counts["stock_changes"] += 1
            except (ControlError, psycopg.Error) as error:
                self._note(error)

    def _note(self, error: ControlError | psycopg.Error) -> None:
        """Somebody else was faster, or the database is away: the next round tries something else."""
        refusal = error if isinstance(error, ControlError) else from_database(error)
        self._last_error = refusal.message if refusal else type(error).__name__
        self._counts["refused"] += 1
        LOG.info("refused: %s", self._last_error)
