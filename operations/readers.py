"""Who reads which topic, and where it is written down how far: told from the tables of contents; for lag and ledger."""

from collections.abc import Iterable

import msgspec

from bus.settings import Settings
from consumers import routes as consumers
from producers import routes as producers
from streams import routes as streams

#: Consumer groups of the processes that turn events into events; a contract test holds them to the workers.
STREAMS_GROUP = "towpath.streams"
FETCHERS_GROUP = "towpath.fetchers.{connection}"


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """One process reading one topic."""

    process: str
    topic: str
    #: The connection it works for; empty: for all.
    connection: str = ""
    #: Consumer group whose committed offset tells how far it has come; empty: a store's position does.
    group: str = ""
    #: Queue of the connection's store; empty: the group's offset counts.
    queue: str = ""


class Routed(msgspec.Struct, frozen=True, kw_only=True):
    """Records of a canonical topic whose root is owned by `owner` go to `target`."""

    topic: str
    record: str
    owner: str
    target: str


def readers(settings: Settings) -> tuple[Reader, ...]:
    """Everybody who reads on the way of an event, upstream first."""
    return (*_routers(settings), *_fetchers(settings), *_sightings(settings), *_streams(), *_consumers(settings))


def routed(settings: Settings) -> tuple[Routed, ...]:
    """Which connection each canonical record goes to, told for each connection that can own its root."""
    return tuple(
        Routed(topic=route.source.name, record=route.record, owner=owner, target=target)
        for route in consumers.ROUTES
        for owner in settings.connections
        for target in route.to(f"{owner}:id", settings.pairs)
        if target in settings.connections and settings.connections[target].system == route.system
    )


def _routers(settings: Settings) -> Iterable[Reader]:
    for table in producers.CAPTURED:
        for connection in settings.of_system(table.system):
            name = connection.name
            group = FETCHERS_GROUP.format(connection=name)
            yield Reader(process=f"fetchers@{name}", topic=table.source.name, connection=name, group=group)


def _fetchers(settings: Settings) -> Iterable[Reader]:
    for fetch in producers.FETCHES:
        for connection in settings.of_system(fetch.system):
            name = connection.name
            yield Reader(process=f"fetchers@{name}", topic=fetch.source.name, connection=name, queue="fetchers")


def _sightings(settings: Settings) -> Iterable[Reader]:
    for sighting in producers.SIGHTINGS:
        for connection in settings.of_system(sighting.system):
            name = connection.name
            yield Reader(process=f"fetchers@{name}", topic=sighting.source.name, connection=name, queue="fetchers")


def _streams() -> Iterable[Reader]:
    for topic in dict.fromkeys(route.source.name for route in streams.ROUTES):
        yield Reader(process="streams", topic=topic, group=STREAMS_GROUP)


def _consumers(settings: Settings) -> Iterable[Reader]:
    for route in consumers.ROUTES:
        for connection in settings.of_system(route.system):
            name = connection.name
            yield Reader(process=f"consumers@{name}", topic=route.source.name, connection=name, queue="consumers")
