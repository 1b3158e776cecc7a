"""What of a replay is queued and what ends at once, and how much may wait at a time; pure.

The newest version ever taken in stands: what is older is superseded, whatever became of the newer one, and of two
events with one version the later one stands. What stands itself is let through, as only its target can tell whether it
is there.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from bus.events import Incoming
from delivery.batch import Ended
from delivery.ports import Arrival
from delivery.states import State
from schemas.bus.command import Command

#: Open rows of one replay, most of them parked: somebody has to look before there are more.
MOST_OPEN: Final = 1000
#: A live event that has waited longer shows that the target has no time to spare.
LIVE_WAITS_S: Final = 1.0
#: Outcomes that wait for Kafka: live ones stand in the same line.
MOST_UNSENT: Final = 2000


class OpenEvent(msgspec.Struct, frozen=True):
    """A row of the queue, as an event of its topic."""

    topic_id: str
    partition: int
    offset: int
    version: int


class Stands(msgspec.Struct, frozen=True, kw_only=True):
    """What stands of one record (message key and kind of record)."""

    #: The highest source version taken in; 0: none, or it has none.
    version: int = 0
    #: Where the newest event with it lay; -1: not known.
    offset: int = -1
    open: tuple[OpenEvent, ...] = ()


class SortedOut(msgspec.Struct, frozen=True, kw_only=True):
    """Events of a replay."""

    queued: list[Arrival]
    ended: list[Ended]


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """What the queue of a connection is busy with."""

    paused: bool
    #: Another system is behind the connection than is remembered.
    estranged: bool
    #: Rows of replays that a deliverer may take now or has in hand.
    waiting: int
    #: All open rows of this replay.
    open: int
    #: How long the first of the keys has been due.
    overdue_s: float
    unsent: int


def fits(command: Command, event: Incoming) -> bool:
    """Whether a replay selects an event, as far as the event itself tells."""
    if command.root_key and event.root_key != command.root_key:
        return False
    if command.since is not None and event.at < command.since:
        return False
    return command.until is None or event.at < command.until


def sorted_out(arrivals: Sequence[Arrival], standing: Mapping[tuple[str, str], Stands]) -> SortedOut:
    """What is queued behind the open rows of its key, and what ends at once; events in the order of their topic."""
    queued: list[Arrival] = []
    ended: list[Ended] = []
    for one in arrivals:
        stands = standing.get((one.message_key, one.record), Stands())
        if any(
            (row.topic_id, row.partition, row.offset) == (one.topic_id, one.partition, one.offset)
            for row in stands.open
        ):
            ended.append(Ended(arrival=one, state=State.SUPPRESSED, code="already_queued", merged_into=""))
        elif _is_older(one, stands):
            ended.append(Ended(arrival=one, state=State.SUPERSEDED, code="older", merged_into=""))
        else:
            queued.append(one)
    return SortedOut(queued=queued, ended=ended)


def _is_older(one: Arrival, stands: Stands) -> bool:
    if 0 < one.source_version < stands.version:
        return True
    if one.source_version == stands.version and one.offset < stands.offset:
        return True
    return any(
        row.version > one.source_version
        or ((row.topic_id, row.partition) == (one.topic_id, one.partition) and row.offset > one.offset)
        for row in stands.open
    )


def room(feed: Feed, in_flight: int) -> int:
    """How many rows may be queued now: a quarter of what may be under way, one while live events wait."""
    if holds(feed):
        return 0
    at_once = 1 if feed.overdue_s > LIVE_WAITS_S else max(1, in_flight // 4)
    return max(0, at_once - feed.waiting)


def holds(feed: Feed) -> str:
    """What a replay waits for, as a code of the sentence catalogue; empty: it goes on."""
    if feed.estranged:
        return "replay.estranged"
    if feed.paused:
        return "replay.paused"
    if feed.open >= MOST_OPEN:
        return "replay.too_many_open"
    return "replay.outcomes_wait" if feed.unsent > MOST_UNSENT else ""


def prefix(arrivals: Sequence[Arrival], standing: Mapping[tuple[str, str], Stands], most: int) -> int:
    """How many of the first arrivals may go in so that no more than `most` of them are queued."""
    queued = {id(one) for one in sorted_out(arrivals, standing).queued}
    count = 0
    for place, one in enumerate(arrivals):
        count += id(one) in queued
        if count > most:
            return place
    return len(arrivals)
