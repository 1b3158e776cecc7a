"""What was written to the topics in a run, as far as the comparison and the latencies need it. Pure."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from schemas.bus.dead_letter import DeadLetter
from schemas.bus.outcome import Outcome


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A thin change of one order."""

    root: str
    #: By the broker's clock.
    at: datetime
    #: `webhook` or `poll`.
    cause: str


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A canonical record; the topic says of which kind."""

    key: str
    offset: int
    record: Any


class OnTopics(msgspec.Struct, kw_only=True):
    """Everything seen so far; lists are in the order of their partitions, and so in the order of each key."""

    #: Root key to its thin changes.
    arrivals: dict[str, list[Arrival]] = {}
    #: Captured row to the time of its commit at the ERP.
    commits: dict[str, datetime] = {}
    captured_until: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    #: Topic to its records.
    canonical: dict[str, list[Written]] = {}
    outcomes: list[Outcome] = []
    dead_letters: list[DeadLetter] = []

    @property
    def size(self) -> int:
        """How many records were seen."""
        written = sum(len(records) for records in self.canonical.values())
        return len(self.arrivals) + len(self.commits) + written + len(self.outcomes) + len(self.dead_letters)
