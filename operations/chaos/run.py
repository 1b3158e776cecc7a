"""One run of chaos from beginning to end: people at work, things going wrong, rest, comparison, report."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import psutil

from bus.settings import Settings
from delivery.states import ENDS
from errors import RetryableError
from operations.chaos.faults import Faults
from operations.chaos.people import Counters, PatientStore
from operations.chaos.plan import Fault
from operations.chaos.report import Asked, Report, counted
from operations.chaos.verdict import Write, longest_silence_s, order_violations
from operations.chaos.victims import Grip
from operations.demo import books, company, plan, waiting
from operations.demo.board import Board
from operations.demo.erp_user import ErpUser
from operations.demo.evidence import Evidence, ends_now
from operations.demo.facts import INVOICE, ORDER, Company
from operations.demo.outside import Erp
from operations.demo.patience import Patience
from operations.demo.plan import Fate, Story
from operations.demo.reconcile import PERHAPS_AT_GP, Difference, compare, duplicated, key_of
from operations.demo.reconcile_topics import compare_topics, dead_letters, unique
from operations.demo.report import Witnessed
from operations.demo.shoppers import Shoppers
from operations.info import info
from schemas import topics

#: Of a hundred orders. What must end in a dead letter is left to the demonstration: here none may.
STORIES = {
    Story.EDITS: 4,
    Story.CANCELS_AT_ONCE: 1,
    Story.CANCELS_LATER: 2,
    Story.NEVER_SEEN: 2,
    Story.WEBHOOK_TWICE: 2,
    Story.WEBHOOK_NEVER: 2,
}
FATES = {Fate.LEAVE: 78, Fate.SHIP: 14, Fate.PART_THEN_REST: 3, Fate.PART: 3, Fate.VOID: 2}
#: Orders on their way to GP at once: customers wait while there are more. What stands still for half a minute leaves
#: all others enough to do.
WINDOW = 1500
#: GP's user looks for what came in so often; each look reads all that changed.
USER_LOOKS_EVERY_S = 2.0
#: For an order to pass such a queue, and what goes wrong meanwhile.
FOLLOW_UP_WITHIN_S = 900.0
PER_SECOND = 60.0
#: As long as anything moves; a key that failed often is tried again after a minute.
STALL_S = 150.0
MOST_S = 1800.0
LOOK_EVERY_S = 1.0
TELL_EVERY_S = 5.0
LOOKS = 2
MAILS = "mails of shipping"

#: Told what is going on, now and then.
Watch = Callable[[str], None]


class Run:
    """Holds what the parts of one run share."""

    def __init__(self, settings: Settings, asked: Asked, pair: tuple[str, str], dsn: str, watch: Watch) -> None:
        """Nothing happens yet."""
        self._settings = settings
        self._asked = asked
        self._store_name, self._erp_name = pair
        self._dsn = dsn
        self._watch = watch
        self._grip = Grip(settings)
        self._board = Board()
        self._began = datetime.now(UTC)
        self._doing = "beginning"
        self._user: ErpUser | None = None
        self._trouble: Faults | None = None
        self._traffic_s = 0.0

    async def go(self, faults: Sequence[Fault], command: str, commit: str) -> Report:
        """All of it.

        Raises:
            BusError: something does not come back, or cannot be read at the end.
        """
        since = ends_now(self._settings)
        known = info(self._settings)
        webhooks = known.gateway.webhooks[self._store_name]
        run = f"{self._began:%Y%m%d%H%M%S}"
        store = PatientStore(known.sandbox["clarity"].control_url, "clarity", run, self._admit)
        erp = Erp(known.sandbox["dynamics-gp"].control_url, "dynamics-gp")
        self._trouble = trouble = Faults(self._settings, self._grip, {self._store_name: store, self._erp_name: erp})
        telling = asyncio.create_task(self._tell(trouble))
        try:
            await store.be_ready(webhooks.url, webhooks.secrets[0])
            await erp.be_ready()
            self._board.known_customers = (await asyncio.to_thread(company.read, self._dsn, [])).customers
            last_before = await store.last_order()
            user = ErpUser(erp, self._board, self._asked.seed, USER_LOOKS_EVERY_S)
            await user.begin()
            stock = Counters(erp, self._board, self._asked.seed)
            self._doing = "things go wrong"
            await self._people_at_work(store, user, stock, trouble, faults, last_before)
            self._doing = "coming to rest"
            await asyncio.to_thread(self._grip.all_back)
            last_commit = await _patiently(erp.now) - timedelta(milliseconds=1)
            await user.closing_count()
            evidence = await asyncio.to_thread(Evidence, self._settings, since)
            try:
                waits_for = await self._come_to_rest(store, evidence, last_commit)
                self._doing = "comparing store, GP and topics"
                judged = await self._judge(store, evidence, trouble, stock, last_before, waits_for)
                return msgspec.structs.replace(judged, command=command, commit=commit)
            finally:
                await asyncio.to_thread(evidence.close)
        finally:
            telling.cancel()
            await store.close()
            await erp.close()

    async def _people_at_work(
        self,
        store: PatientStore,
        user: ErpUser,
        stock: Counters,
        trouble: Faults,
        faults: Sequence[Fault],
        last_before: int,
    ) -> None:
        """Customers, GP's user, those who count, and everything that goes wrong; until all are done."""
        asked, board = self._asked, self._board
        visits = plan.plan(asked.orders, asked.seed, STORIES, FATES)
        buying = asyncio.Event()
        buying.set()
        self._user = user
        shoppers = Shoppers(store, user, board, run=str(last_before + 1), patience_s=FOLLOW_UP_WITHIN_S)

        def changes_due() -> int:
            return asked.stock_changes * len(board.orders) // asked.orders

        async with asyncio.TaskGroup() as people:
            breaking = people.create_task(trouble.play(faults, self._reached))
            working = people.create_task(user.work(buying))
            counting = people.create_task(stock.count(changes_due, asked.stock_changes))
            await shoppers.shop(visits, PER_SECOND)
            self._traffic_s = board.placing_s
            self._doing = "until all is back"
            await breaking
            await counting
            buying.clear()
            self._doing = "GP's user finishes"
            await self._until_done(working)

    async def _until_done(self, working: asyncio.Task[None]) -> None:
        patience = Patience(time.monotonic(), stall_s=STALL_S, most_s=MOST_S)
        while not working.done():
            await asyncio.wait([working], timeout=LOOK_EVERY_S)
            if patience.is_over(time.monotonic(), (dict(self._board.deeds), self._arrived())):
                self._board.not_played.append("GP's user waited in vain for documents")
                working.cancel()
                await asyncio.wait([working])

    async def _admit(self) -> None:
        """Let the next customer in: not before what goes wrong first, and not with too many orders on their way."""
        while not self._may_buy(len(self._board.orders)):  # noqa: ASYNC110  see below
            await asyncio.sleep(LOOK_EVERY_S / 10)

    def _may_buy(self, placed: int) -> bool:
        return placed - self._arrived() < WINDOW and (self._trouble is None or placed < self._trouble.orders_free)

    def _arrived(self) -> int:
        hurried = sum(order.story in PERHAPS_AT_GP for order in self._board.orders)
        return (self._user.arrived() if self._user else 0) + hurried

    async def _reached(self, orders: int) -> None:
        while len(self._board.orders) < orders:  # noqa: ASYNC110  the board is a value, it wakes nobody
            await asyncio.sleep(0.1)

    async def _come_to_rest(self, store: PatientStore, evidence: Evidence, last_commit: datetime) -> str:
        """Wait until nothing is under way; what still is when patience ends, in words."""
        patience = Patience(time.monotonic(), stall_s=STALL_S, most_s=MOST_S)
        nobody, quiet = Board(), 0
        while True:
            try:
                unsent = await store.unsent()
                found = str(
                    await asyncio.to_thread(
                        waiting.look, self._settings, nobody, evidence, self._store_name, unsent, last_commit
                    )
                )
                if not found and (unheard := self._unheard(evidence)):
                    found = f"{unheard} orders not heard of"
            except RetryableError as error:
                found = error.message
            self._doing = f"coming to rest: {found}"
            quiet = 0 if found else quiet + 1
            if quiet >= LOOKS or patience.is_over(time.monotonic(), (found, evidence.seen.size)):
                return found
            await asyncio.sleep(LOOK_EVERY_S)

    def _unheard(self, evidence: Evidence) -> int:
        """Orders not yet read; what a topic held before it was made anew is known by what came of it."""
        read = {each.key for each in evidence.seen.canonical.get(topics.ORDERS.name, ())}
        return sum(key_of(order, self._store_name) not in read for order in self._board.orders)

    async def _judge(
        self,
        store: PatientStore,
        evidence: Evidence,
        trouble: Faults,
        stock: Counters,
        last_before: int,
        waits_for: str,
    ) -> Report:
        board, seen = self._board, evidence.seen
        shop = await store.read(last_before)
        there = await asyncio.to_thread(company.read, self._dsn, board.numbers())
        keys = [key_of(order, self._store_name) for order in board.orders]
        steps = await asyncio.to_thread(company.steps, self._dsn, keys)
        journal = msgspec.convert(await store.journal(0), list[Write])
        unlike = self._differences(Witnessed(shop=shop, company=there, seen=seen))
        second = duplicated(board.orders, there) + sum(each.field == MAILS for each in unlike)
        disorder = order_violations(board.orders, seen, journal, steps, self._store_name)
        self._doing = "reading ledger and census"
        kept = await asyncio.to_thread(books.read, self._settings, self._began)
        lost = {each.subject for each in unlike if each.field != MAILS}
        happened = tuple(sorted(trouble.happened, key=lambda each: each.at))
        figures = (len(lost), second, len(disorder), kept.ledger_remainder, kept.uncaptured)
        return Report(
            passed=not (any(figures) or unlike or waits_for or any(each.failed for each in happened)),
            seed=self._asked.seed,
            events=len(board.orders) + stock.changes,
            faults=counted(happened),
            lost=len(lost),
            second_documents=second,
            order_violations=len(disorder),
            ledger_remainder=kept.ledger_remainder,
            uncaptured=kept.uncaptured,
            longest_silence_s=longest_silence_s(board.orders, seen),
            orders=len(board.orders),
            stock_changes=stock.changes,
            documents=_of_type(there, ORDER),
            invoices=_of_type(there, INVOICE),
            ended={state.value: sum(each.state == state for each in seen.outcomes) for state in sorted(ENDS)},
            dead_letters=len(unique(seen.dead_letters)),
            began_at=self._began,
            traffic_s=round(self._traffic_s, 1),
            duration_s=round((datetime.now(UTC) - self._began).total_seconds(), 1),
            waiting=waits_for,
            not_played=tuple(board.not_played),
            happened=happened,
            differences=(*unlike, *disorder),
            machine=f"{psutil.cpu_count()} cores, {psutil.virtual_memory().total >> 30} GiB",
        )

    def _differences(self, found: Witnessed) -> tuple[Difference, ...]:
        board, store, erp = self._board, self._store_name, self._erp_name
        return (
            *compare(board.orders, found.shop, found.company, store),
            *compare_topics(board.orders, found.shop, found.company, found.seen, store, erp),
            *dead_letters(board.orders, found.seen, store, 0),
        )

    async def _tell(self, trouble: Faults) -> None:
        while True:
            broken = ", ".join(sorted(trouble.current)) or "nothing"
            at_gp = self._user.arrived() if self._user else 0
            self._watch(
                f"{self._doing}: orders {len(self._board.orders)} of {self._asked.orders}, {at_gp} in GP, "
                f"{len(trouble.happened)} faults over, now: {broken}"
            )
            await asyncio.sleep(TELL_EVERY_S)


async def _patiently(ask: Callable[[], Awaitable[datetime]]) -> datetime:
    while True:
        with contextlib.suppress(RetryableError):
            return await ask()
        await asyncio.sleep(LOOK_EVERY_S)


def _of_type(there: Company, kind: int) -> int:
    return sum(document.type == kind for document in there.documents)
