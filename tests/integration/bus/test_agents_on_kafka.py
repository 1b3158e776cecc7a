"""The agents' suite on real Kafka."""

import asyncio
import time
import uuid
from collections.abc import Iterator, Sequence

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # re-exported without saying so

from bus.faust_app import BusApp
from bus.recreated import watch_topics
from bus.verify import topic_ids
from errors import FatalError
from operations.stack.addresses import Addresses
from operations.topics import create
from tests.suites.agents import PARTITIONS, AgentsSuite, Written, copy, holds, piped, truth, until


class KafkaCluster:
    def __init__(self, kafka: str) -> None:
        name = f"agents-{uuid.uuid4().hex[:8]}"
        self.source, self.target, self.dead = (f"{name}.{part}" for part in ("source", "target", "dead"))
        self._kafka = kafka
        self._group = f"{name}.group"
        self._admin = AdminClient({"bootstrap.servers": kafka})

    def create(self) -> None:
        create(self._admin, [NewTopic(name, PARTITIONS, 1) for name in (self.source, self.target, self.dead)])

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

    def recreate(self) -> None:
        for future in self._admin.delete_topics([self.source]).values():
            future.result()
        deadline = time.monotonic() + 20
        while True:  # the name is free only when all brokers have let it go
            try:
                create(self._admin, [NewTopic(self.source, PARTITIONS, 1)])
                return
            except FatalError:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def commit_late(self, topic_id: str, offset: int) -> None:
        """As a worker does that has not noticed yet."""
        place = TopicPartition(self.source, 0, offset, topic_id)
        (done,) = self._admin.alter_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(self._group, [place])]
        ).values()
        done.result()


class TestAgentsOnKafka(AgentsSuite):
    async def test_topic_made_anew_is_read_from_its_beginning(self, cluster: KafkaCluster) -> None:
        await cluster.write(0, [b"%d" % n for n in range(5)])
        app = cluster.app()
        old = app.topic_ids[cluster.source]
        piped(app, cluster, copy(cluster))
        await app.start()
        watching = asyncio.create_task(watch_topics(app, 0.2))
        await until(lambda: holds(cluster.committed, {0: 5}))

        await asyncio.to_thread(cluster.recreate)
        await until(lambda: truth(app.died_of is not None))
        await app.stop()
        await watching
        assert isinstance(app.died_of, FatalError)
        assert app.died_of.code == "topic_recreated"

        await cluster.write(0, [b"new %d" % n for n in range(8)])
        await asyncio.to_thread(cluster.commit_late, old, 5)
        again = cluster.app()
        piped(again, cluster, copy(cluster))
        await again.start()
        await until(lambda: holds(cluster.committed, {0: 8}))
        await again.stop()

        values = [each.value for each in await cluster.read(cluster.target)]
        assert values[-8:] == [b"new %d" % n for n in range(8)]

    @pytest.fixture
    def cluster(self, stack: Addresses) -> Iterator[KafkaCluster]:
        made = KafkaCluster(stack.kafka)
        made.create()
        yield made
        made.delete()
