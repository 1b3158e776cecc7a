"""What the gateway answers, writes and counts, for every way a request can be right or wrong."""

import asyncio
import errno
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import httpx
import msgspec
import pytest
import structlog
from structlog.testing import capture_logs

from bus.headers import from_headers
from errors import FatalError
from producers.gateway import app
from producers.gateway.sources import source
from tests.doubles.webhooks import BODY, KEY, MAX_BODY_BYTES, NOW, OLD_KEY, Bench, counter, secret, signed_headers

NOW_S = int(NOW.timestamp())


class Counted:
    """What was counted since this was made."""

    def __init__(self, result: str, connection: str = "clarity-main") -> None:
        self._pair = (result, connection)
        self._before = counter(*self._pair)

    @property
    def times(self) -> float:
        return counter(*self._pair) - self._before


def refused(response: httpx.Response, status: int, name: str) -> None:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    body = msgspec.json.decode(response.content, type=dict[str, str])
    assert body.keys() == {"error", "message"}
    assert body["error"] == name
    assert len(response.content) < 300


# What is accepted


async def test_a_webhook_becomes_a_thin_change_under_the_orders_root_key(bench: Bench) -> None:
    counted = Counted("accepted")

    response = await bench.post()

    assert (response.status_code, response.json()) == (202, {"status": "accepted"})
    [(topic, key, _, headers)] = bench.kafka.published
    assert (topic, key) == ("clarity.changes.v1", "clarity-main:1001")
    assert msgspec.structs.asdict(bench.kafka.changes[0]) == {
        "connection": "clarity-main",
        "record": "order",
        "id": "1001",
        "noticed_at": NOW,
        "changed_at": datetime(2026, 3, 2, 13, 59, 59, 500_000, tzinfo=UTC),
        "cause": "webhook",
        "source_version": 0,
        "delivery_id": "msg_1",
    }
    lineage = from_headers(list(headers.items()))
    assert (lineage.origin, lineage.ce_source) == ("clarity-main", "/gateway/clarity-main")
    assert lineage.ce_type == "towpath.clarity.changes.v1"
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", lineage.traceparent)
    assert bench.memory.known == {("clarity-main", "msg_1")}
    assert counted.times == 1


async def test_the_older_secret_still_opens(bench: Bench) -> None:
    with capture_logs() as lines:
        response = await bench.post(key=OLD_KEY)

    assert response.status_code == 202
    assert [line["secret"] for line in lines] == [1]


async def test_a_sender_may_leave_out_when_it_happened(bench: Bench) -> None:
    response = await bench.post(b'{"type":"order.updated","data":{"id":7}}')

    assert response.json() == {"status": "accepted"}
    assert [change.changed_at for change in bench.kafka.changes] == [None]


async def test_ids_with_a_slash_do_not_break_the_key(bench: Bench) -> None:
    await bench.post(BODY.replace(b"1001,", b'" A/7 ",', 1))

    assert [(key, change.id) for _, key, change, _ in bench.kafka.published] == [("clarity-main:A%2F7", "A/7")]  # type: ignore[union-attr]  # a change


async def test_nobody_is_answered_before_the_broker_has_it(bench: Bench) -> None:
    bench.kafka.gate.clear()

    answering = asyncio.create_task(bench.post())
    await asyncio.sleep(0.05)

    assert not answering.done()
    bench.kafka.gate.set()
    assert (await answering).status_code == 202


async def test_a_repeat_is_a_duplicate_and_written_once(bench: Bench) -> None:
    counted = Counted("duplicate")
    await bench.post()

    again = await bench.post(at=NOW_S + 60)

    assert (again.status_code, again.json()) == (202, {"status": "duplicate"})
    assert len(bench.kafka.published) == 1
    assert counted.times == 1


async def test_parallel_repeats_are_written_once(bench: Bench) -> None:
    responses = await asyncio.gather(*(bench.post() for _ in range(25)))

    statuses = [response.json()["status"] for response in responses]
    assert (statuses.count("accepted"), statuses.count("duplicate")) == (1, 24)
    assert len(bench.kafka.published) == 1


