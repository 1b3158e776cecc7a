"""A stock Faust agent, as its guide writes one.

python -m benchmarks.transforming.stock_faust '{"kafka": …}'
"""

import logging
import sys
from typing import Any

import faust
from mode import Worker

from benchmarks.transforming.by_hand import transform_of
from benchmarks.transforming.job import Job, given


def main(job: Job) -> None:
    """Until SIGTERM."""
    app = faust.App(
        job.group,
        broker=f"kafka://{job.kafka}",
        store="memory://",
        datadir=job.folder,
        key_serializer="raw",
        value_serializer="raw",
        producer_acks=-1,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
    )
    source, target, transform = app.topic(job.source), app.topic(job.target), transform_of(job.form)

    @app.agent(source)
    async def order(stream: Any) -> None:
        async for event in stream.events():
            await target.send(key=event.key, value=transform(event.value))

    worker = Worker(app, loglevel=logging.WARNING)
    sys.exit(worker.execute_from_commandline())


if __name__ == "__main__":
    main(given())
