"""A connection's store is copied to a file, and one that was restored is told what it missed; run where the store is.

The one place where a command writes to a store (docs/decisions/0043): there is no worker that could, as none may work
on a store that does not know its past.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message

from bus import clock, store_marks
from bus.codec import Codecs
from bus.producer import BusProducer, Publisher
from bus.registry import Registry
from bus.settings import Connection, Settings
from delivery import backup as files
from delivery import recovery
from delivery.backup import Header
from delivery.incarnation import Incarnation, refusal
from delivery.migrate import migrate, schema_of
from delivery.recognition import announced, marking
from delivery.recovery import By, Horizons, Known, Listener, Recovered
from delivery.schema_steps import Wire
from errors import ConfigurationError, DecodeError, RetryableError
from operations import read_topics
from operations.offsets import TopicPlaces, admin_of, away, describe, ends
from operations.read_topics import Span
from operations.readers import FETCHERS_GROUP, readers
from operations.readiness import CONSUMERS_GROUP
from schemas.bus.cross_reference import CrossReference
from schemas.bus.outcome import Outcome
from schemas.topics import CROSS_REFERENCES, OUTCOMES

#: Clocks differ, and what was told shortly before is told again without harm.
EARLIER = timedelta(hours=1)
ASK_WITHIN_S = 15.0

#: Told of the progress: what, how much, of how much (0: not known).
Say = Callable[[str, int, int], None]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a recovery would do; field names are a contract."""

    connection: str
    #: Code of why nobody may work on the store; empty: the store is as it should be.
    refused: str
    #: What the store, or the file, knows of itself; None: a store without a file that is not there yet.
    store_id: str
    counter: int
    moment: datetime | None
    #: What Kafka has heard of it.
    announced_id: str
    announced_counter: int
    announced_at: datetime | None
    #: The file that would be loaded.
    file: Path | None
    #: Schema under which the store that stands there would be kept; empty: none does.
    kept_as: str
    #: Outcomes and cross references are read from this moment on; None: from their beginning.
    since: datetime | None
    outcomes: int
    cross_references: int
    #: Events of the connection's topics that are taken in again; those that had ended are not delivered again.
    taken_in_again: int
    open_rows: int
    #: Consumer groups of the connection with members: those have to be stopped first.
    at_work: tuple[str, ...]


def backup(settings: Settings, name: str, to: Path, say: Say) -> Header:
    """Copy a connection's store into a file, as of one moment, while its workers go on.

    Raises:
        ConfigurationError: no such connection, tables of another version, or the file cannot be written.
        RetryableError: the store cannot be reached.
    """
    connection = settings.connection(name)
    return files.backup(connection.store_dsn.reveal(), name, to, lambda table, done: say(table, done, 0))


def plan(settings: Settings, name: str, file: Path | None) -> Plan:
    """What a recovery would do; nothing is changed.

    Raises:
        ConfigurationError: no such connection, or the file is no backup of it.
        RetryableError: Kafka, the registry or the store do not answer.
    """
    connection = settings.connection(name)
    header = _header(name, file)
    known = _known(connection)
    with closing(Registry(settings.registry)) as registry:
        mark = store_marks.read(settings.kafka, Codecs(registry)).get(name)
    refused = refusal(name, known.incarnation, announced(mark))
    moment = known.moment if header is None else header.at
    since = None if moment is None else moment - EARLIER
    outcomes, references = _spans(settings, since)
    positions = known.positions if header is None else {}
    return Plan(
        connection=name,
        refused=refused.code if refused is not None else "",
        store_id=known.incarnation.store_id if header is None else header.store_id,
        counter=known.incarnation.counter if header is None else header.counter,
        moment=moment,
        announced_id=mark.store_id if mark is not None else "",
        announced_counter=mark.counter if mark is not None else 0,
        announced_at=mark.at if mark is not None else None,
        file=file,
        kept_as=_kept_as(name, datetime.now(UTC)) if header is not None and known.moment is not None else "",
        since=since,
        outcomes=outcomes.records,
        cross_references=references.records,
        taken_in_again=sum(max(end - positions.get(place, 0), 0) for place, end in _horizons(settings, name).items())
        if header is None
        else 0,
        open_rows=known.open_rows if header is None else header.rows.get("rows", 0),
        at_work=_at_work(settings, name),
    )


def recover(
    settings: Settings, name: str, file: Path | None, by: By, say: Say, *, now: datetime | None = None
) -> Recovered:
    """Load the file if one is given, tell the store what became of its events since, and let workers in again.

    Interrupted, it leaves the store held; run again, it begins anew.

    Raises:
        ConfigurationError: no such connection, or the file is no backup of it.
        RetryableError: workers are at work on the store; Kafka, the registry or the store do not answer.
    """
    connection, dsn = settings.connection(name), settings.connection(name).store_dsn.reveal()
    at = now or datetime.now(UTC)
    header = _header(name, file)
    _refuse_at_work(settings, name)
    if header is not None and file is not None:
        files.load(dsn, header, file, _kept_as(name, at), lambda table, done: say(f"loading {table}", done, 0))
    else:
        migrate(dsn, name)
    with closing(Registry(settings.registry)) as registry, recovery.opened(dsn, name) as wire:
        codecs = Codecs(registry)
        recovery.hold(wire)
        known = recovery.known(wire)
        # whoever began before the store was held is a member by now, or is refused
        _refuse_at_work(settings, name)
        horizons = _horizons(settings, name)
        heard = _listen(settings, codecs, wire, name, known, say)
        mark = store_marks.read(settings.kafka, codecs).get(name)
        found = heard.finish(by, horizons, announced(mark), at, settings.code_version)
        asyncio.run(_tell(settings, codecs, connection, found.incarnation))
    return found


