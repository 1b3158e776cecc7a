"""How far each process is behind: positions of groups, stores and projector against the ends of their topics."""

from collections import defaultdict
from collections.abc import Mapping

import msgspec

from bus.settings import Settings
from operations.offsets import admin_of, committed, describe, ends, starts
from operations.projection import books, migrate, open_work
from operations.projection.open_work import OpenWork
from operations.projection.worker import Scope
from operations.readers import readers


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """One process on one topic."""

    process: str
    topic: str
    #: Records it has not read.
    behind: int
    #: Rows of the topic its store still works on; 0 for a process without store.
    open: int = 0
    #: Its store holds as much as it may: nothing is read until half of that is free.
    full: bool = False


def lag(settings: Settings) -> tuple[Lag, ...]:
    """Every reader of every topic, in the order of an event's way; the projector last."""
    admin = admin_of(settings.kafka)
    known = readers(settings)
    places = describe(admin, {*(reader.topic for reader in known), *(topic.name for topic in Scope().topics)})
    first, last = starts(admin, places), ends(admin, places)
    stands: dict[str, Mapping[tuple[str, int], int] | OpenWork] = {}
    lines = []
    for reader in known:
        if reader.topic not in places:
            continue
        place = places[reader.topic]
        name = reader.group or reader.connection
        if name not in stands:
            stands[name] = (
                committed(admin, reader.group)
                if reader.group
                else open_work.read(settings.connection(reader.connection))
            )
        at = stands[name]
        unread = open_rows = 0
        for number in range(place.partitions):
            following = (
                at.positions.get((reader.queue, place.topic_id, number), 0)
                if isinstance(at, OpenWork)
                else at.get((reader.topic, number), 0)
            )
            unread += behind(first[reader.topic, number], last[reader.topic, number], following)
        if isinstance(at, OpenWork):
            open_rows = sum(1 for row in at.rows if row.event[0] == place.topic_id)
        full = isinstance(at, OpenWork) and reader.queue in at.full
        lines.append(Lag(process=reader.process, topic=reader.topic, behind=unread, open=open_rows, full=full))
    return (*lines, *_projector(settings, {name: place.topic_id for name, place in places.items()}, first, last))


def behind(first: int, end: int, following: int) -> int:
    """Records of a partition somebody has not read, whose next one would be `following`."""
    # the ends were asked for before the positions: he may have read on since
    return max(0, end - max(following, first))


def _projector(
    settings: Settings,
    ids: Mapping[str, str],
    first: Mapping[tuple[str, int], int],
    last: Mapping[tuple[str, int], int],
) -> tuple[Lag, ...]:
    with migrate.opened(settings.projection_dsn.reveal()) as wire:
        read = books.positions(wire)
    unread: dict[str, int] = defaultdict(int)
    for (name, number), end in last.items():
        unread[name] += behind(first[name, number], end, read.get((ids[name], number), 0))
    return tuple(
        Lag(process="projector", topic=topic.name, behind=unread[topic.name])
        for topic in Scope().topics
        if topic.name in ids
    )
