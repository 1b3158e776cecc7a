"""Carries out the faults of a run of chaos, each at its time, and brings everything back."""

import asyncio
import contextlib
import math
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from confluent_kafka import KafkaException

from bus.settings import Settings
from errors import BusError, RetryableError
from operations import topics
from operations.chaos.plan import Fault, Kind
from operations.chaos.victims import Grip
from operations.demo.outside import Desk
from operations.offsets import admin_of
from operations.processes import SUPERVISOR

#: Things that are broken at one time.
AT_ONCE = 4
AGAIN_AFTER_S = 0.5
#: A topic is not gone at the moment its deletion is answered.
GONE_WITHIN_S = 60.0
COMMAND_WITHIN_S = 300.0

#: Returns when so many orders are placed.
Reached = Callable[[int], Awaitable[None]]


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that was carried out."""

    fault: Fault
    at: datetime
    #: From the blow to its end: back at work, or the trouble over; longer than asked where others were in the way.
    lasted_s: float
    #: Why it could not be carried out; empty where it was.
    failed: str = ""


class Faults:
    """Everything that goes wrong in one run."""

    def __init__(self, settings: Settings, grip: Grip, desks: dict[str, Desk]) -> None:
        """`desks` are the simulators' control APIs, by the connection they stand for."""
        self._settings = settings
        self._grip = grip
        self._desks = desks
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self.happened: list[Happened] = []
        self.current: set[str] = set()
        #: How many orders may be placed: those after wait until what happens before them has begun.
        self.orders_free = 0.0

    async def play(self, faults: Sequence[Fault], reached: Reached) -> None:
        """All of them, each once its order is placed; returns when everything is back."""
        async with asyncio.TaskGroup() as broken:
            for fault in faults:
                self.orders_free = fault.at_order
                await reached(fault.at_order)
                await self._at_once.acquire()
                broken.create_task(self._carry_out(fault))
            self.orders_free = math.inf

    async def _carry_out(self, fault: Fault) -> None:
        name = f"{fault.target} {fault.kind}"
        async with self._locks[self._grip.together(fault)]:
            at, began, failed = datetime.now(UTC), time.monotonic(), ""
            self.current.add(name)
            try:
                await self._act(fault)
            except (BusError, KafkaException) as error:
                failed = str(error)
            finally:
                self.current.discard(name)
                self._at_once.release()
            lasted_s = round(time.monotonic() - began, 1)
            self.happened.append(Happened(fault=fault, at=at, lasted_s=lasted_s, failed=failed))

    async def _act(self, fault: Fault) -> None:
        match fault.kind:
            case Kind.KILLED:
                pids = await asyncio.to_thread(self._grip.kill, fault.target)
                await asyncio.to_thread(self._grip.bring_back, fault.target, pids)
            case Kind.STOPPED:
                pids = await asyncio.to_thread(self._grip.stop, fault.target)
                try:
                    await asyncio.sleep(fault.hold_s)
                finally:
                    self._grip.go_on(pids)
            case Kind.TOPIC_RECREATED:
                # servers are whole while this is done: an operator deletes no topic of a broker that is down
                await asyncio.to_thread(self._recreate, fault.target)
            case Kind.STORE_RESTORED:
                await self._restore(fault)
            case _:
                await self._tell(self._desks[fault.target], fault)

    async def _tell(self, desk: Desk, fault: Fault) -> None:
        """A trouble the simulator itself makes, for a time; one that is killed meanwhile forgets it."""
        await _until_answered(lambda: desk.trouble(fault.told))
        try:
            await asyncio.sleep(fault.hold_s)
        finally:
            await _until_answered(desk.no_trouble)

    async def _restore(self, fault: Fault) -> None:
        """Copy a connection's store, let work go on, then put the copy in its place: all commands an operator types."""
        with tempfile.TemporaryDirectory() as folder:
            file = str(Path(folder, "store"))
            await asyncio.to_thread(self._towpath, "store", "backup", fault.target, "--to", file)
            await asyncio.sleep(fault.hold_s)
            # not the processes while somebody else hits them: what is hit and gone is back when all are
            await asyncio.to_thread(self._towpath, "stop")
            await asyncio.to_thread(
                self._towpath, "store", "recover", fault.target, "--from", file, "--replace", "--yes", "--why", "chaos"
            )
            await asyncio.to_thread(self._grip.bring_back, SUPERVISOR, ())

    def _towpath(self, *words: str) -> None:
        ran = subprocess.run(  # noqa: S603  our own command
            [str(self._settings.root / "towpath"), *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_WITHIN_S,
            check=False,
        )
        if ran.returncode:
            raise RetryableError("chaos.command", f"towpath {' '.join(words)}: {ran.stderr.strip()[-500:]}")

    def _recreate(self, name: str) -> None:
        """Delete a topic and make it anew, as an operator would: nothing is told to stop for it."""
        admin = admin_of(self._settings.kafka)
        admin.delete_topics([name])[name].result()
        deadline = time.monotonic() + GONE_WITHIN_S
        while name in admin.list_topics(timeout=10).topics and time.monotonic() < deadline:
            time.sleep(0.1)
        topics.apply(self._settings)


async def _until_answered(deed: Callable[[], Awaitable[None]]) -> None:
    while True:
        with contextlib.suppress(BusError):
            await deed()
            return
        await asyncio.sleep(AGAIN_AFTER_S)
