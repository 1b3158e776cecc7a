"""A new version of a mapping beside the live one: what is counted, and when it passes."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from bus.codec import Codecs
from bus.registry import Registry
from bus.settings import ROOT
from errors import DecodeError, MappingError, RetryableError
from mapping.port import Lookups
from operations import shadow_run
from operations.mapping_files import named
from operations.read_topics import Span
from operations.shadow import Sample, Tally, fields_told, is_expected, refusals_told, shape_of
from operations.shadow_run import PIECE, Arrow, Once, compare, pieces_of, share
from schemas import topics
from schemas.bus.fetched import Fetched
from streams.routes import ORDER_FROM_CLARITY
from tests.doubles.deployment import deployment
from tests.doubles.python_mapping import mapping

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
BODY = (ROOT / "schemas" / "examples" / "clarity.orders.v1" / "full_order.json").read_bytes()


class Line(msgspec.Struct, frozen=True, kw_only=True):
    sku: str
    note: str = ""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    number: str
    lines: tuple[Line, ...] = ()


@mapping("streams/test/live", version=1)
def live(part: str, lookups: Lookups, now: datetime) -> Record:
    if "," not in part:
        raise MappingError("lines", f"order {len(part)} has no lines")
    return Record(number="", lines=tuple(Line(sku=sku) for sku in part.split(",")))


@mapping("streams/test/live", version=2)
def newer(part: str, lookups: Lookups, now: datetime) -> Record:
    if "x" in part:
        raise MappingError("lines[2].sku", f"'{part}' is unknown")
    return Record(number=part[:1], lines=tuple(Line(sku=sku.upper()) for sku in part.split(",")))


def parts(_key: str, decoded: Any) -> list[tuple[str, Any, Lookups]]:
    return [("", part, Lookups({})) for part in decoded.split(";") if part]


def text(value: bytes) -> str:
    if value == b"?":
        raise DecodeError("unreadable")
    return value.decode()


ARROW = Arrow(live=live, source=topics.CLARITY_ORDERS, row_type=None, parts=parts)


def compared(*values: bytes | None, new: Any = newer, samples: int = 3) -> Tally:
    tally = Tally(samples)
    for offset, value in enumerate(values):
        compare(ARROW, new, text, value, NOON, Sample(key="shop:1", position=f"t/0/{offset}"), tally)
    return tally


def test_the_same_is_counted_as_the_same() -> None:
    tally = compared(b"a,b", b"c,d", new=live)

    assert (tally.events, tally.compared, tally.same, tally.differ) == (2, 2, 2, 0)
    assert fields_told(tally, ()) == ()


def test_each_field_is_counted_once_a_record_with_where_it_was_seen() -> None:
    tally = compared(b"a,b", b"A,B", b"a,b;c,d", samples=2)

    number, sku = fields_told(tally, ["number"])
    assert (number.field, number.kind, number.count, number.expected) == ("number", "filled", 4, True)
    assert (sku.field, sku.kind, sku.count, sku.expected) == ("lines[].sku", "changed", 3, False)
    assert sku.samples == (
        Sample(key="shop:1", position="t/0/0", field="lines[1].sku", before='"a"', after='"A"'),
        Sample(key="shop:1", position="t/0/2", field="lines[1].sku", before='"a"', after='"A"'),
    )


def test_refusals_that_come_and_go_are_told_by_reason() -> None:
    tally = compared(b"x,1", b"x,2", b"single", b"x")

    (new,), (gone,) = refusals_told(tally.refused), refusals_told(tally.passed)
    assert (new.field, new.reason, new.count) == ("lines[].sku", "* is unknown", 2)
    assert (gone.reason, gone.count) == ("order * has no lines", 1)
    assert (tally.refused_by_both, tally.compared) == (1, 3)


def test_a_record_for_two_connections_is_told_of_each_by_its_name() -> None:
    arrow = msgspec.structs.replace(
        ARROW, parts=lambda _, decoded: [(whose, decoded, Lookups({})) for whose in ("store-a", "store-b")]
    )
    tally = Tally(3)

    compare(arrow, newer, text, b"a,b", NOON, Sample(key="K", position="t/0/0"), tally)

    number, _ = fields_told(tally, ())
    assert [each.key for each in number.samples] == ["store-a K", "store-b K"]


def test_what_cannot_be_read_or_concerns_nobody_is_no_comparison() -> None:
    tally = compared(b"?", b";", None)

    assert (tally.events, tally.unreadable, tally.left_out, tally.compared) == (3, 1, 2, 0)


def test_tallies_of_processes_come_to_the_same_as_one() -> None:
    values = (b"a,b", b"x,1", b"single", b"?", b"", b"c,d")
    one = compared(*values, samples=1)

    shared = compared(*values[:3], samples=1)
    shared.merge(compared(*values[3:], samples=1))

    assert fields_told(shared, ()) == fields_told(one, ())
    assert [each.count for each in refusals_told(shared.refused)] == [1]
    assert (shared.events, shared.compared, shared.first) == (one.events, one.compared, NOON)


@pytest.mark.parametrize(
    ("field", "expected", "is_it"),
    [
        ("lines[].sku", "lines.sku", True),
        ("lines[].sku", "lines[1].sku", True),
        ("lines[].sku", "lines", True),
        ("lines[].sku", "line", False),
        ("number", "numbers", False),
        ("custom.gift", "custom", True),
    ],
)
def test_what_may_differ_is_named_whole_or_from_above(field: str, expected: str, *, is_it: bool) -> None:
    assert is_expected(field, [expected]) is is_it


def test_places_in_lists_are_left_out() -> None:
    assert shape_of("lines[13].taxes[0].amount") == "lines[].taxes[].amount"


def test_a_run_that_fails_hangs_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise RetryableError("kafka.away", "Kafka does not answer")

    def hang_up(registry: Registry) -> None:
        hung_up.append(registry)

    hung_up: list[Registry] = []
    monkeypatch.setattr(shadow_run, "describe", away)
    monkeypatch.setattr(Registry, "close", hang_up)
    monkeypatch.setattr(Codecs, "decoder", lambda *_: bytes)

    with pytest.raises(RetryableError):
        shadow_run.shadow(deployment(), "streams/orders/from_clarity", NOON, lambda _done, _whole: None)

    assert len(hung_up) == 1


def test_a_topic_is_shared_in_pieces_that_hold_all_of_it() -> None:
    span = Span(topic="t", first={0: 5, 3: 0}, until={0: 5 + 2 * PIECE + 1, 3: 2})

    pieces = list(pieces_of(span))

    assert sum(piece.records for piece in pieces) == span.records
    assert [(piece.first, piece.until) for piece in pieces][-2:] == [
        ({0: 5 + 2 * PIECE}, {0: 5 + 2 * PIECE + 1}),
        ({3: 0}, {3: 2}),
    ]


def test_a_rule_is_asked_once_for_the_very_same_arguments() -> None:
    asked: list[tuple[object, object]] = []

    def rule(record: object, lookups: object) -> int:
        asked.append((record, lookups))
        if record == "refused":
            raise MappingError("", "no")
        return len(asked)

    once, first, like_it, tables = Once(rule), ["a"], ["a"], object()

    said = [once(first, tables), once(first, tables), once(like_it, tables), once(first, tables)]
    for _ in range(2):
        with pytest.raises(MappingError):
            once("refused", tables)

    assert said == [1, 1, 2, 3]
    assert len(asked) == 5


def test_versions_that_share_their_rules_say_what_they_said_alone() -> None:
    fetched = Fetched(connection="clarity-main", id="1", read_at=NOON, source_version=5, body=BODY)
    tables = Lookups({"connection:clarity-main": {"currency": "USD"}})
    new = named("streams/orders/from_clarity.yaml").mapping
    alone = new(fetched, tables, NOON)

    share(new, ORDER_FROM_CLARITY)

    assert [each(fetched, tables, NOON) for each in (ORDER_FROM_CLARITY, new)] == [alone, alone]
