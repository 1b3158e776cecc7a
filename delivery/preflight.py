"""Asks the target what a redrive of a dead letter would come to now; nothing is changed, neither there nor here.

For the workers of a connection, on an operator's command. The document is only rehearsed; a sink that cannot foresee
one takes its number on the way, as for every try.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec
import structlog

from bus.clock import now
from bus.logs import described
from delivery import announcements, columns, statements
from delivery.decide import facts_of
from delivery.ports import Foresees, Intent, Rehearses, Row, Settlement, Sink
from delivery.rendered import rendered
from delivery.states import Kind, ParkedFor
from delivery.store import Store
from errors import BusError, DependencyError, FatalError, RejectedError
from schemas.bus.command import Act, Command

log = structlog.get_logger(__name__)

#: Acts that ask and change nothing.
QUESTIONS: Final = frozenset({Act.PREFLIGHT, Act.RENDER})
#: Rows read and told of at once.
PORTION: Final = 200
#: Asked of the target at once.
AT_ONCE: Final = 4
ASK_WITHIN_S: Final = 30.0
#: For all of a command, the oldest first: other commands of the connection wait meanwhile.
ALL_WITHIN_S: Final = 45.0


class Verdict(StrEnum):
    """Codes of the outcomes that answer for each dead letter."""

    PASSES = "preflight.passes"
    #: The mapping makes a document of it; this target cannot be asked without writing.
    MAPS = "preflight.maps"
    FAILS = "preflight.fails"
    APPLIED = "preflight.applied"
    STALE = "preflight.stale"
    BLOCKED = "preflight.blocked"
    CANNOT_TELL = "preflight.cannot_tell"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about a row."""

    verdict: Verdict
    values: dict[str, str] = {}
    #: Of one that would pass: nothing of it is there yet.
    creates: bool = False


async def preflight(store: Store, queue: str, sinks: Mapping[str, Sink], command: Command) -> int:
    """Announce a verdict for each dead letter the command selects, as many as there is time for; how many."""
    until = time.monotonic() + ALL_WITHIN_S
    count, after = 0, 0
    while True:
        selected = columns.of_selection(command, queue=queue, causes={ParkedFor.REFUSED}, limit=PORTION, after=after)
        async with store.transaction() as wire:
            found = await columns.rows(wire, statements.SELECTED_ROWS, selected)
        rows = [(columns.row_of(values[:-1], "", 0), bool(values[-1])) for values in found]
        told = await _ask_all(rows, sinks, command, until - time.monotonic())
        async with store.transaction() as wire:
            await store.announce(wire, _said(store, queue, command, told))
        store.wake_relay()
        count += len(told)
        if len(told) < len(rows) or not rows:
            return count
        after = rows[-1][0].id


async def _ask_all(
    rows: Sequence[tuple[Row, bool]], sinks: Mapping[str, Sink], command: Command, within_s: float
) -> list[tuple[Row, Told]]:
    """What was found out in time, of rows and whether a newer one of the same record waits behind."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(row: Row, newer: bool) -> Told:
        async with gate:
            sink = sinks.get(row.record)
            if command.act == Act.RENDER:
                return await _asked(row, sink, _rendered)
            if newer and row.kind is Kind.STATE and sink is not None:
                return Told(verdict=Verdict.STALE)
            return await ask_target(row, sink)

    asked = [(row, asyncio.create_task(ask(row, newer))) for row, newer in rows]
    if asked:
        await asyncio.wait([task for _, task in asked], timeout=max(within_s, 0.0))
    told = [(row, task.result()) for row, task in asked if task.done() and not task.cancelled()]
    for _, task in asked:
        task.cancel()
    return told


async def ask_target(row: Row, sink: Sink | None) -> Told:
    """What trying a row would come to now; whatever happens, nobody stops for it."""
    return await _asked(row, sink, _rehearsed)


async def _asked(row: Row, sink: Sink | None, ask: Callable[[Row, Sink], Awaitable[Told]]) -> Told:
    if sink is None:
        return Told(verdict=Verdict.FAILS, values={"why": "no_sink", "record": row.record})
    try:
        async with asyncio.timeout(ASK_WITHIN_S):
            return await ask(row, sink)
    except TimeoutError:
        return Told(verdict=Verdict.CANNOT_TELL, values={"why": "prepare_timed_out"})
    except BusError as error:
        return _of_error(error)
    except Exception as error:  # noqa: BLE001 - a question must not stop the worker that answers it
        log.warning("preflight.defect", key=row.root_key, record=row.record, **described(error))
        return Told(verdict=Verdict.CANNOT_TELL, values={"why": type(error).__name__})


async def _rehearsed(row: Row, sink: Sink) -> Told:
    """As the engine would go, up to the write.

    Raises:
        BusError: as `Sink` says.
    """
    prepared = await _foreseen(row, sink)
    if isinstance(prepared, Settlement):
        return Told(verdict=Verdict.APPLIED, values={"why": prepared.code, **prepared.values})
    if not isinstance(sink, Rehearses):
        return Told(verdict=Verdict.MAPS, creates=prepared.creates)
    await sink.rehearse(prepared)
    return Told(verdict=Verdict.PASSES, creates=prepared.creates)


async def _rendered(row: Row, sink: Sink) -> Told:
    """What would be sent, as text; what was refused was made anew, as a redrive would.

    Raises:
        BusError: as `Sink` says.
    """
    prepared = await _foreseen(row, sink)
    if isinstance(prepared, Settlement):
        return Told(verdict=Verdict.APPLIED, values={"why": prepared.code, **prepared.values})
    return Told(verdict=Verdict.MAPS, values={"document": rendered(prepared.body), "mapping": prepared.mapping})


async def _foreseen(row: Row, sink: Sink) -> Intent | Settlement:
    return await (sink.foresee(row) if isinstance(sink, Foresees) else sink.prepare(row))


def _of_error(error: BusError) -> Told:
    values = {"why": error.code, **facts_of(error)}
    if isinstance(error, DependencyError):
        return Told(verdict=Verdict.BLOCKED, values=values)
    if isinstance(error, RejectedError | FatalError):
        return Told(verdict=Verdict.FAILS, values=values)
    return Told(verdict=Verdict.CANNOT_TELL, values=values)


def _said(
    store: Store, queue: str, command: Command, told: Sequence[tuple[Row, Told]]
) -> list[announcements.Announcement]:
    at, speaker = now(), store.speaker(queue)
    return [announcements.of_verdict(speaker, row, command, each.verdict.value, each.values, at) for row, each in told]
