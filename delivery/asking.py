"""Asks the system of record for a thing rows wait for: on an operator's command, and by itself from time to time.

For the fetchers of a connection. What is there goes the ordinary way: its event is written once more, or whoever waits
for it is woken. Nothing is made of the answer itself.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import msgspec
import structlog

from bus.logs import described
from delivery import statements
from delivery.decide import facts_of
from delivery.store import Store
from errors import BusError, RetryableError
from schemas.bus.command import Act, Command

log = structlog.get_logger(__name__)

#: Who asks where nobody did.
BY_ITSELF: Final = "towpath"
#: Under this name a command names the thing, as outcomes of rows that wait do.
THING: Final = "waits_for"
ASK_WITHIN_S: Final = 30.0
LOOK_EVERY_S: Final = 30.0
#: Things asked for at one look: of a target that does not answer each takes its time.
AT_ONCE: Final = 20


class Owned(msgspec.Struct, frozen=True, kw_only=True):
    """What a system of record says of a thing."""

    #: Of the answer.
    code: str
    values: dict[str, str] = {}
    #: It surely is there, under this name: whoever waits for it is woken. Empty: not, or its event tells.
    brings: str = ""


class Owner(Protocol):
    """A system of record, as its fetchers know it."""

    async def __call__(self, thing: str, command_id: str) -> Owned:
        """Look for the thing; where it has an event of its own, write that once more, known by the command.

        Raises:
            BusError: by kind; nothing is known of the thing.
        """


async def ask(owner: Owner | None, command: Command) -> Owned:
    """The owner's answer; whatever happens, nobody stops for it."""
    if owner is None:
        return Owned(code="ask.no_way")
    try:
        async with asyncio.timeout(ASK_WITHIN_S):
            return await owner(command.values.get(THING, ""), command.id)
    except TimeoutError:
        return Owned(code="ask.away", values={"why": "timed_out"})
    except BusError as error:
        return Owned(code="ask.away", values={**facts_of(error), "why": error.code})
    except Exception as error:  # noqa: BLE001 - a question must not stop the worker that answers it
        log.warning("asking.defect", connection=command.connection, **described(error))
        return Owned(code="ask.away", values={"why": type(error).__name__})


class Asking:
    """Asks by itself for what is waited for: each thing once, and no more often than every so many minutes."""

    def __init__(
        self, store: Store, queue: str, carry_out: Callable[[Command], Awaitable[None]], every_min: float
    ) -> None:
        """Build, without starting.

        Args:
            store: Open.
            queue: Of the fetchers.
            carry_out: What an operator's command would be carried out by.
            every_min: Between two questions for one thing, whoever asked.
        """
        self._store = store
        self._queue = queue
        self._carry_out = carry_out
        self._every_min = every_min

    async def run(self) -> None:
        """Ask until cancelled; while the store is away, later."""
        while True:
            try:
                await self.look()
            except RetryableError as error:
                log.warning("asking.store_away", connection=self._store.connection, code=error.code)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> int:
        """Ask for what nobody was asked for lately; how many things.

        Raises:
            RetryableError: the store is away; what was not asked for comes at a later look.
        """
        due = await self._store.fetch(statements.TO_ASK, {"every_min": self._every_min, "limit": AT_ONCE})
        for (name,) in due:
            await self._carry_out(
                Command(
                    id=str(uuid.uuid4()),
                    at=self._store.now(),
                    who=BY_ITSELF,
                    why=f"asked every {self._every_min:g} minutes while something waits for it",
                    connection=self._store.connection,
                    queue=self._queue,
                    act=Act.ASK,
                    values={THING: name},
                )
            )
        return len(due)
