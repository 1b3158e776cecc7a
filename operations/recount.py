"""An hour counted once more from the raw topics, beside the account the projection has of it.

Nothing of the projection's tables is used for the count: source events by the broker's own stamps, and what came of
each as the topics tell it now. What retention or compaction has taken is said, and is no difference.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from bus.codec import Codecs
from bus.registry import Registry
from bus.settings import Settings
from delivery.states import ENDS
from errors import ConfigurationError, RetryableError
from operations.ledger import wait_for_projector
from operations.offsets import Place, TopicPlaces, admin_of, away, ends, starts
from operations.projection import books, migrate
from operations.projection.books import DeliveryAccount, IntakeAccount
from operations.projection.project import WEIGHT, Means, Position, Rows, hour_of, place, project
from operations.projection.worker import SOURCES, Observer, Scope, means_of, places_of
from operations.readers import Routed, routed
from schemas.topics import Cleanup, Topic

HOUR = timedelta(hours=1)
BATCH = 2000
SILENT_FOR_S = 30.0
OPEN = "open"

#: (book, topic or record, target, column) to a number.
Counts = Mapping[tuple[str, str, str, str], int]
Progress = Callable[[int, int], None]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A number the account and the topics do not agree on; field names are a contract."""

    #: `intake` or `delivery`.
    book: str
    #: Topic, or canonical record.
    of: str
    target: str
    column: str
    account: int
    topics: int


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A partition whose records of the hour are gone, in part or all."""

    topic: str
    partition: int
    #: `retention` or `compaction`.
    by: str


class Recount(msgspec.Struct, frozen=True, kw_only=True):
    """An hour, twice."""

    hour: datetime
    #: Records read for it.
    read: int
    agrees: bool
    differences: tuple[Difference, ...]
    #: Topics that no longer hold all of the hour: numbers that are lower there are no differences.
    taken: tuple[Taken, ...]


class Raw:
    """What the topics tell of an hour, folded record by record."""

    def __init__(self, hour: datetime, canonical: Iterable[str]) -> None:
        self._hour = hour
        self._canonical = set(canonical)
        self._topic_of: dict[Position, str] = {}
        self._facts: dict[Position, int] = defaultdict(int)
        #: Canonical record to topic and owner.
        self._events: dict[Position, tuple[str, str]] = {}
        self._told: dict[tuple[Position, str], tuple[bool, datetime, str]] = {}

    def add(self, rows: Rows) -> None:
        """Fold a batch in; which records belong to the hour must come before what was told of them."""
        for position, root in rows.roots.items():
            if root.topic and root.arrived_at is not None and hour_of(root.arrived_at) == self._hour:
                self._topic_of[position] = root.topic
            if position in self._topic_of:
                self._facts[position] |= root.facts
        for topic_id, partition, offset, topic, at, _, root_key, *_ in rows.records:
            if topic in self._canonical and hour_of(at) == self._hour:
                self._events[topic_id, partition, offset] = (topic, root_key.partition(":")[0])
        for (topic_id, partition, offset, connection, replay), (stage, state, _, _, at, *_) in rows.deliveries.items():
            position = (topic_id, partition, offset)
            if not replay and stage == "consumers" and position in self._events:
                said = (state in ENDS, at, state)
                self._told[position, connection] = max(said, self._told.get((position, connection), said))

    def counts(self, ways: Sequence[Routed]) -> Counts:
        """Numbers as the accounts have them; what has no end is open."""
        found: Counter[tuple[str, str, str, str]] = Counter()
        for position, topic in self._topic_of.items():
            found["intake", topic, "", _column_of(self._facts[position])] += 1
        for position, (topic, owner) in self._events.items():
            for way in ways:
                if (way.topic, way.owner) == (topic, owner):
                    ended, _, state = self._told.get((position, way.target), (False, None, ""))
                    found["delivery", way.record, way.target, state if ended else OPEN] += 1
        return found


def recount(
    settings: Settings,
    hour: datetime,
    progress: Progress,
    *,
    wait_s: float = 30.0,
    scope: Scope | None = None,
    ways: Sequence[Routed] | None = None,
) -> Recount:
    """Count an hour from the topics and compare.

    Args:
        settings: The deployment.
        hour: Any moment in it; it must be over.
        progress: Told how many records were read, and of how many.
        wait_s: For the projector.
        scope: The bus; tests have their own.
        ways: Which connection each canonical record goes to; the deployment's, where none are given.

    Raises:
        ConfigurationError: the hour is not over.
        RetryableError: Kafka or the projection cannot be read, or the projector is behind after `wait_s`.
    """
    hour = hour_of(hour.astimezone(UTC))
    if hour + HOUR > datetime.now(UTC):
        raise ConfigurationError("--hour", f"{hour:%Y-%m-%dT%H}:00Z is not over yet")
    scope = scope or Scope()
    ways = routed(settings) if ways is None else ways
    admin = admin_of(settings.kafka)
    places = places_of(settings.kafka, [topic.name for topic in scope.topics])
    first, last = starts(admin, places), ends(admin, places)
    raw = Raw(hour, [topic.name for topic in scope.topics if means_of(topic) is Means.CANONICAL])
    with closing(Registry(settings.registry)) as registry, closing(_consumer(settings.kafka)) as consumer:
        observer = Observer(Codecs(registry), scope.topics, {name: each.topic_id for name, each in places.items()})
        spans = _spans(consumer, scope.topics, places, first, last, hour)
        whole = sum(end - begin for _, begin, end in spans)
        read = 0
        # what belongs to the hour first, then what was told of it
        for told_of in (False, True):
            chosen = [span for span in spans if _tells(scope, span[0][0]) is told_of]
            for batch in _batches(consumer, chosen):
                raw.add(project(observer.observed(batch)))
                read += len(batch)
                progress(read, whole)
    with migrate.connect(settings.projection_dsn.reveal(), scope.schema) as wire:
        migrate.check_version(wire)
        wire.commit()
        written = {(places[name].topic_id, number): end for (name, number), end in last.items()}
        wait_for_projector(lambda: books.positions(wire), written, wait_s)
        found = books.read(wire, written, ways, hour, hour + HOUR, [])
    taken = tuple(_taken(spans, scope.topics, first, hour))
    differences = compared(accounts_of(found.intake, found.deliveries), raw.counts(ways), _thinner(taken, ways))
    return Recount(hour=hour, read=read, agrees=not differences, differences=differences, taken=taken)


def accounts_of(intake: Iterable[IntakeAccount], deliveries: Iterable[DeliveryAccount]) -> Counts:
    """The projection's numbers by the same columns; pure."""
    found: Counter[tuple[str, str, str, str]] = Counter()
    for each in intake:
        for fact in WEIGHT:
            name = str(fact.name).lower()
            found["intake", each.topic, "", name] += getattr(each, name)
        found["intake", each.topic, "", OPEN] += each.open
    for line in deliveries:
        found["delivery", line.record, line.target, line.state if line.state in ENDS else OPEN] += line.count
    return found


