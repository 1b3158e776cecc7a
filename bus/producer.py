"""The one way to write to Kafka outside Faust agents: every copy confirmed, order kept, the bus's own partitioning.

librdkafka's own producer with a thread that polls it; its asyncio producer cannot send headers
(`docs/decisions/0016-producer-with-a-poll-thread.md`).
"""

import asyncio
import threading
from collections import deque
from typing import Any

import msgspec
import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from bus import metrics
from bus.codec import Codecs
from bus.events import Headers, Outgoing, check_size
from bus.partitioner import partition_of
from errors import BusError, FatalError, RejectedError, RetryableError
from schemas import topics
from schemas.topics import Topic

log = structlog.get_logger(__name__)

#: The gateway answers within this, or says "try again": long enough for a broker to be restarted behind a balancer,
#: short enough for a sender that waits.
DELIVERY_TIMEOUT_S = 4.0
#: Nobody waits for company: what is handed over while requests are under way makes the next batch, and that is enough.
LINGER_MS = 0
#: With so many under way the loop asks for their fates itself: each one told by the polling thread takes the
#: interpreter from the loop and gives it back.
_MANY = 4
_TICK_S = 0.001
#: And gives it back to the thread after so many looks at fewer.
_CALM_TICKS = 25
#: Above the largest topic's limit; each record is held against its own topic's before it is sent.
LARGEST_RECORD_BYTES = 9 * 1024 * 1024
#: Errors that another attempt does not mend.
_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE})
_FATAL = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - the library's name of its own error
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - as above
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - as above
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_EXCEPTION,
    }
)

#: A delivered record: its partition and offset.
Delivered = tuple[int, int]


def configuration(kafka: str, *, delivery_timeout_s: float) -> dict[str, str | int | float | bool]:
    """What every confluent-kafka producer of the bus is built with.

    Args:
        kafka: Bootstrap servers.
        delivery_timeout_s: From `send` to the broker's answer; after it nothing is sent any more.
    """
    return {
        "bootstrap.servers": kafka,
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": LINGER_MS,
        "delivery.timeout.ms": int(delivery_timeout_s * 1000),
        "request.timeout.ms": int(delivery_timeout_s * 1000),
        "socket.timeout.ms": max(int(delivery_timeout_s * 1000), 10_000),
        "reconnect.backoff.max.ms": 1000,
        "message.max.bytes": LARGEST_RECORD_BYTES,
        # never used, as the partition is always given; the same as ours should anybody forget
        "partitioner": "murmur2_random",
        # what matters comes through `error_cb`; the library would write it to stderr, too
        "log_level": 2,
    }


