"""The lookup tables of a running process: files of the deployment, with the rows operators laid over them.

Both are followed while the process runs. What changed is put in place as a whole, by exchanging one reference: whoever
maps takes the tables once for a record (`mapping.port.Tables`).
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from types import TracebackType
from typing import Self

import structlog

from bus import metrics
from bus.clock import now
from bus.codec import Codecs
from bus.laid_over import Aside, Faults, fitting, laid_over, next_end, no_faults
from bus.lookup_topic import LookupTopic
from bus.registry import Registry
from bus.settings import Settings, options_of
from bus.watched_files import WatchedFiles
from errors import RetryableError
from mapping.port import Lookups

log = structlog.get_logger(__name__)

#: How soon a row on the topic is at work, and a file that was the same at two looks.
ROWS_WITHIN_S = 0.1
FILES_EVERY_S = 1.0
#: How long who catches up waits for files to rest.
FILES_WITHIN_S = 5.0


class LiveLookups:
    """Tables that follow files and topic while `follow` runs; without it, as they were when this was built."""

    def __init__(self, settings: Settings, codecs: Codecs, faults: Faults = no_faults) -> None:
        """Read the files, and the topic to its end.

        Args:
            settings: The deployment.
            codecs: Of rows.
            faults: What whoever maps cannot map by: rows on the topic that bring such are put aside.

        Raises:
            ConfigurationError: a file is no table.
            RetryableError: Kafka or the registry does not answer.
        """
        self._options = options_of(settings)
        self._faults = faults
        #: Rows on the topic that are not at work.
        self.aside: tuple[Aside, ...] = ()
        self._files = WatchedFiles(settings.folder / "lookups")
        self.topic = LookupTopic(settings.kafka, codecs)
        #: Held while tables are read and exchanged.
        self._changing = threading.Lock()
        self._stopped = threading.Event()
        self._looked_at = 0.0
        self._told: RetryableError | None = None
        self._told_aside: tuple[Aside, ...] = ()
        self._at = now()
        self._current = Lookups({})
        try:
            self.topic.read_to(self.topic.end())
            # a row may have gone into its file since that was read
            self._files.read_now(self.topic.taken_off())
            self._exchange()
        except BaseException:
            self.topic.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.topic.close()

    def current(self) -> Lookups:
        """The tables as they are now."""
        return self._current

    async def follow(self) -> None:
        """Take in what changes, until `stop`."""
        self._tell_aside()
        self._tell_held()
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "lookups") as thread:
            while not self._stopped.is_set():
                await loop.run_in_executor(thread, self._turn)

    def stop(self) -> None:
        """End `follow` at once."""
        self._stopped.set()

    async def catch_up(self) -> None:
        """Wait until all is in place that was written before: who sets a row and then commands finds the row at work.

        A file that is still being written is waited for, though not for long.

        Raises:
            RetryableError: Kafka does not answer, or the registry for a schema never seen before.
        """
        await asyncio.to_thread(self._catch_up)

    def _catch_up(self) -> None:
        end = self.topic.end()
        with self._changing:
            try:
                self.topic.read_to(end)
            finally:
                # also what came before it failed: nobody tells of that again
                self._files.read_now(self.topic.taken_off())
                self._exchange_and_tell()
        deadline = time.monotonic() + FILES_WITHIN_S
        while self._files.changing and time.monotonic() < deadline and not self._stopped.is_set():
            with self._changing:
                if self._look():
                    self._exchange_and_tell()
            self._stopped.wait(ROWS_WITHIN_S)

    def _turn(self) -> None:
        with self._changing:
            came = self.topic.poll(0.0)
            # what is taken off the topic went into its file just before, whole
            read = [self._files.read_now(self.topic.taken_off()), self._look()]
            laid = self.topic.laid
            ends = next_end(chain(laid.rows.values(), *laid.former.values()), self._at)
            if came or any(read) or (ends is not None and ends <= now()):
                self._exchange_and_tell()
            self._tell_held()
        # without the lock, which whoever catches up waits for
        self._stopped.wait(ROWS_WITHIN_S)

    def _look(self) -> bool:
        """At the files, now and then, whoever asks: two looks too close say nothing of a file that is being written."""
        if time.monotonic() < self._looked_at + FILES_EVERY_S:
            return False
        self._looked_at = time.monotonic()
        return self._files.look()

    def _exchange_and_tell(self) -> None:
        before = self._current.rows()
        exchanged = self._exchange()
        self._tell_aside()
        if exchanged:
            changed = _changed(before, self._current.rows())
            log.info("lookups.changed", tables=changed, digest=self._current.digest)

    def _exchange(self) -> bool:
        """Put the tables in place as they are now, if they are others."""
        self._at = now()
        tables = {**self._files.tables, **self._options}
        laid = self.topic.laid
        rows, aside = fitting(tables, laid.rows, laid.former, self._at, self._faults)
        laid.settle(rows)
        self.aside = (*self.topic.aside.values(), *aside)
        found = Lookups(laid_over(tables, rows.values(), self._at))
        if found.digest == self._current.digest:
            return False
        self._current = found
        return True

    def _tell_aside(self) -> None:
        """Once for each row that is put aside, and by the metric for as long as it is."""
        counts = Counter(each.table for each in self.aside)
        for table in {*counts, *(each.table for each in self._told_aside)}:
            metrics.LOOKUP_ROWS_ASIDE.labels(table=table).set(counts[table])
        for each in self.aside:
            if each not in self._told_aside:
                log.error("lookups.row_put_aside", table=each.table, key=each.key, reason=each.why)
        self._told_aside = self.aside

    def _tell_held(self) -> None:
        """Of a record that cannot be told to be ours or not: it is waited for."""
        if self.topic.held is not self._told:
            self._told = self.topic.held
            if self._told is not None:
                log.warning("lookups.row_waits", offset=self.topic.next, code=self._told.code)


def lookups_now(settings: Settings, faults: Faults = no_faults) -> Lookups:
    """All tables as they stand, for who maps outside of a worker.

    Raises:
        ConfigurationError: a file is no table.
        RetryableError: Kafka or the registry does not answer.
    """
    with closing(Registry(settings.registry)) as registry, LiveLookups(settings, Codecs(registry), faults) as live:
        return live.current()


def _changed(before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
