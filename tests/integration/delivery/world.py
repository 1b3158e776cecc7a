"""A small world around a store, moved a step at a time: topics, workers, a target, a broker, and somebody who judges.

Nothing here happens by itself: which worker takes in, claims, sends, dies or stands still, and when time passes, is
what a test decides. So any interleaving can be written down, drawn at random and repeated.
"""

import itertools
from collections import Counter, defaultdict
from enum import StrEnum
from typing import Any, LiteralString

import msgspec

from bus.events import Advance
from delivery.acts import Acts
from delivery.announcements import Announcement
from delivery.decide import Pace, Step, Turn, after, settled
from delivery.ports import Arrival, Intent, Row, Settlement
from delivery.states import ENDS, Kind, State
from delivery.store import Intended, Store
from errors import (
    BusError,
    DependencyError,
    LostPartitionError,
    RefusedError,
    RetryableError,
    UnknownOutcomeError,
)
from schemas.bus.outcome import Outcome
from schemas.topics import COMMANDS
from tests.integration.delivery.rows import (
    QUEUE,
    TOPIC,
    TOPIC_ID,
    Wire,
    arrival,
    command,
    intent_of,
    unsound,
)

PARTITIONS = 2
LEASE_S = 3600.0
PACE = Pace(first_backoff_s=600.0, first_recheck_s=600.0, settling_delay_s=600.0)
TABLES: tuple[LiteralString, ...] = (
    "rows",
    "keys",
    "positions",
    "history",
    "outbox",
    "versions",
    "last_seen",
    "cross_references",
    "commands",
)
_numbers = itertools.count(1)

#: Partition and offset.
Place = tuple[int, int]


class Fate(StrEnum):
    """What becomes of a request to the target."""

    DONE = "done"
    REFUSED = "refused"
    BUSY = "busy"
    MISSING = "missing"
    LOST_BEFORE = "lost before it arrived"
    LOST_AFTER = "done, the answer lost"
    STILL_AT_WORK = "done, but later"


class Held(msgspec.Struct):
    """A row in a worker's hands."""

    row: Row
    #: Written down, so that it may be sent.
    intent: Intent | None = None
    turn: Turn | None = None
    #: Its lease ran out, as its worker can see on its own clock: nothing may be sent for it any more.
    late: bool = False


class Target:
    """Keeps every effect; what it has a receipt of it does not do again."""

    def __init__(self) -> None:
        self.effects: list[tuple[str, int]] = []
        self.receipts: set[str] = set()
        self._at_work: list[Intent] = []

    def send(self, intent: Intent, fate: Fate) -> Settlement:
        """One request; raises as a sink does."""
        match fate:
            case Fate.REFUSED:
                raise RefusedError("refused", "no")
            case Fate.BUSY:
                raise RetryableError("busy", "later")
            case Fate.MISSING:
                raise DependencyError("customer:s:C1", "not yet")
            case Fate.LOST_BEFORE:
                raise UnknownOutcomeError("lost", "no effect")
            case Fate.STILL_AT_WORK:
                self._at_work.append(intent)
                raise UnknownOutcomeError("lost", "the target is still at work")
        self._apply(intent)
        if fate is Fate.LOST_AFTER:
            raise UnknownOutcomeError("lost", "with effect")
        return Settlement(state=State.DELIVERED, code="created")

    def has(self, intent: Intent) -> bool:
        """Is there an effect of this reference?"""
        return str(intent.reference) in self.receipts

    def end_work(self) -> None:
        """What it was still at work on is done."""
        for intent in self._at_work:
            self._apply(intent)
        self._at_work.clear()

    def _apply(self, intent: Intent) -> None:
        if not self.has(intent):
            self.receipts.add(str(intent.reference))
            self.effects.append((intent.reference.business, int(intent.reference.operation.removeprefix("update:"))))


