"""Carries out the replays of a connection beside its live work, and answers what one would come to; for its workers.

Slower than live: few rows at a time wait in the queue, one while live events wait, none while the connection is paused.
Killed at any instruction, it is gone on with where the store says, by this worker or another.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from bus.logs import described
from bus.read_range import RangeReader
from delivery.ports import Sink
from delivery.replay_plan import Planner
from delivery.replay_reading import Origin, Reading
from delivery.replay_rules import holds, room
from delivery.replays import PLANNED, RUNNING, Replay, Replays
from delivery.store import Store
from errors import LostPartitionError, RetryableError

log = structlog.get_logger(__name__)

#: Until another worker goes on with what a dead one had in hand.
LEASE_S: Final = 15.0
#: How often somebody looks for a new one.
IDLE_S: Final = 1.0
#: Until rows that were queued have moved on, probably.
BUSY_S: Final = 0.05
HELD_S: Final = 1.0
TELL_EVERY_S: Final = 10.0
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
#: A paced replay is fed in portions of so many seconds.
BURST_S: Final = 1.0


class Replayer:
    """Goes on with one replay at a time, and answers one plan at a time."""

    def __init__(
        self,
        store: Store,
        queue: str,
        kafka: str,
        origins: Mapping[str, Origin],
        sinks: Mapping[str, Sink],
        owner: str,
        *,
        in_flight: int,
        requests_per_minute: float = 0.0,
        lease_s: float = LEASE_S,
    ) -> None:
        """Build, without starting.

        Args:
            store: Open.
            queue: Of the rows.
            kafka: Bootstrap servers.
            origins: By topic.
            sinks: By record; asked what a replay would come to.
            owner: Of the leases: unique to this worker and this life of its process.
            in_flight: Rows its deliverer has under way at most.
            requests_per_minute: That it may make at the target; 0: as many as it likes.
            lease_s: Of a replay.
        """
        self._replays = Replays(store, queue)
        self._kafka = kafka
        self._origins = origins
        self._owner = owner
        self._in_flight = in_flight
        self._lease_s = lease_s
        self._planner = Planner(
            self._replays, kafka, origins, sinks, in_flight=in_flight, requests_per_minute=requests_per_minute
        )
        self._stopping = asyncio.Event()
        self._log = log.bind(connection=store.connection, queue=queue)

    async def run(self) -> None:
        """Until `stop`, then give back what is in hand.

        Raises:
            FatalError: somebody has to mend something first.
        """
        work = [
            asyncio.create_task(self._go_on(PLANNED, self._answer)),
            asyncio.create_task(self._go_on(RUNNING, self._carry_out)),
        ]
        try:
            await asyncio.gather(*work)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    def stop(self) -> None:
        """`run` returns after the portion in hand."""
        self._stopping.set()

    async def _go_on(self, state: str, work: Callable[[Replay, RangeReader], Awaitable[None]]) -> None:
        pause_s = FIRST_PAUSE_S
        with RangeReader(self._kafka) as reader:
            while not self._stopping.is_set():
                try:
                    replay = await self._replays.lease(state, self._owner, self._lease_s)
                    if replay is not None:
                        await work(replay, reader)
                        await self._replays.give_back(replay)
                    else:
                        await self._wait(IDLE_S)
                    pause_s = FIRST_PAUSE_S
                except LostPartitionError:
                    self._log.info("replay.lost")
                except RetryableError as error:
                    self._log.warning("replay.waits", code=error.code, pause_s=pause_s)
                    await self._wait(pause_s)
                    pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _wait(self, within_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._stopping.wait()

    # ---- replays

    async def _carry_out(self, replay: Replay, reader: RangeReader) -> None:
        """Feed the queue until all of it is read and has moved on, or until we are told to stop."""
        await self._replays.know(replay)
        reading = Reading(self._replays, replay, reader, self._kafka, self._origins)
        pace = Pace(replay.command.per_minute)
        told_at, held = 0.0, ""
        while not self._stopping.is_set():
            if time.monotonic() >= told_at:
                await self._replays.tell(replay, "replay.running", {})
                told_at = time.monotonic() + TELL_EVERY_S
            feed = await self._replays.feed(replay)
            if (now_holds := holds(feed)) != held:
                held, told_at = now_holds, 0.0
            most = min(room(feed, self._in_flight), pace.allowed(time.monotonic()))
            if reading.place is None:
                if await self._replays.finish(replay):
                    self._log.info("replay.done", id=replay.id)
                    return
            elif most > 0:
                portion = await reading.portion(most)
                sorted_ = await self._replays.put(replay, reading.place, portion, self._lease_s)
                reading.passed(portion)
                pace.spend(len(sorted_.queued), time.monotonic())
                continue
            if not await self._replays.renew(replay, self._lease_s, held):
                raise LostPartitionError("lost_replay", "it was stopped, or is somebody else's")
            await self._wait(HELD_S if held else BUSY_S)

    # ---- plans

    async def _answer(self, replay: Replay, reader: RangeReader) -> None:
        asking = asyncio.create_task(self._planner.answer(replay, reader))
        try:
            while not (await asyncio.wait({asking}, timeout=self._lease_s / 3))[0]:
                if not await self._replays.renew(replay, self._lease_s):
                    return
            values = asking.result()
        except RetryableError:
            raise
        except Exception as error:  # noqa: BLE001 - a question must not stop the worker that answers it
            self._log.warning("replay.plan_failed", id=replay.id, **described(error))
            await self._replays.answer(replay, "replay.plan_failed", {"why": type(error).__name__})
        else:
            await self._replays.answer(replay, "replay.planned", values)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


class Pace:
    """So many a minute, evenly, in portions of a second; pure."""

    def __init__(self, per_minute: int) -> None:
        """`per_minute` 0: as many as there is room for."""
        self._per_minute = per_minute
        self._next_at = 0.0

    def allowed(self, at: float) -> int:
        """How many may go now."""
        if not self._per_minute:
            return 2**31
        return 0 if at < self._next_at else max(1, int(self._per_minute * BURST_S / 60))

    def spend(self, count: int, at: float) -> None:
        """So many went."""
        if self._per_minute:
            self._next_at = max(self._next_at, at) + count * 60 / self._per_minute
