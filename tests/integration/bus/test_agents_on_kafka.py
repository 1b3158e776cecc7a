"""The agents' suite on real Kafka."""

import asyncio
import uuid
from collections.abc import Iterator, Sequence

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # re-exported without saying so

from bus.faust_app import BusApp
from bus.verify import topic_ids
from operations.stack.addresses import Addresses
from tests.suites.agents import PARTITIONS, AgentsSuite, Written


class KafkaCluster:
    def __init__(self, kafka: str) -> None:
        name = f"agents-{uuid.uuid4().hex[:8]}"
        self.source, self.target, self.dead = (f"{name}.{part}" for part in ("source", "target", "dead"))
        self._kafka = kafka
        self._group = f"{name}.group"
        self._admin = AdminClient({"bootstrap.servers": kafka})

    def create(self) -> None:
        topics = [NewTopic(name, PARTITIONS, 1) for name in (self.source, self.target, self.dead)]
        for future in self._admin.create_topics(topics).values():
            future.result()

    def delete(self) -> None:
        for future in self._admin.delete_topics([self.source, self.target, self.dead]).values():
            future.result()

    def app(self) -> BusApp:
        app = BusApp(self._group, self._kafka, topic_ids(self._kafka, [self.source]), broker_commit_interval=0.1)
        app.kill_after_s = None
        return app

    async def write(self, partition: int, values: Sequence[bytes]) -> None:
        producer = Producer({"bootstrap.servers": self._kafka})
        for value in values:
            producer.produce(self.source, value, b"shop:1", partition=partition)
        assert await asyncio.to_thread(producer.flush, 10) == 0

    async def read(self, topic: str) -> list[Written]:
        return await asyncio.to_thread(self._read, topic)

    def _read(self, topic: str) -> list[Written]:
        consumer = Consumer({"bootstrap.servers": self._kafka, "group.id": "reader", "enable.auto.commit": False})
        try:
            places = [TopicPartition(topic, number, 0) for number in range(PARTITIONS)]
            ends = sum(consumer.get_watermark_offsets(place, timeout=5)[1] for place in places)
            consumer.assign(places)
            found: list[Message] = []
            while len(found) < ends:
                found += [each for each in consumer.consume(ends, timeout=0.2) if each.error() is None]
        finally:
            consumer.close()
        found.sort(key=lambda each: (each.partition() or 0, each.offset() or 0))
        return [Written(each.partition() or 0, bytes(each.key() or b""), bytes(each.value() or b"")) for each in found]

    async def committed(self) -> dict[int, int]:
        return await asyncio.to_thread(self._committed)

    def _committed(self) -> dict[int, int]:
        asked = [ConsumerGroupTopicPartitions(self._group)]
        (answer,) = self._admin.list_consumer_group_offsets(asked).values()
        places = answer.result().topic_partitions or ()
        return {place.partition: place.offset for place in places if place.topic == self.source}


class TestAgentsOnKafka(AgentsSuite):
    @pytest.fixture
    def cluster(self, stack: Addresses) -> Iterator[KafkaCluster]:
        made = KafkaCluster(stack.kafka)
        made.create()
        yield made
        made.delete()
