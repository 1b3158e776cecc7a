"""Reads one record where it lies, outside any consumer group; for dead letters that are shown or tried again."""

from confluent_kafka import Consumer, KafkaError, TopicPartition

from errors import NotFoundError, RetryableError
from schemas.topics import Topic

READ_WITHIN_S = 20.0


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
