"""The producer on real Kafka: confirmed, partitioned as Java does it, and in time when the broker is away."""

import asyncio
import time
from collections.abc import Callable, Sequence

import pytest
from confluent_kafka import Message, Producer

from bus.partitioner import partition_of
from bus.producer import BusProducer, configuration
from errors import RejectedError, RetryableError
from operations.stack.addresses import Addresses
from schemas.topics import Topic
from tests.integration.bus.conftest import PARTITIONS, Place, Reader, eventually
from tests.integration.bus.pattern_worker import topic

KEYS = ["shop:1", "gp-two:SKU-77@MAIN", "Zürich:ß-1", "店:注文一", "emoji:😀", "a", "abcd", "shop:%2F1"]


@pytest.fixture
def source(place: Place) -> Topic:
    place.create()
    return topic(place.source, PARTITIONS)


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def read(place: Place, name: str, records: int) -> Sequence[Message]:
    """What lies on a topic, once so many records are there."""
    reader = Reader(place.kafka, name)
    eventually(lambda: len(reader.read()) >= records, within_s=30, what=f"{records} records")
    return reader.messages


async def test_record_is_confirmed_where_its_root_key_belongs(place: Place, source: Topic) -> None:
    async with BusProducer(place.kafka) as producer:
        partition, offset = await producer.send(source, "shop:1/shipment-7", b"value", [("ce_id", b"1")])

    (message,) = read(place, place.source, 1)
    assert (message.partition(), message.offset()) == (partition, offset)
    assert partition == partition_of("shop:1", PARTITIONS)
    assert (message.key(), message.value(), message.headers()) == (b"shop:1/shipment-7", b"value", [("ce_id", b"1")])


def test_librdkafka_puts_keys_where_we_do(place: Place, source: Topic) -> None:
    producer = Producer(configuration(place.kafka, delivery_timeout_s=10))
    for key in KEYS:
        producer.produce(source.name, b"x", key.encode())
    assert producer.flush(10) == 0

    found = {(each.key() or b"").decode(): each.partition() for each in read(place, source.name, len(KEYS))}
    assert found == {key: partition_of(key, PARTITIONS) for key in KEYS}


async def test_many_at_once_are_confirmed_each_and_a_lone_one_after_them_too(place: Place, source: Topic) -> None:
    async with BusProducer(place.kafka) as producer:
        many = await asyncio.gather(*(producer.send(source, f"shop:{each}", b"x") for each in range(500)))
        await wait_until(producer._few.is_set)
        alone = await producer.send(source, "shop:1", b"x")

    assert len({*many, alone}) == 501


async def test_what_is_under_way_at_the_end_is_confirmed(place: Place, source: Topic) -> None:
    async with BusProducer(place.kafka) as producer:
        sending = [asyncio.create_task(producer.send(source, f"shop:{each}", b"x")) for each in range(100)]
        await asyncio.sleep(0)

    assert len(set(await asyncio.gather(*sending))) == 100


async def test_record_too_large_for_its_topic_is_rejected(place: Place, source: Topic) -> None:
    async with BusProducer(place.kafka) as producer:
        with pytest.raises(RejectedError) as refused:
            await producer.send(source, "a", b"x" * 1_100_000)

    assert refused.value.code == "too_large"


async def test_missing_topic_is_looked_for_again_until_the_time_is_over(stack: Addresses) -> None:
    async with BusProducer(stack.kafka) as producer:
        with pytest.raises(RetryableError):
            await producer.send(topic("no-such-topic", PARTITIONS), "a", b"x")


async def test_broker_that_is_away_is_told_within_the_time_limit() -> None:
    async with BusProducer("127.0.0.1:9", delivery_timeout_s=1.0) as producer:
        started = time.monotonic()
        with pytest.raises(RetryableError):
            await producer.send(topic("t", PARTITIONS), "a", b"x")

    assert time.monotonic() - started < 4
