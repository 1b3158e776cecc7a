"""One poller: asks a store at intervals what changed, for webhooks that never came, and announces it on the same topic.

The cursor is the latest change the store itself has named and moves only when the broker has what lies before it. A
round looks back behind it by the overlap, as a store may commit a change later than it stamps it, and by a small part
of it where one has done so just before: a busy store's overlap is long to read. What was announced within the overlap,
or has been read as it is listed, is not announced. Two pollers never poll one connection: the cursor is leased.

A topic that was deleted and made anew (its id is another) has lost what nobody had taken in yet. So each round looks
where the topic ends and how far the fetchers are: once they have taken in all it held at a round's beginning, that
round's cursor is *settled*. From the settled cursor everything is announced again on the new topic.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
import structlog

from bus import metrics
from bus.clock import Clock
from bus.events import Headers
from bus.headers import Lineage, event_id, new_trace, to_headers
from bus.topic_ends import TopicEnds
from delivery.edges import CursorLease
from schemas.bus.change import Cause, Change
from schemas.topics import Topic
from schemas.types import root_key

log = structlog.get_logger(__name__)

#: Announced together, before the cursor moves.
BATCH = 200
#: So often in the time of an overlap all of it is looked at, and a half more: what comes late by an overlap must not
#: fall between two looks. The rounds between look back by a tenth of it.
WHOLE_LOOKS = 4
WHOLE_LOOK = 1.5
SHORT_LOOK = 0.1
#: A stamp of whole milliseconds may be that of two changes: only one of them was read.
COARSE_US = 1000


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A document a store names as changed."""

    id: str
    changed_at: datetime
    #: The store's own change number.
    source_version: int


class Lister(Protocol):
    """A store that can be asked what changed."""

    def changed_since(self, moment: datetime) -> AsyncIterator[Listed]:
        """Documents changed at or after the moment, oldest change first; none is left out.

        Raises:
            BusError: by kind.
        """


class Cursors(Protocol):
    """Where the cursor is kept, as `delivery.edges.Edges` keeps it."""

    async def lease_cursor(self, name: str, owner: str, lease_s: float) -> CursorLease | None:
        """The right to read on; None while another one has it."""

    async def advance_cursor(self, lease: CursorLease, cursor: str, lease_s: float) -> bool:
        """Move it; False when another one has taken it."""

    async def release_cursor(self, lease: CursorLease) -> None:
        """Let another one read on at once."""


class Publisher(Protocol):
    """Writes records, as `bus.producer.Publisher` does."""

    async def publish(self, topic_name: str, key: str, value: msgspec.Struct | None, headers: Headers = ()) -> object:
        """Returns when the broker has every copy."""


class Target(Protocol):
    """The topic changes are announced on, as `target.ChangesTopic` knows it."""

    async def look(self) -> TopicEnds:
        """Which one it is now, and where it ends.

        Raises:
            RetryableError: it is not there, or nobody answers.
        """

    async def taken_in(self, topic_id: str) -> Mapping[int, int]:
        """Partition to the offset the fetchers of the connection take in next."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How far a poller has come: what its cursor holds."""

    #: The latest change the store has named.
    reached: datetime
    #: The topic it was announced on; empty: not known, as cursors were only the time once.
    topic_id: str = ""
    #: An earlier `reached`: all that lay on the topic then has been taken in.
    settled: datetime | None = None


class Known(Protocol):
    """What has been read of the connection's documents, as `delivery.edges.Edges` knows it."""

    async def versions(self, record: str, keys: Sequence[str]) -> Mapping[str, int]:
        """The source's change number of the last reading by root key; who was never read is left out."""


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """What is polled, and how."""

    connection: str
    #: What changes there, in the system's noun.
    record: str
    target: Topic
    overlap: timedelta
    #: Where the first round of all begins.
    start: datetime
    #: Longer than a round's longest silence: who holds the cursor longer without a word is taken for dead.
    lease_s: float


