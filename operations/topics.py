"""Topics and schemas brought to what `schemas/topics.py` says, and shown as they are; nothing else creates them."""

import time
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its __init__ re-exports without saying so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
    TopicDescription,
)

from bus.registry import Registry
from bus.settings import Settings
from bus.verify import uuid_of
from errors import ConfigurationError, FatalError, RetryableError
from operations.offsets import TopicPlaces, admin_of, away, ends, starts
from schemas.topics import TOPICS, Cleanup, Topic, avro_schema, heartbeats

TIMEOUT_S, LOOKED_AGAIN_S = 30.0, 0.02
#: Connect and the converter write their own schemas under these topics; we only say how far they may drift.
FOREIGN_SUBJECTS = ("key", "value")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was not as it should be, and now is."""

    topic: str
    #: `created`, `setting`, `compatibility` or `schema`.
    what: str
    detail: str = ""


class TopicState(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as the broker has it."""

    name: str
    exists: bool
    topic_id: str = ""
    partitions: int = 0
    replicas: int = 0
    #: Records from the first kept to the last, over all partitions; compaction leaves fewer.
    records: int = 0
    written_by: str = ""
    key: str = ""
    #: Settings that differ from what the topic should have.
    differs: tuple[str, ...] = ()


def wanted(settings: Settings) -> tuple[Topic, ...]:
    """All topics of a deployment: the named ones and the heartbeats of what is captured."""
    captured = tuple(heartbeats(each.name) for each in settings.connections.values() if each.capture is not None)
    return TOPICS + captured


def settings_of(topic: Topic, copies: int) -> dict[str, str]:
    """Kafka's settings for a topic kept in so many copies.

    `acks=all` waits for the copies in step only, be it one: with three, two must have a record before it counts.
    """
    config = {
        "cleanup.policy": topic.cleanup.value,
        "max.message.bytes": str(topic.max_message_bytes),
        "min.insync.replicas": str(max(1, copies - 1)),
    }
    if topic.cleanup is Cleanup.COMPACT:
        # the newest of each key for ever; older ones and tombstones as long as the history is promised
        config |= {"min.compaction.lag.ms": str(topic.retention_ms), "delete.retention.ms": str(topic.retention_ms)}
    else:
        config["retention.ms"] = str(topic.retention_ms)
    if topic.segment_bytes:
        config["segment.bytes"] = str(topic.segment_bytes)
    config["message.timestamp.type"] = "LogAppendTime" if topic.log_append_time else "CreateTime"
    return config


def apply(settings: Settings, replication: int = 1) -> tuple[Change, ...]:
    """Create what is missing, correct settings, register schemas; a second time does nothing.

    Raises:
        ConfigurationError: a topic has another number of partitions, or a schema breaks its topic's rule.
        RetryableError: broker or registry do not answer.
    """
    topics = wanted(settings)
    admin = admin_of(settings.kafka)
    there = _describe(admin, [topic.name for topic in topics])
    changes = [*_create(admin, topics, there, replication), *_correct(admin, topics, there)]
    registry = Registry(settings.registry)
    try:
        for topic in topics:
            changes += _register(registry, topic)
    finally:
        registry.close()
    return tuple(changes)


def create(admin: AdminClient, asked: Sequence[NewTopic]) -> None:
    """Make topics. Kafka says "made" before it can be asked about them: this returns when all partitions have a leader.

    Raises:
        FatalError: a topic cannot be made; it exists, for one.
        RetryableError: the broker does not answer, or a partition found no leader within 30 s.
    """
    for name, future in admin.create_topics(list(asked), operation_timeout=TIMEOUT_S).items():
        try:
            future.result()
        except KafkaException as error:
            raise FatalError("topics.create", f"{name}: {error.args[0].str()}", topic=name) from error
    until = time.monotonic() + TIMEOUT_S
    while without := [each.topic for each in asked if not _is_led(admin, each)]:
        if time.monotonic() > until:
            raise RetryableError("kafka.away", f"no leader yet for partitions of: {', '.join(without)}")
        time.sleep(LOOKED_AGAIN_S)


def _is_led(admin: AdminClient, asked: NewTopic) -> bool:
    try:
        described = admin.describe_topics(TopicCollection([asked.topic]), request_timeout=TIMEOUT_S)[asked.topic]
        partitions = described.result().partitions
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return False
        raise away(error) from error
    return len(partitions) == asked.num_partitions and all(each.leader for each in partitions)


def states(settings: Settings) -> tuple[TopicState, ...]:
    """Every topic of the deployment as the broker has it."""
    topics = wanted(settings)
    admin = admin_of(settings.kafka)
    there = _describe(admin, [topic.name for topic in topics])
    configs = _configs(admin, there)
    sizes = _sizes(admin, there)
    return tuple(_state(topic, there.get(topic.name), configs.get(topic.name, {}), sizes) for topic in topics)


