"""The projector: reads every topic that tells something and keeps the books; `towpath run projector`.

It assigns itself all partitions at positions of its own, which move in the transaction of the rows: killed at any
instruction it goes on exactly there. One works at a time; others wait for its database session to end.
"""

import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import cast

import msgspec
import psycopg
import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from bus.codec import Codecs
from bus.registry import Registry
from bus.settings import Settings
from errors import BusError, ConfigurationError, DecodeError, FatalError, RetryableError
from operations.offsets import TopicPlaces, admin_of, describe, starts
from operations.projection import letters, migrate, tables
from operations.projection.project import Means, Observed, Rows, project
from operations.projection.tables import MovedError
from schemas import topics
from schemas.bus.change import Change
from schemas.bus.cross_reference import CrossReference
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.fetched import Fetched
from schemas.bus.outcome import Outcome
from schemas.canonical.order import Order
from schemas.topics import Cleanup, Stage, Topic

log = structlog.get_logger(__name__)

BATCH = 5000
#: Longest wait for a first record, and the time given to others to join it: a commit costs eight temporary tables,
#: whatever it holds.
WAIT_S = 0.5
GATHER_S = 0.25
#: The broker gathers, too: else each record of each topic is an answer of its own.
FETCH_BYTES = 256 * 1024
FETCH_WAIT_S = 0.25
HOUSEKEEPING_EVERY_S = 1800.0
#: Whether the topics are those that were there at the beginning.
TOPICS_EVERY_S = 10.0
#: An hour closes when it is this far behind …
CLOSES_AFTER = timedelta(hours=1)
#: … and surely whole on its topic, which keeps fourteen days: a rebuilt projection may have lost part of an older one.
CLOSES_WITHIN = timedelta(days=13)
LONGEST_PAUSE_S = 10.0
STATEMENT_TIMEOUT_MS = 60_000
ASK_WITHIN_S = 10.0
#: What the database says of a record it will never take: a value out of range or too long, two that became one.
REFUSALS = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded, psycopg.errors.CardinalityViolation)

Decoded = Change | Fetched | Order | Outcome | DeadLetter | CrossReference

MEANS_OF_RECORD: dict[type[msgspec.Struct], Means] = {
    Change: Means.CHANGES,
    Fetched: Means.FETCHED,
    Outcome: Means.OUTCOMES,
    DeadLetter: Means.DEAD_LETTERS,
    CrossReference: Means.CROSS_REFERENCES,
}


