"""Events of the past as the rows they would be: read from their topic, decoded as at take-in, those selected kept."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from bus.events import Incoming
from bus.read_range import RangeReader
from bus.verify import topic_ids
from delivery.ports import Arrival
from delivery.replay_rules import Stands, fits, prefix
from delivery.replays import Portion, Range, Replay, Replays
from errors import RejectedError

#: Records asked of Kafka at once.
READ_AHEAD: Final = 1000
#: Events that fit in one transaction.
PORTION: Final = 200


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """A topic whose events can be taken again."""

    topic: str
    topic_id: str
    partitions: int
    record: str
    #: What take-in makes of an event; None: it goes elsewhere. RejectedError: nobody can read it.
    read: Callable[[Incoming], Arrival | None]


class _Item(msgspec.Struct, frozen=True):
    offset: int
    #: None: it does not fit.
    arrival: Arrival | None
    unreadable: bool = False


class Reading:
    """One replay's events, range after range; whoever reads again begins where the store says."""

    def __init__(
        self, replays: Replays, replay: Replay, reader: RangeReader, kafka: str, origins: Mapping[str, Origin]
    ):
        """`origins`: by topic."""
        self._replays = replays
        self._replay = replay
        self._reader = reader
        self._kafka = kafka
        self._origins = origins
        self._ranges = deque(place for place in replay.ranges if place.next < place.last)
        self._ids: Mapping[str, str] | None = None
        self._ahead: deque[_Item] = deque()
        #: Where the range is read on from Kafka.
        self._read_to: int | None = None

    @property
    def place(self) -> Range | None:
        """The range at hand; None: all of them are read."""
        return self._ranges[0] if self._ranges else None

    @property
    def left(self) -> int:
        """Offsets that are not passed yet."""
        return sum(place.last - place.next for place in self._ranges)

    async def portion(self, most: int) -> Portion:
        """The next events of the range at hand; so many of them, at most, are to be queued.

        Raises:
            RetryableError: Kafka, the registry or the store is away.
        """
        place = self._ranges[0]
        if not self._ahead:
            await self._read(place)
        arrivals = [item.arrival for item in self._ahead if item.arrival is not None][:PORTION]
        standing: Mapping[tuple[str, str], Stands] = await self._replays.standing(arrivals) if arrivals else {}
        taken = arrivals[: prefix(arrivals, standing, most)]
        kept = _of(taken)
        left = next((item.offset for item in self._ahead if item.arrival is not None and item.offset not in kept), None)
        following = self._following() if left is None else left
        items = [item for item in self._ahead if item.offset < following]
        return Portion(
            arrivals=taken,
            next=following,
            read=len(items),
            unreadable=sum(item.unreadable for item in items),
            gone=following - self._ranges[0].next - len(items),
        )

    def passed(self, portion: Portion) -> None:
        """The portion is in; go on behind it."""
        while self._ahead and self._ahead[0].offset < portion.next:
            self._ahead.popleft()
        place = msgspec.structs.replace(self._ranges[0], next=portion.next)
        if place.next < place.last:
            self._ranges[0] = place
        else:
            self._ranges.popleft()
            self._read_to = None

    def _following(self) -> int:
        assert self._read_to is not None, "read before"
        return self._read_to

    async def _read(self, place: Range) -> None:
        if self._read_to is None:
            self._read_to = await self._begin(place)
            if self._read_to >= place.last:
                return
        read = self._reader.read
        stretch = await asyncio.to_thread(
            read, place.topic, place.topic_id, place.partition, self._read_to, place.last, READ_AHEAD
        )
        items = [self._item(event, place) for event in stretch.events]
        if self._replay.command.mapping:
            fitting = [item.arrival for item in items if item.arrival is not None]
            kept = _of(await self._replays.delivered_by(self._replay.command.mapping, fitting))
            items = [item if item.offset in kept else _Item(item.offset, None, item.unreadable) for item in items]
        self._ahead.extend(items)
        self._read_to = stretch.next

    async def _begin(self, place: Range) -> int:
        """Where the range is read from: the first event of its time; nowhere in a topic that was made anew."""
        if self._ids is None:
            names = {each.topic for each in self._ranges}
            self._ids = await asyncio.to_thread(topic_ids, self._kafka, names)
        if self._ids.get(place.topic) != place.topic_id or place.topic not in self._origins:
            return place.last
        since = self._replay.command.since
        if since is None or place.next > place.first:
            return place.next
        found = await asyncio.to_thread(self._reader.first_since, place.topic, place.partition, since)
        first = place.last if found is None else min(max(found, place.next), place.last)
        if first > place.next:
            await self._replays.begin(self._replay, place, first)
            self._ranges[0] = msgspec.structs.replace(place, first=first, next=first)
        return first

    def _item(self, event: Incoming, place: Range) -> _Item:
        if not event.root_key:
            return _Item(event.offset, None, unreadable=True)
        if not fits(self._replay.command, event):
            return _Item(event.offset, None)
        try:
            arrival = self._origins[place.topic].read(event)
        except RejectedError:
            # it was buried when it came
            return _Item(event.offset, None, unreadable=True)
        if arrival is None:
            return _Item(event.offset, None)
        id_ = self._replay.id
        return _Item(event.offset, msgspec.structs.replace(arrival, replay=id_, command_id=id_))


def _of(arrivals: list[Arrival]) -> frozenset[int]:
    return frozenset(one.offset for one in arrivals)
