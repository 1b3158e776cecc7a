"""A route at work: what is written because of an event, whatever the event is."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from bus.codec import Codecs
from bus.events import Incoming, Outgoing
from bus.headers import Lineage, from_headers, to_headers
from bus.registry import MemoryRegistry
from errors import DecodeError, MappingError, RejectedError
from mapping.port import Lookups
from schemas import topics
from schemas.bus.fetched import Fetched
from schemas.bus.lookup_row import LookupRow
from schemas.canonical.order import Order
from schemas.types import Root
from streams.agents import Way
from streams.routes import Route
from tests.doubles.python_mapping import mapping

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
BODY = b"1001"


@mapping("streams/test/from_text", version=3)
def from_text(part: str, lookups: Lookups, now: datetime) -> Order:
    if part == "impossible":
        raise MappingError("currency", "missing")
    return Order(
        id=f"shop:{part}",
        source_version=5,
        ordered_at=now,
        updated_at=now,
        number=lookups.get("numbers", part, "number"),
    )


def route(**changed: Any) -> Route:
    given: dict[str, Any] = {
        "name": "streams/test/from_text",
        "source": topics.CLARITY_ORDERS,
        "read": lambda fetched: fetched.body.decode(),
        "split": lambda text: tuple(text.split(",")) if text else (),
        "leave_out": lambda part: "test_order" if part.startswith("test") else None,
        "mapping": from_text,
        "target": topics.ORDERS,
        "message_key": lambda record: record.id,
        "record": "order",
    }
    return Route(**(given | changed))


@pytest.fixture
def codecs() -> Codecs:
    return Codecs(MemoryRegistry())


@pytest.fixture
def way(codecs: Codecs) -> Way:
    return Way(route(), codecs, Lookups({"numbers": {"1001": "A-1001", "1002": "A-1002"}}), "1.2.3")


def event(codecs: Codecs, body: bytes = BODY, lineage: Lineage | None = None) -> Incoming:
    fetched = Fetched(connection="shop", id="1001", read_at=NOON, source_version=5, body=body)
    return Incoming(
        topic=topics.CLARITY_ORDERS.name,
        topic_id="topic-id",
        partition=2,
        offset=17,
        timestamp_ms=int(NOON.timestamp() * 1000),
        key=b"shop:1001",
        value=codecs.of(topics.CLARITY_ORDERS).encode(fetched),
        headers=to_headers(lineage) if lineage else (),
    )


def decoded(codecs: Codecs, outgoing: Outgoing) -> Any:
    return codecs.of(outgoing.topic).decode(outgoing.value)


def test_event_becomes_its_record_with_its_lineage(way: Way, codecs: Codecs) -> None:
    (made,) = way.go(event(codecs, lineage=Lineage(root=Root("first/0/9"), traceparent="00-a-b-01")))

    lineage = from_headers(made.headers)
    assert (made.topic, made.key) == (topics.ORDERS, "shop:1001")
    assert decoded(codecs, made).number == "A-1001"
    assert (lineage.root, lineage.origin, lineage.traceparent) == ("first/0/9", "shop", "00-a-b-01")
    assert lineage.mapping.startswith("streams/test/from_text@3+")
    assert lineage.ce_type == "towpath.canonical.orders.v1"
    assert lineage.ce_time == "2026-11-21T12:00:00Z"


def test_event_without_lineage_is_the_root(way: Way, codecs: Codecs) -> None:
    (made,) = way.go(event(codecs))

    assert from_headers(made.headers).root == "topic-id/2/17"


class Exchanged:
    """Tables that somebody exchanges."""

    def __init__(self, lookups: Lookups) -> None:
        self.now = lookups

    def current(self) -> Lookups:
        return self.now


def test_exchanged_tables_are_at_work_with_the_next_event_and_its_stamp_says_so(codecs: Codecs) -> None:
    tables = Exchanged(Lookups({"numbers": {}}))
    way = Way(route(), codecs, tables, "1.2.3")
    with pytest.raises(MappingError) as refused:
        way.go(event(codecs))
    tables.now = Lookups({"numbers": {"1001": "A-1001"}})
    letter = decoded(codecs, way.bury(event(codecs), refused.value)[0])

    (made,) = way.go(event(codecs))

    assert decoded(codecs, made).number == "A-1001"
    assert from_headers(made.headers).mapping.endswith(f".{tables.now.digest}")
    # refused by the tables from before, its letter says so
    assert letter.mapping.endswith(f".{Lookups({'numbers': {}}).digest}")


def test_repeat_is_the_same_byte_for_byte_and_another_reading_is_another_event(way: Way, codecs: Codecs) -> None:
    first, again = way.go(event(codecs)), way.go(event(codecs))
    (other,) = way.go(event(codecs, body=b"1002"))

    assert first == again
    assert from_headers(first[0].headers).ce_id != from_headers(other.headers).ce_id


def test_each_part_is_a_record_of_its_own(way: Way, codecs: Codecs) -> None:
    made = way.go(event(codecs, body=b"1001,test-1,1002"))

    assert [each.key for each in made] == ["shop:1001", "shop:1002"]
    assert len({from_headers(each.headers).ce_id for each in made}) == 2


@pytest.mark.parametrize(("body", "code"), [(b"test-1,test-2", "test_order"), (b"", "nothing_to_tell")])
def test_event_of_which_nothing_is_left_says_why(way: Way, codecs: Codecs, body: bytes, code: str) -> None:
    (told,) = way.go(event(codecs, body=body))

    outcome = decoded(codecs, told)
    assert told.topic == topics.OUTCOMES
    assert told.key == "shop:1001"
    assert (outcome.state, outcome.code, outcome.stage, outcome.record) == ("filtered", code, "streams", "order")
    assert (outcome.topic, outcome.topic_id, outcome.partition, outcome.offset) == (
        "clarity.orders.v1",
        "topic-id",
        2,
        17,
    )
    assert (outcome.connection, outcome.root_key, outcome.at, outcome.source_version) == ("shop", "shop:1001", NOON, 5)


def test_tombstone_is_filtered(way: Way, codecs: Codecs) -> None:
    (told,) = way.go(msgspec.structs.replace(event(codecs), value=None))

    assert decoded(codecs, told).code == "tombstone"


@pytest.mark.parametrize(
    ("value", "error"), [(b"no Avro at all", DecodeError), (b"", DecodeError), (b"\0\0\0\0\x09x", DecodeError)]
)
def test_unreadable_event_is_rejected(way: Way, codecs: Codecs, value: bytes, error: type[RejectedError]) -> None:
    with pytest.raises(error):
        way.go(msgspec.structs.replace(event(codecs), value=value))


def test_a_record_that_does_not_say_where_it_is_from_is_rejected(codecs: Codecs) -> None:
    row = LookupRow(table="numbers", key="1001", value="A-1001", who="mara", at=NOON)
    came = msgspec.structs.replace(event(codecs), value=codecs.of(topics.LOOKUPS).encode(row))
    way = Way(route(source=topics.LOOKUPS), codecs, Lookups({}), "1.2.3")

    with pytest.raises(DecodeError, match="a LookupRow says no connection and source_version") as refused:
        way.go(came)

    letter, _ = way.bury(came, refused.value)
    assert decoded(codecs, letter).value == came.value


def test_a_record_of_ours_says_itself_where_it_is_from(codecs: Codecs) -> None:
    order = Order(id="shop:1001", connection="shop", source_version=7, ordered_at=NOON, updated_at=NOON)
    came = msgspec.structs.replace(event(codecs), value=codecs.of(topics.ORDERS).encode(order))
    way = Way(route(source=topics.ORDERS, read=lambda _: "test"), codecs, Lookups({}), "1.2.3")

    [told] = way.go(came)

    assert (decoded(codecs, told).connection, decoded(codecs, told).source_version) == ("shop", 7)


def test_dead_letter_keeps_the_bytes_and_says_why(way: Way, codecs: Codecs) -> None:
    came = event(codecs, body=b"impossible", lineage=Lineage(root=Root("first/0/9")))
    with pytest.raises(MappingError) as refused:
        way.go(came)

    letter_out, told_out = way.bury(came, refused.value)

    letter, told = decoded(codecs, letter_out), decoded(codecs, told_out)
    assert (letter_out.topic, told_out.topic) == (topics.DEAD_LETTERS, topics.OUTCOMES)
    assert (letter.value, letter.key, letter.headers["towpath-root"]) == (came.value, b"shop:1001", b"first/0/9")
    assert (letter.topic, letter.topic_id, letter.partition, letter.offset) == ("clarity.orders.v1", "topic-id", 2, 17)
    assert (letter.stage, letter.code, letter.record, letter.root) == ("streams", "mapping", "order", "first/0/9")
    assert letter.values["field"] == "currency"
    assert letter.code_version == "1.2.3"
    assert letter.mapping.startswith("streams/test/from_text@3+")
    assert (told.state, told.code, told.values) == ("dead", "mapping", letter.values)


def test_the_same_death_is_the_same_letter_and_another_records_is_not(codecs: Codecs) -> None:
    came, error = event(codecs), MappingError("a", "b")
    ways = [Way(route(record=record), codecs, Lookups({}), "1") for record in ("order", "order", "shipment")]

    first, again, other = (decoded(codecs, each.bury(came, error)[0]).id for each in ways)

    assert first == again
    assert first != other


def test_key_that_is_no_text_does_not_hinder_a_burial(way: Way, codecs: Codecs) -> None:
    came = msgspec.structs.replace(event(codecs), key=b"\0\0\0\0\1\xff", value=b"x")

    letter_out, _told = way.bury(came, DecodeError("no"))

    assert letter_out.key == "clarity.orders.v1"
    assert decoded(codecs, letter_out).key == b"\0\0\0\0\1\xff"