def means_of(topic: Topic) -> Means | None:
    """What a topic tells the projection; None for those it does not read."""
    if topic.record is None:
        return Means.CAPTURED if topic.written_by is Stage.CONNECT and ".cdc." in topic.name else None
    return MEANS_OF_RECORD.get(topic.record) or (Means.CANONICAL if topic.written_by is Stage.STREAMS else None)


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What is read into which schema; tests have their own."""

    topics: tuple[Topic, ...] = tuple(topic for topic in topics.TOPICS if means_of(topic) is not None)
    schema: str = migrate.SCHEMA

    @property
    def gapless(self) -> list[str]:
        """Topics whose offsets all have a record: nothing compacts them, and nobody writes in transactions."""
        return [topic.name for topic in self.topics if topic.cleanup is Cleanup.DELETE]


def run(settings: Settings) -> int:
    """Project until SIGTERM or SIGINT; 0, or 1 when it cannot go on."""
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda which, _frame: told.append(which))
    return run_until(settings, lambda: bool(told))


def run_until(settings: Settings, stopped: Callable[[], bool], scope: Scope | None = None) -> int:
    """Project until told; whatever is away is waited for, from the positions that stand in the database."""
    scope = scope or Scope()
    pause_s = 0.5
    while not stopped():
        began = time.monotonic()
        try:
            _session(settings, stopped, scope)
        except (ConfigurationError, FatalError) as error:
            log.error("projector.refuses", code=error.code, reason=error.message)  # noqa: TRY400  one line, as for all refusals
            return 1
        except MovedError as error:
            log.warning("projector.starts_over", reason=str(error))
        except (BusError, KafkaException, psycopg.OperationalError) as error:
            log.warning("projector.waits", error=type(error).__name__, reason=str(error).strip())
        if stopped():
            break
        pause_s = 0.5 if time.monotonic() - began > 30 else min(pause_s * 2, LONGEST_PAUSE_S)
        _sleep(pause_s, stopped)
    log.info("projector.stopped")
    return 0


def _session(settings: Settings, stopped: Callable[[], bool], scope: Scope) -> None:
    """One database session and one consumer, until either breaks."""
    with migrate.connect(settings.projection_dsn.reveal(), scope.schema) as wire:
        migrate.check_version(wire)
        wire.commit()
        if not _our_turn(wire, scope.schema, stopped):
            return
        wire.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}")
        tables.prepare(wire)
        if derived := letters.derive_causes(wire):
            log.info("projector.derived_causes", letters=derived)
        with (
            closing(Registry(settings.registry)) as registry,
            closing(Reader(settings.kafka, wire, Codecs(registry), scope.topics)) as reader,
        ):
            log.info("projector.ready", partitions=len(reader.expected))
            _work(reader, wire, stopped)


def _work(reader: "Reader", wire: migrate.Wire, stopped: Callable[[], bool]) -> None:
    housekeeping_at = time.monotonic()
    look_at = housekeeping_at + TOPICS_EVERY_S
    while not stopped():
        if time.monotonic() >= look_at:
            reader.refuse_made_anew()
            look_at = time.monotonic() + TOPICS_EVERY_S
        batch = reader.read()
        if batch:
            reader.write(batch)
        if time.monotonic() >= housekeeping_at:
            _keep_house(reader, wire, datetime.now(UTC))
            housekeeping_at = time.monotonic() + HOUSEKEEPING_EVERY_S


def _keep_house(reader: "Reader", wire: migrate.Wire, now: datetime) -> None:
    until = now - CLOSES_AFTER
    # after a rest: an hour closed with part of its events would count too little for good
    if reader.has_read_until(until) and (closed := tables.close_hours(wire, now - CLOSES_WITHIN, until, now)):
        log.info("projector.closed_hours", hours=closed)
    tables.prune(wire)


class Observer:
    """Makes what the projection looks at of what Kafka gave."""

    def __init__(self, codecs: Codecs, read: Sequence[Topic], ids: Mapping[str, str]) -> None:
        self._codecs = codecs
        self._read = {topic.name: topic for topic in read}
        self._means = {topic.name: means_of(topic) for topic in read}
        # of canonical records only orders have money
        self._decode = {each.name for each in read if means_of(each) in DECODED or each.record is Order}
        self._ids = ids

    def observed(self, batch: Sequence[Message]) -> Iterator[Observed]:
        """Each record, decoded where what is in it is needed."""
        for message in batch:
            topic, value = message.topic() or "", message.value()
            partition = message.partition()
            means = self._means[topic]
            if means is None:
                continue
            yield Observed(
                topic=topic,
                means=means,
                topic_id=self._ids[topic],
                partition=-1 if partition is None else partition,
                offset=_offset(message),
                timestamp_ms=message.timestamp()[1],
                key=(message.key() or b"").decode("utf-8", "backslashreplace"),
                headers=_headers(message),
                value=self._decoded(topic, value) if topic in self._decode and value is not None else None,
                size_bytes=len(value or b""),
            )

    def _decoded(self, topic: str, value: bytes) -> Decoded | None:
        """The record, or None for bytes that are none: whoever works with them buries them."""
        try:
            decoded: Decoded = self._codecs.of(self._read[topic]).decode(value)
        except DecodeError as error:
            log.warning("projector.undecodable", topic=topic, reason=error.message)
            return None
        return decoded


class Reader:
    """All partitions of all topics the projection reads, from its own positions."""

    def __init__(self, kafka: str, wire: migrate.Wire, codecs: Codecs, read: Sequence[Topic]) -> None:
        self._wire = wire
        self._read = {topic.name: topic for topic in read}
        self._means = {topic.name: means_of(topic) for topic in read}
        self._admin = admin_of(kafka)
        self._topics = places_of(kafka, self._read)
        self._observer = Observer(codecs, read, {name: place.topic_id for name, place in self._topics.items()})
        self.expected = self._positions(kafka)
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                # never joined and never committed to: librdkafka wants a name
                "group.id": "towpath-projector",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "fetch.message.max.bytes": 1024 * 1024,
                "fetch.min.bytes": FETCH_BYTES,
                "fetch.wait.max.ms": int(FETCH_WAIT_S * 1000),
                "queued.max.messages.kbytes": 65536,
                "log_level": 0,
            }
        )
        self._consumer.assign(
            [
                TopicPartition(each.name, partition, self.expected[each.topic_id, partition])
                for each in self._topics.values()
                for partition in range(each.partitions)
            ]
        )

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def read(self) -> list[Message]:
        """The next records, or none after a while."""
        first = self._consumer.poll(WAIT_S)
        if first is None:
            return []
        batch = [first, *self._consumer.consume(BATCH - 1, GATHER_S)]
        for message in batch:
            if (error := message.error()) is not None:
                raise _failure(error)
        return batch

    def write(self, batch: Sequence[Message]) -> None:
        """Bring a batch into the projection, with the positions behind it.

        A record the database refuses for what is in it is left out and said; it is never counted, so that the ledger
        is out of balance until a rebuild by code that can take it.
        """
        following: dict[tuple[str, int], int] = {}
        for message in batch:
            following[self._place(message)] = _offset(message) + 1
        try:
            self._write(project(self._observer.observed(batch)), following)
        except REFUSALS as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                self.write(batch[:middle])
                self.write(batch[middle:])
                return
            # never the database's own text: it may quote the record
            place = {"topic": batch[0].topic(), "partition": batch[0].partition(), "offset": batch[0].offset()}
            log.error("projector.refused", **place, error=type(error).__name__, sqlstate=error.sqlstate)  # noqa: TRY400  one line
            self._write(project(()), following)
        log.debug("projector.batch", records=len(batch))

    def refuse_made_anew(self) -> None:
        """Begin a new session when a topic was deleted and made anew: its offsets are others.

        Raises:
            RetryableError: one was.
        """
        found = describe(self._admin, self._read)
        if changed := sorted(name for name, place in found.items() if place.topic_id != self._topics[name].topic_id):
            raise RetryableError("topic_recreated", f"{', '.join(changed)} was made anew", topic=changed[0])

    def has_read_until(self, moment: datetime) -> bool:
        """Whether all source events stamped before a moment were read."""
        places = [
            TopicPartition(each.name, partition, int(moment.timestamp() * 1000))
            for each in self._topics.values()
            if self._means[each.name] in SOURCES
            for partition in range(each.partitions)
        ]
        for place in self._consumer.offsets_for_times(places, ASK_WITHIN_S):
            needed = place.offset
            if needed < 0:  # nothing is stamped later: all there is
                _, needed = self._consumer.get_watermark_offsets(place, ASK_WITHIN_S)
            if self.expected[self._topics[place.topic].topic_id, place.partition] < needed:
                return False
        return True

    def _write(self, rows: Rows, following: Mapping[tuple[str, int], int]) -> None:
        tables.write(self._wire, rows, {place: self.expected[place] for place in following}, following)
        self.expected.update(following)

    def _place(self, message: Message) -> tuple[str, int]:
        partition = message.partition()
        return self._topics[message.topic() or ""].topic_id, -1 if partition is None else partition

    def _positions(self, kafka: str) -> dict[tuple[str, int], int]:
        """Where to go on; partitions never seen begin at their first record."""
        first = starts(admin_of(kafka), self._topics)
        for each in self._topics.values():
            tables.begin(
                self._wire,
                each.name,
                {(each.topic_id, number): first[each.name, number] for number in range(each.partitions)},
            )
        kept = tables.positions(self._wire)
        for (name, number), start in first.items():
            place = (self._topics[name].topic_id, number)
            if place not in kept:
                raise MovedError("the projection was emptied while this projector began")
            if kept[place] < start:
                # the topic forgot what was not read yet: say so, and let the books show it as missing
                log.error("projector.gap", topic=name, partition=number, records=start - kept[place])
                tables.write(self._wire, project(()), {place: kept[place]}, {place: start})
                kept[place] = start
        return kept


#: Where source events are born.
SOURCES = frozenset({Means.CHANGES, Means.CAPTURED})
DECODED = frozenset({Means.CHANGES, Means.FETCHED, Means.OUTCOMES, Means.DEAD_LETTERS, Means.CROSS_REFERENCES})


def places_of(kafka: str, names: Collection[str]) -> dict[str, TopicPlaces]:
    found = describe(admin_of(kafka), names)
    missing = sorted(set(names) - found.keys())
    if missing:
        raise ConfigurationError("topics", f"{', '.join(missing)} missing: run `towpath topics apply`")
    return found


def _our_turn(wire: migrate.Wire, schema: str, stopped: Callable[[], bool]) -> bool:
    """Wait until no other projector holds the lock, which ends with its database session."""
    waited = False
    while not stopped():
        row = wire.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 1))", [schema]).fetchone()
        wire.commit()
        if row is not None and row[0]:
            return True
        if not waited:
            log.info("projector.stands_by")
            waited = True
        _sleep(1.0, stopped)
    return False


def _sleep(seconds: float, stopped: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not stopped() and time.monotonic() < deadline:
        time.sleep(0.1)


def _headers(message: Message) -> dict[str, bytes]:
    headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    return {name: value for name, value in headers if value is not None}


def _offset(message: Message) -> int:
    offset = message.offset()
    return OFFSET_BEGINNING if offset is None else offset


def _failure(error: KafkaError) -> BusError:
    return RetryableError("kafka.read", f"reading failed: {error.str()}")
