"""What a topic deletes before somebody has read it, on real Kafka."""

import uuid

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.cimpl import NewTopic

from operations import findings
from operations.offsets import admin_of, committed, describe, ends, starts
from operations.readers import Reader
from operations.stack.addresses import Addresses
from operations.topics import create
from operations.unread import Log, lost


def log_of(kafka: str, topic: str, group: str) -> Log:
    admin = admin_of(kafka)
    places = describe(admin, [topic])
    return Log(
        places=places,
        starts=starts(admin, places),
        ends=ends(admin, places),
        committed={group: committed(admin, group)},
    )


def test_records_deleted_before_a_group_read_them_are_told_until_it_goes_on(stack: Addresses) -> None:
    topic = group = f"test-{uuid.uuid4().hex[:8]}"
    admin = admin_of(stack.kafka)
    create(admin, [NewTopic(topic, 2, 1)])
    producer = Producer({"bootstrap.servers": stack.kafka})
    for number in range(10):
        producer.produce(topic, b"value", partition=number % 2)
    assert producer.flush(30) == 0
    consumer = Consumer({"bootstrap.servers": stack.kafka, "group.id": group, "log_level": 0})
    reader = Reader(process="streams", topic=topic, group=group)
    try:
        # it has read two of partition 0, and never been at partition 1
        consumer.commit(offsets=[TopicPartition(topic, 0, 2)], asynchronous=False)
        before = lost([reader], log_of(stack.kafka, topic, group), {})
        cut = [TopicPartition(topic, 0, 4), TopicPartition(topic, 1, 4)]
        for future in admin.delete_records(cut).values():
            future.result()

        (gone,) = lost([reader], log_of(stack.kafka, topic, group), {})
        (found,) = findings.of_lost([gone], {})
        consumer.commit(offsets=[TopicPartition(topic, 0, 4)], asynchronous=False)
        after = lost([reader], log_of(stack.kafka, topic, group), {})
    finally:
        consumer.close()
        admin.delete_topics([topic])[topic].result()

    assert before == after == ()
    assert (gone.partition, gone.offset, gone.count) == (0, 2, 2)
    assert f"2 events of {topic}/0" in found.headline
