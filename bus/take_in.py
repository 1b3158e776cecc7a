"""The agent that takes events of a topic into a connection's store; used by fetchers and consumers.

The store keeps the position, not the group: reading starts where the store stands, and one transaction inserts the
events of a batch and moves the position behind them, if it still stands where the batch begins. That transaction is
what the batch's acknowledgement waits for; the group's offset follows, for lag to be seen and for nothing else.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, Protocol, TypeVar

import msgspec
import structlog

from bus import metrics
from bus.acks import OrderedAcks, Written
from bus.events import Advance, Incoming
from bus.faust_app import BusApp, BusStream, KeptPositions, Positions
from bus.patience import FIRST_PAUSE_S, LONGEST_PAUSE_S, GivenUpError, patiently
from bus.pipe import MOST_DEAD_IN_A_ROW, Bury, DeadLetterLimit, guarded
from bus.slices import Slice
from errors import ConfigurationError, LostPartitionError, RejectedError, RetryableError

log = structlog.get_logger(__name__)

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

#: Events of a transaction, or a few hundred more. Its keys are locked, looked up and written once, however many events
#: each of them has.
BATCH = 2000
#: How often a full store is asked whether it has room again.
ROOM_EVERY_S = 0.5


class Commit(Protocol[T_contra]):
    """Takes events of a topic into the store, in one transaction."""

    async def __call__(self, topic_id: str, moves: Sequence[Advance], events: Sequence[T_contra]) -> None:
        """Insert the events and make all the moves.

        Order: called for one batch at a time, in the order of each partition's offsets; gaps are normal. Repeats:
        called again with the same arguments after RetryableError. `events` may be empty: all of them were buried.

        Raises:
            LostPartitionError: a position is not where its move begins; nothing was changed.
            RetryableError: the store is away; surely or possibly nothing was changed.
        """


class Portion(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What a batch holds of one partition."""

    move: Advance
    events: list[T]
    #: Dead letters on their way; they must be on their topic before the position moves past them.
    burials: list[Written]


async def always() -> bool:
    """A store that is never full."""
    return True


def names_a_document(event: Incoming) -> bool:
    """Whether its key is one of ours, by which it gets into a queue."""
    return bool(event.root_key)


def attach_take_in(
    app: BusApp,
    name: str,
    source: str,
    positions: Positions,
    read: Callable[[Incoming], T | None],
    bury: Bury,
    commit: Commit[T],
    *,
    has_room: Callable[[], Awaitable[bool]] = always,
    is_keyed: Callable[[Incoming], bool] = names_a_document,
    most_dead_in_a_row: int = MOST_DEAD_IN_A_ROW,
) -> None:
    """Give the app an agent that takes `source` into a store.

    Args:
        app: One agent a topic; a topic read for several connections has one app (and group) each.
        name: Of the agent, in metrics and logs.
        source: Topic.
        positions: Where the store stands, asked at every assignment.
        read: An event to what the store takes; None for one that does not concern it. RejectedError: it is buried.
        bury: The dead letter and outcome of an event `read` refused.
        commit: The transaction.
        has_room: Asked before each batch. While it has none the agent takes no further one, and topics keep the rest.
        is_keyed: Who has not the key the topic's events must have is buried.
        most_dead_in_a_row: Beyond it the worker stops.
    """
    if source in app.kept_positions:
        raise ConfigurationError(source, "is taken in by another agent of this app already: one topic, one store")
    keeper = app.kept_positions[source] = KeptPositions(positions)
    acks = app.ordered_acks()
    taker = TakeIn(app, name, keeper, acks, read, bury, commit, has_room, is_keyed, DeadLetterLimit(most_dead_in_a_row))

    async def body(stream: BusStream) -> None:
        await guarded(app, acks, taker.run(stream))

    app.attach(name, source, body)


