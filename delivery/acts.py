"""Carries out operators' commands on one queue: parked rows are let go, skipped or discarded, the queue is paused.

For the workers of a connection. A command may match a hundred thousand rows: it goes through them in portions, a
transaction each, and a row remembers the last command that touched it, so that a worker killed half way and its
successor touch each row once.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec
import structlog

from bus.events import Advance
from bus.partitioner import partition_of
from delivery import announcements, columns, identity, statements, waiting
from delivery.announcements import Announcement
from delivery.asking import THING, Owner, ask
from delivery.database import Connection
from delivery.ports import Arrival, Row, Sink
from delivery.preflight import QUESTIONS, preflight
from delivery.replay_reading import Origin
from delivery.replays import Replays, Source
from delivery.states import ParkedFor, State
from delivery.store import Store
from schemas.bus.command import Act, Command
from schemas.bus.outcome import Outcome
from schemas.topics import DEAD_LETTERS

log = structlog.get_logger(__name__)

#: Rows in one transaction.
PORTION: Final = 500

#: What an act makes of parked rows, and of which; None: they are tried again.
WAITING: Final = frozenset(ParkedFor) - {ParkedFor.REFUSED}
ENDS_OF: Final[Mapping[str, State | None]] = {
    Act.RELEASE: None,
    Act.REDRIVE: None,
    Act.SKIP: State.DEAD,
    Act.DISCARD: State.DISCARDED,
}
CAUSES_OF: Final[Mapping[str, frozenset[ParkedFor]]] = {
    Act.RELEASE: WAITING,
    Act.REDRIVE: frozenset({ParkedFor.REFUSED}),
    Act.SKIP: frozenset(ParkedFor),
    Act.DISCARD: frozenset(ParkedFor),
}
#: Code of the outcome of a row.
CODES: Final[Mapping[str, str]] = {
    Act.RELEASE: "released",
    Act.REDRIVE: "redriven",
    Act.SKIP: "skipped",
    Act.DISCARD: "discarded",
}


#: No code: who carries it out answers.
LATER: Final = "later"


class Portion(msgspec.Struct, frozen=True, kw_only=True):
    """What one transaction did."""

    touched: int
    #: The last row looked at; None: there are no more.
    last_id: int | None


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """How a command about a dead letter ended that heads no key here: another stage's, or one buried at take-in."""

    code: str
    values: dict[str, str] = {}
    #: Letters it did something to.
    rows: int = 0
    #: What became of them.
    outcomes: tuple[Outcome, ...] = ()
    #: What goes into the queue after all.
    arrival: Arrival | None = None


class OtherStage(Protocol):
    """Acts on the connection's dead letters of a stage whose process takes no commands."""

    @property
    def stage(self) -> str:
        """As commands name it in `queue`."""

    async def __call__(self, command: Command) -> Answered:
        """Carry it out, and say how it ended; a repeat changes nothing more.

        Raises:
            RetryableError: not now.
        """


