"""A connection's store in PostgreSQL: what is being worked on, what is known of the other end, what is to be announced.

For the deliverers, for the take-in agents of fetchers and consumers and for the relay. One `Store` a process and
connection. What the protocol rests on stands at the top of `statements.py`. Every method is one transaction; errors are
`database.py`'s.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Collection, Mapping, Sequence, Set
from datetime import date, timedelta
from typing import Any, Final, LiteralString

import msgspec
import psycopg
import structlog
from psycopg import sql

from bus.clock import Clock, now
from bus.events import Advance
from delivery import announcements, columns, copied, statements, waiting
from delivery.announcements import Announcement, Speaker
from delivery.arrays import texts
from delivery.batch import Batch, Ended, sorted_out
from delivery.database import Connection, Database, Parameters, begin, commit, planned_anew
from delivery.decide import Turn
from delivery.incarnation import Incarnation
from delivery.ports import Arrival, Intent, LastSeen, Row
from delivery.states import ENDS, ParkedFor, State
from delivery.things import document_of
from errors import LostPartitionError, RetryableError

log = structlog.get_logger(__name__)

#: Leases taken from dead owners in one transaction.
SWEEP: Final = 500
#: What the process whose relay speaks for the store is told in place of a queue's name.
ANNOUNCED: Final = "outbox"
#: Rows announced to PostgreSQL's listeners are looked for by polling this often when a notice got lost.
RELISTEN_S: Final = 1.0
DAY: Final = timedelta(days=1)


class TakenIn(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch at take-in; the events sum up to the batch."""

    #: Now rows of the queue.
    queued: int = 0
    #: Ended at once: older than what is known, or replaced within the batch.
    ended: int = 0
    #: Taken in before.
    repeats: int = 0
    #: Older open rows that this batch made needless.
    replaced: int = 0


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch of turns."""

    #: Epochs of turns whose row was not ours any more; nothing was written about them.
    fenced: frozenset[int] = frozenset()
    #: By epoch: the next row of a key whose lease goes on.
    next: dict[int, Row] = {}


class Intended(msgspec.Struct, frozen=True, kw_only=True):
    """A row and what will be sent for it."""

    row: Row
    intent: Intent


class OpenRows(msgspec.Struct, frozen=True, kw_only=True):
    """Open rows of one kind."""

    queue: str
    record: str
    state: State
    cause: ParkedFor | None
    count: int


class OpenEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Open rows that came from one partition; with its position they make the ledger's in flight."""

    queue: str
    topic: str
    topic_id: str
    partition: int
    count: int


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What a store holds at one moment."""

    open_rows: tuple[OpenRows, ...]
    open_events: tuple[OpenEvents, ...]
    outbox: int
    outbox_refused: int


class Store(Database):
    """The one place where a connection's deliveries are written down.

    Implements `delivery.ports.Memory`, which sinks are given.
    """

    def __init__(
        self,
        dsn: str,
        connection: str,
        *,
        code_version: str = "",
        pool_size: int = 6,
        clock: Clock = now,
    ) -> None:
        super().__init__(dsn, connection, pool_size=pool_size)
        self._code_version = code_version
        self.now: Clock = clock
        #: Whether this process's relay speaks for the store; else another one is told of what is to be announced.
        self.speaks = False
        #: Ends our own notices, which we need not be told.
        self._name = secrets.token_hex(4)
        self._arrived: dict[str, asyncio.Event] = {}
        self._announced = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        #: Take-ins whose answer was lost, so that a repeat can be told from another worker's doing.
        self._doubtful: set[tuple[str, str, tuple[Advance, ...]]] = set()

    async def open(self) -> None:
        """Connect and listen for what other processes take in.

        Raises:
            RetryableError: PostgreSQL cannot be reached.
        """
        await super().open()
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Give the connections back."""
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening
        await super().close()

    # ---- take in

    async def positions(self, queue: str, topic_id: str) -> dict[int, int]:
        """Next offset to take in, by partition; partitions never taken in are missing."""
        found = await self.fetch(statements.POSITIONS, {"queue": queue, "topic_id": topic_id})
        return dict(found)

    async def take_in(
        self,
        queue: str,
        topic: str,
        topic_id: str,
        moves: Sequence[Advance],
        arrivals: Sequence[Arrival],
        brought: Collection[str] = (),
    ) -> TakenIn:
        """Take a batch of a topic into the queue and move the positions of its partitions behind it.

        Order: rows of a key are delivered in the order of these calls. Repeats: events below what their partition is
        expected at are dropped; the same call after a RetryableError takes in once. Whoever waits for a thing of
        `brought`, by name, is woken.

        Raises:
            LostPartitionError: a position is not where it is expected; another worker owns the partition.
        """
        places = {move.partition: move for move in moves}
        for arrival in arrivals:
            move = places.get(arrival.partition)
            if arrival.topic_id != topic_id or move is None or arrival.offset >= move.next_offset:
                raise ValueError(f"{arrival.root} does not belong to this batch")
        fresh: Sequence[Arrival] = [one for one in arrivals if one.offset >= (places[one.partition].expected or 0)]
        place = {"queue": queue, "topic": topic, "topic_id": topic_id}
        attempt = (queue, topic_id, tuple(moves))
        try:
            async with self.in_steps() as wire:
                horizons, known = await self._begin(wire, place, moves, fresh)
                if len(horizons) < len(moves):
                    at = dict(await columns.rows(wire, statements.POSITIONS, place))
                    # committed whole or not at all: with any of them moved just now, the attempt was not ours
                    done = not horizons and all(at.get(one.partition) == one.next_offset for one in moves)
                    if attempt in self._doubtful and done:
                        self._doubtful.discard(attempt)
                        self._arrival(queue).set()  # our own notice is not heard
                        return TakenIn(repeats=len(arrivals))
                    lost = next(one for one in moves if one.partition not in horizons)
                    raise LostPartitionError(
                        "lost_partition",
                        "the position moved",
                        partition=lost.partition,
                        expected=lost.expected,
                        found=at.get(lost.partition),
                    )
                locked = {arrival.root_key for arrival in fresh}
                for partition in (partition for partition, until in horizons.items() if until):
                    fresh = await self._without_ended(
                        wire, {**place, "partition": partition, "next": places[partition].next_offset}, fresh
                    )
                batch = sorted_out(fresh, known)
                usual = not batch.replacing and locked == {arrival.root_key for arrival in batch.queued}
                async with contextlib.nullcontext() if usual else planned_anew(wire):
                    taken = await self._insert(wire, place, batch, locked, horizons)
                async with wire.pipeline():
                    await self._raise_versions(wire, queue, batch)
                    await waiting.bring(wire, self.schema, frozenset(brought))
                    if locked:
                        await self._notify(wire, f"{queue} {self._name}")
                    await commit(wire)
        except RetryableError:
            self._doubtful.add(attempt)
            raise
        self._doubtful.discard(attempt)
        self._arrival(queue).set()
        if taken.ended or taken.replaced:
            self._announced.set()
        return msgspec.structs.replace(taken, repeats=len(arrivals) - len(fresh))

    async def admit(self, wire: Connection, queue: str, arrival: Arrival) -> TakenIn | None:
        """Take in one event that was passed without it; None where it is known, or is still to come by itself."""
        place = {
            "queue": queue,
            "topic": arrival.topic,
            "topic_id": arrival.topic_id,
            "partition": arrival.partition,
            "offset": arrival.offset,
            "root_key": arrival.root_key,
        }
        await wire.execute(statements.LOCK_KEYS, {"queue": queue, "root_keys": texts([arrival.root_key])})
        passed = dict(await columns.rows(wire, statements.POSITIONS, place)).get(arrival.partition, 0)
        if passed <= arrival.offset or await columns.rows(wire, statements.IS_KNOWN, place):
            return None
        batch = sorted_out([arrival], _versions(await (await self._known_versions(wire, queue, [arrival])).fetchall()))
        taken = await self._insert(wire, place, batch, {arrival.root_key}, {arrival.partition: 0})
        await self._raise_versions(wire, queue, batch)
        await self._notify(wire, queue)
        return taken

    async def _begin(
        self, wire: Connection, place: Parameters, moves: Sequence[Advance], arrivals: Sequence[Arrival]
    ) -> tuple[dict[int, int], dict[tuple[str, str], int]]:
        """Move the positions, lock the keys, then look what is known of them, in one exchange.

        Returns:
            The horizon of each partition that was where it is expected, 0 for those without one; versions taken in
            before.
        """
        known = self.known
        first = [move for move in moves if move.expected is None]
        further = [move for move in moves if move.expected is not None]
        keys = {"queue": place["queue"], "root_keys": texts(sorted({one.root_key for one in arrivals}))}
        moving: list[columns.Cursor] = []
        async with wire.pipeline():
            await begin(wire)
            for statement, given in ((statements.FIRST_POSITIONS, first), (statements.MOVE_POSITIONS, further)):
                if given:
                    moving.append(await columns.asked(wire, statement, {**place, **columns.of_moves(given)}))
            if arrivals:
                await wire.execute(statements.LOCK_KEYS, keys)
            versions = await self._known_versions(wire, str(place["queue"]), arrivals)
        moved = [one for cursor in moving for one in await cursor.fetchall()]
        for _, _, incarnation in moved[:1]:
            self.met(incarnation, known)
        horizons = {partition: horizon or 0 for partition, horizon, _ in moved}
        return horizons, _versions(await versions.fetchall())

    async def _without_ended(
        self, wire: Connection, place: Parameters, arrivals: Sequence[Arrival]
    ) -> Sequence[Arrival]:
        """Those that a store that was lost had not ended; the ends of the others are known and said already."""
        heard = await columns.rows(wire, statements.TAKE_HEARD, place)
        by_offset = {arrival.offset: arrival for arrival in arrivals if arrival.partition == place["partition"]}
        ended = [
            Ended(arrival=by_offset[offset], state=State(state), code=code, merged_into="")
            for offset, state, code in heard
            if offset in by_offset
        ]
        if ended:
            await wire.execute(statements.INSERT_ENDED, {**place, **columns.of_ended(ended)})
        known = {offset for offset, _, _ in heard}
        return [one for one in arrivals if one.partition != place["partition"] or one.offset not in known]

    async def _insert(
        self, wire: Connection, place: Parameters, batch: Batch, locked: Set[str], horizons: Mapping[int, int]
    ) -> TakenIn:
        """Rows and ends of a batch; its keys, all of those `locked`, have their entries."""
        queue = str(place["queue"])
        replaced = await self._replace(wire, queue, batch)
        if batch.queued:
            doubts = [arrival.offset < horizons[arrival.partition] for arrival in batch.queued]
            await copied.add(wire, queue, str(place["topic"]), str(place["topic_id"]), batch.queued, doubts)
        if batch.ended:
            await wire.execute(statements.INSERT_ENDED, {**place, **columns.of_ended(batch.ended)})
        await self._announce_replaced(wire, queue, batch, replaced)
        if parked := sorted({row.root_key for row, _, _ in replaced if row.cause is ParkedFor.REFUSED}):
            # the new first row waits for nobody
            await wire.execute(statements.FREE, {"queue": queue, "root_keys": parked})
        if empty := locked - {arrival.root_key for arrival in batch.queued}:
            await wire.execute(statements.DROP_EMPTY_KEYS, {"queue": queue, "root_keys": sorted(empty)})
        return TakenIn(queued=len(batch.queued), ended=len(batch.ended), replaced=len(replaced))

    async def _announce_replaced(
        self, wire: Connection, queue: str, batch: Batch, replaced: Sequence[tuple[Row, State, str]]
    ) -> None:
        at, speaker = self.now(), self.speaker(queue)
        said = [
            announcements.of_replaced(speaker, row, state, state.value, merged_into, at)
            for row, state, merged_into in replaced
        ]
        said += [
            announcements.of_replaced(speaker, end.arrival, end.state, end.code, end.merged_into, at)
            for end in batch.ended
        ]
        await self.announce(wire, said)

    async def _raise_versions(self, wire: Connection, queue: str, batch: Batch) -> None:
        if batch.versions:
            await wire.execute(statements.RAISE_VERSIONS, {"queue": queue, **columns.of_versions(batch.versions)})

    async def _known_versions(self, wire: Connection, queue: str, arrivals: Sequence[Arrival]) -> columns.Cursor:
        numbered = sorted({(one.message_key, one.record) for one in arrivals if one.source_version > 0})
        return await columns.asked(
            wire,
            statements.VERSIONS,
            {
                "queue": queue,
                "message_keys": texts([message_key for message_key, _ in numbered]),
                "records": texts([record for _, record in numbered]),
            },
        )

    async def _replace(self, wire: Connection, queue: str, batch: Batch) -> list[tuple[Row, State, str]]:
        if not batch.replacing:
            return []
        newer = list(batch.replacing.values())
        found = await columns.rows(
            wire,
            statements.REPLACE,
            {
                "queue": queue,
                "root_keys": [one.root_key for one in newer],
                "message_keys": [one.message_key for one in newer],
                "records": [one.record for one in newer],
                "states": [one.replaces_with for one in newer],
                "merged_into": [one.root for one in newer],
            },
        )
        return [(columns.row_of(values[:-2], "", 0), State(values[-2]), values[-1]) for values in found]

    # ---- claim, intend, settle

    async def claim(self, queue: str, owner: str, limit: int, lease_s: float) -> list[Row]:
        """Lease up to `limit` due keys and hand out the first row of each, those waiting longest first.

        The row's `epoch` is the lease's; `intend` and `settle` write only while it is the key's.
        """
        lease = {"queue": queue, "owner": owner, "limit": limit, "lease_s": lease_s}
        known = self.known
        async with self.in_one_go() as wire:
            claimed = await columns.rows(wire, statements.CLAIM, lease)
            if not claimed:
                return []
            self.met(claimed[0][2], known)
            epochs = {root_key: epoch for root_key, epoch, _ in claimed}
            found = await columns.rows(wire, statements.HEADS, {"queue": queue, "root_keys": texts(list(epochs))})
            rows = [columns.row_of(values, owner, epochs[values[columns.ROOT_KEY]]) for values in found]
            empty = epochs.keys() - {row.root_key for row in rows}
            if empty:
                await wire.execute(
                    statements.FORGET_LEASED, {"queue": queue, "owner": owner, "root_keys": sorted(empty)}
                )
        return rows

    async def intend(self, queue: str, owner: str, intended: Sequence[Intended]) -> frozenset[int]:
        """Write down what will be sent, before it is; the rows are `sending` from here on.

        Returns:
            Epochs of the rows that may be sent: a worker that stood still may hold a row twice, under an old lease
            and a new one. The others are not ours any more. A repeat of the call answers the same.
        """
        rows = [one.row for one in intended]
        intents = columns.of_intents(rows, [one.intent for one in intended])
        found = await self.fetch_planned(statements.INTEND, {**columns.of_leases(queue, owner, rows), **intents})
        return frozenset(epoch for (epoch,) in found)

    async def settle(self, queue: str, owner: str, turns: Sequence[Turn], going_on: Collection[int]) -> Settled:
        """Write down what became of rows, as far as they are still ours, and go on with their keys or free them.

        Args:
            queue: Of all turns.
            owner: Who claimed them.
            turns: At most one of a lease.
            going_on: Epochs of leases that are kept, as they are, if the key's next row may be tried at once.
        """
        if not turns:
            return Settled()
        epochs = frozenset(turn.row.epoch for turn in turns)
        # Of two leases of a key only the newer one can be ours; what is announced is told apart by rows alone.
        newest = {turn.row.root_key: turn for turn in sorted(turns, key=lambda turn: turn.row.epoch)}
        turns = list(newest.values())
        leases = columns.of_leases(queue, owner, [turn.row for turn in turns])
        brought = frozenset(name for turn in turns for name in turn.brings)
        async with self.in_one_go() as wire:
            if any(turn.state not in ENDS for turn in turns):
                # Two statements may write: all keys are locked before, in their order.
                mine = await columns.asked(wire, statements.LOCK_MINE, leases)
            if any(turn.waits_for for turn in turns):
                turns = await self._registered(wire, queue, turns, brought, mine)
                brought = frozenset()
            writing = await self._write_turns(wire, queue, owner, turns)
            if not self.speaks:
                await self._notify(wire, ANNOUNCED)
            await waiting.bring(wire, self.schema, brought)
            following = await self._go_on(wire, leases, turns, frozenset(going_on))
        self._announced.set()
        written = {epoch for cursor in writing for (epoch,) in await cursor.fetchall()}
        rows = [columns.row_of(values[:-1], owner, values[-1]) for values in await following.fetchall()]
        return Settled(fenced=epochs - written, next={row.epoch: row for row in rows})

    async def _registered(
        self, wire: Connection, queue: str, turns: Sequence[Turn], brought: Set[str], mine: columns.Cursor
    ) -> Sequence[Turn]:
        """Turns that wait for something as they may be written; `mine` answers the epochs that are still ours."""
        ours = {epoch for (epoch,) in await mine.fetchall()}
        awaited = frozenset(turn.waits_for for turn in turns if turn.waits_for and turn.row.epoch in ours)
        arrivals = await waiting.meet(wire, self.schema, brought, awaited)
        return await waiting.registered(wire, queue, turns, arrivals)

    async def _write_turns(
        self, wire: Connection, queue: str, owner: str, turns: Sequence[Turn]
    ) -> list[columns.Cursor]:
        """Answer the epochs of the turns that were written: they were ours, and their rows were there."""
        writing: list[columns.Cursor] = []
        at, speaker = self.now(), self.speaker(queue)
        ends = [turn for turn in turns if turn.state in ENDS]
        waits = [turn for turn in turns if turn.state not in ENDS]
        for statement, given, written in (
            (statements.SETTLE, ends, columns.of_ends),
            (statements.POSTPONE, waits, columns.of_waits),
        ):
            if not given:
                continue
            said = [one for turn in given for one in announcements.of_turn(speaker, turn, at)]
            leases = columns.of_leases(queue, owner, [turn.row for turn in given])
            parameters = {"connection": self.connection, **leases, **written(given), **columns.of_announcements(said)}
            writing.append(await columns.asked(wire, statement, parameters))
        return writing

    async def release(self, queue: str, owner: str, rows: Sequence[Row]) -> None:
        """Give keys back untouched, for rows that were claimed and not tried."""
        leases = columns.of_leases(queue, owner, rows)
        async with self.transaction() as wire:
            await wire.execute(statements.LOCK_MINE, leases)
            await wire.execute(statements.GO_ON, {**leases, **columns.of_wanted(rows, ())})

    async def renew(self, queue: str, owner: str, rows: Sequence[Row], lease_s: float) -> frozenset[int]:
        """Lengthen the leases of these rows' keys; answers the epochs that are still ours."""
        leases = columns.of_leases(queue, owner, rows)
        return frozenset(epoch for _, epoch in await self.fetch(statements.RENEW, {**leases, "lease_s": lease_s}))

    async def _go_on(
        self, wire: Connection, leases: Parameters, turns: Sequence[Turn], going_on: Set[int]
    ) -> columns.Cursor:
        """Answers the first rows of the keys whose leases go on, each with its epoch."""
        # What is to be looked at again wants a new lease: under this one the arrival would always be newer.
        wanted = going_on - {turn.row.epoch for turn in turns if turn.delay_s == 0}
        keys = {**leases, **columns.of_wanted([turn.row for turn in turns], wanted)}
        return await columns.asked(wire, statements.GO_ON, keys)

    # ---- leases that ended otherwise

    async def expire_leases(self, queue: str, owner: str, settling_delay_s: float) -> int:
        """Take the keys of dead owners: what they were sending is unknown, the rest is as it was.

        Returns:
            How many keys.
        """
        return await self._free(queue, owner, statements.TAKE_EXPIRED, "lease_expired", settling_delay_s)

    async def release_all(self, queue: str, owner: str, settling_delay_s: float) -> int:
        """Give back everything an owner holds, at its clean stop; what it was sending is unknown."""
        return await self._free(queue, owner, statements.TAKE_OWN, "worker_stopped", settling_delay_s)

    async def _free(self, queue: str, owner: str, taking: LiteralString, code: str, settling_delay_s: float) -> int:
        parameters = {"queue": queue, "owner": owner, "limit": SWEEP}
        async with self.transaction() as wire:
            taken = dict(await columns.rows(wire, taking, parameters))
            if not taken:
                return 0
            doubt = {
                "queue": queue,
                "root_keys": sorted(taken),
                "settling_delay_s": settling_delay_s,
                "code": code,
            }
            at, speaker = self.now(), self.speaker(queue)
            found = await columns.rows(wire, statements.DOUBT_SENDING, doubt)
            doubtful = [columns.row_of(values, "", 0) for values in found]
            await self._await_tidings(wire, doubtful)
            await self.announce(wire, [announcements.of_expired(speaker, row, code, at) for row in doubtful])
            await wire.execute(statements.GO_ON, columns.of_freeing(queue, owner, taken))
        self._arrival(queue).set()
        return len(taken)

    async def _await_tidings(self, wire: Connection, doubtful: Sequence[Row]) -> None:
        """Have rows in doubt, of one queue, looked for once their document is read, or was since they were sent."""
        names = {row.id: document_of(row.record, row.root_key) for row in doubtful}
        arrivals = await waiting.meet(wire, self.schema, frozenset(), frozenset(names.values()))
        if names:
            awaited = {
                "queue": doubtful[0].queue,
                "root_keys": [row.root_key for row in doubtful],
                "ids": list(names),
                "names": list(names.values()),
                "arrivals": [arrivals[name] for name in names.values()],
            }
            await wire.execute(statements.AWAIT, awaited)

    # ---- waiting for work

    async def due_in(self, queue: str) -> float | None:
        """Seconds until the next key is due, negative when one is; None when none is waiting for its time."""
        found = await self.fetch(statements.DUE_IN, {"queue": queue})
        return float(found[0][0]) if found else None

    async def wait_for_work(self, queue: str, timeout_s: float) -> None:
        """Until something was taken into the queue, by any process, or the time is over. May return for nothing."""
        await _wait(self._arrival(queue), timeout_s)

    def wake(self, queue: str) -> None:
        """Let this process's deliverer look for work: something changed that nobody else will tell it."""
        self._arrival(queue).set()

    async def wake_waiting(self) -> int:
        """Make due who waits for what arrived, in any queue; how many rows."""
        woken = await waiting.wake(self)
        if woken:
            for queue in waiting.QUEUES:
                self._arrival(queue).set()
        return woken

    async def wait_for_things(self, timeout_s: float) -> None:
        """Until something arrived that is waited for, or the time is over. May return for nothing."""
        await _wait(self._arrival(waiting.NOTICE), timeout_s)

    async def wait_for_announcements(self, timeout_s: float) -> None:
        """Until somebody wrote to the outbox or the time is over. May return for nothing."""
        await _wait(self._announced, timeout_s)

    def wake_relay(self) -> None:
        """Let this process's relay look at the outbox, or at whether it is to stop."""
        self._announced.set()

    def _arrival(self, queue: str) -> asyncio.Event:
        return self._arrived.setdefault(queue, asyncio.Event())

    async def _listen(self) -> None:
        """Notices of what other processes take in; while this is down, deliverers find it by polling."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self.dsn, autocommit=True, application_name=f"towpath {self.connection} listener"
                ) as wire:
                    await wire.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self.schema)))
                    async for notice in wire.notifies():
                        self._hear(notice.payload)
            except psycopg.Error:
                log.info("store.listener_lost", connection=self.connection)
            await asyncio.sleep(RELISTEN_S)

    def _hear(self, notice: str) -> None:
        what, _, name = notice.partition(" ")
        if what == ANNOUNCED:
            self._announced.set()
        elif name != self._name:
            self._arrival(what).set()

    async def _notify(self, wire: Connection, what: str) -> None:
        await wire.execute(statements.NOTIFY, {"channel": self.schema, "queue": what})

    # ---- relay

    async def outbox_batch(self, limit: int) -> list[Announcement]:
        """What the broker does not have yet, in the order it was written."""
        self._announced.clear()
        known = self.known
        found = await self.fetch(statements.OUTBOX, {"limit": limit})
        for incarnation, *_ in found[:1]:
            self.met(incarnation, known)
        return [columns.announcement_of(values) for _, *values in found]

    async def outbox_sent(self, ids: Sequence[int]) -> Incarnation:
        """The broker has them; how far the store has come by that, which is to be told now and not before."""
        known = self.known
        found = await self.fetch(statements.OUTBOX_SENT, {"ids": list(ids)})
        return self.met(found[0][0] if found else None, known)

    async def outbox_refused(self, id_: int, reason: str) -> None:
        """The broker will never take it; kept aside and counted."""
        await self.execute(statements.OUTBOX_REFUSED, {"id": id_, "reason": reason})

    async def tell(self, queue: str, state: str, code: str, values: Mapping[str, str]) -> None:
        """Announce what happened to a whole queue: an outcome keyed by the connection."""
        async with self.transaction() as wire:
            said = announcements.of_queue(self.speaker(queue), state, code, values, self.now())
            await self.announce(wire, [said])
        self._announced.set()

    async def announce(self, wire: Connection, said: Sequence[Announcement]) -> None:
        """Put announcements into the outbox, inside a transaction of the store; its commit wakes who speaks."""
        if said:
            await wire.execute(statements.ANNOUNCE_ALL, columns.of_announcements(said))
            await self._notify(wire, ANNOUNCED)

    def speaker(self, queue: str) -> Speaker:
        """Who announces something about a queue."""
        return Speaker(connection=self.connection, stage=queue, code_version=self._code_version)

    # ---- what is known of the other end

    async def last_seen(self, record: str, key: str) -> LastSeen | None:
        """The last known content there."""
        found = await self.fetch(statements.LAST_SEEN, {"record": record, "key": key})
        return LastSeen(record=record, key=key, digest=found[0][2], source_version=found[0][3]) if found else None

    async def expected(self, record: str, root_key: str) -> frozenset[str]:
        """Digests the record may read as because of what is being sent, or may have been sent, for the key."""
        found = await self.fetch(statements.UNDER_WAY, {"root_key": root_key})
        intents = [columns.decoded_intent(bytes(intent)) for (intent,) in found]
        return frozenset(left.digest for intent in intents for left in intent.leaves if left.record == record)

    async def known_as(self, canonical_id: str, record: str) -> str | None:
        """The id a canonical record is known under there, the newest if there are several."""
        found = await self.fetch(statements.KNOWN_AS, {"canonical_id": canonical_id, "record": record})
        return str(found[0][0]) if found else None

    # ---- looking in, keeping house

    async def counts(self) -> Counts:
        """What the store holds now, in one snapshot."""
        async with self.transaction() as wire:
            await wire.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            states = await columns.rows(wire, statements.OPEN_BY_STATE, {})
            partitions = await columns.rows(wire, statements.OPEN_BY_PARTITION, {})
            unsent = await columns.rows(wire, statements.UNSENT, {})
        return Counts(
            open_rows=tuple(
                OpenRows(
                    queue=queue,
                    record=record,
                    state=State(state),
                    cause=ParkedFor(cause) if cause else None,
                    count=count,
                )
                for queue, record, state, cause, count in states
            ),
            open_events=tuple(
                OpenEvents(queue=queue, topic=topic, topic_id=topic_id, partition=partition, count=count)
                for queue, topic, topic_id, partition, count in partitions
            ),
            outbox=unsent[0][0],
            outbox_refused=unsent[0][1],
        )

    async def vacuum(self) -> None:
        """Make room of what ended where it was: PostgreSQL's own vacuum comes by once a minute, and tables would grow.

        An end of the table that is empty is given back, which PostgreSQL leaves to whoever waits for the table.
        A million parked rows cost little: what nobody touched is skipped. Who comes second while it runs does nothing.
        """
        await self.execute("VACUUM (SKIP_LOCKED, PARALLEL 0) rows, keys, outbox", {})

    async def keep_history(self, today: date, days_ahead: int, days_kept: int) -> None:
        """Make the partitions of the coming days and drop those of days long past."""
        wanted = {_partition(today + DAY * ahead): today + DAY * ahead for ahead in range(days_ahead + 1)}
        oldest = _partition(today - DAY * days_kept)
        async with self.transaction() as wire:
            found = await self._days(wire)
            if wanted.keys() <= found and min(found) >= oldest:
                return
            # Nobody settles meanwhile; of several workers that wake at once the second finds it done. Behind somebody
            # who reads for long it does not queue, as everybody would queue behind it: the next hour will do.
            await wire.execute("SET LOCAL lock_timeout = '2s'")
            await wire.execute("LOCK TABLE history IN ACCESS EXCLUSIVE MODE")
            found = await self._days(wire)
            for name in sorted(wanted.keys() - found):
                await self._add_day(wire, name, wanted[name])
            for name in sorted(found):
                if name < oldest:
                    await wire.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
            await wire.execute(statements.FORGET_THINGS)

    async def _days(self, wire: Connection) -> set[str]:
        return {name for (name,) in await columns.rows(wire, statements.HISTORY_PARTITIONS, {})}

    async def _add_day(self, wire: Connection, name: str, day: date) -> None:
        """What ended that day before its partition was there lies in the default one, and moves."""
        names = {
            "day": sql.Identifier(name),
            "first": sql.Literal(f"{day} 00:00+00"),
            "last": sql.Literal(f"{day + DAY} 00:00+00"),
        }
        for step in statements.ADD_DAY:
            await wire.execute(sql.SQL(step).format(**names))


def _versions(found: Sequence[tuple[Any, ...]]) -> dict[tuple[str, str], int]:
    return {(message_key, record): version for message_key, record, version in found}


def _partition(day: date) -> str:
    return f"history_{day:%Y%m%d}"


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
    event.clear()
