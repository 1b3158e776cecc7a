"""Schemas of strangers: nothing they say is run, and no number in them is taken without a look at it."""

import builtins
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from bus.avro_schema import parsed
from bus.captured_codec import CapturedCodec
from bus.codec import Codec
from bus.readers import Readers
from bus.registry import MemoryRegistry
from bus.wire import with_id
from errors import DecodeError, RetryableError

#: Lines that would be seen if they were run.
HOSTILE = "0\nran.append(1)\nq = p"


class Row(msgspec.Struct, kw_only=True):
    a: Any = None


class T(msgspec.Struct, kw_only=True):
    a: bytes = b""


FIXED: dict[str, Any] = {"type": "fixed", "name": "F", "size": 4, "doc": "", "aliases": ["G"]}
AMOUNT: dict[str, Any] = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
ENUM: dict[str, Any] = {"type": "enum", "name": "M", "symbols": ["A", "B"], "default": "A", "doc": ""}
FIELD: dict[str, Any] = {"name": "a", "type": "string", "default": "", "order": "ignore", "aliases": [], "doc": ""}


def fields(*said: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "T", "fields": list(said)}


def slots() -> Iterator[dict[str, Any]]:
    for schema in (FIXED, AMOUNT, ENUM):
        for slot in schema:
            yield fields({"name": "a", "type": schema | {slot: HOSTILE}})
            yield fields({"name": "unread", "type": schema | {slot: HOSTILE}})
    yield fields({"name": "a", "type": ENUM | {"symbols": ["A", HOSTILE]}})
    for slot in FIELD:
        yield fields(FIELD | {slot: HOSTILE})
    yield fields(FIELD | {"aliases": [HOSTILE]})
    yield fields(FIELD) | {"name": HOSTILE}
    yield fields(FIELD) | {"doc": HOSTILE, "aliases": [HOSTILE], HOSTILE: HOSTILE}


def envelope(schema: dict[str, Any]) -> dict[str, Any]:
    source = {"type": "record", "name": "Source", "fields": [{"name": "name", "type": "string"}]}
    return {
        "type": "record",
        "name": "Envelope",
        "fields": [
            {"name": "before", "type": ["null", schema]},
            {"name": "after", "type": ["null", schema["name"]]},
            {"name": "source", "type": source},
            {"name": "op", "type": "string"},
        ],
    }


@pytest.mark.parametrize("schema", list(slots()))
def test_no_word_of_a_schema_is_run(schema: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    monkeypatch.setattr(builtins, "ran", ran, raising=False)
    registry = MemoryRegistry()
    codec = Codec(T, json.dumps(fields({"name": "a", "type": "bytes"})), "t", registry)
    rows = CapturedCodec("t", Row, registry)
    for said, decode in ((schema, codec.decode), (envelope(schema), rows.decode)):
        schema_id = registry.id_of("theirs", json.dumps(said))
        for body in (b"", b"\2abcd", b"\0\2\2aaaa\2a\2c", b"\0\2\0\2a\2c"):
            with contextlib.suppress(DecodeError):
                decode(with_id(schema_id) + body)

    assert ran == []


@pytest.mark.parametrize("size", ["4", HOSTILE, -1, -(2**40), 2.5, 4.0, None, True, [4], 2**20 + 1, 10**400], ids=repr)
def test_size_that_is_none_is_refused(size: Any) -> None:
    with pytest.raises(DecodeError):
        parsed(json.dumps(fields({"name": "z", "type": {"type": "array", "items": FIXED | {"size": size}}})))


@pytest.mark.parametrize("size", [0, 1, 2**20])
def test_size_that_is_one_is_not(size: int) -> None:
    assert parsed(json.dumps(FIXED | {"size": size}))["size"] == size


@pytest.mark.parametrize(
    "said",
    [
        *({"precision": wrong} for wrong in (0, -1, "9", True, None, 9.0, 1001, 10**9)),
        *({"scale": wrong} for wrong in (-1, "2", True, None, 2.0, 1001)),
    ],
    ids=json.dumps,
)
def test_digits_out_of_bounds_are_refused(said: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        parsed(json.dumps(fields({"name": "z", "type": ["null", AMOUNT | said]})))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (json.dumps(fields(FIELD | {"doc": "x" * 300_000})), "longer than"),
        ('{"type":"array","items":' * 120 + '"long"' + "}" * 120, "deeper than 100"),
        ("[" * 100_000 + "]" * 100_000, "no Avro schema: RecursionError"),
        (json.dumps(["null", ["null", "long"]]), "a union within a union"),
        (json.dumps(fields(FIELD | {"name": ["a"]})), "no name of a field"),
        (json.dumps(FIXED | {"name": "string"}), "cannot be named string"),
        ("{", "no Avro schema: JSONDecodeError"),
        (json.dumps(fields({"name": "a", "type": "nope"})), "no Avro schema: UnknownType"),
        # what says that it was parsed before
        (
            json.dumps(
                fields({"name": "a", "type": "nope"})
                | {
                    "__fastavro_parsed": True,
                    "__named_schemas": {"nope": {"type": "fixed", "name": "nope", "size": ""}},
                }
            ),
            "UnknownType",
        ),
    ],
    ids=lambda text: text[:20],
)
def test_schema_that_cannot_be_read_says_why(text: str, told: str) -> None:
    with pytest.raises(DecodeError, match=told):
        parsed(text)


class Counting(MemoryRegistry):
    """Says how often it was asked, and may be away."""

    asked = 0
    away = False

    def schema_of(self, schema_id: int) -> str | None:
        self.asked += 1
        if self.away:
            raise RetryableError("registry_away", "away")
        return super().schema_of(schema_id)


def test_refused_schema_is_looked_at_once() -> None:
    registry = Counting()
    schema_id = registry.id_of("t", json.dumps(FIXED | {"size": -1}))
    codec = CapturedCodec("t", Row, registry)

    for _ in range(3):
        with pytest.raises(DecodeError, match=f"schema id {schema_id}: the size of F is '-1'") as refused:
            codec.decode(with_id(schema_id))
        assert refused.value.facts == {"schema_id": schema_id}
    assert registry.asked == 1


def test_unknown_id_and_a_registry_that_is_away_are_asked_again() -> None:
    registry = Counting()
    readers = Readers(registry, lambda _schema: lambda _data, at: ("read", at))
    for _ in range(2):
        with pytest.raises(DecodeError, match="schema id 1 is unknown"):
            readers[1]
    registry.away = True
    with pytest.raises(RetryableError):
        readers[1]
    registry.away = False
    registry.id_of("t", '"string"')

    assert readers[1](b"", 7) == ("read", 7)
    assert readers[1] is readers[1]
    assert registry.asked == 4


def test_not_all_readers_are_remembered() -> None:
    registry = MemoryRegistry()
    readers = Readers(registry, lambda _schema: lambda _data, at: ("read", at))
    for number in range(1100):
        readers[registry.id_of("t", json.dumps({"type": "string", "doc": str(number)}))]

    assert len(readers) <= 1024