def _state(
    topic: Topic, description: TopicDescription | None, config: Mapping[str, str], sizes: Mapping[str, int]
) -> TopicState:
    if description is None:
        return TopicState(name=topic.name, exists=False, written_by=topic.written_by.value, key=topic.key)
    copies = _copies(description)
    wanted_now = settings_of(topic, copies)
    return TopicState(
        name=topic.name,
        exists=True,
        topic_id=uuid_of(description),
        partitions=len(description.partitions),
        replicas=copies,
        records=sizes.get(topic.name, 0),
        written_by=topic.written_by.value,
        key=topic.key,
        differs=tuple(sorted(name for name, value in wanted_now.items() if config.get(name) != value)),
    )


def _describe(admin: AdminClient, names: Iterable[str]) -> dict[str, TopicDescription]:
    try:
        existing = admin.list_topics(timeout=TIMEOUT_S).topics
        present = [name for name in names if name in existing]
        if not present:
            return {}
        futures = admin.describe_topics(TopicCollection(present), request_timeout=TIMEOUT_S)
        return {name: future.result() for name, future in futures.items()}
    except KafkaException as error:
        raise away(error) from error


def _create(
    admin: AdminClient, topics: Iterable[Topic], there: Mapping[str, TopicDescription], replication: int
) -> list[Change]:
    missing = [topic for topic in topics if topic.name not in there]
    if not missing:
        return []
    create(
        admin,
        [
            NewTopic(topic.name, topic.partitions, replication, config=settings_of(topic, replication))
            for topic in missing
        ],
    )
    return [Change(topic=topic.name, what="created", detail=f"{topic.partitions} partitions") for topic in missing]


def _correct(admin: AdminClient, topics: Iterable[Topic], there: Mapping[str, TopicDescription]) -> list[Change]:
    changes: list[Change] = []
    configs = _configs(admin, there)
    for topic in topics:
        if topic.name not in there:
            continue
        partitions = len(there[topic.name].partitions)
        if partitions != topic.partitions:
            # more partitions would move keys; only a new version of the topic can have another number
            raise ConfigurationError(topic.name, f"has {partitions} partitions, must have {topic.partitions} for life")
        right = settings_of(topic, _copies(there[topic.name]))
        wrong = {name: value for name, value in right.items() if configs[topic.name].get(name) != value}
        if wrong:
            _alter(admin, topic.name, wrong)
            changes += [Change(topic=topic.name, what="setting", detail=f"{n}={v}") for n, v in wrong.items()]
    return changes


def _copies(description: TopicDescription) -> int:
    return len(description.partitions[0].replicas)


def _alter(admin: AdminClient, name: str, values: Mapping[str, str]) -> None:
    entries = [ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in values.items()]
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
    try:
        for future in admin.incremental_alter_configs([resource], request_timeout=TIMEOUT_S).values():
            future.result()
    except KafkaException as error:
        raise away(error) from error


def _configs(admin: AdminClient, there: Iterable[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in there]
    if not resources:
        return {}
    try:
        futures = admin.describe_configs(resources, request_timeout=TIMEOUT_S)
        return {
            resource.name: {name: entry.value for name, entry in future.result().items()}
            for resource, future in futures.items()
        }
    except KafkaException as error:
        raise away(error) from error


def _sizes(admin: AdminClient, there: Mapping[str, TopicDescription]) -> dict[str, int]:
    places = {
        name: TopicPlaces(name=name, topic_id=uuid_of(each), partitions=len(each.partitions))
        for name, each in there.items()
    }
    first, last = starts(admin, places), ends(admin, places)
    sizes: dict[str, int] = {}
    for (name, partition), offset in last.items():
        sizes[name] = sizes.get(name, 0) + offset - first[name, partition]
    return sizes


def _register(registry: Registry, topic: Topic) -> list[Change]:
    """The topic's rule, then its schema, so that the rule already holds for it."""
    changes: list[Change] = []
    for side in ("value",) if topic.record is not None else FOREIGN_SUBJECTS:
        subject = f"{topic.name}-{side}"
        if registry.compatibility(subject) != topic.compatibility.value:
            registry.set_compatibility(subject, topic.compatibility.value)
            changes.append(
                Change(topic=topic.name, what="compatibility", detail=f"{topic.compatibility.value} of the {side}")
            )
    if topic.record is not None:
        subject = f"{topic.name}-value"
        before = registry.latest(subject)
        registry.register(subject, avro_schema(topic.record))
        after = registry.latest(subject)
        if after is not None and after != before:
            changes.append(Change(topic=topic.name, what="schema", detail=f"version {after.version}, id {after.id}"))
    return changes
