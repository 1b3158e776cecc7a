"""How far each connection's store has come, as Kafka has heard: read whole, before anybody works on a store."""

import time
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from bus.codec import Codecs
from errors import RetryableError
from schemas.bus.store_mark import StoreMark
from schemas.topics import STORES

WITHIN_S = 15.0


def read(kafka: str, codecs: Codecs) -> dict[str, StoreMark]:
    """The newest mark of each connection.

    Raises:
        RetryableError: Kafka or the registry do not answer in time.
    """
    codec = codecs.of(STORES)
    return newest(codec.decode(value) for value in _values(kafka))


def newest(marks: Iterable[StoreMark]) -> dict[str, StoreMark]:
    """The mark of each connection that counts; pure.

    Args:
        marks: In the order of the topic. A store that took the place of another one speaks last; of its own marks one
            of a slow relay may come behind a later one.
    """
    found: dict[str, StoreMark] = {}
    for mark in marks:
        before = found.get(mark.connection)
        if before is None or before.store_id != mark.store_id or before.counter < mark.counter:
            found[mark.connection] = mark
    return found


def _values(kafka: str) -> list[bytes]:
    place = TopicPartition(STORES.name, 0, 0)
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            # never joined and never committed to: librdkafka wants a name
            "group.id": "towpath-store-marks",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": False,
            "log_level": 0,
        }
    )
    deadline = time.monotonic() + WITHIN_S
    values: list[bytes] = []
    try:
        first, end = consumer.get_watermark_offsets(place, timeout=WITHIN_S)
        place.offset = first
        consumer.assign([place])
        while _position(consumer, place) < end:
            if time.monotonic() > deadline:
                raise RetryableError("broker_away", f"{STORES.name} was not read in time", retry_after_s=1.0)
            for message in consumer.consume(5000, timeout=0.5):
                if (error := message.error()) is not None:
                    raise KafkaException(error)
                if (value := message.value()) is not None:
                    values.append(value)
    except KafkaException as error:
        raise RetryableError("broker_away", f"{STORES.name}: {error.args[0].str()}", retry_after_s=1.0) from error
    finally:
        consumer.close()
    return values


def _position(consumer: Consumer, place: TopicPartition) -> int:
    (at,) = consumer.position([place])
    return at.offset if at.offset >= 0 else place.offset