class Worker:
    """One life of a process: what it knows is gone when it dies."""

    def __init__(self, world: "World", store: Store) -> None:
        self.owner = f"worker-{next(_numbers)}"
        self.held: list[Held] = []
        self._world = world
        self._store = store
        #: Next offset to take in, of the partitions that are ours as far as we know.
        self.positions: dict[int, int | None] = {}

    async def assign(self, partition: int) -> None:
        """Ask the store where it stands."""
        self.positions[partition] = (await self._store.positions(QUEUE, TOPIC_ID)).get(partition)

    async def take_in(self, partition: int, most: int) -> None:
        """A batch from where we believe the store stands; another worker may have moved it."""
        expected = self.positions[partition]
        events = self._world.log[partition][expected or 0 :][:most]
        if not events:
            return
        end = events[-1].offset + 1
        try:
            await self._store.take_in(QUEUE, TOPIC, TOPIC_ID, [Advance(partition, expected, end)], events)
        except LostPartitionError:
            del self.positions[partition]
            return
        self.positions[partition] = end

    async def claim(self, most: int) -> None:
        """Lease keys."""
        rows = await self._store.claim(QUEUE, self.owner, most, LEASE_S)
        self.held += [Held(row=row) for row in rows]

    async def intend(self, held: Held) -> None:
        """Look for what may be there, else write down what will be sent."""
        row = held.row
        if row.intent is not None and self._world.target.has(row.intent):
            held.turn = settled(row, Settlement(state=State.DELIVERED, code="found"), row.intent)
            return
        intent = row.intent or intent_of(row)
        if await self._store.intend(QUEUE, self.owner, [Intended(row=row, intent=intent)]):
            held.intent = intent
        else:
            self.held.remove(held)

    def suppress(self, held: Held) -> None:
        """Its read of the target says that there is nothing to do."""
        held.turn = settled(held.row, Settlement(state=State.SUPPRESSED, code="equal"), None)

    def send(self, held: Held, fate: Fate) -> None:
        """The one call that has an effect."""
        assert held.intent is not None
        try:
            held.turn = settled(held.row, self._world.target.send(held.intent, fate), held.intent)
        except BusError as error:
            held.turn = after(error, Step.DELIVER, held.row, held.intent, PACE, 0.5)

    async def settle(self, *, going_on: bool) -> None:
        """Write down what became of what was tried; what is fenced is forgotten."""
        tried = [held for held in self.held if held.turn is not None]
        turns = [held.turn for held in tried if held.turn is not None]
        wanted = {turn.row.epoch for turn in turns} if going_on else set()
        written = await self._store.settle(QUEUE, self.owner, turns, wanted)
        self.held = [held for held in self.held if held not in tried]
        self.held += [Held(row=row) for row in written.next.values()]

    async def sweep(self) -> None:
        """Take the keys of dead owners."""
        await self._store.expire_leases(QUEUE, self.owner, PACE.settling_delay_s)


