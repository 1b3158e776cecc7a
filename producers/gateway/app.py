"""The webhook gateway: verify, store in Kafka, then answer; never the other way round.

The order of the checks is the promise of reference/webhooks.md, "Rules": nothing is parsed before its signature holds,
and nobody is told 202 before the broker has every copy.
"""

import os
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Protocol

import msgspec
import structlog
from prometheus_client import Counter, Histogram
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as Asked
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bus import metrics
from bus.clock import Clock
from bus.events import Headers
from bus.headers import new_trace
from delivery.deadlines import Deadlines
from errors import BusError, DecodeError, FatalError
from producers.gateway import written
from producers.gateway.answers import answer, refused
from producers.gateway.bodies import check_shape, is_json
from producers.gateway.rate import Allowance
from producers.gateway.reading import AsgiRequest, Request, SenderLeftError, header
from producers.gateway.refusals import Refusal
from producers.gateway.repeats import Memory, Repeats
from producers.gateway.signatures import Doubt, RawHeaders, Verified
from producers.gateway.sources import Notice, Source
from producers.gateway.written import Written

log = structlog.get_logger(__name__)

#: The strictest sender waits five seconds in all.
_BUDGET_S = 4.7
#: Of which the body may take so much.
_BODY_S = 3.0
#: What a sender is asked to wait when Kafka is away.
_RETRY_AFTER_S = 5.0

_ACCEPTED = 202
_WEBHOOKS = "/webhooks/"


class Publisher(Protocol):
    """Writes records, as `bus.producer.Publisher` does."""

    def publish(
        self, topic_name: str, key: str, value: msgspec.Struct | None, headers: Headers = ()
    ) -> Awaitable[object]:
        """Returns when the broker has every copy.

        Raises:
            BusError: it has not; by kind.
        """


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much of what is taken."""

    max_body_bytes: int
    requests_per_minute: int


class Gateway:
    """What is posted to `/webhooks/{connection}`."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        publisher: Publisher,
        memory: Memory,
        limits: Limits,
        clock: Clock,
        code_version: str = "",
        on_fatal: Callable[[BusError], None] = lambda _: None,
    ) -> None:
        """Args:
        sources: By connection; who is not in it is not reachable.
        publisher: Where webhooks are stored.
        memory: Which came before.
        limits: Of size and rate.
        clock: The time signatures are held against.
        code_version: For dead letters.
        on_fatal: Called when nothing can be stored any more by this process.
        """
        #: By address.
        self.sources = {_WEBHOOKS + name: source for name, source in sources.items()}
        self.deadlines = Deadlines()
        self._publisher = publisher
        self._repeats = Repeats(memory)
        self._limits = limits
        self._allowances = {name: Allowance(limits.requests_per_minute) for name in sources}
        self._clock = clock
        self._code_version = code_version
        self._on_fatal = on_fatal

    async def take(self, source: Source | None, request: Request) -> None:
        """One request: whatever happens, the sender gets a short answer and we one line and one count."""
        started_s = time.monotonic()
        connection = source.connection if source else ""
        facts: dict[str, object] = {"connection": connection}
        try:
            result = await self._receive(request, source, started_s, facts)
            said = _DONE[result]
        except SenderLeftError:
            result, said = "sender_left", None
        except Refusal as refusal:
            result, said = refusal.counted_as, refused(refusal)
        except Exception as error:  # noqa: BLE001 - the last line: a defect of ours must not cost the sender's webhook
            _tell_defect(error)
            result, said = "defect", refused(Refusal.not_stored(_RETRY_AFTER_S))
        duration_s = time.monotonic() - started_s
        _counted(connection, result).inc()
        try:
            if said is not None:
                await request.answer(said)
        finally:
            # after the answer: what is stored is answered, whatever becomes of the line
            status = said.status if said is not None else 0
            log.info("gateway.webhook", result=result, status=status, duration_ms=round(duration_s * 1000, 1), **facts)

    async def _receive(
        self, request: Request, source: Source | None, started_s: float, facts: dict[str, object]
    ) -> str:
        """The checks, in their order."""
        if source is None:
            raise Refusal.unknown_connection()
        if request.method != "POST":
            raise Refusal.method_not_allowed()
        body = await request.body(self._limits.max_body_bytes, _BODY_S)
        facts["size_bytes"] = len(body)
        verified = source.scheme.verify(request.headers, body, self._clock())
        if isinstance(verified, Doubt):
            raise Refusal.unauthorized(verified)
        facts["delivery_id"] = verified.delivery_id
        facts["secret"] = verified.secret
        # After the signature: strangers can not use up a sender's allowance.
        wait_s = self._allowances[source.connection].wait_s(time.monotonic())
        if wait_s:
            raise Refusal.too_many_requests(wait_s)
        until_s = started_s + _BUDGET_S
        notice = await self._read(source, body, request.headers, verified, until_s)
        return await self._store(source, notice, verified, started_s, until_s)

    async def _read(
        self, source: Source, body: bytes, headers: RawHeaders, verified: Verified, until_s: float
    ) -> Notice:
        """What the body says; one that says nothing we can read is kept before it is refused."""
        content_type = header(headers, b"content-type")
        if not is_json(content_type, header(headers, b"content-encoding")):
            raise Refusal.unsupported_media_type()
        try:
            check_shape(body)
        except DecodeError as error:
            await self._keep(source, body, content_type, verified, error, until_s)
            raise Refusal.malformed() from error
        try:
            return source.read(body)
        except DecodeError as error:
            await self._keep(source, body, content_type, verified, error, until_s)
            raise Refusal.unprocessable(error.message) from error

    async def _keep(
        self, source: Source, body: bytes, content_type: str, verified: Verified, error: DecodeError, until_s: float
    ) -> None:
        for each in written.unreadable(
            source.connection, body, content_type, verified, self._clock(), error.message, self._code_version
        ):
            await self._publish(each, until_s)

    async def _store(self, source: Source, notice: Notice, verified: Verified, started_s: float, until_s: float) -> str:
        """Write it, once for each id; what became of it, as the sender is told."""
        target = source.targets.get(notice.record)
        now = self._clock()
        if target is None:
            result, record = "ignored", written.ignored(source.connection, notice, verified, now)
        else:
            random = os.urandom(24)
            trace = new_trace(random[:16], random[16:])
            result = "accepted"
            record = written.change(source.connection, target, notice, verified, now, trace)
        try:
            first = await self._repeats.once(
                (source.connection, verified.delivery_id), lambda: self._publish(record, until_s)
            )
        except BusError:
            raise Refusal.not_stored(_RETRY_AFTER_S) from None
        if not first:
            return "duplicate"
        _timed(metrics.WEBHOOK_SECONDS, source.connection).observe(time.monotonic() - started_s)
        if notice.changed_at is not None:
            age_s = (now - notice.changed_at).total_seconds()
            _timed(metrics.WEBHOOK_AGE_SECONDS, source.connection).observe(age_s)
        return result

    async def _publish(self, record: Written, until_s: float) -> None:
        """Have it stored within the budget.

        Raises:
            Refusal: it is not, or nobody knows.
        """
        try:
            publishing = self._publisher.publish(record.topic.name, record.key, record.record, record.headers)
            await self.deadlines.within(until_s - time.monotonic(), publishing)
        except (BusError, TimeoutError) as error:
            code = error.code if isinstance(error, BusError) else "too_slow"
            log.warning("gateway.not_stored", topic=record.topic.name, code=code)
            if isinstance(error, FatalError):
                self._on_fatal(error)
            retry_after_s = getattr(error, "retry_after_s", None) or _RETRY_AFTER_S
            raise Refusal.not_stored(max(retry_after_s, _RETRY_AFTER_S)) from error


