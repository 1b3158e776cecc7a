"""The two ways through the bus, fed at a steady rate, whatever becomes of what was fed: open loop.

Times are seconds since the epoch by this machine's clock, which all parts share.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

import msgspec
import psycopg

from benchmarks.sending.http import Lines, post
from benchmarks.sending.webhooks import webhook
from benchmarks.whole.bus import Whole
from benchmarks.whole.observer import Seen
from bus.codec import Codecs
from bus.registry import Registry
from operations.demo import run as demo
from operations.demo.latency import is_delivery
from operations.info import info
from producers.gateway.signatures import key_of
from schemas import topics
from schemas.bus.outcome import Outcome
from schemas.types import root_key

#: An order is in the store so long before its webhook is due; polls come seldom enough to find almost none before.
PLACED_BEFORE_S: Final = 0.25
PLACED, ACCEPTED = 201, 202
AGAIN_AFTER_S: Final = 0.2
CREATED = "created"

SHELVES: Final = 'SELECT "ITEMNMBR", "LOCNCODE" FROM dbo."IV00102" WHERE "RCRDTYPE" = 2 ORDER BY 1, 2'
COUNT: Final = 'UPDATE dbo."IV00102" SET "QTYONHND" = %s WHERE "ITEMNMBR" = %s AND "LOCNCODE" = %s AND "RCRDTYPE" = 2'


class Way(msgspec.Struct, kw_only=True):
    """One event on its way; None: not yet."""

    key: str
    due: float
    #: Answered by the gateway, or committed at the ERP.
    accepted: float | None = None
    canonical: float | None = None
    #: In the target.
    visible: float | None = None


async def orders(whole: Whole, per_second: float, count: int, seed: int) -> list[Way]:
    """Orders placed in the store, each announced by its webhook when that is due."""
    known = info(whole.settings)
    store, _ = demo.pair(whole.settings)
    target = known.gateway.webhooks[store]
    gateway, control = urlsplit(target.url), urlsplit(known.sandbox["clarity"].control_url)
    there = (gateway.hostname or "", gateway.port or 80)
    webhooks, shop = Lines(*there), Lines(control.hostname or "", control.port or 80)
    key = key_of(target.secrets[0])

    async def one(number: int, due: float) -> Way:
        asked = msgspec.json.encode({"seed": seed + number, "webhook": "skip", "ignore_stock": True})
        await asyncio.sleep(due - PLACED_BEFORE_S - time.time())
        status, answer = await shop.ask(
            post(control.hostname or "", control.port or 80, f"{control.path}/orders", asked)
        )
        if status != PLACED:
            raise RuntimeError(f"the store does not take an order: {answer[:300]!r}")
        placed = msgspec.json.decode(answer)
        way = Way(key=f"{store}:{placed['id']}", due=due)
        delivery_id = f"msg_{seed}_{number}_{placed['id']}"
        await asyncio.sleep(due - time.time())
        request = webhook(*there, gateway.path, key, delivery_id, placed["id"], placed["key"])
        # as senders do: until it is taken
        while (await webhooks.ask(request))[0] != ACCEPTED:  # noqa: ASYNC110 - the gateway tells nobody when it will
            await asyncio.sleep(AGAIN_AFTER_S)
        way.accepted = time.time()
        return way

    try:
        return await _at_pace(one, per_second, count)
    finally:
        webhooks.close()
        shop.close()


async def stock(whole: Whole, per_second: float, count: int, seed: int) -> list[Way]:
    """Shelves counted at the ERP, one after the other, each a transaction of its own."""
    _, erp = demo.pair(whole.settings)
    async with await psycopg.AsyncConnection.connect(whole.company_dsn, autocommit=True) as wire:
        shelves = await (await wire.execute(SHELVES)).fetchall()
        turn = asyncio.Lock()

        async def one(number: int, due: float) -> Way:
            item, site = shelves[number % len(shelves)]
            # never what the shelf held before: each run has numbers of its own
            quantity = Decimal(1000 + seed // 100 + number // len(shelves))
            await asyncio.sleep(due - time.time())
            async with turn:
                await wire.execute(COUNT, [quantity, item, site])
            return Way(key=root_key(erp, f"{item.strip()}@{site.strip()}"), due=due, accepted=time.time())

        return await _at_pace(one, per_second, count)


async def _at_pace(one: Callable[[int, float], Awaitable[Way]], per_second: float, count: int) -> list[Way]:
    began = time.time() + 2 * PLACED_BEFORE_S
    async with asyncio.TaskGroup() as sending:
        tasks = []
        for number in range(count):
            due = began + number / per_second
            # no task before its time: thousands of sleepers would cost the machine more than the senders
            await asyncio.sleep(due - 2 * PLACED_BEFORE_S - time.time())
            tasks.append(sending.create_task(_awaited(one(number, due))))
    return [task.result() for task in tasks]


async def _awaited(way: Awaitable[Way]) -> Way:
    return await way


class Followed:
    """What became of the ways, by what the topics say."""

    def __init__(self, whole: Whole) -> None:
        self._registry = Registry(whole.settings.registry)
        self._outcomes = Codecs(self._registry).of(topics.OUTCOMES)
        self._store, self._erp = demo.pair(whole.settings)
        #: By the record they came in, which the observer keeps.
        self._decoded: dict[int, Outcome] = {}

    def close(self) -> None:
        """Hang up."""
        self._registry.close()

    def orders(self, ways: Sequence[Way], seen: Sequence[Seen]) -> int:
        """Fill in what is known; how many are at their end."""
        canonical = self._first(topics.ORDERS.name, seen)
        documents: dict[str, float] = {}
        for each in self._delivered(seen, "order"):
            if each.code == CREATED and each.connection == self._erp:
                documents.setdefault(each.root_key, each.at.timestamp())
        for way in ways:
            way.canonical, way.visible = canonical.get(way.key), documents.get(way.key)
        return sum(way.visible is not None for way in ways)

    def stock(self, ways: Sequence[Way], seen: Sequence[Seen]) -> int:
        """As `orders`; a count that a later one of the shelf overtook is visible with that one."""
        levels: dict[str, list[Seen]] = {}
        for each in seen:
            if each.topic == topics.INVENTORY_LEVELS.name:
                levels.setdefault(each.key, []).append(each)
        settled = {
            each.root: each.at.timestamp()
            for each in self._delivered(seen, "inventory_level")
            if each.connection == self._store
        }
        by_shelf: dict[str, list[Way]] = {}
        for way in ways:
            by_shelf.setdefault(way.key, []).append(way)
        for key, counts in by_shelf.items():
            records = levels.get(key, [])
            later: float | None = None
            for number in reversed(range(len(counts))):
                way, record = counts[number], records[number] if number < len(records) else None
                way.canonical = record.at if record else None
                mine = settled.get(record.root) if record else None
                later = min((at for at in (mine, later) if at is not None), default=None)
                way.visible = later
        return sum(way.visible is not None for way in ways)

    def _first(self, topic: str, seen: Sequence[Seen]) -> dict[str, float]:
        found: dict[str, float] = {}
        for each in seen:
            if each.topic == topic:
                found.setdefault(each.key, each.at)
        return found

    def _delivered(self, seen: Sequence[Seen], record: str) -> list[Outcome]:
        """What consumers say they wrote to a target."""
        for each in seen:
            if each.topic == topics.OUTCOMES.name and id(each) not in self._decoded:
                self._decoded[id(each)] = self._outcomes.decode(each.value)
        found = (self._decoded[id(each)] for each in seen if each.topic == topics.OUTCOMES.name)
        return [each for each in found if is_delivery(each, record)]


def took_ms(
    ways: Sequence[Way], until: Callable[[Way], float | None], since: Callable[[Way], float | None]
) -> list[float]:
    """Milliseconds between two moments of each way that has both."""
    pairs = ((since(way), until(way)) for way in ways)
    return [(end - begin) * 1000 for begin, end in pairs if begin is not None and end is not None]


def nearest(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed; none of nothing."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]
