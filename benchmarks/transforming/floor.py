"""The floor: a bare loop on confluent-kafka and fastavro, as fast as Python goes without a framework.

python -m benchmarks.transforming.floor '{"kafka": …}'
"""

import signal
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from benchmarks.transforming.by_hand import transform_of
from benchmarks.transforming.job import Job, given

#: Events after which the outputs are waited for and the offsets committed.
COMMIT_EVERY: Final = 2_000


def main(job: Job) -> None:
    """Until SIGTERM."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    consumer = Consumer(
        {
            "bootstrap.servers": job.kafka,
            "group.id": job.group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": job.kafka,
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 5,
            "partitioner": "murmur2_random",
        }
    )
    consumer.subscribe([job.source])
    transform, failed = transform_of(job.form), []

    def told(error: Any, _: Any) -> None:
        if error is not None:
            failed.append(error)

    open_ = 0
    while not stopped:
        messages = consumer.consume(500, timeout=0.1)
        for message in messages:
            if message.error() is not None:
                raise KafkaException(message.error())
            producer.produce(job.target, transform(message.value() or b""), message.key(), on_delivery=told)
        producer.poll(0)
        open_ += len(messages)
        if open_ >= COMMIT_EVERY or (open_ and not messages):
            producer.flush()
            if failed:
                raise KafkaException(failed[0])
            _commit(consumer)
            open_ = 0
    consumer.close()


def _commit(consumer: Consumer) -> None:
    try:
        consumer.commit(asynchronous=False)
    except KafkaException as error:
        # what was read is another worker's by now, who reads it again
        if error.args[0].code() != KafkaError._NO_OFFSET:  # noqa: SLF001 - its public name has the underscore
            raise


if __name__ == "__main__":
    main(given())