def compared(account: Counts, topics: Counts, thinner: Iterable[tuple[str, str]]) -> tuple[Difference, ...]:
    """Where they do not agree; less in a topic that has lost records of the hour is no difference; pure.

    Args:
        account: The projection's.
        topics: Counted from them.
        thinner: Book, and topic or record, of which topics no longer hold all.
    """
    lost = set(thinner)
    return tuple(
        Difference(
            book=book, of=of, target=target, column=column, account=account.get(key, 0), topics=topics.get(key, 0)
        )
        for key in sorted({*account, *topics})
        for book, of, target, column in [key]
        if account.get(key, 0) != topics.get(key, 0)
        and not ((book, of) in lost and topics.get(key, 0) < account.get(key, 0))
    )


def _column_of(facts: int) -> str:
    ended = place(facts)
    return OPEN if ended is None else str(ended.name).lower()


def _tells(scope: Scope, name: str) -> bool:
    """Whether a topic tells what became of events, and has none of the books' own."""
    means = next(means_of(topic) for topic in scope.topics if topic.name == name)
    return means not in {*SOURCES, Means.CANONICAL}


def _spans(
    consumer: Consumer,
    read: Iterable[Topic],
    places: Mapping[str, TopicPlaces],
    first: Mapping[Place, int],
    last: Mapping[Place, int],
    hour: datetime,
) -> list[tuple[Place, int, int]]:
    """Offsets to read of each partition: of source topics the hour, of others from it to the end."""
    found = []
    for topic in read:
        numbers = range(places[topic.name].partitions)
        begins = _at(consumer, topic.name, numbers, hour)
        # canonical records carry the source's time: one of the hour may lie anywhere behind
        stops = _at(consumer, topic.name, numbers, hour + HOUR) if topic.log_append_time and _is_source(topic) else {}
        for number in numbers:
            whole = last[topic.name, number]
            begin = max(first[topic.name, number], begins.get(number, whole))
            end = min(whole, stops.get(number, whole))
            if begin < end:
                found.append(((topic.name, number), begin, end))
    return found


