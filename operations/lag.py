"""How far each process is behind: positions of groups, stores and projector against the ends of their topics."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from bus.settings import Settings
from operations.offsets import admin_of, committed, describe, ends, starts
from operations.projection import books, migrate, open_work
from operations.projection.open_work import OpenWork
from operations.projection.standing import first_unread
from operations.projection.worker import Scope
from operations.readers import readers
from schemas.topics import TOPICS, Cleanup

#: How long topics keep their records; those that are compacted are not named.
KEPT = {topic.name: timedelta(milliseconds=topic.retention_ms) for topic in TOPICS if topic.cleanup is Cleanup.DELETE}


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
    #: Records its topic forgot before it had read them.
    lost: int = 0
    #: When the oldest it has not read came; None: it has read all, or the projection does not know.
    since: datetime | None = None
    #: When its topic forgets that one; None: never, or not known.
    forgotten_at: datetime | None = None


def lag(settings: Settings) -> tuple[Lag, ...]:
    """Every reader of every topic, in the order of an event's way; the projector last."""
    admin = admin_of(settings.kafka)
    known = readers(settings)
    places = describe(admin, {*(reader.topic for reader in known), *(topic.name for topic in Scope().topics)})
    first, last = starts(admin, places), ends(admin, places)
    stands: dict[str, Mapping[tuple[str, int], int] | OpenWork] = {}
    lines = []
    waiting: list[dict[tuple[str, int], int]] = []
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
        unread = open_rows = lost = 0
        waiting.append({})
        for number in range(place.partitions):
            following = (
                at.positions.get((reader.queue, place.topic_id, number))
                if isinstance(at, OpenWork)
                else at.get((reader.topic, number))
            )
            start = first[reader.topic, number]
            missing = behind(start, last[reader.topic, number], following or 0)
            unread += missing
            # who never read there begins at the first, and lost nothing
            lost += max(0, start - following) if following is not None else 0
            if missing:
                waiting[-1][place.topic_id, number] = max(following or 0, start)
        if isinstance(at, OpenWork):
            open_rows = sum(1 for row in at.rows if row.event[0] == place.topic_id)
        full = isinstance(at, OpenWork) and reader.queue in at.full
        lines.append(
            Lag(process=reader.process, topic=reader.topic, behind=unread, open=open_rows, full=full, lost=lost)
        )
    with migrate.opened(settings.projection_dsn.reveal()) as wire:
        aged = [_aged(line, first_unread(wire, unread)) for line, unread in zip(lines, waiting, strict=True)]
        read = books.positions(wire)
    return (*aged, *_projector(read, {name: place.topic_id for name, place in places.items()}, first, last))


def behind(first: int, end: int, following: int) -> int:
    """Records of a partition somebody has not read, whose next one would be `following`."""
    # the ends were asked for before the positions: he may have read on since
    return max(0, end - max(following, first))


def _aged(line: Lag, came: Mapping[tuple[str, int], datetime]) -> Lag:
    """With the age of what it has not read."""
    since = min(came.values(), default=None)
    kept = KEPT.get(line.topic)
    forgotten_at = since + kept if since is not None and kept is not None else None
    return msgspec.structs.replace(line, since=since, forgotten_at=forgotten_at)


def _projector(
    read: Mapping[tuple[str, int], int],
    ids: Mapping[str, str],
    first: Mapping[tuple[str, int], int],
    last: Mapping[tuple[str, int], int],
) -> tuple[Lag, ...]:
    unread: dict[str, int] = defaultdict(int)
    for (name, number), end in last.items():
        unread[name] += behind(first[name, number], end, read.get((ids[name], number), 0))
    return tuple(
        Lag(process="projector", topic=topic.name, behind=unread[topic.name])
        for topic in Scope().topics
        if topic.name in ids
    )
