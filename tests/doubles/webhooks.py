"""A gateway in this process: a publisher that keeps what it is given, a memory, a clock, and senders that sign."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
from prometheus_client import REGISTRY

from bus.events import Headers
from errors import RetryableError
from producers.gateway.app import Application, Gateway, Limits, Publisher
from producers.gateway.repeats import Key
from producers.gateway.sources import source
from schemas.bus.change import Change
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.outcome import Outcome

NOW = datetime(2026, 3, 2, 14, 0, 0, tzinfo=UTC)
KEY = b"k" * 32
OLD_KEY = b"o" * 32
MAX_BODY_BYTES = 4096
BODY = b'{"type":"order.created","timestamp":"2026-03-02T13:59:59.5Z","data":{"id":1001,"key":"1001"}}'


def secret(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


class FakeKafka:
    """Keeps what is published; may be away or slow."""

    def __init__(self) -> None:
        self.published: list[tuple[str, str, msgspec.Struct | None, dict[str, bytes]]] = []
        self.fails_with: Exception | None = None
        #: Publications under way; they end when the gate is open.
        self.waiting = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def publish(self, topic_name: str, key: str, value: msgspec.Struct | None, headers: Headers = ()) -> object:
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        if self.fails_with is not None:
            raise self.fails_with
        self.published.append((topic_name, key, value, dict(headers)))
        return 0, len(self.published)

    def go_away(self) -> None:
        self.fails_with = RetryableError("broker_away", "no answer", retry_after_s=1.0)

    @property
    def changes(self) -> list[Change]:
        return [value for _, _, value, _ in self.published if isinstance(value, Change)]

    @property
    def dead_letters(self) -> list[DeadLetter]:
        return [value for _, _, value, _ in self.published if isinstance(value, DeadLetter)]

    @property
    def outcomes(self) -> list[Outcome]:
        return [value for _, _, value, _ in self.published if isinstance(value, Outcome)]


class FakeMemory:
    """Remembers for ever."""

    def __init__(self) -> None:
        self.known: set[Key] = set()

    async def knows(self, key: Key) -> bool:
        return key in self.known

    async def remember(self, key: Key) -> None:
        self.known.add(key)


class Bench:
    """The gateway, what it writes to, and a sender."""

    def __init__(
        self, requests_per_minute: int = 100_000, before: Callable[[FakeKafka], Publisher] = lambda kafka: kafka
    ) -> None:
        """`before`: what stands between the gateway and Kafka."""
        self.kafka = FakeKafka()
        self.memory = FakeMemory()
        self.kafka_answers = True
        self.died_of: list[Exception] = []
        clarity = source("clarity-main", "clarity", [secret(KEY), secret(OLD_KEY)], 300)
        assert clarity is not None
        self.app = Application(
            Gateway(
                {"clarity-main": clarity},
                before(self.kafka),
                self.memory,
                Limits(max_body_bytes=MAX_BODY_BYTES, requests_per_minute=requests_per_minute),
                lambda: NOW,
                "1.2.3",
                self.died_of.append,
            ),
            self._answers,
        )
        self.http = httpx.AsyncClient(base_url="http://gateway", transport=httpx.ASGITransport(self.app))

    async def _answers(self) -> bool:
        return self.kafka_answers

    async def post(
        self,
        body: bytes = BODY,
        *,
        delivery_id: str = "msg_1",
        at: int | None = None,
        key: bytes = KEY,
        headers: dict[str, str] | None = None,
        to: str = "/webhooks/clarity-main",
    ) -> httpx.Response:
        signed = signed_headers(body, delivery_id=delivery_id, at=at, key=key) | (headers or {})
        return await self.http.post(to, content=body, headers=signed)


def signed_headers(
    body: bytes, *, delivery_id: str = "msg_1", at: int | None = None, key: bytes = KEY
) -> dict[str, str]:
    moment = str(int(NOW.timestamp()) if at is None else at)
    digest = hmac.new(key, f"{delivery_id}.{moment}.".encode() + body, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "webhook-id": delivery_id,
        "webhook-timestamp": moment,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


def counter(result: str, connection: str) -> float:
    labels: dict[str, Any] = {"connection": connection, "result": result}
    return REGISTRY.get_sample_value("towpath_webhooks_total", labels) or 0.0
