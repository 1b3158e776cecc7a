"""Quix Streams, at least once; runs in the peers' environment.

python -m benchmarks.transforming.quix '{"kafka": …}'
"""

from quixstreams import Application

from benchmarks.transforming.by_hand import transform_of
from benchmarks.transforming.job import Job, given


def main(job: Job) -> None:
    """Until SIGTERM."""
    app = Application(
        broker_address=job.kafka,
        consumer_group=job.group,
        auto_offset_reset="earliest",
        processing_guarantee="at-least-once",
        producer_extra_config={"acks": "all", "enable.idempotence": True, "linger.ms": 5},
        auto_create_topics=False,
        use_changelog_topics=False,
        state_dir=job.folder,
        loglevel="WARNING",
    )
    source = app.topic(job.source, value_deserializer="bytes", key_deserializer="bytes")
    target = app.topic(job.target, value_serializer="bytes", key_serializer="bytes")
    app.dataframe(source).apply(transform_of(job.form)).to_topic(target)
    app.run()


if __name__ == "__main__":
    main(given())
