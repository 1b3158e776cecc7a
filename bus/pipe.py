"""The agent that turns events of one topic into events of others; used by streams and the change router.

What happens to an event is told by its outputs: they are handed to the producer, and the event is acknowledged when
the broker has confirmed every one of them. An event that cannot be turned becomes a dead letter, which is an output
like any other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any

import structlog

from bus import metrics
from bus.acks import OrderedAcks
from bus.events import Incoming, Outgoing, check_size
from bus.faust_app import BusApp, BusStream
from bus.patience import GivenUpError, patiently
from errors import FatalError, RejectedError, RetryableError

log = structlog.get_logger(__name__)

#: An event to what it causes; raises RejectedError for one that will never pass. Pure, or nearly so: it may run again.
Transform = Callable[[Incoming], Iterable[Outgoing]]
#: What is written instead of the outputs of an event that will never pass: its dead letter and its outcome.
Bury = Callable[[Incoming, RejectedError], Iterable[Outgoing]]

#: Asked before a batch is turned: what only another system knows of its events. RetryableError: asked again.
LookUp = Callable[[Sequence[Incoming]], Awaitable[None]]

#: So many dead letters in a row are not the events' fault.
MOST_DEAD_IN_A_ROW = 1000
BATCH = 500


class DeadLetterLimit:
    """Counts dead letters in a row, over all partitions of an agent."""

    def __init__(self, most: int = MOST_DEAD_IN_A_ROW) -> None:
        self._most = most
        self._in_a_row = 0

    def passed(self) -> None:
        """An event went on."""
        self._in_a_row = 0

    def dead(self, error: RejectedError) -> None:
        """An event became a dead letter.

        Raises:
            FatalError: too many in a row; this one is not written and stays unacknowledged.
        """
        self._in_a_row += 1
        if self._in_a_row > self._most:
            raise FatalError(
                "too_many_dead_letters",
                f"{self._most} dead letters in a row, the last: {error}; mend the mapping, then start again",
                most=self._most,
                last=error.code,
            ) from error


def attach_pipe(
    app: BusApp,
    name: str,
    source: str,
    transform: Transform,
    bury: Bury,
    *,
    look_up: LookUp | None = None,
    most_dead_in_a_row: int = MOST_DEAD_IN_A_ROW,
) -> None:
    """Give the app an agent that reads `source` and writes what `transform` makes of it.

    Order: outputs are handed to the producer in the order of the events of a partition. Repeats: after a kill the
    events since the last commit run again. Failure: RejectedError becomes what `bury` makes; anything else stops the
    worker, the event unacknowledged.
    """
    acks = app.ordered_acks()
    limit = DeadLetterLimit(most_dead_in_a_row)

    async def body(stream: BusStream) -> None:
        await guarded(app, acks, _pipe(app, name, stream, acks, transform, bury, limit, look_up))

    app.attach(name, source, body)


async def guarded(app: BusApp, acks: OrderedAcks, work: Any) -> None:
    """Run an agent's body beside its acknowledging; any exception stops the worker, as it would lose its event."""
    acker = asyncio.create_task(acks.run())
    dying: list[asyncio.Task[None]] = []

    def on_end(ended: asyncio.Task[None]) -> None:
        # with nobody to acknowledge, the agent would fill up and stand still without a word
        if not ended.cancelled() and (failure := ended.exception()) is not None:
            dying.append(asyncio.ensure_future(app.die(failure)))

    acker.add_done_callback(on_end)
    try:
        await work
    except Exception as failure:
        await app.die(failure)
        raise
    finally:
        acker.cancel()
        await asyncio.wait({acker})


async def _pipe(
    app: BusApp,
    name: str,
    stream: BusStream,
    acks: OrderedAcks,
    transform: Transform,
    bury: Bury,
    limit: DeadLetterLimit,
    look_up: LookUp | None,
) -> None:
    async for batch in stream.batches(BATCH):
        epoch = acks.epoch
        wanted = partial(_is_now, acks, epoch)
        incoming = [event for taken in batch for event in app.incoming(taken)]
        made: list[Outgoing] = []
        try:
            if look_up is not None:
                await patiently(partial(look_up, incoming), name, wanted)
            for event in incoming:
                turn = partial(outputs, event, name, transform, bury, limit)
                try:
                    made += turn()
                except RetryableError:  # it waits for a schema never seen before, and the registry away
                    made += await patiently(partial(_later, turn), name, wanted)
        except GivenUpError:
            pass  # all of it is for the next owner alone: from us it would come too late
        except Exception:
            await app.write(made, wanted)  # the worker stops, and what became of the events before is told
            raise
        futures = await app.write(made, wanted)
        metrics.EVENTS_IN.labels(agent=name).inc(len(incoming))
        metrics.RECORDS_OUT.labels(agent=name).inc(len(made))
        log.debug("pipe.batch", agent=name, events=len(incoming), outputs=len(made))
        await acks.add(batch, futures, epoch)


def _is_now(acks: OrderedAcks, epoch: int) -> bool:
    return epoch == acks.epoch


async def _later(turn: Callable[[], list[Outgoing]]) -> list[Outgoing]:
    return turn()


def outputs(incoming: Incoming, name: str, transform: Transform, bury: Bury, limit: DeadLetterLimit) -> list[Outgoing]:
    """Everything an event causes, checked before any of it is sent: it is written whole or buried whole."""
    try:
        made = list(transform(incoming))
        for outgoing in made:
            check_size(outgoing)
    except RejectedError as error:
        limit.dead(error)
        metrics.DEAD_LETTERS.labels(agent=name, code=error.code).inc()
        log.warning(
            "event.dead",
            agent=name,
            topic=incoming.topic,
            partition=incoming.partition,
            offset=incoming.offset,
            key=incoming.key_text,
            code=error.code,
            reason=error.message,
        )
        return list(bury(incoming, error))
    limit.passed()
    return made
