"""Replays in a connection's store: which run, how far each has read, and the transaction that takes a portion in.

For the command agent, which adds and stops them, and for `replaying.py`, which carries them out. A portion goes in and
the range moves in one transaction, if the range still stands where the portion begins: whoever is killed, stands still
or works on it twice, each event is taken once. Errors are `database.py`'s.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from delivery import announcements, columns, copied, statements
from delivery import replay_statements as sql
from delivery.announcements import REPLAYED
from delivery.database import Connection
from delivery.ports import Arrival
from delivery.replay_rules import Feed, OpenEvent, SortedOut, Stands, sorted_out
from delivery.states import ENDS, State
from delivery.store import Store
from errors import LostPartitionError
from schemas.bus.command import Command

PLANNED, RUNNING = "planned", "running"
#: Beyond any offset.
NO_LAST = 2**62
#: After its end; as long as its account is told.
KEPT_DAYS = 60


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """What of a partition is read for a replay; `next` moves from `first` to `last`."""

    topic: str
    topic_id: str
    partition: int
    record: str
    first: int
    next: int
    last: int
    gone: int = 0


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """A replay as the store has it, under a lease."""

    id: str
    command: Command
    state: str
    holds: str
    begun_at: datetime
    ended_at: datetime | None
    taken_in: int
    queued: int
    superseded: int
    suppressed: int
    read: int
    unreadable: int
    #: Events the store remembers that fit, where it was asked; None: not asked.
    known: int | None
    epoch: int
    ranges: tuple[Range, ...] = ()


class Portion(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a range: from where it stood up to `next`."""

    arrivals: Sequence[Arrival] = ()
    next: int
    read: int = 0
    unreadable: int = 0
    #: Offsets in between that hold no record.
    gone: int = 0


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A topic whose events can be taken again; `partition` -1: all of it."""

    topic_id: str
    record: str
    partition: int = -1


class Replays:
    """Replays into one queue of a connection."""

    def __init__(self, store: Store, queue: str) -> None:
        """`store`: open."""
        self.store = store
        self.queue = queue

    # ---- by command

    async def add(self, wire: Connection, command: Command, sources: Sequence[Source]) -> int:
        """Write down what is to be replayed, in the command's own transaction; how many offsets lie in it.

        Its end stands fast from now on: what was never taken in here comes by itself. Those that ended long ago go.
        """
        await wire.execute(sql.FORGET_ENDED, {"days": KEPT_DAYS})
        given = {
            "id": command.id,
            "queue": self.queue,
            "first": max(command.first, 0),
            "last": command.last if command.last >= 0 else NO_LAST,
            "topic_ids": [source.topic_id for source in sources],
            "records": [source.record for source in sources],
            "partitions": [source.partition for source in sources],
        }
        lengths = [length for (length,) in await columns.rows(wire, sql.ADD_RANGES, given)]
        if lengths:
            state = PLANNED if command.plan else RUNNING
            adding = {"command": msgspec.msgpack.encode(command), "state": state}
            await wire.execute(sql.ADD, {**given, **adding})
        return sum(lengths)

    async def stop(self, wire: Connection, command: Command) -> int | None:
        """End a replay and what of it waits, in the command's own transaction; how many rows, None: it did not run."""
        about = {"id": command.replay, "queue": self.queue}
        found = await columns.rows(wire, sql.STOP, about)
        if not found:
            return None
        keys = [key for (key,) in await columns.rows(wire, sql.KEYS_OF, about)]
        asked = {"queue": self.queue, "root_keys": keys}
        # Those in a deliverer's hands are being tried at this moment.
        free = [key for (key,) in await columns.rows(wire, statements.LOCK_FREE, asked)]
        ending = {**about, "root_keys": free, "command_id": command.id, "code": "replay.stopped"}
        rows = [columns.row_of(values, "", 0) for values in await columns.rows(wire, sql.END_ROWS, ending)]
        await wire.execute(statements.FREE, {"queue": self.queue, "root_keys": free})
        at, speaker = self.store.now(), self.store.speaker(self.queue)
        said = [
            announcements.of_act(speaker, row, row.cause or "", command, State.DISCARDED, "replay.stopped", at)
            for row in rows
        ]
        await self.store.announce(wire, said)
        asked_by = msgspec.msgpack.decode(found[0][0], type=Command)
        await self._tell(
            wire, asked_by, "replay.stopped", {"by": command.who} | await self._facts(wire, command.replay)
        )
        return len(rows)

    # ---- by whoever carries them out

    async def lease(self, state: str, owner: str, lease_s: float) -> Replay | None:
        """The right to go on with the oldest replay, or plan, that nobody else has in hand."""
        asking = {"queue": self.queue, "state": state, "owner": owner, "lease_s": lease_s}
        async with self.store.transaction() as wire:
            found = await columns.rows(wire, sql.LEASE, asking)
            if not found:
                return None
            id_, command, *rest = found[0]
            ranges = await columns.rows(wire, sql.RANGES, {"id": id_, "queue": self.queue})
        names = Replay.__struct_fields__[2:-1]
        return Replay(
            id=id_,
            command=msgspec.msgpack.decode(command, type=Command),
            ranges=tuple(Range(**dict(zip(Range.__struct_fields__, values, strict=True))) for values in ranges),
            **dict(zip(names, rest, strict=True)),
        )

    async def renew(self, replay: Replay, lease_s: float, holds: str = "") -> bool:
        """Keep the lease, and say what it waits for; False: it is over, or somebody else's."""
        renewing = {**self._of(replay), "lease_s": lease_s, "holds": holds, "state": replay.state}
        return await self.store.execute(sql.RENEW, renewing) == 1

    async def give_back(self, replay: Replay) -> None:
        """Let another worker go on at once."""
        await self.store.execute(sql.GIVE_BACK, self._of(replay))

    async def begin(self, replay: Replay, place: Range, first: int) -> None:
        """Leave out what lies before the first event that can fit."""
        await self.store.execute(sql.BEGIN_RANGE, {**self._place(replay, place), "first": first})

    async def know(self, replay: Replay) -> int | None:
        """How many events the store remembers that fit, where it can tell; kept with the replay."""
        if replay.known is not None:
            return replay.known
        command = replay.command
        asking = {
            **self._of(replay),
            "root_key": command.root_key,
            "mapping": command.mapping,
            "record": command.record,
        }
        async with self.store.transaction() as wire:
            if command.mapping:
                found = await columns.rows(wire, sql.KNOWN_OF_MAPPING, asking)
            elif command.root_key:
                found = await columns.rows(wire, sql.KNOWN_OF_KEY, asking)
            else:
                return None
            known = int(found[0][0])
            await wire.execute(sql.KNOW, {**asking, "known": known})
        return known

    async def delivered_by(self, mapping: str, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Those of the events that their record was last delivered from here, by that mapping."""
        if not arrivals:
            return []
        asking = {
            "queue": self.queue,
            "mapping": mapping,
            "root_keys": [one.root_key for one in arrivals],
            "message_keys": [one.message_key for one in arrivals],
            "records": [one.record for one in arrivals],
            "topic_ids": [one.topic_id for one in arrivals],
            "partitions": [one.partition for one in arrivals],
            "offsets": [one.offset for one in arrivals],
        }
        places = {place - 1 for (place,) in await self.store.fetch(sql.DELIVERED_BY, asking)}
        return [one for place, one in enumerate(arrivals) if place in places]

    async def standing(self, arrivals: Sequence[Arrival]) -> dict[tuple[str, str], Stands]:
        """What stands now of the records these events are versions of."""
        async with self.store.transaction() as wire:
            return await self._standing(wire, arrivals)

    async def feed(self, replay: Replay) -> Feed:
        """What the queue is busy with now."""
        (found,) = await self.store.fetch(sql.FEED, self._of(replay))
        return Feed(**dict(zip(Feed.__struct_fields__, found, strict=True)))

    async def put(self, replay: Replay, place: Range, portion: Portion, lease_s: float) -> SortedOut:
        """Take a portion in and move the range behind it.

        Raises:
            LostPartitionError: the replay was stopped or is somebody else's, or the range moved; nothing was changed.
        """
        arrivals = portion.arrivals
        counted = {"taken_in": len(arrivals), "read": portion.read, "unreadable": portion.unreadable}
        moved = {"expected": place.next, "next": portion.next, "gone": portion.gone}
        async with self.store.transaction() as wire:
            ours = await wire.execute(sql.COUNT_PORTION, {**self._of(replay), **counted, "lease_s": lease_s})
            ranges = await wire.execute(sql.MOVE_RANGE, {**self._place(replay, place), **moved})
            if (ours.rowcount, ranges.rowcount) != (1, 1):
                raise LostPartitionError("lost_replay", "the replay moved on without us")
            sorted_ = await self._insert(wire, place, arrivals) if arrivals else SortedOut(queued=[], ended=[])
            states = [end.state for end in sorted_.ended]
            places = {"queued": len(sorted_.queued)} | {
                state.value: states.count(state) for state in (State.SUPERSEDED, State.SUPPRESSED)
            }
            await wire.execute(sql.COUNT_PLACES, {**self._of(replay), **places})
        self.store.wake(self.queue)
        if sorted_.ended:
            self.store.wake_relay()
        return sorted_

    async def _insert(self, wire: Connection, place: Range, arrivals: Sequence[Arrival]) -> SortedOut:
        of_place = {"topic": place.topic, "topic_id": place.topic_id, "partition": place.partition}
        of_queue = {"queue": self.queue, "root_keys": sorted({one.root_key for one in arrivals})}
        await wire.execute(statements.LOCK_KEYS, of_queue)
        sorted_ = sorted_out(arrivals, await self._standing(wire, arrivals))
        if sorted_.queued:
            # behind the key's open rows, and none of them in doubt by itself
            doubts = [False] * len(sorted_.queued)
            await copied.add(wire, self.queue, place.topic, place.topic_id, sorted_.queued, doubts)
        if sorted_.ended:
            await wire.execute(statements.INSERT_ENDED, {**of_queue, **of_place, **columns.of_ended(sorted_.ended)})
            at, speaker = self.store.now(), self.store.speaker(self.queue)
            said = [
                announcements.of_replaced(speaker, end.arrival, end.state, end.code, end.merged_into, at)
                for end in sorted_.ended
            ]
            await self.store.announce(wire, said)
        await wire.execute(statements.DROP_EMPTY_KEYS, of_queue)
        await wire.execute(statements.NOTIFY, {"channel": self.store.schema, "queue": self.queue})
        return sorted_

    async def _standing(self, wire: Connection, arrivals: Sequence[Arrival]) -> dict[tuple[str, str], Stands]:
        asked = sorted({(one.root_key, one.message_key, one.record) for one in arrivals})
        found = await columns.rows(
            wire,
            sql.STANDS,
            {
                "queue": self.queue,
                "root_keys": [root_key for root_key, _, _ in asked],
                "message_keys": [message_key for _, message_key, _ in asked],
                "records": [record for _, _, record in asked],
            },
        )
        standing: dict[tuple[str, str], Stands] = {}
        for message_key, record, version, offset, *event in found:
            known = standing.get((message_key, record), Stands())
            if event[0]:
                row = OpenEvent(event[0], event[1], event[2], version)
                known = msgspec.structs.replace(known, open=(*known.open, row))
            else:
                known = msgspec.structs.replace(known, version=version, offset=offset)
            standing[message_key, record] = known
        return standing

    # ---- told

    async def tell(self, replay: Replay, code: str, values: Mapping[str, str]) -> None:
        """Announce how far it is."""
        async with self.store.transaction() as wire:
            await self._tell(wire, replay.command, code, await self._facts(wire, replay.id) | dict(values))
        self.store.wake_relay()

    async def finish(self, replay: Replay) -> bool:
        """End it and say how, unless rows of it go on by themselves, or it is not ours any more."""
        async with self.store.transaction() as wire:
            if (await columns.rows(wire, sql.UNFINISHED, self._of(replay)))[0][0]:
                return False
            if (await wire.execute(sql.FINISH, self._of(replay))).rowcount != 1:
                return False
            facts = await self._facts(wire, replay.id)
            code = "replay.done" if facts["gone"] == "0" else "replay.done_with_gaps"
            await self._tell(wire, replay.command, code, facts)
        self.store.wake_relay()
        return True

    async def answer(self, replay: Replay, code: str, values: Mapping[str, str]) -> None:
        """Answer a plan and forget it; nothing if it is not ours any more."""
        async with self.store.transaction() as wire:
            if (await wire.execute(sql.FORGET, self._of(replay))).rowcount != 1:
                return
            await wire.execute(sql.FORGET_RANGES, self._of(replay))
            at, speaker = self.store.now(), self.store.speaker(self.queue)
            said = announcements.of_answer(speaker, replay.command, code, values, at)
            await self.store.announce(wire, [said])
        self.store.wake_relay()

    async def _tell(self, wire: Connection, command: Command, code: str, values: Mapping[str, str]) -> None:
        at, speaker = self.store.now(), self.store.speaker(self.queue)
        said = announcements.of_answer(speaker, command, code, values, at, state=REPLAYED)
        await self.store.announce(wire, [said])

    async def _facts(self, wire: Connection, id_: str) -> dict[str, str]:
        about = {"id": id_, "queue": self.queue}
        (counts,) = await columns.rows(wire, sql.FACTS, about)
        facts = dict(zip(sql.FACT_NAMES, counts, strict=True))
        places = dict.fromkeys((*(state.value for state in sorted(ENDS)), "dead", "parked", "in_flight"), 0)
        for state, cause, count in await columns.rows(wire, sql.PLACES, about):
            places[announcements.place_of(state, cause)] += count
        known = facts.pop("known")
        if known is not None:
            # other records of the partitions may be gone as well: what the store remembers tells of those that fit
            facts["gone"] = 0 if facts["left"] else max(0, known - facts["taken_in"])
        told = {name: str(value) for name, value in (facts | places).items()}
        return told | {"replay": id_}

    def _of(self, replay: Replay) -> dict[str, object]:
        return {"id": replay.id, "queue": self.queue, "epoch": replay.epoch}

    def _place(self, replay: Replay, place: Range) -> dict[str, object]:
        return {**self._of(replay), "topic_id": place.topic_id, "partition": place.partition, "expected": place.next}