class TakeIn(Generic[T]):
    """One topic on its way into one store."""

    def __init__(
        self,
        app: BusApp,
        name: str,
        keeper: KeptPositions,
        acks: OrderedAcks,
        read: Callable[[Incoming], T | None],
        bury: Bury,
        commit: Commit[T],
        has_room: Callable[[], Awaitable[bool]],
        is_keyed: Callable[[Incoming], bool],
        limit: DeadLetterLimit,
    ) -> None:
        self._app = app
        self._name = name
        self._keeper = keeper
        self._acks = acks
        self._read = read
        self._bury = bury
        self._commit = commit
        self._is_keyed = is_keyed
        self._has_room = has_room
        self._limit = limit
        #: The generation in which a partition was lost; the rest of it is not worth taking.
        self._lost_in: int | None = None

    async def run(self, stream: BusStream) -> None:
        """Take in, a transaction for each batch; what comes during one is the next, so that they grow with the work."""
        last: Written | None = None
        async for batch in stream.batches(BATCH):
            epoch = self._acks.epoch
            generation = batch[0].generation_id
            if generation == self._lost_in:
                for taken in batch:
                    self._app.forget(taken)
                continue
            wanted = partial(self._is_ours, epoch, generation)
            while not await self._has_room() and wanted():  # noqa: ASYNC110 - the store tells nobody
                await asyncio.sleep(ROOM_EVERY_S)
            by_partition: dict[int, list[Slice]] = {}
            for taken in batch:
                by_partition.setdefault(taken.tp.partition, []).append(taken)
            topic_id = self._app.topic_ids[batch[0].tp.topic]
            portions: list[Portion[T]] = []
            kept: list[Slice] = []
            for partition, slices in by_partition.items():
                incoming = [event for taken in slices for event in self._app.incoming(taken)]
                try:
                    portions.append(await self._portion(partition, incoming, wanted))
                except GivenUpError:
                    for taken in slices:
                        self._app.forget(taken)  # the cursor is no longer ours to move
                    continue
                kept += slices
            if not kept:
                continue
            last = asyncio.create_task(self._take(topic_id, portions, last, generation))
            await self._acks.add(kept, [last], epoch)
            if sum(map(len, batch)) < BATCH:
                await asyncio.wait({last})

    def _is_ours(self, epoch: int, generation: int) -> bool:
        return epoch == self._acks.epoch and generation == self._app.consumer_generation_id

    async def _portion(self, partition: int, incoming: list[Incoming], wanted: Callable[[], bool]) -> Portion[T]:
        if not wanted():
            raise GivenUpError
        expected = self._keeper.cursors.get(partition)
        next_offset = max(incoming[-1].offset + 1, expected or 0)
        # before anything is awaited: an assignment in between sets the cursor anew
        self._keeper.cursors[partition] = next_offset
        events: list[T] = []
        burials: list[Written] = []
        for event in incoming:
            if expected is not None and event.offset < expected:
                continue  # a repeat: the store has it
            try:
                taken = await patiently(partial(self._taken, event), self._name, wanted)
            except RejectedError as error:
                self._limit.dead(error)
                metrics.DEAD_LETTERS.labels(agent=self._name, code=error.code).inc()
                log.warning("event.dead", agent=self._name, topic=event.topic, offset=event.offset, code=error.code)
                burials += await self._app.write(list(self._bury(event, error)), wanted)
                if not wanted():
                    raise GivenUpError from error  # perhaps not all of it was sent
            else:
                self._limit.passed()
                if taken is not None:
                    events.append(taken)
        return Portion(
            move=Advance(partition=partition, expected=expected, next_offset=next_offset),
            events=events,
            burials=burials,
        )

    async def _taken(self, event: Incoming) -> T | None:
        if not self._is_keyed(event):
            raise RejectedError("no_root_key", "the key names no connection and document", key=event.key_text)
        return self._read(event)

    async def _take(
        self, topic_id: str, portions: Sequence[Portion[T]], previous: Written | None, generation: int
    ) -> None:
        if previous is not None and not previous.done():
            await asyncio.wait({previous})
        await asyncio.gather(*(burial for portion in portions for burial in portion.burials))
        moves = [portion.move for portion in portions if portion.move.next_offset != portion.move.expected]
        if not moves:
            return
        events = [event for portion in portions for event in portion.events]
        started = time.perf_counter()
        try:
            await self._commit_until_done(topic_id, moves, events)
        except LostPartitionError as error:
            self._lose(error, generation)
            return
        metrics.COMMIT_SECONDS.labels(agent=self._name).observe(time.perf_counter() - started)
        metrics.EVENTS_IN.labels(agent=self._name).inc(len(events))
        log.debug("take_in.batch", agent=self._name, partitions=len(moves), events=len(events))

    async def _commit_until_done(self, topic_id: str, moves: Sequence[Advance], events: Sequence[T]) -> None:
        """Try again while the store is away; only giving up, by a rebalance or a stop, ends it."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await self._commit(topic_id, moves, events)
                return
            except RetryableError as error:
                log.warning("take_in.store_away", agent=self._name, reason=str(error))
                await asyncio.sleep(error.retry_after_s or pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _lose(self, error: LostPartitionError, generation: int) -> None:
        """Drop everything in hand and read from the store's positions again.

        The new assignment makes sure that nothing read before it is taken for what comes after; seeking alone would
        not.
        """
        log.warning("take_in.partition_lost", agent=self._name, reason=str(error))
        metrics.PARTITIONS_LOST.labels(agent=self._name).inc()
        self._lost_in = generation
        self._acks.give_up()  # cancels this very task, too: nobody waits for it any more
        self._app.rejoin()
