"""Takes accepted webhooks while Kafka cannot, on disk and in order, and brings them to Kafka when it is back.

Order: while anything of a connection waits, everything new of it goes behind. Repeats: what was sent and not yet
removed when the process died is sent again, with the same `ce_id`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol, TypeVar

import msgspec
import structlog

from bus import metrics
from bus.events import Headers
from errors import BusError, FatalError, RejectedError, RetryableError
from producers.gateway.spool_file import Entry, Record, SpoolFile, as_record, encoded

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: A Kafka that takes longer is not waited for: the sender's five seconds have to do for body, memory and disk, too.
PATIENCE_S = 1.0
BATCH = 200
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0


class Publisher(Protocol):
    """Writes records, as `storage.Storage` does."""

    def publish(
        self, topic_name: str, key: str, value: msgspec.Struct | None, headers: Headers = ()
    ) -> Awaitable[object]:
        """Returns when the broker has every copy."""


class Spool:
    """One connection's."""

    def __init__(self, file: SpoolFile, connection: str, most_bytes: int) -> None:
        """`most_bytes`: with more waiting nothing is taken."""
        self._file = file
        self._connection = connection
        self._most_bytes = most_bytes
        #: One thread at a time.
        self._at_file = asyncio.Lock()
        there = file.waits()
        #: Waiting or on their way into the file, those set aside not among them.
        self._count = there.count - there.refused
        self._bytes = there.size_bytes
        self._coming: list[tuple[Record, int, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()
        self._tell()

    @property
    def is_empty(self) -> bool:
        """Nothing waits, so that what comes may go to Kafka itself."""
        return self._count == 0

    @property
    def is_full(self) -> bool:
        """Nothing more is taken."""
        return self._bytes >= self._most_bytes

    async def append(self, record: Record) -> None:
        """Behind everything that waits; on the disk when this returns.

        Raises:
            RetryableError: there is no room.
        """
        size = len(encoded(record))
        if self._bytes + size > self._most_bytes:
            raise RetryableError("gateway.spool_full", "the spool holds all it may", connection=self._connection)
        # counted at once: what comes while this one is written goes behind it
        self._count += 1
        self._bytes += size
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._coming.append((record, size, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        self._tell()
        # whoever waits may give up: it is in the file all the same, and a repeat is recognised
        await asyncio.shield(written)

    async def drain(self, publisher: Publisher) -> None:
        """Bring what waits to Kafka, for ever.

        Raises:
            FatalError: no record will pass, or the file is damaged.
        """
        pause_s = FIRST_PAUSE_S
        while True:
            if self.is_empty:
                self._arrived.clear()
                await self._arrived.wait()
            try:
                if await self._drained(publisher):
                    pause_s = FIRST_PAUSE_S
                    continue
            except RetryableError as error:
                log.warning("gateway.spool_away", connection=self._connection, code=error.code)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def close(self) -> None:
        """Give the file back, once what is coming is in it."""
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._with_file(self._file.close)

    async def _write(self) -> None:
        """What came meanwhile is written together: many senders wait for one sync of the disk."""
        while self._coming:
            coming, self._coming = self._coming, []
            try:
                await self._with_file(partial(self._file.append, [record for record, _, _ in coming]))
            except Exception as error:  # noqa: BLE001 - each of the waiting is told
                told = error if isinstance(error, BusError) else FatalError("defect", type(error).__name__)
                # nothing of it waits, whether or not somebody still asks
                self._count -= len(coming)
                self._bytes -= sum(size for _, size, _ in coming)
                self._tell()
                for _, _, written in coming:
                    written.set_exception(told)
                    written.exception()  # those who gave up do not ask
                continue
            for _, _, written in coming:
                written.set_result(None)
            self._arrived.set()

    async def _drained(self, publisher: Publisher) -> bool:
        """A batch; False: Kafka does not take what is there."""
        entries = await self._with_file(lambda: self._file.first(BATCH))
        if not entries:
            return False  # it is on its way into the file
        by_key: dict[str, list[Entry]] = {}
        for entry in entries:
            by_key.setdefault(entry.record.key if entry.record is not None else "", []).append(entry)
        # keys beside each other, each in its order
        sent = [
            entry
            for listed in await asyncio.gather(*(self._send(publisher, of_key) for of_key in by_key.values()))
            for entry in listed
        ]
        await self._with_file(lambda: self._file.remove([entry.id for entry in sent]))
        self._count -= len(sent)
        self._bytes -= sum(entry.size_bytes for entry in sent)
        self._tell()
        if sent:
            log.info("gateway.spool_drained", connection=self._connection, records=len(sent), left=self._count)
        return len(sent) == len(entries)

    async def _send(self, publisher: Publisher, entries: Sequence[Entry]) -> list[Entry]:
        """Those the broker has now, up to the first it could not take."""
        sent: list[Entry] = []
        for entry in entries:
            if (record := entry.record) is None:
                await self._set_aside(entry, "damaged")
                continue
            try:
                await publisher.publish(record.topic, record.key, record.value, record.headers)
            except RetryableError:
                break
            except RejectedError as error:
                await self._set_aside(entry, error.code)
                continue
            sent.append(entry)
        return sent

    async def _set_aside(self, entry: Entry, why: str) -> None:
        """Never to be sent, and never in the way of others."""
        await self._with_file(lambda: self._file.refuse(entry.id, why))
        self._count -= 1
        metrics.SPOOL_REFUSED.labels(connection=self._connection).inc()
        log.error("gateway.spool_refused", connection=self._connection, number=entry.id, code=why)

    async def _with_file(self, work: Callable[[], T]) -> T:
        async with self._at_file:
            return await asyncio.to_thread(work)

    def _tell(self) -> None:
        metrics.SPOOLED.labels(connection=self._connection).set(self._count)
        metrics.SPOOLED_BYTES.labels(connection=self._connection).set(self._bytes)


class Spooling:
    """Implements the gateway's `Publisher`: to Kafka, and into a connection's spool where Kafka takes nothing."""

    def __init__(self, publisher: Publisher, spools: Mapping[str, Spool]) -> None:
        """`spools`: by connection; one without is answered by Kafka alone."""
        self._publisher = publisher
        self._spools = spools

    def publish(
        self, topic_name: str, key: str, value: msgspec.Struct | None, headers: Headers = ()
    ) -> Awaitable[object]:
        """Returns when the broker has every copy, or the disk.

        Raises:
            BusError: neither has; by kind.
        """
        # a root key, or the bare connection where no document is known
        spool = self._spools.get(key.partition(":")[0])
        if spool is None or value is None:
            return self._publisher.publish(topic_name, key, value, headers)
        return self._spooled(spool, topic_name, key, value, headers)

    async def _spooled(
        self, spool: Spool, topic_name: str, key: str, value: msgspec.Struct, headers: Headers
    ) -> object:
        if spool.is_empty:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    return await self._publisher.publish(topic_name, key, value, headers)
            except (RetryableError, TimeoutError) as error:
                code = error.code if isinstance(error, BusError) else "too_slow"
                log.warning("gateway.spooled", topic=topic_name, code=code)
        await spool.append(as_record(topic_name, key, value, headers))
        return None

    def takes(self, connections: Sequence[str]) -> bool:
        """Whether webhooks of all these are taken even while Kafka is away."""
        spools = [self._spools.get(connection) for connection in connections]
        return bool(spools) and all(spool is not None and not spool.is_full for spool in spools)
