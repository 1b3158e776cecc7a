"""Which bodies are looked at further, and that refusing the others costs little."""

import time

import pytest

from errors import DecodeError
from producers.gateway.bodies import DEEPEST, MOST_TOKENS, check_shape, is_json


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        'application/json; charset="UTF-8"',
        "application/json; x=1",
    ],
)
def test_json_in_utf8_is_read(content_type: str) -> None:
    assert is_json(content_type, "")


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/jsonx",
        "application/xml",
        "application/json; charset=utf-16",
        "json",
        "multipart/form-data",
    ],
)
def test_other_types_are_not_read(content_type: str) -> None:
    assert not is_json(content_type, "")


def test_compressed_bodies_are_not_read() -> None:
    assert not is_json("application/json", "gzip")
    assert is_json("application/json", "identity")


@pytest.mark.parametrize("body", [b"{}", b"[1,2]", b'"\\u0000"', b'{"a":"[[[[[[\\"]]"}', b" 1 ", b'{"a":1,"a":2}'])
def test_json_of_sensible_shape_passes(body: bytes) -> None:
    check_shape(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nope",
        b"{}{}",
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
        b'{"a":"\x00"}',
        b"\x00",
        b'{"a":"' + b"x" * 1000,
        b'{"a":"\\',
        b"NaN",
        b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
        b"[" + b"{}," * MOST_TOKENS + b"{}]",
    ],
)
def test_what_could_hurt_or_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        check_shape(body)


def test_the_deepest_allowed_passes() -> None:
    check_shape(b"[" * DEEPEST + b"]" * DEEPEST)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 262_144,
        b'{"a":' * 52_000,
        b'"' * 262_144,
        b'"\\' * 131_072,
        b"[" + b"{}," * 87_000 + b"{}]",
        b"9" * 262_144,
        b'{"a":"' + b"\\" * 262_000,
    ],
)
def test_the_worst_bodies_take_little_time(body: bytes) -> None:
    # of the processor: on a busy machine the clock tells how long we waited for it
    started = time.thread_time()

    with pytest.raises(DecodeError):
        check_shape(body + b"!")

    assert time.thread_time() - started < 0.25


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_depth_is_bounded_exactly(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"

    check_shape(opening * DEEPEST + b"1" + closing * DEEPEST)

    with pytest.raises(DecodeError, match="deeper"):
        check_shape(opening * (DEEPEST + 1) + b"1" + closing * (DEEPEST + 1))


def test_parts_are_counted_in_a_body_without_depth() -> None:
    with pytest.raises(DecodeError, match="parts"):
        check_shape(b"[" + b'"",' * MOST_TOKENS + b"1]")