async def test_a_repeat_another_process_accepted_is_a_duplicate(bench: Bench) -> None:
    bench.memory.known.add(("clarity-main", "msg_1"))

    assert (await bench.post()).json() == {"status": "duplicate"}
    assert bench.kafka.published == []


@pytest.mark.parametrize("event", ["product.updated", "customer.registered", "moon.full"])
async def test_an_event_nobody_completes_is_ignored_with_an_outcome(bench: Bench, event: str) -> None:
    counted = Counted("ignored")

    response = await bench.post(BODY.replace(b"order.created", event.encode()))

    assert (response.status_code, response.json()) == (202, {"status": "ignored"})
    [(topic, key, _, _)] = bench.kafka.published
    assert (topic, key) == ("bus.outcomes.v1", "clarity-main")
    [outcome] = bench.kafka.outcomes
    assert (outcome.stage, outcome.state, outcome.code) == ("gateway", "filtered", "gateway.unknown_event")
    assert outcome.values == {"connection": "clarity-main", "event": event}
    assert counted.times == 1


# What is refused


async def test_404_unknown_connection(bench: Bench) -> None:
    counted = Counted("unknown_connection", "")

    refused(await bench.post(to="/webhooks/nobody"), 404, "unknown_connection")
    refused(await bench.http.get("/webhooks/nobody"), 404, "unknown_connection")

    assert counted.times == 2
    assert bench.kafka.published == []


def test_without_a_secret_there_is_no_route() -> None:
    assert source("clarity-main", "clarity", [], 300) is None
    assert source("gp-two", "dynamics-gp", [secret(KEY)], 300) is None


@pytest.mark.parametrize(
    "path", ["/", "/webhooks", "/webhooks/", "/webhooks/clarity-main/", "/webhooks/a/b", "/nothing"]
)
async def test_404_not_found_without_a_redirect(bench: Bench, path: str) -> None:
    refused(await bench.post(to=path), 404, "not_found")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
async def test_405_other_methods(bench: Bench, method: str) -> None:
    counted = Counted("method_not_allowed")

    response = await bench.http.request(method, "/webhooks/clarity-main", content=BODY, headers=signed_headers(BODY))

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    if method != "HEAD":
        refused(response, 405, "method_not_allowed")
    assert counted.times == 1


async def test_413_a_body_above_the_limit_and_not_the_one_at_it(bench: Bench) -> None:
    counted = Counted("too_large")
    at_limit = padded(MAX_BODY_BYTES)

    assert (await bench.post(at_limit)).status_code == 202
    refused(await bench.post(padded(MAX_BODY_BYTES + 1)), 413, "too_large")

    assert counted.times == 1


async def test_413_a_body_in_chunks_without_a_length(bench: Bench) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 1024 + 1):
            yield b" " * 1024

    response = await bench.http.post("/webhooks/clarity-main", content=chunks(), headers=signed_headers(b""))

    refused(response, 413, "too_large")
    assert response.headers["connection"] == "close"


async def test_413_a_length_that_is_claimed_is_not_waited_for(bench: Bench) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    response = await bench.http.post(
        "/webhooks/clarity-main", content=nothing(), headers=signed_headers(b"") | {"content-length": str(10**12)}
    )

    refused(response, 413, "too_large")


