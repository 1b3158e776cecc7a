"""A target in memory that keeps a receipt of every effect, and fails in every way a target can."""

import asyncio
import random
from collections import defaultdict

from delivery.ports import Absent, CannotTell, Finding, Found, Intent, Reference, Row, Settlement
from delivery.states import Repeats, State
from errors import DependencyError, RefusedError, RetryableError, UnknownOutcomeError


class Target:
    """Atomic: a second delivery of a reference is noticed, counted and does nothing."""

    repeats = Repeats.ATOMIC

    def __init__(self, *, timeout_s: float = 2.0) -> None:
        self._timeout_s = timeout_s
        #: By message key: offsets in the order of their effects.
        self.effects: dict[str, list[int]] = defaultdict(list)
        self.receipts: set[str] = set()
        #: References that arrived again after their effect was there.
        self.repeated: list[str] = []
        self.prepared: list[int] = []
        self.found: list[int] = []

    async def prepare(self, row: Row) -> Intent | Settlement:
        self.prepared.append(row.offset)
        return Intent(
            reference=Reference(record=row.record, business=row.message_key, operation=f"update:{row.offset}"),
            body=str(row.offset).encode(),
            timeout_s=self._timeout_s,
        )

    async def deliver(self, intent: Intent) -> Settlement:
        return self.apply(intent)

    async def find(self, intent: Intent) -> Finding:
        self.found.append(int(intent.body))
        return Found(settlement=self.said()) if str(intent.reference) in self.receipts else Absent()

    def apply(self, intent: Intent) -> Settlement:
        """The effect."""
        if str(intent.reference) in self.receipts:
            self.repeated.append(str(intent.reference))
        else:
            self.receipts.add(str(intent.reference))
            self.effects[intent.reference.business].append(int(intent.body))
        return self.said()

    @staticmethod
    def said() -> Settlement:
        return Settlement(state=State.DELIVERED, code="created")


class TroubledTarget(Target):
    """One call in three goes wrong."""

    def __init__(self, seed: int, *, settling_s: float, timeout_s: float = 2.0) -> None:
        super().__init__(timeout_s=timeout_s)
        self._random = random.Random(seed)
        self._settling_s = settling_s
        self._late: set[asyncio.Task[None]] = set()

    async def prepare(self, row: Row) -> Intent | Settlement:
        await asyncio.sleep(self._random.random() * 0.003)
        match self._random.randrange(16):
            case 0:
                raise RetryableError("busy", "later")
            case 1:
                raise DependencyError("customer:s:C1", "not yet")
            case 2:
                raise UnknownOutcomeError("read_timed_out", "no answer")
            case 3:
                return Settlement(state=State.SUPPRESSED, code="equal")
        return await super().prepare(row)

    async def deliver(self, intent: Intent) -> Settlement:
        await asyncio.sleep(self._random.random() * 0.003)
        match self._random.randrange(16):
            case 0:
                raise RetryableError("busy", "later")
            case 1:
                raise UnknownOutcomeError("lost", "no effect")
            case 2:
                self.apply(intent)
                raise UnknownOutcomeError("lost", "with effect")
            case 3:
                self._later(intent)
                raise UnknownOutcomeError("lost", "the target is still at work")
            case 4:
                raise RefusedError("refused", "no")
        return self.apply(intent)

    async def find(self, intent: Intent) -> Finding:
        match self._random.randrange(8):
            case 0:
                return CannotTell(reason="away")
            case 1:
                raise RetryableError("busy", "later")
        return await super().find(intent)

    def _later(self, intent: Intent) -> None:
        async def later() -> None:
            await asyncio.sleep(self._settling_s / 2)
            self.apply(intent)

        task = asyncio.create_task(later())
        self._late.add(task)
        task.add_done_callback(self._late.discard)
