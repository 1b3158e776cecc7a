"""FastStream on confluent-kafka, in batches and one by one; runs in the peers' environment.

python -m benchmarks.transforming.fast_stream '{"kafka": …}' batched|one-by-one
"""

import asyncio
import logging
import sys
from typing import Any

from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker, KafkaMessage

from benchmarks.transforming.by_hand import transform_of
from benchmarks.transforming.job import Job, given


def main(job: Job, batched: bool) -> None:
    """Until SIGTERM."""
    broker = KafkaBroker(
        job.kafka,
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        partitioner="murmur2_random",
        log_level=logging.WARNING,
    )
    transform = transform_of(job.form)
    common: dict[str, Any] = {"group_id": job.group, "auto_offset_reset": "earliest", "ack_policy": AckPolicy.ACK}

    if batched:

        @broker.subscriber(job.source, batch=True, max_records=500, **common)  # type: ignore[untyped-decorator]  # no types here
        async def take(values: list[bytes], message: KafkaMessage) -> None:
            keys = [each.key() for each in message.raw_message]
            await asyncio.gather(
                *(
                    broker.publish(transform(value), job.target, key=key)
                    for key, value in zip(keys, values, strict=True)
                )
            )

    else:

        @broker.subscriber(job.source, **common)  # type: ignore[untyped-decorator]  # as above
        async def each(value: bytes, message: KafkaMessage) -> None:
            await broker.publish(transform(value), job.target, key=message.raw_message.key())

    asyncio.run(FastStream(broker).run(log_level=logging.WARNING))


if __name__ == "__main__":
    main(given(), batched=sys.argv[2] == "batched")
