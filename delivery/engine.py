"""Delivers the rows of a connection's queue: the order of each key kept, every effect once; for consumers and fetchers.

A row's way: claim → prepare → intend → deliver → settle, or, where it is not known what became of it, claim → find.
Kill it at any instruction: what was not sent is tried again when the lease runs out, what may have been sent is looked
for first. Several deliverers, in any number of processes, may work on one queue.

While the target is away nothing is claimed and nothing counts as a try; `circuit.py` says when and how much. Each
deliverer has a circuit of its own.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import structlog

from bus import metrics
from bus.clock import Clock, now
from connect.identity import StrangerError
from delivery import decide
from delivery.circuit import Circuit, Position, Rules, Word, word_of, word_of_code
from delivery.deadlines import Deadlines
from delivery.decide import Pace, Step, Turn
from delivery.gathering import Gathering
from delivery.ports import Absent, CannotTell, Found, Intent, Row, Settlement, Sink
from delivery.promises import refused
from delivery.states import ENDS, State
from delivery.store import Intended, Store
from errors import BusError, ConfigurationError, RejectedError, RetryableError, UnknownOutcomeError

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: Largest write to the store, so that the store works on one half of the rows under way while we work on the other.
BATCH = 100
#: One of so many rows in hand makes a write worth while.
GATHERED = 8
#: One of so many rows may have its intent written while it waits for its call, and at least as many as there are calls,
#: up to this number: what is written for one costs as much as what is written for several.
BEGUN_BEFORE = 4
#: Rows in hand beyond the calls, where there are few: of a queue that is behind, several are written down at once.
AHEAD = 16
#: Rows in hand have their calls within this time, as long as calls took of late.
AHEAD_S = 0.25
#: A call among so many decides how long they take.
CALLS_REMEMBERED = 16
#: Of the rows it may have in hand one in so many is missing before others are claimed, while no place is free.
CLAIMED_AT_ONCE = 4
#: Pauses while PostgreSQL is away.
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
#: Whoever has not ended by then is told to once more.
CANCEL_AGAIN_S = 0.5
#: How often in the time of a lease dead workers' keys are looked for: they wait a tenth longer at most.
SWEEPS_A_LEASE = 10
#: Clocks may be set, so a long maintenance window is looked at again this often.
LONGEST_NAP_S = 60.0
HISTORY_EVERY_S = 3600.0
#: Rows written between two vacuums, which may take this share of the time.
VACUUM_AFTER = 2000
VACUUM_SHARE = 0.1
HISTORY_AHEAD_DAYS = 7
#: What is told of the circuit's positions; the ramp is a detail on the way.
TOLD = {
    Position.OPEN: "circuit.opened",
    Position.HALF_OPEN: "circuit.probing",
    Position.CLOSED: "circuit.closed",
}
#: As the metric counts them.
OPENNESS = tuple(Position)
#: Of the keys that opened it, in one announcement.
KEYS_TOLD = 10


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a deliverer takes on."""

    #: Calls at the target at once, each of another key. More rows are in hand while it is well, so that others have
    #: their calls while intents and results are written down.
    in_flight: int = 64
    #: Until a dead worker's keys are taken from it. Renewed while a row is worked on.
    lease_s: float = 60.0
    #: For `prepare` and `find`; `deliver` has its intent's own limit.
    read_timeout_s: float = 60.0
    #: Rows of one key in a row, before others get their turn.
    rows_of_a_key: int = 100
    #: For what is under way when it is told to stop.
    stop_within_s: float = 20.0
    #: Looks for work this often even if nothing told it to.
    poll_s: float = 1.0
    #: Days ended rows stay in the store.
    history_days: int = 35


class _Lease(msgspec.Struct):
    """A key in our hands; for the renewal and for the decision whether a call may be started."""

    row: Row
    #: On our monotonic clock, counted from before the store was asked, so never later than the store's.
    until: float


