"""Offsets as the broker has them: where partitions begin and end, how far groups have come; for lag and ledger."""

import time
from collections.abc import Iterable, Mapping

import msgspec
from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from bus.verify import uuid_of
from errors import RetryableError

#: Somebody waits for it: a broker that is being restarted behind a balancer is back by then.
TIMEOUT_S = 10.0
#: A partition that was just made, or just changed hands, has its leader within this time.
SETTLED_WITHIN_S, ASKED_AGAIN_S = 5.0, 0.1
UNSETTLED = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})

#: A partition of a topic, by name.
Place = tuple[str, int]


class TopicPlaces(msgspec.Struct, frozen=True, kw_only=True):
    """A topic's identity and width."""

    name: str
    topic_id: str
    partitions: int


def admin_of(bootstrap: str) -> AdminClient:
    """A client for asking; it logs nothing, failures are raised."""
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def describe(admin: AdminClient, names: Iterable[str]) -> dict[str, TopicPlaces]:
    """Those of the topics that exist.

    Raises:
        RetryableError: Kafka does not answer.
    """
    try:
        existing = admin.list_topics(timeout=TIMEOUT_S).topics
        present = [name for name in names if name in existing]
        if not present:
            return {}
        futures = admin.describe_topics(TopicCollection(present), request_timeout=TIMEOUT_S)
        described = {name: future.result() for name, future in futures.items()}
    except KafkaException as error:
        raise away(error) from error
    return {
        name: TopicPlaces(name=name, topic_id=uuid_of(each), partitions=len(each.partitions))
        for name, each in described.items()
    }


def starts(admin: AdminClient, topics: Mapping[str, TopicPlaces]) -> dict[Place, int]:
    """The first offset kept, for each partition."""
    return _offsets(admin, topics, OffsetSpec.earliest())  # type: ignore[no-untyped-call]  # untyped there


def ends(admin: AdminClient, topics: Mapping[str, TopicPlaces]) -> dict[Place, int]:
    """The offset the next record will get, for each partition; readers see only what is committed."""
    return _offsets(admin, topics, OffsetSpec.latest())  # type: ignore[no-untyped-call]  # untyped there


def committed(admin: AdminClient, group: str) -> dict[Place, int]:
    """How far a consumer group has come; empty for a group that never was."""
    try:
        futures = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=TIMEOUT_S)
        partitions = futures[group].result().topic_partitions or []
    except KafkaException as error:
        raise away(error) from error
    return {(each.topic, each.partition): each.offset for each in partitions if each.offset >= 0}


def away(error: KafkaException) -> RetryableError:
    """Kafka's failure in our words."""
    return RetryableError("kafka.away", f"Kafka does not answer: {error.args[0].str()}")


def _offsets(admin: AdminClient, topics: Mapping[str, TopicPlaces], spec: OffsetSpec) -> dict[Place, int]:
    places = [TopicPartition(each.name, number) for each in topics.values() for number in range(each.partitions)]
    if not places:
        return {}
    until = time.monotonic() + SETTLED_WITHIN_S
    while True:
        try:
            futures = admin.list_offsets(
                dict.fromkeys(places, spec),
                isolation_level=IsolationLevel.READ_COMMITTED,
                request_timeout=TIMEOUT_S,
            )
            return {(place.topic, place.partition): future.result().offset for place, future in futures.items()}
        except KafkaException as error:
            if error.args[0].code() not in UNSETTLED or time.monotonic() > until:
                raise away(error) from error
        time.sleep(ASKED_AGAIN_S)
