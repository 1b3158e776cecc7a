"""Processes of the running bus, ended by `kill -9`, and how long it is until the first event goes through after it.

Their supervisor starts them again, as it does for users; while one is away events go on coming.
"""

import asyncio
import contextlib
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import psutil
import psycopg

from benchmarks.harness.processes import NotInTimeError, cpu_s
from benchmarks.recovering.first import first_event
from benchmarks.sending.http import Lines
from benchmarks.sending.webhooks import webhook
from benchmarks.whole.bus import Whole
from benchmarks.whole.flows import ACCEPTED, COUNT, SHELVES
from benchmarks.whole.observer import Observer, Seen
from bus.codec import Codecs
from operations import processes
from operations.demo import run as demo
from operations.demo.latency import is_delivery
from operations.info import info
from producers.gateway.signatures import key_of
from schemas import topics

READ: Final = (topics.INVENTORY_LEVELS.name, topics.OUTCOMES.name)
FED_EVERY_S: Final = 0.05
WITHIN_S: Final = 120.0
LOOK_EVERY_S: Final = 0.02
#: A process that dies younger is started again after a longer pause.
LIVED_S: Final = processes.HEALTHY_S + 1.0


class Victims:
    """The bus, watched, and fed with counted shelves while something is away."""

    def __init__(self, whole: Whole, observer: Observer, codecs: Codecs, lived_s: float = LIVED_S) -> None:
        """Kill none that is younger."""
        self._whole = whole
        self._observer = observer
        self._levels = codecs.of(topics.INVENTORY_LEVELS)
        self._outcomes = codecs.of(topics.OUTCOMES)
        self._lived_s = lived_s
        self._store, _ = demo.pair(whole.settings)

    def streams(self) -> dict[str, float]:
        """Until there is a canonical record of a row that was committed after the kill."""
        return self._killed("streams", self._mapped)

    def consumers(self) -> dict[str, float]:
        """Until the store has what was taken in after the kill."""
        return self._killed(f"consumers@{self._store}", self._delivered)

    def gateway(self) -> dict[str, float]:
        """Until a webhook is accepted; it is sent again and again."""
        pid = self._pid("gateway")
        killed = time.time()
        os.kill(pid, signal.SIGKILL)
        asyncio.run(self._until_accepted())
        return first_event(time.time() - killed, self._cpu_s("gateway"))

    def _killed(self, name: str, of: Callable[[datetime, Iterable[Seen]], Iterator[float]]) -> dict[str, float]:
        with _fed(self._whole.company_dsn):
            pid, seen = self._pid(name), self._observer.seen
            before = len(seen)
            _wait(lambda: bool(self._observer.of(READ[0], before)), "rows on their way before anything is killed")
            killed, looked = time.time(), len(seen)
            os.kill(pid, signal.SIGKILL)
            moment, found = datetime.fromtimestamp(killed, UTC), list[float]()

            def through() -> bool:
                nonlocal looked
                new, looked = seen[looked:], len(seen)
                found.extend(of(moment, new))
                return bool(found)

            _wait(through, f"an event after {name} was killed")
            return first_event(found[0] - killed, self._cpu_s(name))

    def _mapped(self, killed: datetime, seen: Iterable[Seen]) -> Iterator[float]:
        for each in seen:
            if each.topic == topics.INVENTORY_LEVELS.name and self._levels.decode(each.value).occurred_at > killed:
                yield each.at

    def _delivered(self, killed: datetime, seen: Iterable[Seen]) -> Iterator[float]:
        for each in seen:
            if each.topic == topics.OUTCOMES.name:
                outcome = self._outcomes.decode(each.value)
                taken_in_at = outcome.taken_in_at or killed
                if is_delivery(outcome, "inventory_level") and taken_in_at > killed:
                    yield outcome.at.timestamp()

    def _pid(self, name: str) -> int:
        (pid,) = processes.running(self._whole.settings.root)[name]
        time.sleep(max(0.0, psutil.Process(pid).create_time() + self._lived_s - time.time()))
        return pid

    def _cpu_s(self, name: str) -> float:
        """Of the one that was started since."""
        (pid,) = processes.running(self._whole.settings.root)[name]
        return cpu_s(pid)

    async def _until_accepted(self) -> None:
        target = info(self._whole.settings).gateway.webhooks[self._store]
        there = urlsplit(target.url)
        host, port, key = there.hostname or "", there.port or 80, key_of(target.secrets[0])
        until = time.monotonic() + WITHIN_S
        for number in itertools.count():
            lines = Lines(host, port)
            request = webhook(host, port, there.path, key, f"msg_{time.time_ns()}_{number}", 1)
            with contextlib.suppress(OSError):
                if (await lines.ask(request))[0] == ACCEPTED:
                    lines.close()
                    return
            if time.monotonic() > until:
                raise NotInTimeError(f"the gateway took nothing within {WITHIN_S:g} s")
            await asyncio.sleep(LOOK_EVERY_S)


@contextlib.contextmanager
def _fed(dsn: str) -> Iterator[None]:
    """Shelves are counted at the ERP while the context lasts."""
    over = threading.Event()

    def count() -> None:
        with psycopg.connect(dsn, autocommit=True) as wire:
            shelves = wire.execute(SHELVES).fetchall()
            began = int(time.time())
            for number in itertools.count():
                item, site = shelves[number % len(shelves)]
                wire.execute(COUNT, [1000 + (began + number) % 997, item, site])
                if over.wait(FED_EVERY_S):
                    return

    thread = threading.Thread(target=count, name="counting")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _wait(true: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + WITHIN_S
    while not true():
        if time.monotonic() > until:
            raise NotInTimeError(f"{what}: not within {WITHIN_S:g} s")
        time.sleep(LOOK_EVERY_S)