class World:
    """Everything, and a book of what was accepted."""

    def __init__(self, wire: Wire, stores: list[Store]) -> None:
        self._wire = wire
        self._stores = stores
        self._acts = Acts(stores[0], QUEUE, COMMANDS.name)
        self.log: list[list[Arrival]] = [[] for _ in range(PARTITIONS)]
        self.target = Target()
        #: By its place in the outbox, which is what an announcement's id is made of.
        self.published: dict[int, Announcement] = {}
        self.workers = [Worker(self, store) for store in stores]

    def empty(self) -> None:
        """A new store, without the time it takes to make one."""
        for table in TABLES:
            self._wire.execute(f"DELETE FROM {table}")

    def accept(self, key: int, kind: Kind = Kind.DOCUMENT) -> None:
        """An event on its topic; keys keep to their partition."""
        partition = key % PARTITIONS
        offset = len(self.log[partition])
        state = kind is Kind.STATE
        self.log[partition].append(
            arrival(
                offset,
                f"s:{key}",
                partition=partition,
                kind=kind,
                record="inventory_level" if state else "order",
                replaces_with=State.SUPERSEDED if state else None,
                source_version=offset + 1 if state else 0,
            )
        )

    def die(self, worker: Worker) -> None:
        """kill -9; another life begins in its place."""
        place = self.workers.index(worker)
        self.workers[place] = Worker(self, self._stores[place])

    def stand_still(self, worker: Worker) -> None:
        """It stands still for longer than its leases."""
        self._wire.execute(
            "UPDATE keys SET lease_until = now() - interval '1 ms' WHERE lease_owner = %s",
            [worker.owner],
        )
        for held in worker.held:
            held.late = True

    def time_passes(self) -> None:
        """Whatever waits for its time is due; no target is at work for so long."""
        self.target.end_work()
        self._wire.execute("UPDATE rows SET due = now() WHERE due > now()")
        self._wire.execute("UPDATE keys SET due = now() WHERE due > now()")

    async def act(self, act: str, cause: str = "") -> None:
        """An operator's command for all that waits."""
        await self._acts.carry_out(command(act, id_=f"c-{next(_numbers)}", cause=cause))

    async def relay(self, *, dies: bool = False) -> None:
        """The broker gets what the outbox holds; a relay that dies before it has noted so says it again."""
        said = await self._stores[0].outbox_batch(100)
        self.published |= {one.id: one for one in said}
        if not dies:
            await self._stores[0].outbox_sent([one.id for one in said])

    async def finish(self) -> None:
        """Nothing goes wrong any more, and everybody does his work until none is left."""
        for worker in self.workers:
            self.die(worker)
        worker = self.workers[0]
        self._wire.execute("UPDATE keys SET lease_until = now() WHERE state = 'leased'")
        for partition in range(PARTITIONS):
            await worker.assign(partition)
            await worker.take_in(partition, len(self.log[partition]))
        await self._work_off(worker)
        for act in ("redrive", "release"):
            await self.act(act)
        await self._work_off(worker)
        while await self._stores[0].outbox_batch(1):
            await self.relay()

    async def _work_off(self, worker: Worker) -> None:
        await worker.sweep()
        self.time_passes()
        await worker.claim(100)
        while worker.held:
            for held in list(worker.held):
                await worker.intend(held)
                if held.turn is None:
                    worker.send(held, Fate.DONE)
            await worker.settle(going_on=True)

    # ---- the judge

    def assert_sound(self) -> None:
        """What holds between any two steps: every event that was taken in is in one place, which some sweep sees."""
        assert unsound(self._wire) == []
        places = Counter(self._places("rows") + self._places("history"))
        taken = {
            (one["partition"], offset)
            for one in self._look("SELECT partition, next AS next_offset FROM positions")
            for offset in range(one["next_offset"])
        }
        assert places == Counter(taken)
        assert self._in_order() == []

    def defects(self) -> list[str]:
        """What is wrong with a world that has come to its end; empty when every promise was kept."""
        accepted = [(one.partition, one.offset) for events in self.log for one in events]
        ended = self._look("SELECT partition, event_offset, message_key, state FROM history")
        places = Counter((one["partition"], one["event_offset"]) for one in ended)
        said = Counter(
            (one.partition, one.offset, one.state)
            for one in (each.value for each in self.published.values())
            if isinstance(one, Outcome) and one.state in ENDS
        )
        effects = Counter(self.target.effects)
        done = {(one["message_key"], one["event_offset"]) for one in ended if one["state"] == State.DELIVERED}
        return [
            *(f"lost: {place} has no end" for place in accepted if place not in places),
            *(f"ended {count} times: {place}" for place, count in places.items() if count > 1),
            *(f"second document: {effect}" for effect, count in effects.items() if count > 1),
            *(f"effect without its end: {effect}" for effect in effects.keys() - done),
            *(f"end without its effect: {effect}" for effect in done - effects.keys()),
            *self._in_order(),
            *(
                f"not announced: {place} {state}"
                for place, state in {((one["partition"], one["event_offset"]), one["state"]) for one in ended}
                if said[(*place, state)] != 1
            ),
        ]

    def _in_order(self) -> list[str]:
        by_key: dict[str, list[int]] = defaultdict(list)
        for key, offset in self.target.effects:
            by_key[key].append(offset)
        return [f"out of order: {key} {made}" for key, made in by_key.items() if made != sorted(made)]

    def _look(self, query: LiteralString) -> list[dict[str, Any]]:
        return self._wire.execute(query).fetchall()

    def _places(self, table: LiteralString) -> list[Place]:
        found = self._look(f"SELECT partition, event_offset FROM {table}")
        return [(one["partition"], one["event_offset"]) for one in found]
