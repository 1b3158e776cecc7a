"""The store's webhooks: an outbox written with each change, and the sender that empties it by Standard Webhooks."""

import asyncio
import base64
import logging
import os
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

import httpx
import msgspec
from standardwebhooks import Webhook

from sandbox.clarity.clock import TICKS_PER_SECOND, StoreClock, iso_from_ticks
from sandbox.clarity.faults import FaultBoard
from sandbox.clarity.requests import ForgeRequest, WebhookChoice
from sandbox.clarity.store import Store, StoredWebhook

_LOG = logging.getLogger("sandbox.clarity")

#: Seconds to wait after the first, second … failed attempt: the standard's schedule at a sandbox's pace; the last one
#: repeats.
RETRY_DELAYS_S = (1.0, 2.0, 5.0, 10.0, 30.0)
_GIVE_UP_AFTER_S = 3 * 24 * 3600.0
_TIMEOUT_S = 10.0
_MOST_IN_FLIGHT = 16


class Target(NamedTuple):
    url: str
    secret: str


class Wires(NamedTuple):
    """What the sender sends with, and at what pace it tries again."""

    transport: httpx.AsyncBaseTransport | None = None
    retry_delays_s: Sequence[float] = RETRY_DELAYS_S


DEFAULT_WIRES = Wires()


class Outbox:
    """Where changes are announced, in the transaction that makes them."""

    def __init__(self, store: Store, clock: StoreClock, board: FaultBoard) -> None:
        self._store = store
        self._clock = clock
        self._board = board
        self.on_news: Callable[[], None] = _nobody

    def target(self) -> Target | None:
        url, secret = self._store.setting("webhook url"), self._store.setting("webhook secret")
        return Target(url, secret) if url and secret else None

    def set_target(self, url: str | None, secret: str | None) -> Target | None:
        """Send to this address from now on; without a secret the old one stays, or a new one is made.

        Raises:
            ValueError: the secret is none of Standard Webhooks.
        """
        secret = secret or self._store.setting("webhook secret") or new_secret()
        check_secret(secret)
        self._store.set_setting("webhook url", url)
        self._store.set_setting("webhook secret", secret)
        self._store.set_setting("webhook refusal", None)
        self.on_news()
        return self.target()

    def refusal(self) -> str | None:
        """Why nothing is sent to the target any more."""
        return self._store.setting("webhook refusal")

    def announce(self, kind: str, subject: int, key: str, ticks: int, choice: WebhookChoice = "send") -> None:
        """Note that something changed; inside the transaction of the change."""
        if self.target() is None:
            return
        body = {"type": kind, "timestamp": iso_from_ticks(ticks), "data": {"id": subject, "key": key}}
        twice = choice == "twice" or (choice == "send" and self._board.take_duplicated_webhook())
        reason = self._reason_to_drop(choice)
        due = time.time() + self._board.webhook_delay_s()
        self._store.add_webhook(
            StoredWebhook(
                number=0,
                id=f"msg_{uuid.uuid4().hex}",
                type=kind,
                subject=subject,
                key=key,
                body=msgspec.json.encode(body),
                state="dropped" if reason else "pending",
                copies=2 if twice else 1,
                attempts=0,
                due=due,
                first_due=due,
                last_status=None,
                last_error=reason,
                last_timestamp=None,
                created=iso_from_ticks(ticks),
                settled=None,
            )
        )
        self.on_news()

    def _reason_to_drop(self, choice: WebhookChoice) -> str | None:
        if choice == "skip":
            return "left out as asked for"
        if self.refusal():
            return "the target has refused further webhooks"
        if self._board.take_dropped_webhook():
            return "dropped by the fault board"
        return None

    def resend(self, webhook_id: str) -> StoredWebhook | None:
        """Send one again, under the same webhook-id, whatever became of it."""
        webhook = self._store.webhook(webhook_id)
        if webhook is None:
            return None
        now = time.time()
        again = webhook._replace(state="pending", copies=1, due=now, first_due=now, settled=None)
        self._store.put_webhook(again)
        self.on_news()
        return again


