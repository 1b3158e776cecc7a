"""Which topic stands under a name now, and where it ends: for who must know whether all of it has been read."""

import msgspec
from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from bus.verify import TIMEOUT_S, admin_of, uuid_of
from errors import RetryableError


class TopicEnds(msgspec.Struct, frozen=True, kw_only=True):
    """A topic at one moment."""

    #: Kafka's UUID of it.
    topic_id: str
    #: Partition to the offset its next record gets; empty ones are left out.
    ends: dict[int, int]


def look(kafka: str, topic: str) -> TopicEnds:
    """Ask the broker.

    Raises:
        RetryableError: it does not answer, or has no such topic now.
    """
    admin = admin_of(kafka)
    try:
        asked = admin.describe_topics(TopicCollection([topic]), request_timeout=TIMEOUT_S)
        described = asked[topic].result()
        places = [TopicPartition(topic, each.id) for each in described.partitions]
        first = _offsets(admin, places, OffsetSpec.earliest())  # type: ignore[no-untyped-call]  # untyped there
        last = _offsets(admin, places, OffsetSpec.latest())  # type: ignore[no-untyped-call]  # untyped there
    except KafkaException as error:
        raise RetryableError("broker_away", f"topic {topic}: {error.args[0].str()}", retry_after_s=1.0) from error
    return TopicEnds(
        topic_id=uuid_of(described), ends={number: end for number, end in last.items() if end > first[number]}
    )


def _offsets(admin: AdminClient, places: list[TopicPartition], spec: OffsetSpec) -> dict[int, int]:
    answers = admin.list_offsets(dict.fromkeys(places, spec), request_timeout=TIMEOUT_S)
    return {place.partition: answer.result().offset for place, answer in answers.items()}
