"""What a run still waits for: records nobody has read yet, rows still being worked on, webhooks not yet sent."""

from collections import Counter
from datetime import datetime

import msgspec

from bus.settings import Settings
from operations.demo.board import Board
from operations.demo.evidence import Evidence
from operations.demo.reconcile import key_of
from operations.ledger import take_standing
from operations.offsets import admin_of, describe, ends
from operations.readers import readers


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """Says nothing when the bus is at rest."""

    #: Orders the bus has not heard of.
    unheard: int = 0
    webhooks: int = 0
    #: Process to records it has not read.
    unread: dict[str, int] = {}
    #: Connection to rows of its store that have not ended.
    open_rows: dict[str, int] = {}
    #: Settled and not yet announced.
    unannounced: int = 0
    #: Written and not yet seen by the demonstration itself.
    unseen: int = 0
    #: What GP committed last has not been captured.
    uncaptured_commit: bool = False

    def __str__(self) -> str:
        """In words; empty at rest."""
        told = [f"{self.unheard} orders not heard of"] if self.unheard else []
        told += [f"{self.webhooks} webhooks on their way"] if self.webhooks else []
        told += ["GP's last change not captured"] if self.uncaptured_commit else []
        told += [f"{count} records unread by {name}" for name, count in self.unread.items()]
        told += [f"{count} open at {name}" for name, count in self.open_rows.items()]
        told += [f"{self.unannounced} outcomes not announced"] if self.unannounced else []
        told += [f"{self.unseen} records not seen"] if self.unseen else []
        return ", ".join(told)


def look(
    settings: Settings, board: Board, evidence: Evidence, store: str, unsent: int, last_commit: datetime | None
) -> Waiting:
    """What is under way now; from upstream to downstream, so that nothing moves behind our back.

    Args:
        settings: Of the deployment.
        board: What the customers did.
        evidence: What was seen of the topics.
        store: The store's connection.
        unsent: Webhooks the store has not got rid of.
        last_commit: When GP changed last, where that is known.

    Raises:
        RetryableError: a store or Kafka do not answer.
    """
    unheard = sum(key_of(order, store) not in evidence.seen.arrivals for order in board.orders)
    uncaptured = last_commit is not None and evidence.seen.captured_until < last_commit
    edges = Waiting(unheard=unheard, webhooks=unsent, uncaptured_commit=uncaptured)
    if str(edges):
        # while these are awaited nobody need trouble all stores and groups
        return edges
    admin = admin_of(settings.kafka)
    places = describe(admin, {reader.topic for reader in readers(settings)})
    standing = take_standing(settings, admin, places)
    written = ends(admin, places)
    unread: Counter[str] = Counter()
    for (name, partition), end in written.items():
        for _, following in standing.unread_from.get((places[name].topic_id, partition), ()):
            unread[name] += max(0, end - following)
    # dead letters wait for a person, and the demonstration has none
    open_rows = Counter(connection for connection, _ in standing.open_rows.keys() - standing.held)
    return Waiting(
        unread={name: count for name, count in unread.items() if count},
        open_rows=dict(open_rows),
        unannounced=len(standing.announced),
        unseen=evidence.behind(),
    )
