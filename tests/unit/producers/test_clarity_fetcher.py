"""A reading of a store's order: the customer's change, or the echo of what we wrote ourselves."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from connect.systems.clarity.client import Document
from consumers.clarity.order_status_sink import digest
from delivery.ports import LastSeen, Row, Settlement
from delivery.states import Kind, State
from errors import RejectedError, RetryableError
from producers.fetchers.clarity import OrderFetcher
from schemas.bus.change import Change
from schemas.systems.clarity import wire
from schemas.systems.clarity.aspects import cancelled
from schemas.systems.clarity.order import ClarityOrder
from schemas.systems.clarity.site import CEF, Site

AT = datetime(2026, 3, 2, 15, tzinfo=UTC)
KEY = "clarity-main:1001"
BODY = Path("schemas/examples/clarity.orders.v1/full_order.json").read_bytes()
VOID_BODY = BODY.replace(b'"StatusID": 1, "StatusKey": "Pending"', b'"StatusID": 12, "StatusKey": "Void"')
ORDER = wire.decode(BODY, ClarityOrder)
BEFORE, AFTER = digest(ORDER, CEF), digest(cancelled(ORDER, CEF), CEF)


class Shop:
    """A store with one order, or without."""

    def __init__(self, body: bytes | None, site: Site = CEF) -> None:
        self._body = body
        self.site = site

    async def order_document(self, _order_id: str) -> Document | None:
        return None if self._body is None else Document(body=self._body, media_type="application/json")


class Remembered:
    """What the connection's store says, question by question."""

    def __init__(self, *seen: str, expected: frozenset[str] = frozenset()) -> None:
        self._seen = list(seen)
        self._expected = expected

    async def last_seen(self, record: str, key: str) -> LastSeen | None:
        digest = self._seen.pop(0) if len(self._seen) > 1 else self._seen[0]
        return LastSeen(record=record, key=key, digest=digest)

    async def expected(self, record: str, root_key: str) -> frozenset[str]:
        return self._expected if (record, root_key) == ("order", KEY) else frozenset()

    async def known_as(self, _canonical_id: str, _record: str) -> str | None:
        return None


class Changes:
    def __init__(self, version: int) -> None:
        self._version = version

    def decode(self, _data: bytes) -> Change:
        return Change(connection="clarity-main", record="order", id="1001", noticed_at=AT, source_version=self._version)


ROW = Row(
    id=1, queue="fetchers", topic="clarity.changes.v1", topic_id="t", partition=0, offset=0, root="t/0/0", root_key=KEY,
    message_key=KEY, record="order", kind=Kind.STATE, source_version=0, state=State.READY, cause=None, attempts=0,
    due=AT, lease_owner="me", epoch=1, intent=None, reference=None, document_number=None, payload=b"",
    payload_digest="", mapping_in="", mapping_out="", command_id="", origin="", hops=0, traceparent="",
    amount=Decimal(0), currency="", taken_in_at=AT,
)  # fmt: skip


async def read(
    body: bytes | None, memory: Remembered, *, told: int = 0, row: Row = ROW, site: Site = CEF
) -> Settlement:
    fetcher = OrderFetcher(Shop(body, site), Changes(told), memory, "clarity-main", 5.0, lambda: AT)  # type: ignore[arg-type]  # a store with one route
    settled = await fetcher.prepare(row)
    assert isinstance(settled, Settlement)
    return settled


def test_the_example_is_what_the_tests_take_it_for() -> None:
    assert digest(wire.decode(VOID_BODY, ClarityOrder), CEF) == AFTER != BEFORE


async def test_a_customer_s_cancellation_is_told() -> None:
    settled = await read(VOID_BODY, Remembered(BEFORE))

    assert (settled.state, settled.code, len(settled.publications)) == (State.DELIVERED, "fetched", 1)


@pytest.mark.parametrize("body", [BODY, VOID_BODY])
async def test_what_is_known_already_is_not_told(body: bytes) -> None:
    settled = await read(body, Remembered(digest(wire.decode(body, ClarityOrder), CEF)))

    assert (settled.state, settled.publications) == (State.SUPPRESSED, ())


