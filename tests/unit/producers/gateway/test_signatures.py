"""Who is believed, by the vectors of reference/webhooks.md."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from producers.gateway.signatures import Doubt, StandardWebhooks, Verified, key_of

NOW = datetime(2026, 3, 2, 14, 0, 0, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
KEY, OLD_KEY, FOREIGN_KEY = b"a" * 32, b"b" * 32, b"c" * 32
BODY = b'{"type":"order.created","data":{"id":1001}}'
SCHEME = StandardWebhooks([KEY, OLD_KEY], timedelta(seconds=300))

Pairs = list[tuple[bytes, bytes]]


def signature(
    key: bytes = KEY, body: bytes = BODY, delivery_id: bytes = b"msg_1", at: bytes = str(NOW_S).encode()
) -> bytes:
    digest = hmac.new(key, b".".join((delivery_id, at, body)), hashlib.sha256).digest()
    return b"v1," + base64.b64encode(digest)


def headers(delivery_id: bytes = b"msg_1", at: bytes = str(NOW_S).encode(), signed: bytes | None = None) -> Pairs:
    signed = signature(delivery_id=delivery_id, at=at) if signed is None else signed
    return [
        (b"host", b"bus.example"),
        (b"webhook-id", delivery_id),
        (b"webhook-timestamp", at),
        (b"webhook-signature", signed),
    ]


def verify(pairs: Pairs, body: bytes = BODY) -> Verified | Doubt:
    return SCHEME.verify(pairs, body, NOW)


def test_a_right_signature_tells_id_time_and_which_secret() -> None:
    assert verify(headers()) == Verified(delivery_id="msg_1", signed_at_s=NOW_S, secret=0)


def test_the_older_secret_still_holds_and_is_told() -> None:
    assert verify(headers(signed=signature(OLD_KEY))) == Verified(delivery_id="msg_1", signed_at_s=NOW_S, secret=1)


def test_an_altered_body_does_not_hold() -> None:
    assert verify(headers(), BODY.replace(b"1001", b"1002")) is Doubt.SIGNATURE_WRONG


def test_a_body_written_anew_does_not_hold() -> None:
    assert verify(headers(), BODY.replace(b":", b": ")) is Doubt.SIGNATURE_WRONG


def test_a_foreign_secret_does_not_hold() -> None:
    assert verify(headers(signed=signature(FOREIGN_KEY))) is Doubt.SIGNATURE_WRONG


def test_an_id_or_time_that_was_not_signed_does_not_hold() -> None:
    assert verify(headers(delivery_id=b"msg_2", signed=signature())) is Doubt.SIGNATURE_WRONG
    assert verify(headers(at=str(NOW_S + 1).encode(), signed=signature())) is Doubt.SIGNATURE_WRONG
    assert verify(headers(at=b"0" + str(NOW_S).encode(), signed=signature())) is Doubt.SIGNATURE_WRONG


def test_only_asymmetric_signatures_do_not_hold() -> None:
    assert verify(headers(signed=signature().replace(b"v1,", b"v1a,"))) is Doubt.SIGNATURE_WRONG


def test_one_right_signature_among_several_holds() -> None:
    several = b" ".join((b"v1a,AAAA", signature(FOREIGN_KEY), b"v2,x", b"v1,!!", b"nonsense", signature()))

    assert verify(headers(signed=several)) == Verified(delivery_id="msg_1", signed_at_s=NOW_S, secret=0)


@pytest.mark.parametrize("away_s", [-300, -299, 0, 299, 300])
def test_a_time_within_the_window_holds(away_s: int) -> None:
    assert isinstance(verify(headers(at=str(NOW_S + away_s).encode())), Verified)


@pytest.mark.parametrize("away_s", [-301, 301, -(10**8), 10**8])
def test_a_time_outside_the_window_is_stale(away_s: int) -> None:
    assert verify(headers(at=str(NOW_S + away_s).encode())) is Doubt.STALE


def test_the_window_comes_before_the_signature() -> None:
    assert verify(headers(at=b"0", signed=signature(FOREIGN_KEY))) is Doubt.STALE


@pytest.mark.parametrize("name", [b"webhook-id", b"webhook-timestamp", b"webhook-signature"])
def test_a_missing_or_empty_header_is_no_signature(name: bytes) -> None:
    assert verify([pair for pair in headers() if pair[0] != name]) is Doubt.HEADERS_MISSING
    assert verify([(key, b"" if key == name else value) for key, value in headers()]) is Doubt.HEADERS_MISSING


@pytest.mark.parametrize("name", [b"webhook-id", b"webhook-timestamp", b"webhook-signature"])
def test_a_header_given_twice_is_no_signature(name: bytes) -> None:
    twice = headers() + [pair for pair in headers() if pair[0] == name]

    assert verify(twice) is Doubt.HEADERS_MALFORMED


@pytest.mark.parametrize("delivery_id", [b"msg.1", b".", b"a b", b"a\x7f", b"\xc3\xa4", b"x" * 201])
def test_an_id_that_could_be_read_in_two_ways_is_refused(delivery_id: bytes) -> None:
    assert verify(headers(delivery_id=delivery_id)) is Doubt.HEADERS_MALFORMED


@pytest.mark.parametrize("at", [b"now", b"-5", b"1e9", b"1772460000.5", b"\xd9\xa3", b"9" * 13])
def test_a_time_that_is_no_whole_number_is_refused(at: bytes) -> None:
    assert verify(headers(at=at)) is Doubt.HEADERS_MALFORMED


def test_a_dot_moved_between_id_and_body_does_not_hold() -> None:
    body = str(NOW_S).encode() + b"." + BODY
    forged = headers(delivery_id=b"msg_1." + str(NOW_S).encode(), signed=signature(body=body))

    assert verify(forged) is Doubt.HEADERS_MALFORMED


def test_without_keys_nothing_holds() -> None:
    assert StandardWebhooks([], timedelta(seconds=300)).verify(headers(), BODY, NOW) is Doubt.SIGNATURE_WRONG


def test_a_secret_is_base64_with_or_without_its_prefix_and_padding() -> None:
    key = bytes(range(32))
    text = base64.b64encode(key).decode()

    assert key_of(f"whsec_{text}") == key_of(text) == key_of(f"whsec_{text.rstrip('=')}") == key


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_äöü", "whsec_" + base64.b64encode(b"short").decode(), "a$b"])
def test_what_is_no_secret_is_refused_without_quoting_it(secret: str) -> None:
    with pytest.raises(ValueError, match=r"not whsec_|shorter") as caught:
        key_of(secret)

    assert not secret or secret not in str(caught.value)
