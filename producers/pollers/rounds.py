"""One poller: asks a store at intervals what changed, for webhooks that never came, and announces it on the same topic.

The cursor is the latest change the store itself has named and moves only when the broker has what lies before it. Each
round looks back behind it by the overlap, as a store may commit a change later than it stamps it; what was announced
within the overlap is not announced again. Two pollers never poll one connection: the cursor is leased.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
import structlog

from bus import metrics
from bus.clock import Clock
from bus.events import Headers
from bus.headers import Lineage, event_id, new_trace, to_headers
from delivery.edges import CursorLease
from schemas.bus.change import Cause, Change
from schemas.topics import Topic
from schemas.types import root_key

log = structlog.get_logger(__name__)

#: Announced together, before the cursor moves.
BATCH = 200


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
        owner: Name of this process, different in every one.
        clock: When a change was noticed; and no cursor goes beyond it.
        randomness: Bytes for trace ids.
        """
        self._beat = beat
        self._lister = lister
        self._publisher = publisher
        self._cursors = cursors
        self._owner = owner
        self._clock = clock
        self._randomness = randomness
        self._lease: CursorLease | None = None
        #: Change number announced last, by document; what lies before the overlap is forgotten.
        self._announced: dict[str, Listed] = {}

    async def round(self) -> int | None:
        """Announce what changed; how much that was, None where another poller has the cursor.

        Raises:
            BusError: store, broker or database are away, or refuse; what was announced stays announced.
        """
        beat = self._beat
        self._lease = await self._cursors.lease_cursor(_cursor_name(beat), self._owner, beat.lease_s)
        if self._lease is None:
            self._announced.clear()
            return None
        reached = datetime.fromisoformat(self._lease.cursor) if self._lease.cursor else beat.start
        since = reached - beat.overlap
        announced = 0
        async for batch in _batches(self._lister.changed_since(since)):
            announced += await self._announce(batch)
            reached = max(reached, min(batch[-1].changed_at, self._clock()))
            if not await self._cursors.advance_cursor(self._lease, reached.isoformat(), beat.lease_s):
                log.warning("poller.cursor_taken", connection=beat.connection)
                return None
        self._announced = {key: listed for key, listed in self._announced.items() if listed.changed_at >= since}
        metrics.POLL_CURSOR_SECONDS.labels(connection=beat.connection).set(reached.timestamp())
        return announced

    async def leave(self) -> None:
        """Let another poller go on at once."""
        if self._lease is not None:
            await self._cursors.release_cursor(self._lease)

    async def _announce(self, batch: list[Listed]) -> int:
        """All of it is with the broker when this returns."""
        news = [listed for listed in batch if self._is_news(listed)]
        ended = await asyncio.gather(*(self._publish(listed) for listed in news), return_exceptions=True)
        for failure in ended:
            if failure is not None:
                raise failure
        self._announced |= {listed.id: listed for listed in news}
        metrics.POLLED.labels(connection=self._beat.connection).inc(len(news))
        return len(news)

    def _is_news(self, listed: Listed) -> bool:
        before = self._announced.get(listed.id)
        return before is None or before.source_version != listed.source_version

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


def _cursor_name(beat: Beat) -> str:
    return f"poll/{beat.record}"
