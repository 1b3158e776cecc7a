"""What the suite asks about each sink: how to make a row, how to count what it leaves, how to make its target fail."""

from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Protocol

import msgspec

from delivery.ports import Memory, Sink


class Event(msgspec.Struct, frozen=True):
    """What becomes a row."""

    message_key: str
    payload: bytes
    #: What the target calls it: an order's number, a shipment's, a stock section's key.
    name: str


class Adapter(Protocol):
    """One sink at its simulator."""

    #: As `consumers/routes.py` names it.
    sink: ClassVar[type[Sink]]
    #: Fixture of the simulator it is built with.
    simulator: ClassVar[str]

    def __init__(self, there: Any) -> None: ...

    def event(self) -> Event:
        """Something the target has not seen yet."""

    def event_it_refuses(self) -> Event:
        """Something the target itself says no to, not the sink before it asks."""

    def opened(self, memory: Memory, /) -> AbstractAsyncContextManager[Sink]:
        """The sink with a client of its own, for the event loop it is opened in."""

    def effects(self, event: Event) -> dict[str, int]:
        """How often each thing stands or was done there that a delivery leaves: all 1 after one, all 0 before."""

    def throttle_once(self) -> None:
        """The next delivery is told to come again later, nothing is done."""

    def lose_an_answer(self) -> None:
        """The next delivery is carried out and nobody hears of it."""

    def calm(self) -> None:
        """No faults."""
