"""How faust's agents write: batches closed by us, straight into aiokafka's producer; for the app alone.

What stock faust does with every record, and what that costs, is told in `docs/decisions/0058-what-an-event-costs.md`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from aiokafka.errors import KafkaError
from faust.exceptions import ProducerSendError
from faust.transport.drivers import aiokafka as driver

from bus import partitioner
from bus.acks import Written
from bus.events import Outgoing


class KafkaProducer(driver.Producer):
    """The producer on aiokafka: every copy confirmed, order kept across its own retries."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
        *,
        transactional_id: str | None = None,  # noqa: ARG002 - we have no transactions
    ) -> Any:
        """The stock one without its signal to nobody and its look into the settings, with every record."""
        timestamp_ms = int(timestamp * 1000.0) if timestamp else None
        try:
            return await self._ensure_producer().send(
                topic, value, key=key, partition=partition, timestamp_ms=timestamp_ms, headers=headers
            )
        except KafkaError as error:
            raise ProducerSendError(f"Error while sending: {error!r}") from error

    async def write(self, records: Sequence[Outgoing], wanted: Callable[[], bool]) -> list[Written]:
        """As `BusApp.write`; what goes to one partition is one batch, sent without lingering."""
        producer = self._ensure_producer()
        written: list[Written] = []
        try:
            counts = {name: len(await producer.partitions_for(name)) for name in {each.topic.name for each in records}}
            for topic, partition, batch in _batches(producer.create_batch, records, counts):
                if not wanted():
                    break
                written.append(await producer.send_batch(batch, topic, partition=partition))
        except KafkaError as error:
            raise ProducerSendError(f"Error while sending: {error!r}") from error
        return written


def _batches(
    create: Callable[[], Any], records: Sequence[Outgoing], counts: Mapping[str, int]
) -> Iterator[tuple[str, int, Any]]:
    """Topic, partition and a batch of its records in their order, as large as the producer has them at most."""
    filling: dict[tuple[str, int], Any] = {}
    for record in records:
        topic, key = record.topic.name, record.key.encode()
        place = (topic, partitioner.partition_of(key, counts[topic]))
        batch = filling.get(place)
        if batch is None or not _added(batch, key, record):
            if batch is not None:
                batch.close()
                yield *place, batch
            batch = filling[place] = create()
            _added(batch, key, record)  # the first has its place whatever its size
    for place, batch in filling.items():
        batch.close()
        yield *place, batch


def _added(batch: Any, key: bytes, record: Outgoing) -> bool:
    return batch.append(timestamp=None, key=key, value=record.value, headers=list(record.headers)) is not None
