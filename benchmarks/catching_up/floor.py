"""python -m benchmarks.catching_up.floor KAFKA SOURCE TARGET GROUP SCHEMA_ID: confluent-kafka and fastavro in a loop.

As fast as Python goes without a framework: the same bytes in and out as the streams worker's route of stock, outputs
confirmed before offsets are committed.
"""

import signal
import sys
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Producer

from benchmarks.catching_up.stock import header, level_of

#: Events after which the outputs are waited for and the offsets committed.
COMMIT_EVERY: Final = 2_000


def main(kafka: str, source: str, target: str, group: str, schema_id: str) -> None:
    """Until SIGTERM."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    servers = {"bootstrap.servers": kafka}
    consumer = Consumer({**servers, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    producer = Producer(
        {**servers, "acks": "all", "enable.idempotence": True, "linger.ms": 5, "partitioner": "murmur2_random"}
    )
    consumer.subscribe([source])
    begin = header(int(schema_id))
    failed: list[Any] = []

    def told(error: Any, _: Any) -> None:
        if error is not None:
            failed.append(error)

    open_ = 0
    while not stopped:
        messages = consumer.consume(500, timeout=0.1)
        for message in messages:
            if message.error() is not None:
                raise KafkaException(message.error())
            key, value = level_of(message.value() or b"", message.timestamp()[1], begin)
            producer.produce(target, value, key, on_delivery=told)
        producer.poll(0)
        open_ += len(messages)
        if open_ >= COMMIT_EVERY or (open_ and not messages):
            producer.flush()
            if failed:
                raise KafkaException(failed[0])
            consumer.commit(asynchronous=False)
            open_ = 0
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