class Acts:
    """Commands for one queue of a connection; the transaction `bus.take_in` asks for."""

    def __init__(
        self,
        store: Store,
        queue: str,
        topic: str,
        sinks: Mapping[str, Sink] | None = None,
        origins: Mapping[str, Origin] | None = None,
        other: OtherStage | None = None,
        owner: Owner | None = None,
        buried: Callable[[Command], Awaitable[Answered]] | None = None,
    ) -> None:
        self._store = store
        self._queue = queue
        self._topic = topic
        #: By record: who is asked what a redrive would come to.
        self._sinks = sinks or {}
        #: By topic: what can be replayed.
        self._origins = origins or {}
        self._replays = Replays(store, queue)
        self._other = other
        #: Who is asked for things that rows of the connection wait for.
        self._owner = owner
        #: Asked for dead letters of this queue that never became rows.
        self._buried = buried
        self._log = log.bind(connection=store.connection, queue=queue)

    async def __call__(self, topic_id: str, moves: Sequence[Advance], events: Sequence[Command]) -> None:
        """Carry out the commands of a batch, then move the positions behind it.

        Raises:
            LostPartitionError: another worker carried them out.
            RetryableError: the store is away; what was done is not done again.
        """
        for command in events:
            await self.carry_out(command)
        await self._store.take_in(self._queue, self._topic, topic_id, moves, [])

    async def carry_out(self, command: Command) -> None:
        """Do what the command asks and answer it; a repeat does nothing."""
        async with self._store.transaction() as wire:
            if await self._is_done(wire, command):
                return
        if self._other is not None and command.queue == self._other.stage:
            await self._answer(command, await self._other(command))
            return
        if command.act == Act.ASK:
            await self._ask(command)
            return
        if self._buried is not None and command.act in ENDS_OF and command.topic == DEAD_LETTERS.name:
            await self._answer(command, await self._buried(command))
            return
        if command.act in ENDS_OF:
            after = 0
            while (portion := await self._go_through(command, after)).last_id is not None:
                after = portion.last_id
        asked = await preflight(self._store, self._queue, self._sinks, command) if command.act in QUESTIONS else 0
        async with self._store.transaction() as wire:
            if await self._is_done(wire, command):
                return
            code, more = await self._switch(wire, command)
            await self._take_back(wire, command)
            rows = await self._finish(wire, command) + asked
            answer = code or ("command.done" if rows else "command.nothing")
            values = {"act": command.act, "rows": str(rows)} | more
            at, speaker = self._store.now(), self._store.speaker(self._queue)
            if answer != LATER:
                await self._store.announce(wire, [announcements.of_answer(speaker, command, answer, values, at)])
            await wire.execute(statements.NOTIFY, {"channel": self._store.schema, "queue": self._queue})
        self._log.info("command.carried_out", act=command.act, id=command.id, who=command.who, rows=rows)
        self._store.wake_relay()
        self._store.wake(self._queue)

    async def _answer(self, command: Command, answered: Answered) -> None:
        async with self._store.transaction() as wire:
            if await self._is_done(wire, command):
                return
            await self._finish(wire, command)
            code, rows = answered.code, answered.rows
            if answered.arrival is not None:
                rows = int(await self._admit(wire, command, answered.arrival))
                code = code if rows else "command.nothing"
            values = {"act": command.act, "rows": str(rows)} | answered.values
            at, speaker = self._store.now(), self._store.speaker(self._queue)
            said = [announcements.of_outcome(speaker, outcome) for outcome in answered.outcomes]
            said.append(announcements.of_answer(speaker, command, code, values, at))
            await self._store.announce(wire, said)
        self._log.info("command.carried_out", act=command.act, id=command.id, who=command.who, rows=rows)
        self._store.wake_relay()
        self._store.wake(self._queue)

    async def _admit(self, wire: Connection, command: Command, arrival: Arrival) -> bool:
        """An event that could not be read before, into its queue; False where it is there or ended already."""
        admitted = await self._store.admit(wire, self._queue, arrival)
        if admitted is None:
            return False
        if admitted.queued:
            speaker, at = self._store.speaker(self._queue), self._store.now()
            ready = announcements.of_event(speaker, arrival, State.READY, CODES[Act.REDRIVE], at)
            ready = msgspec.structs.replace(ready, who=command.who, why=command.why)
            await self._store.announce(wire, [announcements.of_outcome(speaker, ready)])
        return True

    async def _ask(self, command: Command) -> None:
        """Ask the owner for a thing, wake who waits for it, and tell what was said."""
        owned = await ask(self._owner, command)
        thing = owned.brings or command.values.get(THING, "")
        async with self._store.transaction() as wire:
            if await self._is_done(wire, command):
                return
            if owned.brings:
                await waiting.meet(wire, self._store.schema, frozenset({owned.brings}), frozenset())
            found = await columns.rows(wire, statements.ASKED, {"name": thing})
            await self._finish(wire, command)
            values = {"act": command.act, "thing": thing, "rows": str(found[0][0])} | owned.values
            at, speaker = self._store.now(), self._store.speaker(self._queue)
            await self._store.announce(wire, [announcements.of_answer(speaker, command, owned.code, values, at)])
        self._log.info("command.carried_out", act=command.act, id=command.id, who=command.who, thing=thing)
        self._store.wake_relay()

    async def _take_back(self, wire: Connection, command: Command) -> None:
        """A skipped event that is named, back into its queue, behind what is open of its key; not if it is outdated."""
        if command.act != Act.REDRIVE or command.offset < 0:
            return
        named = {
            "queue": self._queue,
            "root_key": command.root_key,
            "root_keys": [command.root_key],
            "topic_id": command.topic_id,
            "partition": command.partition,
            "offset": command.offset,
            "command_id": command.id,
        }
        await wire.execute(statements.LOCK_KEYS, named)
        found = await columns.rows(wire, statements.TAKE_BACK, named)
        rows = [columns.row_of(values, "", 0) for values in found]
        # what waits is due as its first row is; a key of which nothing is open disappears again
        await wire.execute(statements.FREE, named)
        at, speaker = self._store.now(), self._store.speaker(self._queue)
        said = [
            announcements.of_act(speaker, row, "skipped", command, row.state, CODES[command.act], at) for row in rows
        ]
        await self._store.announce(wire, said)
        await wire.execute(statements.COUNT_COMMAND, {"id": command.id, "queue": self._queue, "rows": len(rows)})

    async def _is_done(self, wire: Connection, command: Command) -> bool:
        begun = {"id": command.id, "queue": self._queue, "act": command.act, "who": command.who, "why": command.why}
        found = await columns.rows(wire, statements.BEGIN_COMMAND, begun)
        return bool(found[0][0])

    async def _finish(self, wire: Connection, command: Command) -> int:
        found = await columns.rows(wire, statements.FINISH_COMMAND, {"id": command.id, "queue": self._queue})
        return int(found[0][0])

    async def _switch(self, wire: Connection, command: Command) -> tuple[str, dict[str, str]]:
        """Pause or resume the queue, begin or end a replay; code and values of the answer, none for acts on rows."""
        queue = {"queue": self._queue}
        match command.act:
            case Act.PAUSE:
                pause = {"until": command.until, "who": command.who, "why": command.why, "id": command.id}
                await wire.execute(statements.PAUSE, {**queue, **pause})
                return "command.paused_until" if command.until else "command.paused", _until(command)
            case Act.RESUME | Act.ACCEPT:
                return await self._resume(wire, command)
            case Act.REPLAY:
                return await self._begin_replay(wire, command)
            case Act.STOP:
                ended = await self._replays.stop(wire, command)
                stopped = {"replay": command.replay, "rows": str(ended or 0), "by": command.who}
                return "replay.not_running" if ended is None else "replay.stopped", stopped
            case act if act in ENDS_OF or act in QUESTIONS:
                return "", {}
        return "command.unknown", {}

    async def _resume(self, wire: Connection, command: Command) -> tuple[str, dict[str, str]]:
        """End a pause, and with it what keeps us from a stranger where a person says that he is the right one."""
        if command.act == Act.ACCEPT:
            code, values = await identity.accept(wire, command.id, command.values)
            if code == identity.ACCEPTED:
                await wire.execute(statements.RESUME, {"queue": self._queue})
            return code, dict(values)
        resumed = (await wire.execute(statements.RESUME, {"queue": self._queue})).rowcount
        if (stranger := await identity.held(wire)) is not None:
            return "identity.still_held", dict(stranger)
        return "command.resumed" if resumed else "command.was_not_paused", {}

    async def _begin_replay(self, wire: Connection, command: Command) -> tuple[str, dict[str, str]]:
        """Only written down here: other commands must not wait for it."""
        sources = [
            Source(topic_id=origin.topic_id, record=origin.record, partition=_partition(command, origin.partitions))
            for origin in self._origins.values()
            if command.topic in {"", origin.topic} and command.record in {"", origin.record}
        ]
        offsets = await self._replays.add(wire, command, sources)
        values = {"replay": command.id, "offsets": str(offsets)}
        if not offsets:
            return "replay.nothing", values
        return (LATER if command.plan else "replay.accepted"), values

    async def _go_through(self, command: Command, after: int) -> Portion:
        """The next portion of the rows it selects."""
        async with self._store.transaction() as wire:
            found = await columns.rows(wire, statements.SELECTED, self._selection(command, after))
            if not found:
                return Portion(touched=0, last_id=None)
            causes = {id_: cause for id_, _, cause in found}
            keys = {"queue": self._queue, "root_keys": sorted({root_key for _, root_key, _ in found})}
            # Those in a deliverer's hands are being tried at this moment.
            free = [root_key for (root_key,) in await columns.rows(wire, statements.LOCK_FREE, keys)]
            touched = await self._touch(wire, command, list(causes), free)
            await wire.execute(statements.FREE, {"queue": self._queue, "root_keys": free})
            await self._store.announce(wire, self._said(command, touched, causes))
            counted = {"id": command.id, "queue": self._queue, "rows": len(touched)}
            await wire.execute(statements.COUNT_COMMAND, counted)
        self._store.wake_relay()
        self._store.wake(self._queue)
        return Portion(touched=len(touched), last_id=found[-1][0])

    def _selection(self, command: Command, after: int) -> dict[str, object]:
        causes = CAUSES_OF[command.act]
        if command.cause:
            causes &= frozenset(each for each in ParkedFor if each.value == command.cause)
        return columns.of_selection(
            command, queue=self._queue, causes=causes, limit=PORTION, after=after, untouched_by=command.id
        )

    async def _touch(self, wire: Connection, command: Command, ids: Sequence[int], free: Sequence[str]) -> list[Row]:
        touching: dict[str, object] = {
            "queue": self._queue,
            "ids": list(ids),
            "root_keys": list(free),
            "command_id": command.id,
        }
        end = ENDS_OF[command.act]
        if end is None:
            pace_s = 60 / command.per_minute if command.per_minute > 0 else 0.0
            touching["pace_s"] = pace_s
            found = await columns.rows(wire, statements.LET_GO, touching)
        else:
            touching |= {"state": end, "code": CODES[command.act]}
            found = await columns.rows(wire, statements.END, touching)
        return [columns.row_of(values, "", 0) for values in found]

    def _said(self, command: Command, touched: Sequence[Row], causes: Mapping[int, str]) -> list[Announcement]:
        at, speaker = self._store.now(), self._store.speaker(self._queue)
        end = ENDS_OF[command.act]
        return [
            announcements.of_act(speaker, row, causes[row.id], command, end or row.state, CODES[command.act], at)
            for row in touched
        ]


def _partition(command: Command, partitions: int) -> int:
    """The one partition a replay reads; -1: all."""
    return partition_of(command.root_key, partitions) if command.root_key else command.partition


def _until(command: Command) -> dict[str, str]:
    return {"until": command.until.isoformat(timespec="seconds")} if command.until is not None else {}
