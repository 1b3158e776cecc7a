"""Reads one record where it lies, outside any consumer group; for dead letters that are shown or tried again."""

from collections.abc import Mapping

from confluent_kafka import Consumer, KafkaError, TopicPartition

from errors import NotFoundError, RetryableError
from schemas.topics import DEAD_LETTERS, Topic

READ_WITHIN_S = 20.0


def read_letter(bootstrap: str, topic_ids: Mapping[str, str], topic_id: str, partition: int, offset: int) -> bytes:
    """The dead letter at a place of its topic.

    Args:
        bootstrap: Kafka.
        topic_ids: By topic, as they are now.
        topic_id: Of the topic the letter was written to.
        partition: Where it lies.
        offset: As above.

    Raises:
        NotFoundError: it is not there any more, or the topic was made anew since.
        RetryableError: Kafka does not answer.
    """
    if topic_ids[DEAD_LETTERS.name] != topic_id:
        raise NotFoundError("dead_letters.gone", f"{DEAD_LETTERS.name} was made anew since: the bytes are gone")
    return read_one(bootstrap, DEAD_LETTERS, TopicPartition(DEAD_LETTERS.name, partition, offset))


def read_one(bootstrap: str, topic: Topic, place: TopicPartition) -> bytes:
    """The value of the record at a place of the topic.

    Raises:
        NotFoundError: the record is not there any more.
        RetryableError: Kafka does not answer.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "towpath-read-one",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "fetch.message.max.bytes": topic.max_message_bytes,
            "log_level": 0,
        }
    )
    try:
        consumer.assign([place])
        message = consumer.poll(READ_WITHIN_S)
    finally:
        consumer.close()
    if message is None:
        raise RetryableError("broker_away", "Kafka does not answer: the record did not come in time")
    error, value = message.error(), message.value()
    if error is not None and error.code() != KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001  it has no other name
        raise RetryableError("broker_away", f"Kafka does not answer: {error.str()}")
    # where the record itself is gone, the next one kept is read
    if error is not None or value is None or message.offset() != place.offset:
        raise NotFoundError("dead_letters.gone", f"its bytes are not in {topic.name} any more")
    return value
