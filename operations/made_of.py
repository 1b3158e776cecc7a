"""Which source document each canonical record of a key was made of, what was made of it, and where each field stands.

Reads the records where they lie on the bus: they may hold customer data, so only on demand.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime

import msgspec
from confluent_kafka import TopicPartition

from bus.codec import Codecs
from bus.read_one import read_one
from bus.registry import Registry
from bus.settings import Settings, of_connection
from consumers import routes as consumers
from consumers.dynamics_gp.target import TARGET
from consumers.routes import Route as Delivery
from delivery.states import State
from errors import BusError, NotFoundError
from mapping.port import Lookups, stamp
from operations.field_origins import Origin, origins
from operations.offsets import admin_of, describe
from operations.projection import migrate, stories
from operations.projection.project import parse_root
from operations.projection.stories import OutcomeTold, RecordTold
from operations.tables_at_work import with_lookups_now
from schemas import topics
from schemas.bus.fetched import Fetched
from streams.routes import ROUTES, Route, deployed


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A connection the record went to."""

    connection: str
    delivered: bool
    document_number: str
    #: Of its last delivery; empty: not delivered.
    delivered_with: str
    #: The mapping of today, which the document beside the record is made with; empty: none is shown.
    shown_with: str


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """One canonical record; field names are a contract."""

    key: str
    message_key: str
    at: datetime
    #: topic/partition/offset.
    position: str
    #: `id@version+digest` of the mapping that made it.
    mapping: str
    #: Where the document lies that it was made of; empty: not known any more.
    source: str
    targets: tuple[Target, ...]
    fields: tuple[Origin, ...]
    #: What could not be read or made, and why.
    missing: tuple[str, ...] = ()


#: Topic, topic id, partition and offset to the bytes.
Read = Callable[[str, str, int, int], bytes]


def made_of(settings: Settings, text: str) -> tuple[Made, ...]:
    """The newest of each canonical record of the keys a text can mean.

    Raises:
        NotFoundError: nothing is known of any such key.
        RetryableError: the projection cannot be read.
    """
    with migrate.opened(settings.projection_dsn.reveal()) as wire:
        keys = stories.root_keys(wire, text, list(settings.connections))
        if not keys:
            raise NotFoundError("trace.unknown", f"nothing is known of {text!r}")
        known = [(key, stories.records_of(wire, key), stories.outcomes_of(wire, key)) for key in keys]
    settings = with_lookups_now(settings)
    with closing(Registry(settings.registry)) as registry:
        codecs, read = Codecs(registry), _reader(settings)
        return tuple(
            made(settings, codecs, read, key, record, records, outcomes)
            for key, records, outcomes in known
            for record in newest(records, deployed(settings.mappings))
        )


def newest(records: Iterable[RecordTold], routes: Sequence[Route] = ROUTES) -> tuple[RecordTold, ...]:
    """The newest of each message key on each canonical topic; pure."""
    last: dict[tuple[str, str], RecordTold] = {}
    for each in records:
        if route_of(each, routes) is not None:
            place = (each.topic, each.message_key)
            last[place] = max(last.get(place, each), each, key=lambda told: (told.at, told.event_offset))
    return tuple(each for _, each in sorted(last.items()))


def route_of(record: RecordTold, routes: Sequence[Route] = ROUTES) -> Route | None:
    """The arrow that made a record, by a mapping of ours or the deployment's; None for what no mapping made."""
    id_ = record.mapping.partition("@")[0]
    return next(
        (each for each in routes if id_ in {each.name, each.mapping.id} and each.target.name == record.topic), None
    )


def source_of(record: RecordTold, route: Route, records: Iterable[RecordTold]) -> tuple[str, str, int, int] | None:
    """Where the document lies that a record was made of: the last one read for the same source event; pure."""
    if route.row_type is not None:
        place = parse_root(record.root)
        return (route.source.name, *place) if place is not None else None
    read = [
        each
        for each in records
        if each.topic == route.source.name and each.root == record.root and each.at <= record.at
    ]
    if not read:
        return None
    last = max(read, key=lambda each: (each.at, each.event_offset))
    return last.topic, last.topic_id, last.partition, last.event_offset


