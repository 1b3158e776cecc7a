"""One demonstration from beginning to end: people at work, troubles, rest, comparison, report."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import msgspec

from bus.settings import Settings
from errors import ConfigurationError, RetryableError
from operations.demo import books, company, plan, troubles, waiting
from operations.demo.board import Board
from operations.demo.erp_user import ErpUser
from operations.demo.evidence import Evidence
from operations.demo.latency import is_delivery
from operations.demo.outside import Erp, Store
from operations.demo.patience import Patience
from operations.demo.report import Report, Setting, Witnessed, differences, report
from operations.demo.shoppers import Shoppers
from operations.info import info

T = TypeVar("T")

#: People and bus are waited for as long as something moves.
STALL_S = 45.0
MOST_S = 600.0
LOOK_EVERY_S = 1.0
#: GP's documents are counted at every third look.
COUNT_EVERY = 3
#: At rest means at rest at two looks.
LOOKS = 2


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is, for whoever watches."""

    doing: str
    asked: int
    placed: int = 0
    accepted: int = 0
    documents: int = 0
    shipped: int = 0
    statuses: int = 0
    dead_letters: int = 0
    waiting: str = ""


#: Told about once a second.
Watch = Callable[[Progress], None]


class Run:
    """Holds what the parts of one run share."""

    def __init__(self, settings: Settings, setting: Setting, dsn: str, watch: Watch) -> None:
        """Nothing happens yet."""
        self._settings = settings
        self._setting = setting
        self._dsn = dsn
        self._watch = watch
        self._board = Board()
        self._doing = "starting"
        self._counted = (0, 0)
        self._waits_for = ""

    async def go(self) -> Report:
        """All of it.

        Raises:
            BusError: a simulator, Kafka or a database is away for good.
        """
        began = datetime.now(UTC)
        evidence = Evidence(self._settings)
        try:
            async with self._desks() as (store, erp), self._watched(evidence):
                return await self._demonstrate(store, erp, evidence, began)
        finally:
            evidence.close()

    async def _demonstrate(self, store: Store, erp: Erp, evidence: Evidence, began: datetime) -> Report:
        board = self._board
        self._doing = "coming to rest before the first order"
        # captured tables may just be read for the first time
        await self._come_to_rest(store, evidence, None)
        board.known_customers = (await asyncio.to_thread(company.read, self._dsn, [])).customers
        last_before = await store.last_order()
        user = ErpUser(erp, board, self._setting.seed)
        await user.begin()
        self._doing = "customers buy, GP's user ships"
        await self._people_at_work(store, user, evidence, last_before)
        self._doing = "coming to rest"
        last_commit = await erp.now() - timedelta(milliseconds=1)
        await user.closing_count()
        waits_for = await self._come_to_rest(store, evidence, last_commit)
        self._doing = "comparing store, GP and topics"
        found = Witnessed(
            shop=await store.read(last_before),
            company=await asyncio.to_thread(company.read, self._dsn, board.numbers()),
            seen=evidence.seen,
        )
        unlike = differences(self._setting, board, found)
        self._doing = "reading ledger and census"
        kept = await asyncio.to_thread(books.read, self._settings, began)
        return report(self._setting, board, found, unlike, kept, waits_for, began, datetime.now(UTC))

    async def _people_at_work(self, store: Store, user: ErpUser, evidence: Evidence, last_before: int) -> None:
        """Customers and GP's user, until both have done what they wanted."""
        setting = self._setting
        shares = plan.CUSTOMERS | (plan.TROUBLES if setting.faults else {})
        visits = plan.plan(setting.orders, setting.seed, shares)
        buying = asyncio.Event()
        buying.set()
        shoppers = Shoppers(store, user, self._board, run=str(last_before + 1))
        counting = asyncio.create_task(user.count_stock())
        mischief = asyncio.create_task(
            troubles.make(self._settings.root, store, self._board, self._placed) if setting.faults else _nothing()
        )
        working = asyncio.create_task(user.work(buying))
        try:
            await _while_nobody_fails(shoppers.shop(visits, setting.per_second), working, mischief)
            buying.clear()
            await mischief
            await self._until_done(working, evidence)
        finally:
            await _end(counting, working, mischief)

    async def _placed(self, part: float) -> None:
        while len(self._board.orders) < part * self._setting.orders:  # noqa: ASYNC110  the board is a value, it wakes nobody
            await asyncio.sleep(0.1)

    async def _until_done(self, working: asyncio.Task[None], evidence: Evidence) -> None:
        """Let GP's user finish, as long as anything moves."""
        patience = Patience(time.monotonic(), stall_s=STALL_S, most_s=MOST_S)
        while not working.done():
            await asyncio.wait([working], timeout=LOOK_EVERY_S)
            if patience.is_over(time.monotonic(), (dict(self._board.deeds), evidence.seen.size)):
                self._board.not_played.append("GP's user waited in vain for documents")
                return
        working.result()

    async def _come_to_rest(self, store: Store, evidence: Evidence, last_commit: datetime | None) -> str:
        """Wait until nothing is under way; what still is when patience ends, in words."""
        patience = Patience(time.monotonic(), stall_s=STALL_S, most_s=MOST_S)
        quiet = 0
        while True:
            try:
                look = partial(waiting.look, self._settings, self._board, evidence, self._setting.store)
                found = str(await asyncio.to_thread(look, await store.unsent(), last_commit))
            except RetryableError as error:
                found = error.message
            self._waits_for = found
            quiet = 0 if found else quiet + 1
            if quiet >= LOOKS or patience.is_over(time.monotonic(), (found, evidence.seen.size)):
                return found
            await asyncio.sleep(LOOK_EVERY_S)

    @contextlib.asynccontextmanager
    async def _desks(self) -> AsyncIterator[tuple[Store, Erp]]:
        """Both control APIs, without faults and with nobody else at work."""
        known = info(self._settings)
        webhooks = known.gateway.webhooks[self._setting.store]
        store = Store(known.sandbox["clarity"].control_url, "clarity")
        erp = Erp(known.sandbox["dynamics-gp"].control_url, "dynamics-gp")
        try:
            await store.be_ready(webhooks.url, webhooks.secrets[0])
            await erp.be_ready()
            yield store, erp
        finally:
            await store.close()
            await erp.close()

    @contextlib.asynccontextmanager
    async def _watched(self, evidence: Evidence) -> AsyncIterator[None]:
        telling = asyncio.create_task(self._tell(evidence))
        try:
            yield
        finally:
            await _end(telling)

    async def _tell(self, evidence: Evidence) -> None:
        for look in itertools.count():
            if look % COUNT_EVERY == 0:
                with contextlib.suppress(RetryableError):  # GP's database may be away just now
                    self._counted = await asyncio.to_thread(company.counts, self._dsn, self._board.numbers())
            self._watch(self._progress(evidence))
            await asyncio.sleep(LOOK_EVERY_S)

    def _progress(self, evidence: Evidence) -> Progress:
        documents, shipped = self._counted
        seen = evidence.seen
        return Progress(
            doing=self._doing,
            asked=self._setting.orders,
            placed=len(self._board.orders),
            accepted=len(seen.arrivals),
            documents=documents,
            shipped=shipped,
            statuses=sum(is_delivery(each, "order_status") for each in seen.outcomes[:]),
            dead_letters=len(seen.dead_letters),
            waiting=self._waits_for,
        )


def pair(settings: Settings) -> tuple[str, str]:
    """The store and the ERP that are demonstrated.

    Raises:
        ConfigurationError: the deployment is none the simulators can stand in for.
    """
    for each in settings.pairs:
        systems = settings.connection(each.store).system, settings.connection(each.erp).system
        if systems == ("clarity", "dynamics-gp"):
            return each.store, each.erp
    raise ConfigurationError("pairs", "the demonstration needs a pair of a clarity store and a dynamics-gp ERP")


async def _while_nobody_fails(main: Coroutine[Any, Any, T], *others: asyncio.Task[None]) -> T:
    """The main thing's result; a failure of the others ends it at once."""
    task = asyncio.create_task(main)
    try:
        while not task.done():
            running = [other for other in others if not other.done()]
            await asyncio.wait([task, *running], return_when=asyncio.FIRST_COMPLETED)
            for other in others:
                if other.done():
                    other.result()
        return task.result()
    finally:
        await _end(task)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _nothing() -> None:
    """No trouble today."""