async def test_408_a_body_that_does_not_come(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.gateway.app._BODY_S", 0.05)
    counted = Counted("too_slow")

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    response = await bench.http.post("/webhooks/clarity-main", content=never(), headers=signed_headers(b""))

    refused(response, 408, "too_slow")
    assert counted.times == 1


@pytest.mark.parametrize(
    ("counted_as", "change"),
    [
        ("headers_missing", lambda headers: headers.pop("webhook-id")),
        ("headers_missing", lambda headers: headers.pop("webhook-timestamp")),
        ("headers_missing", lambda headers: headers.pop("webhook-signature")),
        ("headers_malformed", lambda headers: headers.update({"webhook-id": "msg.1"})),
        ("headers_malformed", lambda headers: headers.update({"webhook-timestamp": "soon"})),
        ("stale", lambda headers: headers.update(signed_headers(BODY, at=NOW_S - 301))),
        ("stale", lambda headers: headers.update(signed_headers(BODY, at=NOW_S + 301))),
        ("signature_wrong", lambda headers: headers.update(signed_headers(BODY, key=b"x" * 32))),
        ("signature_wrong", lambda headers: headers.update(signed_headers(BODY + b" "))),
        ("signature_wrong", lambda headers: headers.update({"webhook-signature": "v1,"})),
    ],
)
async def test_401_the_same_words_for_every_doubt(
    bench: Bench, counted_as: str, change: Callable[[dict[str, str]], object]
) -> None:
    headers = signed_headers(BODY)
    change(headers)
    counted = Counted(counted_as)

    response = await bench.http.post("/webhooks/clarity-main", content=BODY, headers=headers)

    refused(response, 401, "unauthorized")
    assert response.content == b'{"error":"unauthorized","message":"The signature does not hold."}'
    assert counted.times == 1
    assert bench.kafka.published == []


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": ""},
        {"content-encoding": "gzip"},
        {"content-type": "application/json; charset=latin-1"},
    ],
)
async def test_415_other_content_types(bench: Bench, headers: dict[str, str]) -> None:
    counted = Counted("unsupported_media_type")

    refused(await bench.post(headers=headers), 415, "unsupported_media_type")

    assert counted.times == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 4000, b'{"type":"\xff"}', b'{"a":"\x00"}', b"{}{}"])
async def test_400_a_signed_body_that_is_no_json_is_kept(bench: Bench, body: bytes) -> None:
    counted = Counted("malformed")

    refused(await bench.post(body), 400, "malformed")

    [letter] = bench.kafka.dead_letters
    assert (letter.stage, letter.code, letter.value) == ("gateway", "gateway.malformed", body)
    assert (letter.connection, letter.reference, letter.code_version) == ("clarity-main", "msg_1", "1.2.3")
    assert letter.headers["webhook-id"] == b"msg_1"
    assert not any(b"v1," in value for value in letter.headers.values())
    [outcome] = bench.kafka.outcomes
    assert (outcome.state, outcome.code, outcome.reference) == ("dead", "gateway.malformed", "msg_1")
    assert counted.times == 1


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"type":"order.created"}',
        b'{"type":7,"timestamp":"2026-03-02T14:00:00Z","data":{"id":1}}',
        b'{"type":"order.created","timestamp":"yesterday","data":{"id":1}}',
        b'{"type":"order.created","timestamp":"2026-03-02T14:00:00","data":{"id":1}}',
        b'{"type":"order.created","timestamp":"0001-01-01T00:00:00+14:00","data":{"id":1}}',
        b'{"type":"order.created","timestamp":"2026-03-02T14:00:00Z","data":{"id":"a\\u0000"}}',
        b'{"type":"order.\\u0000","timestamp":"2026-03-02T14:00:00Z","data":{"id":1}}',
        b'{"type":"order.created","timestamp":"2026-03-02T14:00:00Z","data":{"id":99999999999999999999999}}',
        b'{"type":"order.created","timestamp":"2026-03-02T14:00:00Z","data":{"id":1.5}}',
        b'{"type":"order.created","timestamp":"2026-03-02T14:00:00Z","data":[1]}',
    ],
)
async def test_422_a_signed_body_that_is_no_webhook_is_kept(bench: Bench, body: bytes) -> None:
    counted = Counted("unprocessable")

    refused(await bench.post(body), 422, "unprocessable")

    assert [letter.value for letter in bench.kafka.dead_letters] == [body]
    assert len(bench.kafka.outcomes) == 1
    assert counted.times == 1


async def test_a_repeated_unreadable_webhook_is_the_same_dead_letter(bench: Bench) -> None:
    await bench.post(b"{")
    await bench.post(b"{", at=NOW_S + 5)

    assert len({letter.id for letter in bench.kafka.dead_letters}) == 1