class Sender:
    """Empties the outbox: several at a time, in no promised order, until a 2xx."""

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        clock: StoreClock,
        board: FaultBoard,
        wires: Wires,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._board = board
        self._wires = wires
        self._news = asyncio.Event()
        self._in_flight: dict[str, asyncio.Task[None]] = {}
        outbox.on_news = self._news.set

    async def run(self) -> None:
        """Until cancelled; what is then in flight stays in the outbox."""
        async with self._client() as client:
            try:
                while True:
                    self._news.clear()
                    now = time.time()
                    self._start_due(client, now)
                    # asyncio.wait_for of Python 3.11 can swallow a cancellation that comes together with news.
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._idle_s(now)):
                            await self._news.wait()
            finally:
                tasks = list(self._in_flight.values())
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def forge(self, request: ForgeRequest, target: Target) -> dict[str, object]:
        """Send a webhook an attacker might send, and say what the target answered."""
        now = self._now()
        message_id, moment, body = f"msg_{uuid.uuid4().hex}", now, _thin_body(request, now)
        secret = target.secret
        match request.kind:
            case "bad_signature":
                secret = new_secret()
            case "broken_json":
                body = body[:-2]
            case "stale":
                moment = now - request.age_s
            case "replay":
                message_id, moment, body = self._sent_before(request.webhook_id)
            case "unsigned":
                pass
        headers = _signed(secret, message_id, moment, body)
        if request.kind == "unsigned":
            headers = {"content-type": headers["content-type"]}
        sent = {"webhook_id": message_id, "timestamp": moment}
        async with self._client() as client:
            try:
                answer = await client.post(target.url, content=body, headers=headers)
            except httpx.HTTPError as error:
                return {"kind": request.kind, "sent": sent, "answer": None, "error": type(error).__name__}
        return {
            "kind": request.kind,
            "sent": sent,
            "answer": {"status": answer.status_code, "body": answer.text[:500]},
            "error": None,
        }

    def _sent_before(self, webhook_id: str | None) -> tuple[str, int, bytes]:
        webhook = self._store.webhook(webhook_id) if webhook_id else self._store.last_sent_webhook()
        if webhook is None or webhook.last_timestamp is None:
            raise LookupError("no webhook has been sent that could be replayed")
        return webhook.id, webhook.last_timestamp, webhook.body

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=_TIMEOUT_S, transport=self._wires.transport, trust_env=False)

    def _start_due(self, client: httpx.AsyncClient, now: float) -> None:
        target = self._outbox.target()
        if target is None or self._outbox.refusal() or not self._board.faults.webhooks.enabled:
            return
        for webhook in self._store.due_webhooks(now, 2 * _MOST_IN_FLIGHT):
            if len(self._in_flight) >= _MOST_IN_FLIGHT:
                return
            if webhook.id not in self._in_flight:
                self._in_flight[webhook.id] = asyncio.create_task(self._send(client, target, webhook))

    def _idle_s(self, looked_at: float) -> float | None:
        """How long nothing can fall due; what was due at the look waits for a task to end or for news.

        Asked for a later moment than the look, what fell due in between would be seen by neither.
        """
        due = self._store.next_due(looked_at)
        return None if due is None else max(due - time.time(), 0.001)

    async def _send(self, client: httpx.AsyncClient, target: Target, webhook: StoredWebhook) -> None:
        moment = self._now()
        answer: httpx.Response | None = None
        problem: str | None = None
        try:
            headers = _signed(target.secret, webhook.id, moment, webhook.body)
            async with asyncio.timeout(_TIMEOUT_S):
                answer = await client.post(target.url, content=webhook.body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError, ValueError) as error:
            problem = type(error).__name__
        finally:
            self._in_flight.pop(webhook.id, None)
            self._news.set()
        self._settle(webhook, moment, answer, problem)

    def _settle(self, webhook: StoredWebhook, moment: int, answer: httpx.Response | None, problem: str | None) -> None:
        current = self._store.webhook(webhook.id)
        if current is None:
            return  # the sandbox was reset meanwhile
        tried = current._replace(
            attempts=current.attempts + 1,
            last_status=answer.status_code if answer else None,
            last_error=problem,
            last_timestamp=moment,
        )
        with self._store.transaction():
            self._store.put_webhook(self._next_state(tried, answer))
            if answer is not None and answer.status_code == httpx.codes.GONE:
                self._store.set_setting("webhook refusal", "the target answered 410 Gone")
        _LOG.info("webhook %s %s: %s", webhook.type, webhook.id, answer.status_code if answer else problem)

    def _next_state(self, tried: StoredWebhook, answer: httpx.Response | None) -> StoredWebhook:
        now = time.time()
        settled = iso_from_ticks(self._clock.ticks())
        if answer is not None and answer.is_success:
            if tried.copies > 1:
                return tried._replace(copies=tried.copies - 1, due=now, first_due=now)
            return tried._replace(state="sent", settled=settled)
        if answer is not None and answer.status_code == httpx.codes.GONE:
            return tried._replace(state="dropped", settled=settled, last_error="the target answered 410 Gone")
        if now - tried.first_due > _GIVE_UP_AFTER_S:
            return tried._replace(state="dropped", settled=settled, last_error="given up after three days")
        delay_s = retry_delay_s(
            self._wires.retry_delays_s, tried.attempts, answer.headers.get("retry-after") if answer else None
        )
        return tried._replace(due=now + delay_s)

    def _now(self) -> int:
        return self._clock.ticks() // TICKS_PER_SECOND


def retry_delay_s(delays_s: Sequence[float], attempts: int, retry_after: str | None) -> float:
    """How long to wait after that many failed attempts, and no shorter than the target asks for."""
    scheduled = delays_s[min(attempts, len(delays_s)) - 1]
    asked_for = float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else 0.0
    return min(max(scheduled, asked_for), _GIVE_UP_AFTER_S)


def check_secret(secret: str) -> None:
    """Refuse what Standard Webhooks could not sign with.

    Raises:
        ValueError: not base64, or empty.
    """
    try:
        Webhook(secret)
    except (ValueError, RuntimeError) as error:
        raise ValueError("the secret must be whsec_ followed by base64") from error
    except Exception as error:
        # the library has an exception of its own for an empty secret, derived from Exception itself
        raise ValueError("the secret must not be empty") from error


def new_secret() -> str:
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()


def _signed(secret: str, message_id: str, moment: int, body: bytes) -> dict[str, str]:
    text = body.decode()
    return {
        "content-type": "application/json",
        "user-agent": "clarity-sandbox",
        "webhook-id": message_id,
        "webhook-timestamp": str(moment),
        "webhook-signature": Webhook(secret).sign(message_id, datetime.fromtimestamp(moment, UTC), text),
    }


def _thin_body(request: ForgeRequest, now: int) -> bytes:
    data = {"id": request.order_id, "key": str(request.order_id)}
    moment = iso_from_ticks(now * TICKS_PER_SECOND)
    return msgspec.json.encode({"type": request.type, "timestamp": moment, "data": data})


def _nobody() -> None:
    """No sender runs."""