class Application:
    """The gateway with its health and readiness, for ASGI; metrics are not for strangers."""

    def __init__(self, gateway: Gateway, kafka_answers: Callable[[], Awaitable[bool]]) -> None:
        """`kafka_answers`: asked for readiness."""
        self.gateway = gateway
        self._beside = _beside(kafka_answers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. A router and its middleware would cost a webhook a fifth of its time, to tell it from two other
        paths.
        """
        path = scope.get("path", "")
        name = path.removeprefix(_WEBHOOKS)
        if scope["type"] == "http" and name not in {"", path} and "/" not in name:
            request = AsgiRequest(scope, receive, send, self.gateway.deadlines)
            await self.gateway.take(self.gateway.sources.get(path), request)
        else:
            await self._beside(scope, receive, send)


def _beside(kafka_answers: Callable[[], Awaitable[bool]]) -> Starlette:
    """Whatever is not a webhook."""

    async def live(_: Asked) -> Response:
        return _json(200, {"status": "live"})

    async def ready(_: Asked) -> Response:
        if await kafka_answers():
            return _json(200, {"status": "ready"})
        return _json(503, {"status": "not ready", "reason": "Kafka does not answer"})

    async def refuse(_: Asked, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        code = {404: "not_found", 405: "method_not_allowed"}.get(status, "refused")
        return _json(status, {"error": code, "message": "There is nothing here."})

    app = Starlette(
        routes=[
            Route("/health", live),
            Route("/ready", ready),
        ],
        exception_handlers={HTTPException: refuse},
    )
    # A sender that follows no redirect would lose its webhook, one that does would sign another address.
    app.router.redirect_slashes = False
    return app


def _tell_defect(error: Exception) -> None:
    """Where it happened and of which kind; what it says may hold somebody's data."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error("gateway.defect", error=type(error).__name__, place=f"{place.filename}:{place.lineno}")


@cache
def _counted(connection: str, result: str) -> Counter:
    """One of few: connections are ours, results are named in the code."""
    return metrics.WEBHOOKS.labels(connection=connection, result=result)


@cache
def _timed(metric: Histogram, connection: str) -> Histogram:
    return metric.labels(connection)


def _json(status: int, body: Mapping[str, str]) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


#: Always the same bytes, so made once.
_DONE = {result: answer(_ACCEPTED, {"status": result}) for result in ("accepted", "duplicate", "ignored")}