async def test_an_unsigned_unreadable_body_is_not_kept(bench: Bench) -> None:
    await bench.post(b"{", key=b"x" * 32)

    assert bench.kafka.published == []


async def test_429_more_than_a_minutes_worth() -> None:
    bench = Bench(requests_per_minute=2)
    counted = Counted("too_many_requests")

    responses = [await bench.post(delivery_id=f"msg_{number}") for number in range(3)]

    refused(responses[2], 429, "too_many_requests")
    assert int(responses[2].headers["retry-after"]) == 30
    assert counted.times == 1
    await bench.http.aclose()


async def test_strangers_do_not_use_up_a_senders_allowance() -> None:
    bench = Bench(requests_per_minute=1)

    for _ in range(5):
        await bench.post(key=b"x" * 32)

    assert (await bench.post()).status_code == 202
    await bench.http.aclose()


async def test_503_when_kafka_is_away_and_202_when_it_is_back(bench: Bench) -> None:
    counted = Counted("not_stored")
    bench.kafka.go_away()

    away = await bench.post()
    bench.kafka.fails_with = None
    back = await bench.post()

    refused(away, 503, "not_stored")
    assert int(away.headers["retry-after"]) >= 1
    assert (back.status_code, back.json()) == (202, {"status": "accepted"})
    assert counted.times == 1


async def test_503_within_the_budget_when_kafka_is_slow(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.gateway.app._BUDGET_S", 0.05)
    bench.kafka.gate.clear()

    refused(await bench.post(), 503, "not_stored")

    assert bench.memory.known == set()


async def test_503_when_a_dead_letter_cannot_be_kept(bench: Bench) -> None:
    bench.kafka.go_away()

    refused(await bench.post(b"{"), 503, "not_stored")


async def test_what_nothing_can_mend_ends_the_process(bench: Bench) -> None:
    error = FatalError("cannot_produce", "fenced")
    bench.kafka.fails_with = error

    refused(await bench.post(), 503, "not_stored")

    assert bench.died_of == [error]


async def test_a_defect_of_ours_is_503_and_tells_nothing(bench: Bench) -> None:
    bench.kafka.fails_with = ZeroDivisionError("private")
    counted = Counted("defect")

    with capture_logs() as lines:
        response = await bench.post()

    refused(response, 503, "not_stored")
    assert "private" not in response.text + str(lines)
    assert counted.times == 1


# Beside webhooks


async def test_health_and_readiness(bench: Bench) -> None:
    assert (await bench.http.get("/health")).json() == {"status": "live"}
    assert (await bench.http.get("/ready")).status_code == 200

    bench.kafka_answers = False

    assert (await bench.http.get("/ready")).status_code == 503
    assert (await bench.http.get("/health")).status_code == 200


async def test_metrics_are_counted_and_not_shown_to_strangers(bench: Bench) -> None:
    accepted = Counted("accepted")

    await bench.post()

    assert accepted.times == 1
    assert (await bench.http.get("/metrics")).status_code == 404


async def test_one_line_is_logged_without_payload_or_signature(bench: Bench) -> None:
    with capture_logs() as lines:
        await bench.post()

    [line] = lines
    assert {
        "event",
        "result",
        "status",
        "duration_ms",
        "connection",
        "delivery_id",
        "secret",
        "size_bytes",
    } <= line.keys()
    assert "1001" not in str(line)
    assert signed_headers(BODY)["webhook-signature"] not in str(line)


async def test_what_is_stored_is_answered_though_no_line_can_be_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(app, "log", structlog.wrap_logger(None, processors=[full]))
    bench.http = httpx.AsyncClient(
        base_url="http://gateway", transport=httpx.ASGITransport(bench.app, raise_app_exceptions=False)
    )

    assert (await bench.post()).status_code == 202
    assert len(bench.kafka.changes) == 1


def padded(size: int) -> bytes:
    return BODY[:-1] + b" " * (size - len(BODY)) + b"}"