class BusProducer:
    """Sends records and waits for the broker. Build and use it inside one event loop; close it there."""

    def __init__(self, kafka: str, *, delivery_timeout_s: float = DELIVERY_TIMEOUT_S) -> None:
        """As in `configuration`."""
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(
            {**configuration(kafka, delivery_timeout_s=delivery_timeout_s), "error_cb": self._on_error}
        )
        self._delivery_timeout_s = delivery_timeout_s
        self._fatal: KafkaError | None = None
        self._settled: deque[tuple[asyncio.Future[Delivered], KafkaError | None, Delivered]] = deque()
        self._settling = threading.Lock()
        self._under_way = 0
        #: While it is set, the thread polls, which answers a lone record at once.
        self._few = threading.Event()
        self._few.set()
        #: The loop is polling and will look at once at what is settled.
        self._looks = False
        self._calm = 0
        self._closing = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="producer-poll", daemon=True)
        self._poller.start()

    async def __aenter__(self) -> "BusProducer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def hand_over(self, outgoing: Outgoing) -> asyncio.Future[Delivered]:
        """Queue a record; the future is done when every copy is written. Records of a partition keep the order of the
        calls.

        Raises:
            RejectedError: `too_large` for its topic.
            RetryableError: too much is queued already, as the broker is slow or away.
            FatalError: the producer can do nothing any more; build a new one, which is to start again.
        """
        check_size(outgoing)
        if self._fatal is not None:
            raise _as_ours(self._fatal, outgoing.topic.name)
        future: asyncio.Future[Delivered] = self._loop.create_future()

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            self._settle(future, error, (message.partition() or 0, message.offset() or 0))

        try:
            self._producer.produce(
                outgoing.topic.name,
                outgoing.value,
                outgoing.key.encode(),
                partition=partition_of(outgoing.key, outgoing.topic.partitions),
                on_delivery=on_delivery,
                headers=list(outgoing.headers),
            )
        except BufferError as error:
            raise RetryableError("broker_slow", "the producer's queue is full", retry_after_s=1.0) from error
        except KafkaException as error:
            raise _as_ours(error.args[0], outgoing.topic.name) from error
        self._under_way += 1
        if self._under_way >= _MANY and self._few.is_set():
            self._few.clear()
            self._calm = 0
            self._loop.call_later(_TICK_S, self._tick)
        return future

    async def send(self, topic: Topic, key: str, value: bytes | None, headers: Headers = ()) -> Delivered:
        """Write one record and wait until every copy is; its partition and offset.

        Raises:
            RetryableError: not confirmed in time. It may be there all the same: a repeat carries the same `ce_id`.
            RejectedError: `too_large`.
            FatalError: no record will pass.
        """
        future = self.hand_over(Outgoing(topic=topic, key=key, value=value, headers=headers))
        try:
            return await future
        except KafkaException as error:
            metrics.PRODUCE_FAILURES.labels(topic=topic.name).inc()
            raise _as_ours(error.args[0], topic.name) from error

    async def flush(self) -> None:
        """Wait until everything handed over is written or has failed."""
        await asyncio.to_thread(self._producer.flush, self._delivery_timeout_s + 1)

    async def close(self) -> None:
        """Flush, then stop polling."""
        if not self._closing.is_set():
            await self.flush()
            self._closing.set()
            await asyncio.to_thread(self._poller.join)
            self._resolve()

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._few.wait()
            self._producer.poll(0.1)

    def _tick(self) -> None:
        """In the loop, until there are few for a while."""
        self._looks = True
        try:
            self._producer.poll(0)
        finally:
            # a callback that fails is told by the loop; were it the last look, nobody would poll again
            self._looks = False
            self._calm = 0 if self._under_way >= _MANY else self._calm + 1
            self._resolve()
            if self._calm < _CALM_TICKS and not self._closing.is_set():
                self._loop.call_later(_TICK_S, self._tick)
            else:
                self._few.set()

    def _settle(self, future: asyncio.Future[Delivered], error: KafkaError | None, delivered: Delivered) -> None:
        """In whichever thread polls; many deliveries wake the loop once."""
        with self._settling:
            self._settled.append((future, error, delivered))
            wakes = len(self._settled) == 1 and not self._looks
        if wakes:
            try:
                self._loop.call_soon_threadsafe(self._resolve)
            except RuntimeError:  # the loop is closed: nobody waits
                self._closing.set()

    def _resolve(self) -> None:
        with self._settling:
            settled = list(self._settled)
            self._settled.clear()
        self._under_way -= len(settled)
        for future, error, delivered in settled:
            if future.done():
                continue
            if error is None:
                future.set_result(delivered)
            else:
                future.set_exception(KafkaException(error))

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._fatal = error
        log.warning("producer.error", code=error.name(), reason=error.str(), fatal=error.fatal())


class Publisher:
    """Records of ours to the topic they belong to, encoded; what relay and commands are given."""

    def __init__(self, producer: BusProducer, codecs: Codecs) -> None:
        self._producer = producer
        self.codecs = codecs

    async def publish(
        self, topic_name: str, key: str, value: msgspec.Struct | None, headers: Headers = ()
    ) -> Delivered:
        """Encode and send; None is a tombstone.

        Raises:
            MappingError: a value does not fit its field.
            KeyError: no topic of that name.
            BusError: as `BusProducer.send`.
        """
        topic = topics.by_name(topic_name)
        encoded = None if value is None else self.codecs.of(topic).encode(value)
        return await self._producer.send(topic, key, encoded, headers)


def _as_ours(error: KafkaError, topic: str) -> BusError:
    code: Any = error.code()
    if code in _TOO_LARGE:
        return RejectedError("too_large", f"topic {topic} does not hold a record that large", topic=topic)
    if code in _FATAL or error.fatal():
        return FatalError("cannot_produce", f"topic {topic}: {error.str()}", topic=topic, error=error.name())
    return RetryableError(
        "broker_away", f"topic {topic}: {error.str()}", retry_after_s=1.0, topic=topic, error=error.name()
    )