def has_content(settings: Settings, name: str) -> bool:
    """Whether a store stands there that has ever done anything."""
    return _known(settings.connection(name)).moment is not None


def _known(connection: Connection) -> Known:
    dsn = connection.store_dsn.reveal()
    try:
        with recovery.opened(dsn, connection.name) as wire:
            return recovery.known(wire)
    except ConfigurationError:
        # none, or of another version: that is for `towpath migrate`
        if files.stands(dsn, connection.name):
            raise
        return Known(incarnation=Incarnation(store_id="", counter=0), moment=None, positions={}, open_rows=0)


def _header(name: str, file: Path | None) -> Header | None:
    if file is None:
        return None
    header = files.header_of(file)
    if header.connection != name:
        raise ConfigurationError("--from", f"{file} is a backup of {header.connection}")
    return header


def _kept_as(name: str, at: datetime) -> str:
    return files.beside_of(schema_of(name), f"before_{at:%Y%m%d_%H%M%S}")


def _spans(settings: Settings, since: datetime | None) -> tuple[Span, Span]:
    places = _places(settings, [OUTCOMES.name, CROSS_REFERENCES.name])
    return (
        read_topics.span(settings.kafka, places[OUTCOMES.name], since),
        read_topics.span(settings.kafka, places[CROSS_REFERENCES.name], since),
    )


def _places(settings: Settings, names: Iterable[str]) -> Mapping[str, TopicPlaces]:
    wanted = list(names)
    places = describe(admin_of(settings.kafka), wanted)
    if missing := sorted(set(wanted) - places.keys()):
        raise ConfigurationError("topics", f"{', '.join(missing)} missing: run `towpath topics apply`")
    return places


def _horizons(settings: Settings, name: str) -> Horizons:
    """Where the topics end that are taken into the connection's queues."""
    taken_in = [each for each in readers(settings) if each.connection == name and each.queue]
    places = _places(settings, dict.fromkeys(each.topic for each in taken_in))
    found = ends(admin_of(settings.kafka), places)
    return {
        (each.queue, places[each.topic].topic_id, number): found[each.topic, number]
        for each in taken_in
        for number in range(places[each.topic].partitions)
    }


def _at_work(settings: Settings, name: str) -> tuple[str, ...]:
    groups = [FETCHERS_GROUP.format(connection=name), CONSUMERS_GROUP.format(connection=name)]
    admin = admin_of(settings.kafka)  # answers come while it lives
    try:
        asked = admin.describe_consumer_groups(groups, request_timeout=ASK_WITHIN_S)
        return tuple(group for group in groups if _members(asked[group]))
    except KafkaException as error:
        raise away(error) from error


def _members(asked: object) -> bool:
    try:
        return bool(asked.result().members)  # type: ignore[attr-defined]  # a future
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return False
        raise


def _refuse_at_work(settings: Settings, name: str) -> None:
    if running := _at_work(settings, name):
        listed = ", ".join(group.removeprefix("towpath.").replace(f".{name}", f"@{name}") for group in running)
        raise RetryableError("store.at_work", f"{listed} is at work on the store: stop it first (`towpath stop`)")


def _listen(settings: Settings, codecs: Codecs, wire: Wire, name: str, known: Known, say: Say) -> Listener:
    listener = Listener(wire, name)
    outcomes, references = _spans(settings, None if known.moment is None else known.moment - EARLIER)
    done = 0
    for batch in read_topics.read(settings.kafka, OUTCOMES, outcomes):
        listener.hear(_outcomes(codecs, batch))
        done += len(batch)
        say("outcomes", done, outcomes.records)
    done = 0
    for batch in read_topics.read(settings.kafka, CROSS_REFERENCES, references):
        listener.hear_references(_references(codecs, batch))
        done += len(batch)
        say("cross references", done, references.records)
    return listener


def _outcomes(codecs: Codecs, batch: Iterable[Message]) -> Iterator[Outcome]:
    codec = codecs.of(OUTCOMES)
    for message in batch:
        if (value := message.value()) is None:
            continue
        try:
            yield codec.decode(value)
        except DecodeError:
            continue  # nobody's: whoever wrote it was not of the bus


def _references(codecs: Codecs, batch: Iterable[Message]) -> Iterator[tuple[str, CrossReference | None]]:
    codec = codecs.of(CROSS_REFERENCES)
    for message in batch:
        key, value = (message.key() or b"").decode("utf-8", "replace"), message.value()
        try:
            yield key, None if value is None else codec.decode(value)
        except DecodeError:
            continue


async def _tell(settings: Settings, codecs: Codecs, connection: Connection, born: Incarnation) -> None:
    async with BusProducer(settings.kafka) as producer:
        await marking(connection.name, Publisher(producer, codecs), clock.now)(born)