class _Written(msgspec.Struct, frozen=True):
    """The store's answer to a turn."""

    #: Somebody else has the key, or the row was settled before.
    fenced: bool
    next: Row | None


async def _end(tasks: Collection["asyncio.Task[Any]"]) -> None:
    """Cancel them until they have ended: what arrives together with an answer is lost by `asyncio.wait_for`."""
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN_S)


def begun(in_flight: int) -> int:
    """How many rows may be written down as being sent, with so many calls at once: the others would be looked for when
    this worker dies.
    """
    return in_flight + max(in_flight // BEGUN_BEFORE, min(in_flight, BEGUN_BEFORE))


async def nothing_to_ask() -> None:
    """A probe of a target that cannot be asked: the first row is the probe."""


async def nobody_remembers(_: StrangerError) -> None:
    """A target that cannot tell who it is: there are no strangers."""


def always_open(_: datetime) -> None:
    """No maintenance windows."""


class Deliverer:
    """Works on one queue of one connection until it is stopped."""

    def __init__(
        self,
        store: Store,
        queue: str,
        sinks: Mapping[str, Sink],
        owner: str,
        *,
        random: Callable[[], float],
        limits: Limits | None = None,
        pace: Pace | None = None,
        rules: Rules | None = None,
        probe: Callable[[], Awaitable[None]] = nothing_to_ask,
        estranged: Callable[[StrangerError], Awaitable[None]] = nobody_remembers,
        closed_until: Callable[[datetime], datetime | None] = always_open,
        clock: Clock = now,
    ) -> None:
        """Build, without starting.

        Args:
            store: Open.
            queue: `fetchers` or `consumers`.
            sinks: By record.
            owner: Of the leases: unique to this deliverer and this life of its process.
            random: Numbers from 0 to 1, to spread tries.
            limits: How much at once.
            pace: How long between tries.
            rules: Of the circuit.
            probe: A read of the target that works exactly when the target does; raises as sinks do.
            estranged: Told that somebody else is there than is remembered, before the row is given back.
            closed_until: When a maintenance window ends, at a moment inside of one: nothing new is started then.
            clock: For the days of history, and for maintenance windows.

        Raises:
            ConfigurationError: a sink does not say what a repeat does, or cannot be asked what became of one.
        """
        for why in refused(sinks.items()):
            raise ConfigurationError("sinks", why)
        self._store = store
        self._queue = queue
        self._sinks = sinks
        self._owner = owner
        self._random = random
        self._limits = limits or Limits()
        self._pace = pace or Pace()
        self._rules = rules or Rules()
        self._probe = probe
        self._estranged = estranged
        self._closed_until = closed_until
        self._clock = clock
        self._closed = False
        self._circuit = Circuit(self._limits.in_flight, self._rules)
        self._position = self._circuit.position
        #: What happens to the whole queue, to be told: state, code, values.
        self._changes: asyncio.Queue[tuple[str, str, dict[str, str]]] = asyncio.Queue()
        self._written = 0
        self._much_written = asyncio.Event()
        self._stopping = asyncio.Event()
        self._freed = asyncio.Event()
        self._working: set[asyncio.Task[None]] = set()
        self._calls = asyncio.Semaphore(self._limits.in_flight)
        #: Those that may have an intent: few more than have a call, as each is looked for when this worker dies.
        self._begun = asyncio.Semaphore(begun(self._limits.in_flight))
        #: How long a call takes.
        self._call_s = 0.0
        self._deadlines = Deadlines()
        self._leases: dict[int, _Lease] = {}
        self._failure: BaseException | None = None
        self._intends: Gathering[Intended, bool] = Gathering(self._write_intents, largest=BATCH, enough=self._enough)
        self._renewals: Gathering[tuple[Row, float], bool] = Gathering(self._write_renewals, largest=BATCH)
        self._settles: Gathering[tuple[Turn, bool], _Written] = Gathering(
            self._write_turns, largest=BATCH, enough=self._enough
        )
        self._log = log.bind(connection=store.connection, queue=queue)
        self._gauge = metrics.CIRCUIT.labels(store.connection, queue)

    async def run(self) -> None:
        """Deliver until `stop`, then finish what is under way and give the leases back.

        Raises:
            FatalError: no row will pass; somebody has to mend something first.
            Exception: a sink raised what nobody foresaw; its row is as it was and its lease runs out.
        """
        await self._look_after_history()
        self._gauge.set(OPENNESS.index(self._position))
        beside = (self._keep_house(), self._keep_small(), self._wake_waiting(), self._tell_changes())
        work = (self._claim(), self._renew(), *beside)
        background = [asyncio.create_task(one) for one in work]
        stop = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([*background, stop], return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()
            background[0].cancel()
            if self._working:
                await asyncio.wait(self._working, timeout=self._limits.stop_within_s)
        finally:
            tasks = (*background, *self._working, stop)
            await _end(tasks)
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await self._renewals.close()
            await self._intends.close()
            await self._settles.close()
        errors = [one for one in ended if isinstance(one, Exception)]
        failure = self._failure or (errors[0] if errors else None)
        if failure is not None:
            raise failure
        await self._give_back()

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what is under way has ended, or its time is over."""
        self._stopping.set()

    # ---- rows in hand

    async def _claim(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            if (closed_s := self._closed_for_s()) is not None:
                await self._until_freed(min(closed_s, LONGEST_NAP_S))
                continue
            asked_at = time.monotonic()
            if self._circuit.probe_is_due(asked_at):
                await self._ask_target()
                continue
            if (free := self._claimable(asked_at)) <= 0:
                await self._until_freed(self._circuit.wakes_in(asked_at))
                continue
            try:
                rows = await self._store.claim(self._queue, self._owner, min(free, BATCH), self._limits.lease_s)
                for row in rows:
                    self._leases[row.epoch] = _Lease(row, asked_at + self._limits.lease_s)
                    task = asyncio.create_task(self._serve(row))
                    self._working.add(task)
                    task.add_done_callback(self._served)
                if len(rows) < min(free, BATCH):
                    due_s = await self._store.due_in(self._queue)
                    patience_s = self._limits.poll_s if due_s is None else min(due_s, self._limits.poll_s)
                    await self._store.wait_for_work(self._queue, max(patience_s, 0.002))
                pause_s = FIRST_PAUSE_S
            except RetryableError as error:
                pause_s = await self._pause(error, pause_s)

    async def _until_freed(self, within_s: float | None) -> None:
        """Until more may be under way, by a result or by time."""
        self._freed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._freed.wait()
        # They end in batches, as they are settled: ask once for all of them.
        await asyncio.sleep(0)

    def _served(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        self._freed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = self._failure or error
            self._stopping.set()

    async def _serve(self, row: Row) -> None:
        """Work on a key, row after row, while its lease goes on."""
        epoch = row.epoch
        try:
            for count in range(1, self._limits.rows_of_a_key + 1):
                async with self._begun:
                    started = time.monotonic()
                    if not self._may_go_on():
                        break
                    self._circuit.begin(row.root_key)
                    turn = await self._try(row)
                if turn is None:
                    self._tell(row, "fenced", "", row.attempts, started)
                    return
                go_on = count < self._limits.rows_of_a_key and self._may_go_on()
                written = await self._settles.put((turn, go_on))
                state = "fenced" if written.fenced else turn.state.value
                self._tell(row, state, turn.code, turn.attempts, started)
                if written.next is None:
                    return
                row = written.next
            # The target went away between claim and try, or we are to stop.
            with contextlib.suppress(RetryableError):  # else the lease runs out
                await self._store.release(self._queue, self._owner, [row])
        finally:
            self._leases.pop(epoch, None)
            self._circuit.end(row.root_key)

    def _closed_for_s(self) -> float | None:
        """Seconds until the maintenance window ends that is open now; tells when one begins or ends."""
        at = self._clock()
        until = self._closed_until(at)
        if self._closed != (until is not None):
            self._closed = until is not None
            code = "maintenance.ended" if until is None else "maintenance.begun"
            values = {} if until is None else {"until": until.isoformat(timespec="minutes")}
            self._log.info("delivery.maintenance", code=code, **values)
            self._changes.put_nowait(("maintenance", code, values))
        return None if until is None else max((until - at).total_seconds(), 0.0)

    def _may_go_on(self) -> bool:
        return not self._stopping.is_set() and self._flows()

    def _flows(self) -> bool:
        """Neither is it closed, nor are there more rows in hand than the circuit allows by now."""
        return self._closed_until(self._clock()) is None and len(self._working) <= self._most(time.monotonic())

    def _most(self, at: float) -> int:
        """Rows in hand."""
        allowed = self._circuit.allowed(at)
        return allowed + max(allowed - 1, AHEAD) if allowed == self._limits.in_flight else allowed

    def _claimable(self, at: float) -> int:
        """Rows worth claiming now: none that would wait long in our hands, and not each by itself."""
        working, allowed, most = len(self._working), self._circuit.allowed(at), self._most(at)
        if self._call_s > 0:
            most = min(most, allowed + int(allowed * AHEAD_S / self._call_s))
        free = most - working
        return 0 if working >= allowed and free * CLAIMED_AT_ONCE < most else free

    async def _try(self, row: Row) -> Turn | None:
        """One try of one row; None if it turned out not to be ours any more."""
        sink = self._sinks.get(row.record)
        if sink is None:
            return decide.for_a_person(row, row.intent, "no_sink", {"record": row.record})
        if row.state in {State.UNKNOWN, State.SENDING}:
            assert row.intent is not None, "the store refuses rows in doubt without what was sent"
            return await self._look(row, sink, row.intent)
        prepared = await self._ask(lambda: sink.prepare(row), row, None, Step.PREPARE)
        if isinstance(prepared, Turn):
            return prepared
        if isinstance(prepared, Settlement):
            return self._works(decide.settled(row, prepared, None))
        if row.doubt:
            return await self._look(row, sink, prepared)
        return await self._send(row, sink, prepared)

    async def _look(self, row: Row, sink: Sink, intent: Intent) -> Turn | None:
        finding = await self._ask(lambda: sink.find(intent), row, intent, Step.FIND)
        if isinstance(finding, Turn):
            return await self._or_a_person(finding)
        if isinstance(finding, Found):
            return self._works(decide.settled(row, finding.settlement, intent))
        if isinstance(finding, Absent):
            if row.settles_in_s > 0:
                return self._works(decide.still_settling(row, intent))
            # The very same intent: should the first one come through after all, it has the same key at the target.
            return await self._send(row, sink, intent)
        if isinstance(finding, CannotTell):
            values = {"reason": finding.reason}
            turn = decide.still_unknown(row, intent, "asked_in_vain", values, self._pace, self._random())
            turn = self._heard(turn, word_of_code(finding.reason, None), finding.reason, None)
            return await self._or_a_person(turn)
        return self._works(decide.for_a_person(row, intent, "several", {"documents": ", ".join(finding.documents)}))

    async def _or_a_person(self, turn: Turn) -> Turn:
        """A look that told nothing, the last one that is made without a person if the target works all the same."""
        if turn.asked < self._pace.looks_before_a_person:
            return turn
        if not await self._target_works():
            return msgspec.structs.replace(turn, asked=turn.row.asked)
        return decide.cannot_be_told(turn)

    async def _target_works(self) -> bool:
        try:
            async with self._calls, asyncio.timeout(self._limits.read_timeout_s):
                await self._probe()
        except (TimeoutError, RetryableError, UnknownOutcomeError):
            return False
        except RejectedError:
            return True
        return True

    async def _send(self, row: Row, sink: Sink, intent: Intent) -> Turn | None:
        if not await self._covered(row, intent) or not await self._intends.put(Intended(row=row, intent=intent)):
            return None
        try:
            async with self._calls:
                if (turn := self._held_back(row, intent)) is not None:
                    return turn
                with self._timed():
                    settlement = await self._deadlines.within(intent.timeout_s, sink.deliver(intent))
        except TimeoutError:
            error: BusError = UnknownOutcomeError("timed_out", "no answer in time", timeout_s=str(intent.timeout_s))
            return await self._after(error, Step.DELIVER, row, intent)
        except BusError as error:
            return await self._after(error, Step.DELIVER, row, intent)
        return self._works(decide.settled(row, settlement, intent))

    def _held_back(self, row: Row, intent: Intent) -> Turn | None:
        """The turn of a row whose call may not be started any more: it was not sent, so it is tried again."""
        if self._left_s(row) < intent.timeout_s:
            error = RetryableError("lease_too_short", "the call could not have ended within the lease")
            return decide.after(error, Step.DELIVER, row, intent, self._pace, self._random())
        if self._flows():
            return None
        error = RetryableError("not_sent", "the queue stood still before its turn came")
        turn = decide.after(error, Step.DELIVER, row, intent, self._pace, self._random())
        return self._uncounted(turn, self._circuit.wakes_in(time.monotonic()) or 0.0)

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        """Remember how long calls take."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._call_s += (time.monotonic() - began - self._call_s) / CALLS_REMEMBERED

    async def _ask(self, asking: Callable[[], Awaitable[T]], row: Row, intent: Intent | None, step: Step) -> T | Turn:
        """A call without an effect: its answer, or the turn its error makes."""
        try:
            async with self._calls:
                with self._timed():
                    return await self._deadlines.within(self._limits.read_timeout_s, asking())
        except TimeoutError:
            error: BusError = RetryableError(f"{step.value}_timed_out", "no answer in time")
            return await self._after(error, step, row, intent)
        except BusError as error:
            return await self._after(error, step, row, intent)

    # ---- the target as a whole

    async def _after(self, error: BusError, step: Step, row: Row, intent: Intent | None) -> Turn:
        """What a sink's error makes of the row, and of the circuit."""
        turn = decide.after(error, step, row, intent, self._pace, self._random())
        if isinstance(error, StrangerError):
            await self._estranged(error)
            return self._uncounted(turn, error.retry_after_s or 0.0)
        retry_after_s = error.retry_after_s if isinstance(error, RetryableError) else None
        return self._heard(turn, word_of(error), error.code, retry_after_s)

    def _works(self, turn: Turn) -> Turn:
        return self._heard(turn, Word.WORKS, turn.code, None)

    def _heard(self, turn: Turn, word: Word, code: str, retry_after_s: float | None) -> Turn:
        """Tell the circuit what a try says about the target; a row's try that met an outage or a limit is none."""
        at, key = time.monotonic(), turn.row.root_key
        match word:
            case Word.WORKS:
                self._circuit.passed(key, at)
            case Word.WAIT:
                # Spread by a tenth, as all of them come back at once.
                turn = self._uncounted(turn, self._circuit.wait(retry_after_s, at) * (1 + self._random() / 10))
            case Word.FAILS:
                if not self._circuit.failed(key, code, at, self._random()):
                    turn = self._uncounted(turn, self._circuit.wakes_in(at) or self._rules.first_delay_s)
        self._show_circuit()
        return turn

    def _uncounted(self, turn: Turn, within_s: float) -> Turn:
        if turn.state is State.UNKNOWN:
            within_s = max(within_s, self._pace.settling_delay_s)
        delay_s = min(turn.delay_s or within_s, within_s)
        return msgspec.structs.replace(turn, attempts=turn.row.attempts, asked=turn.row.asked, delay_s=delay_s)

    async def _ask_target(self) -> None:
        try:
            async with asyncio.timeout(self._limits.read_timeout_s):
                await self._probe()
        except StrangerError as error:
            await self._estranged(error)  # somebody answers: that nothing is sent to him is not the circuit's affair
        except (TimeoutError, RetryableError, UnknownOutcomeError) as error:
            code = error.code if isinstance(error, BusError) else "timed_out"
            at = time.monotonic()
            if isinstance(error, RetryableError) and word_of(error) is Word.WAIT:
                self._circuit.wait(error.retry_after_s, at)
            self._circuit.probe_failed(at, self._random())
            self._log.info("delivery.probe_failed", why=code, next_s=self._circuit.wakes_in(at))
            return
        except RejectedError as error:
            self._log.info("delivery.probe_refused", why=error.code)  # it answers, which is all that is asked
        self._circuit.probe_passed()
        self._show_circuit()

    def _show_circuit(self) -> None:
        """Let everybody see where it is; the claims wait for more to be allowed."""
        position = self._circuit.position
        if position is self._position is Position.CLOSED:
            return
        self._freed.set()
        if position is self._position:
            return
        self._position = position
        self._gauge.set(OPENNESS.index(position))
        keys = self._circuit.keys
        self._log.warning("delivery.circuit", state=position.value, why=self._circuit.why, keys=keys[:KEYS_TOLD])
        if position in TOLD:
            values = {"why": self._circuit.why, "keys": ", ".join(keys[:KEYS_TOLD])}
            self._changes.put_nowait(("circuit", TOLD[position], values))

    async def _tell_changes(self) -> None:
        """Announce what happens to the whole queue, beside the work: no announcement may hold it up."""
        while True:
            state, code, values = await self._changes.get()
            try:
                await self._store.tell(self._queue, state, code, values)
            except RetryableError as error:
                self._log.warning("delivery.change_not_told", code=error.code, told=code)

    # ---- leases

    def _left_s(self, row: Row) -> float:
        lease = self._leases.get(row.epoch)
        return lease.until - time.monotonic() if lease is not None else 0.0

    async def _covered(self, row: Row, intent: Intent) -> bool:
        """Make the lease long enough for the call and for writing down what became of it; False if it is not ours."""
        needed_s = intent.timeout_s + self._limits.lease_s / 10
        if self._left_s(row) >= needed_s:
            return True
        return await self._renewals.put((row, max(self._limits.lease_s, needed_s * 1.25)))

    async def _lengthen(self, rows: Sequence[Row], lease_s: float) -> frozenset[int]:
        """Answers the epochs that are still ours."""
        asked_at = time.monotonic()
        try:
            ours = await self._store.renew(self._queue, self._owner, rows, lease_s)
        except RetryableError as error:
            self._log.warning("delivery.not_renewed", code=error.code)
            return frozenset()
        for epoch in ours & self._leases.keys():
            self._leases[epoch].until = max(self._leases[epoch].until, asked_at + lease_s)
        return ours

    async def _renew(self) -> None:
        """Keep what is being worked on ours, however long its target takes."""
        while True:
            await asyncio.sleep(self._limits.lease_s / 4)
            soon = time.monotonic() + self._limits.lease_s * 0.7
            if ending := [lease.row for lease in self._leases.values() if lease.until < soon]:
                await self._lengthen(ending, self._limits.lease_s)

    async def _keep_house(self) -> None:
        """Take over what dead workers held; look after the days of history."""
        history_at = time.monotonic() + HISTORY_EVERY_S
        while True:
            try:
                expired = await self._store.expire_leases(self._queue, self._owner, self._pace.settling_delay_s)
                if expired:
                    self._log.info("delivery.leases_expired", keys=expired)
            except RetryableError as error:
                self._log.warning("delivery.store_away", code=error.code)
            if time.monotonic() >= history_at:
                await self._look_after_history()
                history_at = time.monotonic() + HISTORY_EVERY_S
            await asyncio.sleep(self._limits.lease_s / SWEEPS_A_LEASE)

    async def _wake_waiting(self) -> None:
        """Wake who waits for what arrived, at once where it is told, else as soon as dead workers' keys are found."""
        while True:
            try:
                woken = await self._store.wake_waiting()
                if woken:
                    self._log.info("delivery.woken", rows=woken)
            except RetryableError as error:
                self._log.warning("delivery.store_away", code=error.code)
            await self._store.wait_for_things(self._limits.lease_s / SWEEPS_A_LEASE)

    async def _keep_small(self) -> None:
        """Vacuum after so many rows, beside the work."""
        while True:
            await self._much_written.wait()
            self._much_written.clear()
            self._written = 0
            started = time.monotonic()
            try:
                await self._store.vacuum()
            except RetryableError as error:
                self._log.warning("delivery.not_vacuumed", code=error.code)
            await asyncio.sleep((time.monotonic() - started) / VACUUM_SHARE)

    async def _look_after_history(self) -> None:
        today = self._clock().date()
        try:
            await self._store.keep_history(today, HISTORY_AHEAD_DAYS, self._limits.history_days)
        except RetryableError as error:
            self._log.warning("delivery.store_away", code=error.code)  # the next hour will do: there are days ahead

    async def _give_back(self) -> None:
        with contextlib.suppress(RetryableError):  # else they run out
            await self._store.release_all(self._queue, self._owner, self._pace.settling_delay_s)

    # ---- writes, many rows at once

    def _enough(self) -> int:
        """What costs an exchange is gathered for a moment where there is more to come: alone, nobody waits."""
        return len(self._working) // GATHERED

    async def _write_renewals(self, wanted: Sequence[tuple[Row, float]]) -> Sequence[bool]:
        ours = await self._lengthen([row for row, _ in wanted], max(lease_s for _, lease_s in wanted))
        return [row.epoch in ours for row, _ in wanted]

    async def _write_intents(self, intended: Sequence[Intended]) -> Sequence[bool]:
        ours = await self._insist(lambda: self._store.intend(self._queue, self._owner, intended))
        return [one.row.epoch in ours for one in intended]

    async def _write_turns(self, turns: Sequence[tuple[Turn, bool]]) -> Sequence[_Written]:
        going_on = {turn.row.epoch for turn, go_on in turns if go_on}

        async def settle() -> list[_Written]:
            answer = await self._store.settle(self._queue, self._owner, [turn for turn, _ in turns], going_on)
            for row in answer.next.values():
                if (lease := self._leases.get(row.epoch)) is not None:
                    lease.row = row
            return [_Written(turn.row.epoch in answer.fenced, answer.next.get(turn.row.epoch)) for turn, _ in turns]

        written = await self._insist(settle)
        self._written += len(turns)
        if self._written >= VACUUM_AFTER:
            self._much_written.set()
        if any(turn.state not in ENDS or not go_on for turn, go_on in turns):
            self._store.wake(self._queue)  # there is a new time to wait for
        return written

    async def _insist(self, write: Callable[[], Awaitable[T]]) -> T:
        """What became of a row must be written, however long PostgreSQL is away; too late, it is refused."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return await write()
            except RetryableError as error:
                pause_s = await self._pause(error, pause_s)

    async def _pause(self, error: RetryableError, pause_s: float) -> float:
        self._log.warning("delivery.store_away", code=error.code, pause_s=pause_s)
        await asyncio.sleep(pause_s)
        return min(pause_s * 2, LONGEST_PAUSE_S)

    def _tell(self, row: Row, state: str, code: str, attempts: int, started: float) -> None:
        self._log.info(
            f"delivery.{state}",
            key=row.root_key,
            record=row.record,
            topic=row.topic,
            partition=row.partition,
            offset=row.offset,
            root=row.root,
            code=code,
            attempts=attempts,
            epoch=row.epoch,
            duration_ms=round((time.monotonic() - started) * 1000, 1),
        )