def _is_source(topic: Topic) -> bool:
    return means_of(topic) in SOURCES


def _at(consumer: Consumer, topic: str, numbers: Iterable[int], moment: datetime) -> dict[int, int]:
    """The first offset stamped at or after a moment; partitions without one are left out."""
    asked = [TopicPartition(topic, number, int(moment.timestamp() * 1000)) for number in numbers]
    try:
        answered = consumer.offsets_for_times(asked, SILENT_FOR_S)
    except KafkaException as error:
        raise away(error) from error
    return {each.partition: each.offset for each in answered if each.offset >= 0}


def _batches(consumer: Consumer, spans: Sequence[tuple[Place, int, int]]) -> Iterator[list[Message]]:
    """Every record of the spans that is still there."""
    left = {place_: end for place_, _, end in spans}
    if not left:
        return
    consumer.assign([TopicPartition(name, number, begin) for (name, number), begin, _ in spans])
    heard = time.monotonic()
    while left:
        batch = []
        for message in consumer.consume(BATCH, 0.5):
            if (error := message.error()) is not None:
                raise RetryableError("kafka.read", f"reading failed: {error.str()}")
            at = (message.topic() or "", message.partition() or 0)
            if at in left and (message.offset() or 0) < left[at]:
                batch.append(message)
        if batch:
            heard = time.monotonic()
            yield batch
        # what was compacted away or marks a transaction is never given: the consumer's own position tells
        for each in consumer.position([TopicPartition(*at) for at in left]):
            if each.offset >= left[each.topic, each.partition]:
                del left[each.topic, each.partition]
        if time.monotonic() - heard > SILENT_FOR_S:
            raise RetryableError("kafka.read", f"{len(left)} partitions gave nothing for {SILENT_FOR_S:.0f} s")


def _taken(
    spans: Iterable[tuple[Place, int, int]], read: Iterable[Topic], first: Mapping[Place, int], hour: datetime
) -> Iterator[Taken]:
    """Partitions that may have held more of the hour."""
    begins = {at: begin for at, begin, _ in spans}
    now = datetime.now(UTC)
    for topic in read:
        if means_of(topic) not in {*SOURCES, Means.CANONICAL}:
            continue
        compacted = topic.cleanup is not Cleanup.DELETE and now - hour > timedelta(milliseconds=topic.retention_ms)
        for (name, number), start in first.items():
            if name != topic.name:
                continue
            if compacted:
                yield Taken(topic=name, partition=number, by="compaction")
            # nothing older than the hour is left: its own beginning may be gone
            elif start > 0 and begins.get((name, number), start) <= start:
                yield Taken(topic=name, partition=number, by="retention")


def _thinner(taken: Iterable[Taken], ways: Iterable[Routed]) -> Iterator[tuple[str, str]]:
    names = {each.topic for each in taken}
    yield from (("intake", name) for name in names)
    yield from (("delivery", way.record) for way in ways if way.topic in names)


def _consumer(kafka: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": kafka,
            # never joined and never committed to: librdkafka wants a name
            "group.id": "towpath-recount",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "queued.max.messages.kbytes": 65536,
            "log_level": 0,
        }
    )
