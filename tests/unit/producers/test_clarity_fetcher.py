"""A reading of a store's order: the customer's change, or the echo of what we wrote ourselves."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from connect.systems.clarity.client import Document
from consumers.clarity.order_status_sink import digest
from delivery.ports import LastSeen, Row, Settlement
from delivery.states import Kind, State
from producers.fetchers.clarity import OrderFetcher
from schemas.bus.change import Change
from schemas.systems.clarity import wire
from schemas.systems.clarity.aspects import cancelled
from schemas.systems.clarity.order import ClarityOrder

AT = datetime(2026, 3, 2, 15, tzinfo=UTC)
KEY = "clarity-main:1001"
BODY = Path("schemas/examples/clarity.orders.v1/full_order.json").read_bytes()
VOID_BODY = BODY.replace(b'"StatusID": 1, "StatusKey": "Pending"', b'"StatusID": 12, "StatusKey": "Void"')
ORDER = wire.decode(BODY, ClarityOrder)
BEFORE, AFTER = digest(ORDER), digest(cancelled(ORDER))


class Site:
    """A store with one order."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def order_document(self, _order_id: str) -> Document | None:
        return Document(body=self._body, media_type="application/json")


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
    def decode(self, _data: bytes) -> Change:
        return Change(connection="clarity-main", record="order", id="1001", noticed_at=AT)


ROW = Row(
    id=1, queue="fetchers", topic="clarity.changes.v1", topic_id="t", partition=0, offset=0, root="t/0/0", root_key=KEY,
    message_key=KEY, record="order", kind=Kind.STATE, source_version=0, state=State.READY, cause=None, attempts=0,
    due=AT, lease_owner="me", epoch=1, intent=None, reference=None, document_number=None, payload=b"",
    payload_digest="", mapping_in="", mapping_out="", command_id="", origin="", hops=0, traceparent="",
    amount=Decimal(0), currency="", taken_in_at=AT,
)  # fmt: skip


async def read(body: bytes, memory: Remembered) -> Settlement:
    fetcher = OrderFetcher(Site(body), Changes(), memory, "clarity-main", 5.0, lambda: AT)  # type: ignore[arg-type]  # a store with one route
    settled = await fetcher.prepare(ROW)
    assert isinstance(settled, Settlement)
    return settled


def test_the_example_is_what_the_tests_take_it_for() -> None:
    assert digest(wire.decode(VOID_BODY, ClarityOrder)) == AFTER != BEFORE


async def test_a_customer_s_cancellation_is_told() -> None:
    settled = await read(VOID_BODY, Remembered(BEFORE))

    assert (settled.state, settled.code, len(settled.publications)) == (State.DELIVERED, "fetched", 1)


@pytest.mark.parametrize("body", [BODY, VOID_BODY])
async def test_what_is_known_already_is_not_told(body: bytes) -> None:
    settled = await read(body, Remembered(digest(wire.decode(body, ClarityOrder))))

    assert (settled.state, settled.publications) == (State.SUPPRESSED, ())


async def test_our_own_void_is_an_echo_before_it_is_settled() -> None:
    settled = await read(VOID_BODY, Remembered(BEFORE, expected=frozenset({AFTER})))

    assert (settled.state, settled.code, settled.publications) == (State.SUPPRESSED, "echo", ())


async def test_our_own_void_is_an_echo_if_it_settles_between_two_questions() -> None:
    settled = await read(VOID_BODY, Remembered(BEFORE, AFTER))

    assert (settled.state, settled.code, settled.publications) == (State.SUPPRESSED, "unchanged", ())
