"""A record beside what it was made of and what was made of it, as far as that can still be read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from bus import settings
from bus.codec import Codecs
from bus.registry import MemoryRegistry
from bus.settings import ROOT, Settings
from errors import NotFoundError
from mapping.port import stamp
from operations.made_of import Made, made, newest, route_of, source_of
from operations.projection.stories import RecordTold
from schemas import topics
from schemas.bus.fetched import Fetched
from streams.routes import ORDER_FROM_CLARITY

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
BODY = Path("schemas/examples/clarity.orders.v1/full_order.json").read_bytes()


def record(topic: str, offset: int, *, mapping: str = "", seconds: float = 0, root: str = "changes/0/1") -> RecordTold:
    return RecordTold(
        topic=topic,
        partition=0,
        event_offset=offset,
        at=NOW + timedelta(seconds=seconds),
        root=root,
        root_key="clarity-main:1001",
        message_key="clarity-main:1001",
        mapping=mapping,
        origin="clarity-main",
        source_version=0,
        topic_id=f"id of {topic}",
    )


READ_EARLIER = record("clarity.orders.v1", 1, root="changes/0/0")
READ = record("clarity.orders.v1", 2, seconds=1)
MAPPED = record("canonical.orders.v1", 7, seconds=2, mapping="streams/orders/from_clarity@1+digest")
READ_LATER = record("clarity.orders.v1", 3, seconds=3)
RECORDS = (READ_EARLIER, READ, MAPPED, READ_LATER)


@pytest.fixture(scope="module")
def given() -> Settings:
    text = (ROOT / "deployments" / "demo" / "towpath.toml").read_text(encoding="utf-8")
    named = {part.split('"')[0] for part in text.split("env:")[1:] if part[0].isupper()}
    return settings.load(dict.fromkeys(named, "1"), ROOT)


def story(given: Settings, gone: str = "") -> Made:
    codecs = Codecs(MemoryRegistry())
    fetched = Fetched(connection="clarity-main", id="1001", read_at=NOW, source_version=0, body=BODY)
    values = {
        "clarity.orders.v1/2": codecs.of(topics.CLARITY_ORDERS).encode(fetched),
        "canonical.orders.v1/7": codecs.of(topics.ORDERS).encode(ORDER_FROM_CLARITY(fetched, given.lookups, NOW)),
    }

    def read(topic: str, topic_id: str, _partition: int, offset: int) -> bytes:
        assert topic_id == f"id of {topic}"
        if topic == gone:
            raise NotFoundError("trace.gone", f"{topic} was made anew")
        return values[f"{topic}/{offset}"]

    return made(given, codecs, read, "clarity-main:1001", MAPPED, RECORDS, ())


def test_record_stands_beside_the_document_read_last_for_its_event() -> None:
    assert newest(RECORDS) == (MAPPED,)
    route = route_of(MAPPED)
    assert route is not None
    assert source_of(MAPPED, route, RECORDS) == ("clarity.orders.v1", "id of clarity.orders.v1", 0, 2)
    assert source_of(msgspec.structs.replace(MAPPED, root="changes/9/9"), route, RECORDS) is None


def test_each_field_is_told_with_its_source_and_its_document(given: Settings) -> None:
    found = story(given)

    fields = {each.field: each for each in found.fields}
    assert found.source == "clarity.orders.v1/0/2"
    assert [(each.connection, each.delivered) for each in found.targets] == [("gp-two", False)]
    assert found.targets[0].shown_with.startswith("consumers/dynamics_gp/sales_order@")
    assert fields["number"].source[:1] == ("ID",)
    assert fields["total"].source
    assert fields["lines[1].sku"].source
    assert fields["number"].target == ("CSTPONBR",)
    assert found.missing == ()
    assert stamp(ORDER_FROM_CLARITY, given.lookups).startswith("streams/orders/from_clarity@")


@pytest.mark.parametrize(
    ("gone", "told", "source"),
    [("clarity.orders.v1", True, False), ("canonical.orders.v1", False, False)],
)
def test_what_can_not_be_read_any_more_hides_nothing_of_the_rest(
    given: Settings, gone: str, *, told: bool, source: bool
) -> None:
    found = story(given, gone)

    assert found.missing == (f"{gone} was made anew",)
    assert bool(found.fields) is told
    assert any(each.source for each in found.fields) is source
