"""What a worker makes sure of before it starts: its topics are there as they must be, their schemas are registered.

A missing topic would not stop a worker: it would wait for ever, saying so in its log only.
"""

from collections.abc import Iterable

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, TopicDescription  # type: ignore[attr-defined]  # re-exported unsaid

from bus.registry import Schemas
from errors import ConfigurationError, RetryableError
from schemas.topics import Topic, avro_schema

TIMEOUT_S = 10.0
APPLY = "run `towpath topics apply`"


def verify(kafka: str, registry: Schemas, topics: Iterable[Topic]) -> dict[str, str]:
    """Look at every topic a worker reads or writes; Kafka's UUID of each by name.

    Args:
        kafka: Bootstrap servers.
        registry: Asked for the schema of every topic whose record is ours; never told one.
        topics: What the worker reads and writes, dead letters and outcomes included.

    Raises:
        ConfigurationError: a topic or schema is missing or differs; names it and says what to run.
        RetryableError: broker or registry do not answer.
    """
    listed = list(topics)
    described = describe(kafka, [topic.name for topic in listed])
    for topic in listed:
        _check(topic, described.get(topic.name))
        if topic.record is not None:
            registry.id_of(f"{topic.name}-value", avro_schema(topic.record))
    return {name: uuid_of(description) for name, description in described.items()}


def topic_ids(kafka: str, names: Iterable[str], admin: AdminClient | None = None) -> dict[str, str]:
    """Kafka's UUID of each of these topics that exists; `admin` is for who asks again and again."""
    return {name: uuid_of(description) for name, description in describe(kafka, names, admin).items()}


def admin_of(kafka: str) -> AdminClient:
    """A client for questions; each has a connection and a thread of its own."""
    return AdminClient({"bootstrap.servers": kafka, "socket.timeout.ms": int(TIMEOUT_S * 1000), "log_level": 2})


def uuid_of(description: TopicDescription) -> str:
    """A topic's UUID as Kafka itself writes it; the client's text has slashes, which separate a root's parts."""
    return str(description.topic_id).replace("+", "-").replace("/", "_")


def describe(kafka: str, names: Iterable[str], admin: AdminClient | None = None) -> dict[str, TopicDescription]:
    """Those of the topics that exist.

    Raises:
        RetryableError: the broker does not answer.
    """
    admin = admin or admin_of(kafka)
    try:
        there = admin.list_topics(timeout=TIMEOUT_S).topics
        wanted = [name for name in names if name in there]
        if not wanted:
            return {}
        answers = admin.describe_topics(TopicCollection(wanted), request_timeout=TIMEOUT_S)
        return {name: answer.result() for name, answer in answers.items()}
    except KafkaException as error:
        raise RetryableError(
            "broker_away", f"no answer from Kafka at {kafka}: {error.args[0].str()}", retry_after_s=1.0
        ) from error


def _check(topic: Topic, description: TopicDescription | None) -> None:
    if description is None:
        raise ConfigurationError(f"topic {topic.name}", f"does not exist: {APPLY}")
    partitions = len(description.partitions)
    if partitions != topic.partitions:
        raise ConfigurationError(
            f"topic {topic.name}",
            f"has {partitions} partitions and must have {topic.partitions}, or keys move: delete it, then {APPLY}",
        )
