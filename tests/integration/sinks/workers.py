"""Workers at one row: one that watches what it does, one that stands still in the middle of it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import Enum, auto

import msgspec

from delivery.engine import Deliverer
from delivery.ports import Finding, Intent, Row, Settlement, Sink
from delivery.states import Repeats
from delivery.store import Store
from tests.integration.delivery.rows import change
from tests.integration.delivery.running import deliverer
from tests.integration.sinks.adapter import Adapter

DEADLINE_S = 30.0


class Watched:
    """A sink whose calls are counted."""

    def __init__(
        self,
        sink: Sink,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
        timeout_s: float | None = None,
    ) -> None:
        self._sink = sink
        self._around = around
        self._timeout_s = timeout_s
        self.delivered = 0
        self.found = 0

    @property
    def repeats(self) -> Repeats:
        return self._sink.repeats

    async def prepare(self, row: Row) -> Intent | Settlement:
        prepared = await self._sink.prepare(row)
        if isinstance(prepared, Intent) and self._timeout_s is not None:
            return msgspec.structs.replace(prepared, timeout_s=self._timeout_s)
        return prepared

    async def deliver(self, intent: Intent) -> Settlement:
        self.delivered += 1
        with self._around():
            return await self._sink.deliver(intent)

    async def find(self, intent: Intent) -> Finding:
        self.found += 1
        return await self._sink.find(intent)


class Moment(Enum):
    """When a worker stands still."""

    #: What it will send is written down, and not sent.
    BEFORE_SENDING = auto()
    #: It is done at the target, and not written down.
    BEFORE_SETTLING = auto()


class StandingStill:
    """A worker in a thread of its own whose event loop stops dead, as a process does that gets no processor.

    Nothing of it goes on meanwhile: it renews no lease and notices no time-out.
    """

    def __init__(
        self, store: Store, dsn: str, adapter: Adapter, record: str, moment: Moment, timeout_s: float | None
    ) -> None:
        self._connection = store.connection
        self._dsn = dsn
        self._adapter = adapter
        self._record = record
        self._moment = moment
        self._timeout_s = timeout_s
        self._stands = threading.Event()
        self._ended = threading.Event()
        self._go_on = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._deliverer: Deliverer | None = None

    async def run(self) -> None:
        """Work until told to stop."""
        await asyncio.to_thread(asyncio.run, self._work())

    async def stands_and_loses_its_lease(self) -> None:
        """Wait until it stands still; others may take its key from here on."""
        assert await asyncio.to_thread(self._stands.wait, DEADLINE_S)
        change(self._dsn, self._connection, "UPDATE keys SET lease_until = statement_timestamp() - interval '1s'")

    def let_go(self) -> None:
        """It goes on as if nothing had been."""
        self._go_on.set()

    async def goes_on_to_its_end(self) -> None:
        """Let it go, and wait until it is through with the row."""
        self.let_go()
        assert await asyncio.to_thread(self._ended.wait, DEADLINE_S)

    def stop(self) -> None:
        """Let it go, to finish what it holds and to begin nothing more."""
        if self._loop is not None and self._deliverer is not None:
            self._loop.call_soon_threadsafe(self._deliverer.stop)
        self.let_go()

    async def _work(self) -> None:
        store = Store(self._dsn, self._connection)
        await store.open()
        try:
            async with self._adapter.opened(store) as sink:
                self._deliverer = deliverer(store, {self._record: Watched(sink, self._stand, self._timeout_s)})
                self._loop = asyncio.get_running_loop()
                await self._deliverer.run()
        finally:
            await store.close()

    @contextmanager
    def _stand(self) -> Iterator[None]:
        try:
            if self._moment is Moment.BEFORE_SENDING:
                self._stand_still()
            yield
            if self._moment is Moment.BEFORE_SETTLING:
                self._stand_still()
        finally:
            self._ended.set()

    def _stand_still(self) -> None:
        self._stands.set()
        assert self._go_on.wait(DEADLINE_S)
