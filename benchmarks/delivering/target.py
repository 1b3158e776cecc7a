"""The other end of the benchmarks: answers after a while, refuses nothing, fails now and then, and keeps the order."""

import asyncio

from delivery.ports import Absent, Finding, Found, Intent, Reference, Row, Settlement
from delivery.states import Repeats, State
from errors import RetryableError

DONE = Settlement(state=State.DELIVERED, code="created", document_number="ORD000001")


class Target:
    """Atomic, in memory: what is measured is our side."""

    repeats = Repeats.ATOMIC

    def __init__(self, *, answer_s: float, events: int, fails_one_in: int = 0, once: bool = True) -> None:
        """Build; of one in `fails_one_in` events the first try fails, 0: of none. Not `once`: it keeps no receipts."""
        self._answer_s = answer_s
        self._left = events
        self._fails_one_in = fails_one_in
        self._once = once
        self._failed: set[str] = set()
        self._receipts: set[str] = set()
        self._last: dict[str, int] = {}
        #: Effects of a key that came before an earlier one's.
        self.order_violations = 0
        #: A second effect of the same reference.
        self.repeated = 0
        self.done = asyncio.Event()

    async def prepare(self, row: Row) -> Intent | Settlement:
        """As small as can be."""
        return Intent(
            reference=Reference(record=row.record, business=row.root_key, operation=f"update:{row.offset}"),
            body=row.payload,
            timeout_s=10.0,
        )

    async def deliver(self, intent: Intent) -> Settlement:
        """Yes, as a rule."""
        if self._answer_s:
            await asyncio.sleep(self._answer_s)
        key, reference = intent.reference.business, str(intent.reference)
        offset = int(intent.reference.operation.removeprefix("update:"))
        if self._fails_one_in and hash((key, offset)) % self._fails_one_in == 0 and reference not in self._failed:
            self._failed.add(reference)
            raise RetryableError("busy", "later")
        if self._once:
            self.repeated += reference in self._receipts
            self._receipts.add(reference)
        self.order_violations += offset <= self._last.get(key, -1)
        self._last[key] = offset
        self._left -= 1
        if self._left == 0:
            self.done.set()
        return DONE

    async def find(self, intent: Intent) -> Finding:
        """Asked when a lease ran out."""
        return Found(settlement=DONE) if str(intent.reference) in self._receipts else Absent()
