"""A worker on its own, ended by `kill -9` and started again at once: ours, and stock Faust as its guide says."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final, TypeAlias

from benchmarks.apart.bus import Apart
from benchmarks.apart.names import named
from benchmarks.catching_up import stock
from benchmarks.harness.processes import Started, started, wait_until
from benchmarks.harness.topics import Topics, fill
from benchmarks.recovering.first import first_event
from bus.registry import Registry
from operations.readers import STREAMS_GROUP
from schemas import topics

FED_EVERY_S: Final = 0.05
#: What was on its way to the broker when the worker died is there by then.
SETTLED_S: Final = 0.2
#: Both have joined their group and committed by then.
AT_WORK_S: Final = 5.0
#: Stock Faust's session lasts a minute.
WITHIN_S: Final = 180.0

#: How one is started.
Worker: TypeAlias = Callable[[], AbstractContextManager[Started]]


class Peers:
    """One topic that is written to all the time, and a worker of either kind on it."""

    def __init__(self, apart: Apart, on_kafka: Topics, folder: str) -> None:
        self._apart = apart
        self._topics = on_kafka
        self._folder = folder
        self._source = apart.topic(topics.GP_IV00102)
        with contextlib.closing(Registry(apart.stack.registry)) as registry:
            self._source_id = registry.register(f"{self._source}-value", stock.ENVELOPE)
            self._target_id = registry.register(f"{apart.topic(topics.INVENTORY_LEVELS)}-value", stock.LEVEL)

    def ours(self) -> dict[str, float]:
        """The streams worker."""
        target, group = self._apart.topic(topics.INVENTORY_LEVELS), named(STREAMS_GROUP)
        return self._killed(lambda: self._apart.process("streams"), target, group)

    def stock_faust(self) -> dict[str, float]:
        """Faust's own."""
        target, group = self._topics.make("recovery"), "benchmark.stock-faust"
        words = [self._apart.stack.kafka, self._source, target, group, str(self._target_id), self._folder]
        command = [sys.executable, "-m", "benchmarks.recovering.stock_faust", *words]
        try:
            return self._killed(lambda: started(command), target, group)
        finally:
            self._topics.drop(target)

    def _killed(self, worker: Worker, target: str, group: str) -> dict[str, float]:
        """Seconds from the kill to the first record written after it."""
        self._topics.forget_group(group)
        with self._fed():
            with worker() as first:
                self._wait_beyond(self._topics.count(target), target, first)
                time.sleep(AT_WORK_S)
                first.kill()
            killed = time.perf_counter()
            time.sleep(SETTLED_S)
            written = self._topics.count(target)
            with worker() as second:
                self._wait_beyond(written, target, second)
                figures = first_event(time.perf_counter() - killed, second.cpu_s())
                second.stop()
        return figures

    def _wait_beyond(self, written: int, target: str, worker: Started) -> None:
        wait_until(
            lambda: self._topics.count(target) > written, "records written", within_s=WITHIN_S, programs=[worker]
        )

    @contextlib.contextmanager
    def _fed(self) -> Iterator[None]:
        over = threading.Event()
        rows = stock.records(1_000_000, stock.header(self._source_id))

        def feed() -> None:
            while not over.wait(FED_EVERY_S):
                fill(self._topics.kafka, self._source, [next(rows)])

        thread = threading.Thread(target=feed, name="feeding")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
