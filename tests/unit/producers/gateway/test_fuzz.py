"""Hostile requests by the hundred: whatever comes, the answer is short, in our form, and never a 5xx."""

import asyncio
import json

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.doubles.webhooks import BODY, MAX_BODY_BYTES, Bench, signed_headers

ANSWERS = {202, 400, 401, 404, 405, 413, 415, 422}

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=120)
    | st.sampled_from(["order.created", "2026-03-02T14:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"])
)
NAMES = st.sampled_from(["type", "timestamp", "data", "id", "\x00", "$ref"]) | st.text(max_size=5)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=25
)
TIMES = st.sampled_from(
    ["2026-03-02T14:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-03-02T14:00:00", "soon"]
)


def mostly(right: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Three times in four; a plain union would give every kind of scalar the same chance."""
    return st.sampled_from([right, right, right, SCALARS]).flatmap(lambda chosen: chosen)


#: Right but for one member or two: what passes the first checks and could hurt behind them.
NEARLY_RIGHT = st.fixed_dictionaries(
    {
        "type": mostly(st.just("order.created")),
        "timestamp": mostly(TIMES),
        "data": mostly(st.fixed_dictionaries({"id": mostly(st.integers(1, 9))})),
    }
)
BROKEN = st.builds(
    lambda cut, put: BODY[:cut] + put + BODY[cut:], st.integers(0, len(BODY)), st.binary(min_size=1, max_size=8)
)
REPEATED_KEYS = st.lists(st.tuples(NAMES, SCALARS), max_size=8).map(
    lambda pairs: ("{" + ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in pairs) + "}").encode()
)
BODIES = (
    st.binary(max_size=300)
    | (TREES | NEARLY_RIGHT).map(lambda tree: json.dumps(tree).encode())
    | NEARLY_RIGHT.map(lambda tree: json.dumps(tree).encode("utf-16"))
    | BROKEN
    | REPEATED_KEYS
    | st.builds(
        lambda part, times: part * times, st.sampled_from([b"[", b'{"a":', b'"', b"9", b'"\\']), st.integers(1, 900)
    )
    | st.integers(MAX_BODY_BYTES - 2, MAX_BODY_BYTES + 2).map(lambda size: b" " * size)
)
HEADER_NAMES = st.sampled_from(
    [
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "content-type",
        "content-length",
        "content-encoding",
        "x-any",
    ]
)
HEADER_VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=60)
ENOUGH = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def ask(
    body: bytes, headers: list[tuple[str, str]], method: str = "POST", path: str = "/webhooks/clarity-main"
) -> Bench:
    """One request to a gateway of its own; checks what every answer must keep to."""

    async def send() -> Bench:
        bench = Bench()
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        async with bench.http as http:
            response = await http.request(method, path, content=body, headers=raw)
        check(response)
        return bench

    return asyncio.run(send())


def check(response: httpx.Response) -> None:
    assert response.status_code in ANSWERS
    assert len(response.content) < 400
    if response.status_code != 202 and response.request.method != "HEAD":
        assert response.json().keys() == {"error", "message"}


@ENOUGH
@given(BODIES)
def test_any_signed_body(body: bytes) -> None:
    bench = ask(body, list(signed_headers(body).items()))

    assert len(bench.kafka.changes) + len(bench.kafka.outcomes) == (len(body) <= MAX_BODY_BYTES)
    for change in bench.kafka.changes:
        assert change.id.isprintable()
        assert len(change.id) <= 100


@ENOUGH
@given(NEARLY_RIGHT)
def test_any_nearly_right_webhook(webhook: dict[str, object]) -> None:
    body = json.dumps(webhook).encode()

    ask(body, list(signed_headers(body).items()))


@ENOUGH
@given(BODIES, st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=12))
def test_any_headers_beside_or_instead_of_the_right_ones(body: bytes, headers: list[tuple[str, str]]) -> None:
    ask(body, headers)
    ask(body, [*signed_headers(body).items(), *headers])


@ENOUGH
@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, blacklist_characters="#?%"), max_size=40), BODIES)
def test_any_path(path: str, body: bytes) -> None:
    ask(body, list(signed_headers(body).items()), path=f"/webhooks/{path}")
