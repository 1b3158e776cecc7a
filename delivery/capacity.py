"""Room in a connection's queue: take-in pauses at a high-water mark and goes on at half of it.

For the agents of a worker, which share one `Capacity`; workers share what it says, in the store. Kafka is the long
buffer: a store that held all of it would be slow for everybody. Commands are never asked for room.
"""

import asyncio
import time
from typing import Final

import msgspec
import structlog

from bus import metrics
from bus.settings import Connection
from delivery import announcements, columns, statements
from delivery.store import Store
from errors import RetryableError

log = structlog.get_logger(__name__)

#: How long an answer is good for; while there is plenty of room, longer.
GOOD_FOR_S: Final = 0.5
#: Asking may take this share of the time.
SHARE: Final = 0.02


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """How much a queue may hold of what is at work or due."""

    rows: int
    #: Of payload.
    bytes: int

    def full(self, held: "Marks", *, was_full: bool) -> bool:
        """Whether nothing more may come; once full, until half of both is free; pure."""
        share = 2 if was_full else 1
        return share * held.rows > self.rows or share * held.bytes > self.bytes


def marks_of(connection: Connection) -> Marks:
    """A connection's settings; for each of its queues."""
    return Marks(rows=connection.most_rows, bytes=connection.most_bytes)


class Capacity:
    """Whether a queue has room; asked before every batch, it asks the store now and then."""

    def __init__(self, store: Store, queue: str, marks: Marks) -> None:
        self._store = store
        self._queue = queue
        self._marks = marks
        self._full = False
        self._ask_at = 0.0
        self._asking = asyncio.Lock()
        self._gauge = metrics.FULL.labels(store.connection, queue)
        self._gauge.set(0)

    async def __call__(self) -> bool:
        """False while nothing more should be taken in. A store that is away has room: taking in waits for it anyway."""
        async with self._asking:
            if time.monotonic() >= self._ask_at:
                await self._ask()
        return not self._full

    async def _ask(self) -> None:
        started = time.monotonic()
        try:
            self._full = await self._is_full()
        except RetryableError as error:
            log.warning("capacity.not_known", connection=self._store.connection, queue=self._queue, code=error.code)
            self._full = False
        self._gauge.set(self._full)
        asked = time.monotonic()
        self._ask_at = asked + max(GOOD_FOR_S, (asked - started) / SHARE)

    async def _is_full(self) -> bool:
        """Count, and let everybody know when it changes; whichever worker notices first."""
        marks = {"queue": self._queue, "most_rows": self._marks.rows, "most_bytes": self._marks.bytes}
        async with self._store.transaction() as wire:
            was_full = bool(await columns.rows(wire, statements.FULL_SINCE, marks))
            rows, size = (await columns.rows(wire, statements.AT_WORK_OR_DUE, marks))[0]
            full = self._marks.full(Marks(rows=rows, bytes=size), was_full=was_full)
            if full == was_full:
                return full
            statement = statements.FILLED if full else statements.ROOM_AGAIN
            changed = (await wire.execute(statement, {**marks, "rows": rows, "bytes": size})).rowcount
            code = "intake.full" if full else "intake.room"
            if changed:
                values = {"rows": str(rows), "bytes": str(size)}
                speaker, at = self._store.speaker(self._queue), self._store.now()
                await self._store.announce(wire, [announcements.of_queue(speaker, "intake", code, values, at)])
        log.warning("capacity.changed", connection=self._store.connection, queue=self._queue, code=code, rows=rows)
        self._store.wake_relay()
        return full
