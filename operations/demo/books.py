"""The bus's own books at the end of a run, whole and not only of this run; asked last and believed in nothing else."""

from datetime import UTC, datetime, timedelta

import msgspec

from bus.settings import Settings
from operations.census import Census, census
from operations.ledger import Ledger, ledger

#: As long as source topics remember.
LOOK_BACK = timedelta(days=14)
#: What arrives while we ask belongs to it.
LOOK_AHEAD = timedelta(minutes=5)


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """Ledger and census."""

    ledger: Ledger
    census: Census

    @property
    def ledger_remainder(self) -> int:
        """Events that nobody knows of; surpluses of one line do not hide what another one lacks."""
        remainders = [line.remainder for line in self.ledger.intake] + [line.remainder for line in self.ledger.delivery]
        return sum(map(abs, remainders)) + sum(self.ledger.uncounted.values())

    @property
    def uncaptured(self) -> int:
        """Documents the store lists as changed, and of whose change nothing arrived."""
        return len(self.census.uncaptured)

    @property
    def closed(self) -> bool:
        """Whether all of it is accounted for."""
        return self.ledger.balanced and self.census.complete


def read(settings: Settings, began: datetime) -> Books:
    """The ledger of all that topics remember, the census of what changed since the run began.

    Raises:
        BusError: a store, Kafka or the projection cannot be read.
    """
    now = datetime.now(UTC)
    return Books(
        ledger=ledger(settings, now - LOOK_BACK, now + LOOK_AHEAD), census=census(settings, began, now + LOOK_AHEAD)
    )