async def test_our_own_void_is_an_echo_before_it_is_settled() -> None:
    settled = await read(VOID_BODY, Remembered(BEFORE, expected=frozenset({AFTER})))

    assert (settled.state, settled.code, settled.publications) == (State.SUPPRESSED, "echo", ())


async def test_our_own_void_is_an_echo_if_it_settles_between_two_questions() -> None:
    settled = await read(VOID_BODY, Remembered(BEFORE, AFTER))

    assert (settled.state, settled.code, settled.publications) == (State.SUPPRESSED, "unchanged", ())


async def test_an_order_that_changed_in_nothing_of_the_customer_s_is_remembered_as_read() -> None:
    settled = await read(BODY, Remembered(BEFORE))

    assert settled.code == "unchanged"
    assert settled.last_seen == (
        LastSeen(record="order", key=KEY, digest=BEFORE, source_version=int(ORDER.updated_date)),
    )


async def test_an_answer_nobody_can_read_is_passed_on_and_does_not_hold_up_the_next_one() -> None:
    garbage = await read(b"<html>", Remembered(BEFORE))

    assert (garbage.code, garbage.last_seen) == ("fetched", ())
    assert garbage.publications[0].document.body == b"<html>"
    assert garbage.publications[0].document.source_version == 0


@pytest.mark.parametrize("code", ["", "clarity.away"])
async def test_an_order_is_not_taken_for_gone_before_it_was_missing_twice(code: str) -> None:
    row = msgspec.structs.replace(ROW, code=code, attempts=3)

    with pytest.raises(RetryableError) as caught:
        await read(None, Remembered(BEFORE), row=row)

    assert (caught.value.code, caught.value.retry_after_s) == ("clarity.absent", 5.0)


async def test_an_order_that_is_missing_once_more_is_gone() -> None:
    settled = await read(None, Remembered(BEFORE), row=msgspec.structs.replace(ROW, code="clarity.absent", attempts=1))

    assert (settled.state, settled.code) == (State.FILTERED, "clarity.gone")


async def test_a_reading_older_than_the_change_it_is_read_for_is_read_again() -> None:
    with pytest.raises(RetryableError) as caught:
        await read(BODY, Remembered(BEFORE), told=ORDER.updated_date + 1)

    assert (caught.value.code, caught.value.retry_after_s) == ("clarity.stale_read", 5.0)
    assert (await read(BODY, Remembered(BEFORE), told=ORDER.updated_date)).code == "unchanged"


async def test_moments_without_an_offset_are_the_site_s_local_time() -> None:
    local = BODY.replace(b"2026-03-02T14:05:09.1234567Z", b"2026-03-02T08:05:09.1234567")

    settled = await read(local, Remembered(AFTER), site=Site(zone=ZoneInfo("America/Chicago")))

    assert settled.last_seen[0].source_version == ORDER.updated_date


async def test_an_answer_under_another_id_is_no_order_of_ours() -> None:
    class Other(Changes):
        def decode(self, data: bytes) -> Change:
            return msgspec.structs.replace(super().decode(data), id="01001")

    fetcher = OrderFetcher(Shop(BODY), Other(0), Remembered(BEFORE), "clarity-main", 5.0, lambda: AT)  # type: ignore[arg-type]  # a store with one route

    with pytest.raises(RejectedError, match="another id"):
        await fetcher.prepare(ROW)


class Later(Remembered):
    """What was seen carries a version beyond the reading's."""

    async def last_seen(self, record: str, key: str) -> LastSeen | None:
        return LastSeen(record=record, key=key, digest="another", source_version=int(ORDER.updated_date) + 50)


async def test_a_reading_that_seems_older_is_waited_for_and_believed_if_it_stays_so() -> None:
    with pytest.raises(RetryableError) as first:
        await read(BODY, Later("another"))
    again = msgspec.structs.replace(ROW, code=first.value.code)

    settled = await read(BODY, Later("another"), row=again)

    assert (settled.code, settled.last_seen[0].source_version) == ("fetched", int(ORDER.updated_date) + 51)
    assert settled.publications[0].document.source_version == int(ORDER.updated_date) + 51
