"""Kafka as the gateway needs it: looked at before the first record, asked for readiness, and allowed to be away."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from bus.events import Headers
from bus.producer import Publisher
from errors import RetryableError

log = structlog.get_logger(__name__)

_PROBE_S = 1.0
_RETRY_S = 2.0


class Storage:
    """Implements the gateway's `Publisher`. Until topics and schemas have been looked at, nothing is stored."""

    def __init__(self, kafka: str, publisher: Publisher, verify: Callable[[], object]) -> None:
        """Args:
        kafka: Bootstrap servers.
        publisher: Writes records.
        verify: Looks at topics and schemas, blocking; raises ConfigurationError or RetryableError.
        """
        self._publisher = publisher
        self._verify = verify
        self._verified = False
        self._admin = AdminClient({"bootstrap.servers": kafka, "socket.timeout.ms": int(_PROBE_S * 1000)})
        self._asking: asyncio.Future[bool] | None = None

    async def make_sure(self) -> None:
        """Look at topics and schemas until they could be looked at.

        Raises:
            ConfigurationError: they are not as they must be.
        """
        while not self._verified:
            try:
                await asyncio.to_thread(self._verify)
            except RetryableError as error:
                log.warning("gateway.not_ready", code=error.code, reason=error.message)
                await asyncio.sleep(_RETRY_S)
            else:
                self._verified = True

    def publish(
        self, topic_name: str, key: str, value: msgspec.Struct | None, headers: Headers = ()
    ) -> Awaitable[object]:
        """As `bus.producer.Publisher`."""
        if not self._verified:
            raise RetryableError("broker_away", "topics and schemas could not be looked at yet", retry_after_s=_RETRY_S)
        return self._publisher.publish(topic_name, key, value, headers)

    async def answers(self) -> bool:
        """Whether a webhook could be stored now; those who ask at once are answered together."""
        if not self._verified:
            return False
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(asyncio.to_thread(self._probe))
        return await asyncio.shield(self._asking)

    def _probe(self) -> bool:
        try:
            self._admin.list_topics(timeout=_PROBE_S)
        except KafkaException:
            return False
        return True
