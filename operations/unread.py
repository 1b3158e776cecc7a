"""What nobody has read yet: where every reader stands against what is there; for status and explain."""

from collections.abc import Collection, Iterable, Mapping

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from bus.settings import Settings
from operations.lag import behind
from operations.offsets import Place, TopicPlaces, admin_of, away, committed, describe, ends, starts
from operations.projection.queues import StoreStanding
from operations.projection.standing import Event
from operations.projection.worker import Scope
from operations.readers import Reader, Routed, readers

PING_WITHIN_S = 4.0


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """What Kafka says: where topics begin and end, how far groups have come."""

    places: Mapping[str, TopicPlaces]
    starts: Mapping[Place, int]
    ends: Mapping[Place, int]
    #: Group to its positions.
    committed: Mapping[str, Mapping[Place, int]]


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """Events of one topic that one process has not read."""

    process: str
    topic: str
    connection: str
    count: int
    #: (topic id, partition) to the offset it reads next, where something is unread.
    following: Mapping[tuple[str, int], int]


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """Events of one partition that the topic forgot before a process had read them."""

    process: str
    topic: str
    connection: str
    topic_id: str
    partition: int
    #: The first of them: where the process would have gone on.
    offset: int
    count: int


class NotRead(msgspec.Struct, frozen=True, kw_only=True):
    """A process that has not come to an event."""

    process: str
    topic: str
    partition: int
    offset: int
    #: Events of the partition it reads first.
    before: int


def log(settings: Settings) -> Log:
    """Ask Kafka.

    Raises:
        RetryableError: it does not answer.
    """
    admin = _answering(settings)
    known = readers(settings)
    places = describe(admin, {*(reader.topic for reader in known), *(topic.name for topic in Scope().topics)})
    return Log(
        places=places,
        starts=starts(admin, places),
        ends=ends(admin, places),
        committed=_groups(admin, known),
    )


def groups(settings: Settings) -> Mapping[str, Mapping[Place, int]]:
    """How far the consumer groups have come.

    Raises:
        RetryableError: Kafka does not answer.
    """
    return _groups(_answering(settings), readers(settings))


def unread(known: Iterable[Reader], log: Log, stores: Mapping[str, StoreStanding]) -> tuple[Unread, ...]:
    """What each reader has before it; those whose store is silent are left out; pure."""
    found = []
    for reader in known:
        if reader.topic not in log.places or not (reader.group or reader.connection in stores):
            continue
        place = log.places[reader.topic]
        following, count = {}, 0
        for number in range(place.partitions):
            stands = _following(reader, place.topic_id, number, log.committed, stores)
            first, end = log.starts[reader.topic, number], log.ends[reader.topic, number]
            if missing := behind(first, end, stands):
                following[place.topic_id, number] = max(stands, first)
                count += missing
        if count:
            found.append(
                Unread(
                    process=reader.process,
                    topic=reader.topic,
                    connection=reader.connection,
                    count=count,
                    following=following,
                )
            )
    return tuple(found)


def lost(known: Iterable[Reader], log: Log, stores: Mapping[str, StoreStanding]) -> tuple[Lost, ...]:
    """What can never be read any more; who never read a partition begins at its first record and lost nothing; pure."""
    found = []
    for reader in known:
        if reader.topic not in log.places or not (reader.group or reader.connection in stores):
            continue
        place = log.places[reader.topic]
        for number in range(place.partitions):
            stands = _position(reader, place.topic_id, number, log.committed, stores)
            first = log.starts[reader.topic, number]
            if stands is not None and stands < first:
                found.append(
                    Lost(
                        process=reader.process,
                        topic=reader.topic,
                        connection=reader.connection,
                        topic_id=place.topic_id,
                        partition=number,
                        offset=stands,
                        count=first - stands,
                    )
                )
    return tuple(found)


def not_projected(log: Log, positions: Mapping[tuple[str, int], int]) -> int:
    """Records the projector has not read; pure."""
    return sum(
        behind(log.starts[name, number], log.ends[name, number], positions.get((place.topic_id, number), 0))
        for name in (topic.name for topic in Scope().topics)
        if (place := log.places.get(name)) is not None
        for number in range(place.partitions)
    )


def not_read(
    events: Iterable[Event],
    known: Collection[Reader],
    ways: Collection[Routed],
    groups: Mapping[str, Mapping[Place, int]],
    stores: Mapping[str, StoreStanding],
) -> tuple[NotRead, ...]:
    """Which processes have not come to which of a key's events, in the order of the way; pure."""
    listed = list(events)
    found = []
    for reader in known:
        if not (reader.group in groups if reader.group else reader.connection in stores):
            continue
        for event in listed:
            if event.topic != reader.topic or not _must_read(reader, event, ways):
                continue
            following = _following(reader, event.topic_id, event.partition, groups, stores)
            if event.offset >= following:
                found.append(
                    NotRead(
                        process=reader.process,
                        topic=event.topic,
                        partition=event.partition,
                        offset=event.offset,
                        before=event.offset - following,
                    )
                )
    return tuple(found)


def _answering(settings: Settings) -> AdminClient:
    """A client whose servers were heard of a moment ago: its other questions may take their time."""
    admin = admin_of(settings.kafka)
    try:
        admin.list_topics(timeout=PING_WITHIN_S)
    except KafkaException as error:
        raise away(error) from error
    return admin


def _groups(admin: AdminClient, known: Iterable[Reader]) -> Mapping[str, Mapping[Place, int]]:
    return {group: committed(admin, group) for group in dict.fromkeys(reader.group for reader in known) if group}


def _must_read(reader: Reader, event: Event, ways: Collection[Routed]) -> bool:
    if reader.queue == "consumers":
        owner = event.root_key.partition(":")[0]
        return any((way.topic, way.owner, way.target) == (event.topic, owner, reader.connection) for way in ways)
    return not reader.connection or not event.connection or reader.connection == event.connection


def _following(
    reader: Reader,
    topic_id: str,
    partition: int,
    groups: Mapping[str, Mapping[Place, int]],
    stores: Mapping[str, StoreStanding],
) -> int:
    """The offset a reader reads next; one that never read begins at the first."""
    return _position(reader, topic_id, partition, groups, stores) or 0


def _position(
    reader: Reader,
    topic_id: str,
    partition: int,
    groups: Mapping[str, Mapping[Place, int]],
    stores: Mapping[str, StoreStanding],
) -> int | None:
    """The offset a reader reads next; None: it never read there."""
    if reader.group:
        return groups[reader.group].get((reader.topic, partition))
    return stores[reader.connection].positions.get((reader.queue, topic_id, partition))
