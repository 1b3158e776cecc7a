"""What the people of a demonstration have done so far; kept by themselves, read by whoever watches and compares."""

import msgspec

from operations.demo.facts import Placed


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A hostile webhook and what became of it."""

    kind: str
    #: HTTP status; None where nobody answered.
    status: int | None
    wanted: int


class Board(msgspec.Struct, kw_only=True):
    """Grows while the run goes on; one event loop writes it."""

    orders: list[Placed] = []
    hostile: list[Answered] = []
    #: What GP's user did, counted by deed.
    deeds: dict[str, int] = {}
    #: Customers GP knew before the run.
    known_customers: frozenset[str] = frozenset()
    #: Follow-ups that could not be played, in words.
    not_played: list[str] = []
    #: Seconds GP's database was away, where it was restarted.
    gp_away_s: float | None = None
    placing_s: float = 0.0

    def count(self, deed: str) -> None:
        """One more of these."""
        self.deeds[deed] = self.deeds.get(deed, 0) + 1

    def update(self, order: Placed, **changes: object) -> Placed:
        """The order with what happened to it."""
        place = next(at for at, each in enumerate(self.orders) if each.order_id == order.order_id)
        self.orders[place] = msgspec.structs.replace(self.orders[place], **changes)
        return self.orders[place]

    def numbers(self) -> list[str]:
        """The orders' numbers."""
        return [order.number for order in self.orders]