def made(
    settings: Settings,
    codecs: Codecs,
    read: Read,
    key: str,
    record: RecordTold,
    records: Sequence[RecordTold],
    outcomes: Sequence[OutcomeTold],
) -> Made:
    """One record with what it was made of and what was made of it, whatever of that can still be read."""
    route = route_of(record, deployed(settings.mappings))
    if route is None:
        raise ValueError(f"no mapping makes {record.topic}")
    place = source_of(record, route, records)
    targets = tuple(_targets(settings, record, outcomes))
    content = source = target = None
    missing: list[str] = []
    try:
        content = codecs.of(route.target).decode(
            read(record.topic, record.topic_id, record.partition, record.event_offset)
        )
        target = document(settings, record, content)
    except BusError as error:
        missing.append(error.message)
    try:
        source = _source(codecs, route, read(*place)) if place is not None else None
    except BusError as error:
        missing.append(error.message)
    return Made(
        key=key,
        message_key=record.message_key,
        at=record.at,
        position=f"{record.topic}/{record.partition}/{record.event_offset}",
        mapping=record.mapping,
        source=f"{place[0]}/{place[2]}/{place[3]}" if place is not None else "",
        targets=targets,
        fields=origins(plain(content), source, target) if content is not None else (),
        missing=tuple(missing),
    )


def plain(content: object) -> object:
    """Plain data of a record; of a fetched one its body."""
    if isinstance(content, Fetched):
        return msgspec.json.decode(content.body)
    # a system's own kinds of values, such as ticks, are read as text
    return msgspec.to_builtins(content, enc_hook=str)


def _source(codecs: Codecs, route: Route, value: bytes) -> object:
    return plain(codecs.decoder(route.source, route.row_type)(value))


def _targets(settings: Settings, record: RecordTold, outcomes: Sequence[OutcomeTold]) -> Iterator[Target]:
    """Who it goes to, and what became of it there last."""
    for route, connection in _goes_to(settings, record):
        delivered = [
            each
            for each in outcomes
            if (each.connection, each.message_key, each.state) == (connection, record.message_key, State.DELIVERED)
        ]
        last = max(delivered, key=lambda each: each.at, default=None)
        yield Target(
            connection=connection,
            delivered=last is not None,
            document_number=last.document_number if last is not None else "",
            delivered_with=last.mapping_out if last is not None else "",
            shown_with=stamp(route.mapping, _lookups(settings, connection)),
        )


def document(settings: Settings, record: RecordTold, content: object) -> object:
    """The document that the first connection it goes to would be sent now; None: it goes nowhere."""
    for route, connection in _goes_to(settings, record):
        return plain(route.mapping(content, _lookups(settings, connection), datetime.now(UTC)))
    return None


def _goes_to(settings: Settings, record: RecordTold) -> Iterator[tuple[Delivery, str]]:
    for route in consumers.deployed(settings.mappings):
        if route.source.name == record.topic:
            for connection in route.to(record.message_key, settings.pairs):
                yield route, connection


def _lookups(settings: Settings, connection: str) -> Lookups:
    return settings.lookups.also(of_connection(connection), known_as=TARGET)


def _reader(settings: Settings) -> Read:
    there = describe(admin_of(settings.kafka), [topic.name for topic in topics.TOPICS])

    def read(topic: str, topic_id: str, partition: int, offset: int) -> bytes:
        if topic not in there or there[topic].topic_id != topic_id:
            raise NotFoundError("trace.gone", f"{topic} was made anew since: its bytes are gone")
        return read_one(settings.kafka, topics.by_name(topic), TopicPartition(topic, partition, offset))

    return read
