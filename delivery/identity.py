"""Who is behind a connection: remembered in its store, asked for now and then, and nothing is done at a stranger's.

For the workers, and for the command by which a person accepts another system. What is remembered, and that a stranger
was met, stands in the store, so that all processes of the connection stop; the client (`ports.Identifies`) is what
keeps a document from a stranger, as it asks each session before it is used.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Final

import msgspec
import structlog

from bus import metrics
from connect.identity import Known, Seen, StrangerError, Verdict, remembered
from delivery import announcements, columns, statements
from delivery.acquaintance import Acquaintance, accepted, after, read, values_of
from delivery.database import Connection
from delivery.ports import Identifies
from delivery.store import Store
from errors import BusError, RetryableError, UnknownOutcomeError

log = structlog.get_logger(__name__)

#: Answer of a command that had a stranger accepted.
ACCEPTED: Final = "identity.accepted"
#: What is known here is written down, and what others found out is heard of.
LOOK_EVERY_S: Final = 5.0
#: The system is asked.
ASK_EVERY_S: Final = 60.0
#: At the very first start, so that no document has to wait for it.
FIRST_WITHIN_S: Final = 5.0
#: State of the outcomes that tell of it.
STATE: Final = "identity"


async def look(store: Store) -> Acquaintance | None:
    """What is known; None: nothing was ever met."""
    found = await store.fetch(statements.IDENTITY, {})
    return read(found[0]) if found else None


async def meet(
    store: Store, queue: str, seen: Seen | None, reached: Known | None, proven: int | None = None
) -> Acquaintance | None:
    """Write down who was met, and tell everybody where that changes something; None: nobody was met yet."""
    async with store.transaction() as wire:
        if seen is not None:
            first = msgspec.json.encode(remembered(seen)).decode()
            await wire.execute(statements.FIRST_IDENTITY, {"known": first})
        before = await _locked(wire)
        if before is None:
            return None
        now = after(before, seen, reached, proven)
        await _write(wire, before, now)
        if now.held != before.held:
            code = now.held or "identity.recognised"
            at, speaker = store.now(), store.speaker(queue)
            await store.announce(wire, [announcements.of_queue(speaker, STATE, code, values_of(now), at)])
    if now.held != before.held:
        store.wake_relay()
        store.wake(queue)
    return now


async def accept(wire: Connection, command_id: str, shown: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """Carry out the command; code and values of its answer, the same for each queue that carries it out.

    Args:
        wire: The command's transaction.
        command_id: A command accepts once, whoever is there when it is repeated.
        shown: The stranger as whoever accepts him saw him, of the names of `values_of`; empty: whoever is there.
    """
    before = await _locked(wire)
    if before is not None and before.accepted_by == command_id:
        return ACCEPTED, values_of(before)
    if before is None or not before.held:
        return "identity.not_held", {}
    if shown.items() - values_of(before).items():
        return "identity.still_held", values_of(before)
    now = accepted(before, command_id)
    await _write(wire, before, now)
    return ACCEPTED, values_of(now)


async def held(wire: Connection) -> Mapping[str, str] | None:
    """What is to be said of the stranger because of whom a connection stands still; None: there is none."""
    now = await _locked(wire)
    return values_of(now) if now is not None and now.held else None


class Watch:
    """Keeps a client from strangers, for one queue's worker."""

    def __init__(self, store: Store, queue: str, there: Identifies) -> None:
        self._store = store
        self._queue = queue
        self._there = there
        #: Somebody who was met and is not written down yet.
        self._met: Seen | None = None
        self._held = False
        self._log = log.bind(connection=store.connection, queue=queue)
        self._gauge = metrics.STRANGER.labels(store.connection)

    async def begin(self) -> None:
        """Before the client is used: from here on it is used with the system that is known, or with none.

        Raises:
            RetryableError: the store is away.
        """
        self._there.expect(None, self._there.refusals)
        now = await look(self._store)
        if now is not None:
            self._follow(now, self._there.refusals)
        else:
            with contextlib.suppress(TimeoutError, BusError):
                async with asyncio.timeout(FIRST_WITHIN_S):
                    await self.ask()

    async def run(self) -> None:
        """Until cancelled."""
        asked_at = -ASK_EVERY_S
        while True:
            try:
                if self._met is None and time.monotonic() - asked_at >= ASK_EVERY_S:
                    asked_at = time.monotonic()
                    await self.ask()
                else:
                    await self._look()
            except BusError as error:
                # whoever has something to deliver there meets the same and acts on it
                self._log.info("delivery.identity_not_asked", code=error.code)
            await asyncio.sleep(LOOK_EVERY_S)

    async def ask(self) -> None:
        """Who is there now, and do as that is to be judged.

        Raises:
            BusError: the system or the store cannot be asked.
        """
        refusals = self._there.refusals
        standing = await look(self._store)
        known = (self._there.known, standing.known if standing is not None else None)
        proven = max((each.system.high_water for each in known if each is not None), default=0)
        await self._meet(await self._there.who(), refusals, proven)

    async def end(self) -> None:
        """At a clean stop: what was written last is remembered exactly."""
        with contextlib.suppress(RetryableError, UnknownOutcomeError):
            await self._look()

    async def estranged(self, error: StrangerError) -> None:
        """A row came to a stranger and went back."""
        self._met = error.seen or self._met
        try:
            await self._look()
        except RetryableError as away:
            self._log.warning("delivery.store_away", code=away.code)  # the client stays shut meanwhile

    async def _look(self) -> None:
        """Write down what is not yet, and do as the store says."""
        refusals = self._there.refusals
        if self._met is not None:
            await self._meet(self._met, refusals)
            return
        now, reached = await look(self._store), self._there.known
        if now is None:
            return
        if reached is not None and not now.held and after(now, None, reached) != now:
            now = await meet(self._store, self._queue, None, reached) or now
        # A client that has met a stranger by itself stays shut until that is written, too.
        if now.held or self._held or reached is None or reached.life != now.known.life:
            self._follow(now, refusals)

    async def _meet(self, seen: Seen, refusals: int, proven: int | None = None) -> None:
        now = await meet(self._store, self._queue, seen, self._there.known, proven)
        if self._met is seen:
            self._met = None
        if now is not None:
            self._follow(now, refusals)

    def _follow(self, now: Acquaintance, refusals: int) -> None:
        """Have the client do as is written; `refusals` are those from before it was."""
        if now.held:
            self._there.refuse(Verdict(now.held))
        elif not self._there.expect(now.known, refusals):
            return  # whoever met the stranger says so next
        if bool(now.held) != self._held:
            self._log.warning("delivery.identity", why=now.held or "identity.recognised", **values_of(now))
        self._held = bool(now.held)
        self._gauge.set(self._held)


async def _locked(wire: Connection) -> Acquaintance | None:
    found = await columns.rows(wire, statements.LOCK_IDENTITY, {})
    return read(found[0]) if found else None


async def _write(wire: Connection, before: Acquaintance, now: Acquaintance) -> None:
    if now == before:
        return
    written = {
        "known": msgspec.json.encode(now.known.system).decode(),
        "life": now.known.life,
        "seen": None if now.seen is None else msgspec.json.encode(now.seen).decode(),
        "held": now.held,
        "accepted_by": now.accepted_by,
    }
    await wire.execute(statements.REMEMBER_IDENTITY, written)