class Poller:
    """Rounds of one connection, one after the other."""

    def __init__(
        self,
        beat: Beat,
        lister: Lister,
        publisher: Publisher,
        cursors: Cursors,
        target: Target,
        known: Known,
        *,
        owner: str,
        clock: Clock,
        randomness: Callable[[int], bytes],
    ) -> None:
        """Args:
        beat: What is polled, and how.
        lister: The store.
        publisher: Where changes go.
        cursors: Where the cursor is kept.
        target: Asked each round whether the topic is still the same.
        known: Asked what need not be announced, as it has been read since.
        owner: Name of this process, different in every one.
        clock: When a change was noticed; and no cursor goes beyond it.
        randomness: Bytes for trace ids.
        """
        self._beat = beat
        self._lister = lister
        self._publisher = publisher
        self._cursors = cursors
        self._target = target
        self._known = known
        self._owner = owner
        self._clock = clock
        self._randomness = randomness
        self._lease: CursorLease | None = None
        #: Change number announced last, by document; what lies before the overlap is forgotten.
        self._announced: dict[str, Listed] = {}
        #: A round's cursor, and where the topic ended when it began: settled once that is taken in.
        self._unsettled: tuple[datetime, TopicEnds] | None = None
        #: When all of the overlap was looked at last, by our clock; None: not since the cursor became ours.
        self._looked_at: datetime | None = None

    async def round(self) -> int | None:
        """Announce what changed; how much that was, None where another poller has the cursor.

        Raises:
            BusError: store, broker or database are away, or refuse; what was announced stays announced.
        """
        beat = self._beat
        self._lease = await self._cursors.lease_cursor(_cursor_name(beat), self._owner, beat.lease_s)
        if self._lease is None:
            self._announced.clear()
            self._looked_at = None
            return None
        kept = self._lease.cursor
        reading = await self._looked_at_target(_parsed(kept, beat.start))
        began = self._clock()
        whole = self._looked_at is None or not timedelta(0) <= began - self._looked_at < beat.overlap / WHOLE_LOOKS
        since = reading.reached - beat.overlap * (WHOLE_LOOK if whole else SHORT_LOOK)
        announced = 0
        async for batch in _batches(self._lister.changed_since(since)):
            announced += await self._announce(batch)
            reading = msgspec.structs.replace(
                reading, reached=max(reading.reached, min(batch[-1].changed_at, self._clock()))
            )
            kept = _written(reading)
            if not await self._advance(self._lease, kept):
                return None
        # what was settled is worth keeping, too
        if kept != _written(reading) and not await self._advance(self._lease, _written(reading)):
            return None
        if whole:
            self._looked_at = began
            self._announced = {key: listed for key, listed in self._announced.items() if listed.changed_at >= since}
        metrics.POLL_CURSOR_SECONDS.labels(connection=beat.connection).set(reading.reached.timestamp())
        return announced

    async def leave(self) -> None:
        """Let another poller go on at once."""
        if self._lease is not None:
            await self._cursors.release_cursor(self._lease)

    async def _advance(self, lease: CursorLease, cursor: str) -> bool:
        moved = await self._cursors.advance_cursor(lease, cursor, self._beat.lease_s)
        if not moved:
            log.warning("poller.cursor_taken", connection=self._beat.connection)
        return moved

    async def _looked_at_target(self, reading: Reading) -> Reading:
        """The same, settled as far as it is by now; further back when the topic was made anew."""
        target = await self._target.look()
        if reading.topic_id not in {"", target.topic_id}:
            self._announced.clear()
            self._looked_at = None
            back_to = reading.settled or min(self._beat.start, reading.reached)
            log.warning(
                "poller.topic_made_anew",
                connection=self._beat.connection,
                topic=self._beat.target.name,
                reads_again_from=back_to.isoformat(),
            )
            reading = msgspec.structs.replace(reading, reached=back_to)
        settled = reading.settled
        if self._unsettled is None or self._unsettled[1].topic_id != target.topic_id:
            self._unsettled = (reading.reached, target)
        else:
            reached, then = self._unsettled
            taken_in = await self._target.taken_in(target.topic_id)
            if all(taken_in.get(number, 0) >= end for number, end in then.ends.items()):
                settled, self._unsettled = reached, (reading.reached, target)
        return Reading(reached=reading.reached, topic_id=target.topic_id, settled=settled)

    async def _announce(self, batch: list[Listed]) -> int:
        """All of it is with the broker when this returns."""
        news = await self._unread([listed for listed in batch if self._is_news(listed)])
        ended = await asyncio.gather(*(self._publish(listed) for listed in news), return_exceptions=True)
        for failure in ended:
            if failure is not None:
                raise failure
        self._announced |= {listed.id: listed for listed in batch}
        metrics.POLLED.labels(connection=self._beat.connection).inc(len(news))
        return len(news)

    def _is_news(self, listed: Listed) -> bool:
        before = self._announced.get(listed.id)
        return before is None or before.source_version != listed.source_version

    async def _unread(self, batch: list[Listed]) -> list[Listed]:
        """Those that have not been read as they are listed: most often a webhook was faster."""
        if not batch:
            return []
        keys = {listed.id: root_key(self._beat.connection, listed.id) for listed in batch}
        read = await self._known.versions(self._beat.record, list(keys.values()))
        return [
            listed
            for listed in batch
            if listed.changed_at.microsecond % COARSE_US == 0 or read.get(keys[listed.id]) != listed.source_version
        ]

    async def _publish(self, listed: Listed) -> None:
        beat = self._beat
        lineage = Lineage(
            origin=beat.connection,
            traceparent=new_trace(self._randomness(16), self._randomness(8)),
            ce_id=event_id(f"{beat.connection}/{beat.record}/{listed.id}/{listed.source_version}", "pollers", 0),
            ce_source=f"/pollers/{beat.connection}",
            ce_type=f"towpath.{beat.target.name}",
            ce_time=listed.changed_at.isoformat().replace("+00:00", "Z"),
        )
        change = Change(
            connection=beat.connection,
            record=beat.record,
            id=listed.id,
            noticed_at=self._clock(),
            changed_at=listed.changed_at,
            cause=Cause.POLL.value,
            source_version=listed.source_version,
        )
        await self._publisher.publish(
            beat.target.name, root_key(beat.connection, listed.id), change, to_headers(lineage)
        )


async def _batches(listed: AsyncIterator[Listed]) -> AsyncIterator[list[Listed]]:
    batch: list[Listed] = []
    async for each in listed:
        batch.append(each)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _parsed(cursor: str, start: datetime) -> Reading:
    if not cursor:
        return Reading(reached=start, settled=start)  # nothing was announced before
    if not cursor.startswith("{"):
        return Reading(reached=datetime.fromisoformat(cursor))
    return msgspec.json.decode(cursor, type=Reading)


def _written(reading: Reading) -> str:
    return msgspec.json.encode(reading).decode()


def _cursor_name(beat: Beat) -> str:
    return f"poll/{beat.record}"
