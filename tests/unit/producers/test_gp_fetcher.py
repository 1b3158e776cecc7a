"""A GP order that is nowhere: believed once it was looked for twice."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import pytest

from delivery.ports import LastSeen, Row
from delivery.states import Kind, State
from errors import RetryableError
from producers.fetchers.dynamics_gp import SalesOrderFetcher
from schemas.bus.change import Change

AT = datetime(2026, 3, 2, 15, tzinfo=UTC)
KEY = "clarity-main:1001"


class EmptyCompany:
    """GP while an order is on its way from work to history, or after it was deleted."""

    async def in_snapshot(self, work: Callable[[Any], Any]) -> Any:
        return work(self)

    def now(self) -> datetime:
        return AT

    def document(self, _document: object) -> None:
        return None

    def family(self, _order: object, _master_number: int) -> tuple[()]:
        return ()


class Changes:
    def decode(self, _data: bytes) -> Change:
        return Change(connection="gp-two", record="sales_order", id="ORD0000007", noticed_at=AT)


class Nothing:
    async def last_seen(self, _record: str, _key: str) -> LastSeen | None:
        return None


def row(*, attempts: int, code: str) -> Row:
    return Row(
        id=1, queue="fetchers", topic="dynamics-gp.changes.v1", topic_id="t", partition=0, offset=0, root="t/0/0",
        root_key=KEY, message_key=KEY, record="sales_order", kind=Kind.STATE, source_version=0, state=State.READY,
        cause=None, code=code, attempts=attempts, due=AT, lease_owner="me", epoch=1, intent=None, reference=None,
        document_number=None, payload=b"", payload_digest="", mapping_in="", mapping_out="", command_id="", origin="",
        hops=0, traceparent="", amount=Decimal(0), currency="", taken_in_at=AT,
    )  # fmt: skip


@pytest.fixture
def fetcher() -> SalesOrderFetcher:
    return SalesOrderFetcher(cast("Any", EmptyCompany()), Changes(), cast("Any", Nothing()), "gp-two", 5.0)


@pytest.mark.parametrize(("attempts", "code"), [(0, ""), (1, "gp.away"), (7, "prepare_timed_out")])
async def test_absence_is_not_believed_at_first_sight(fetcher: SalesOrderFetcher, attempts: int, code: str) -> None:
    with pytest.raises(RetryableError, match=r"gp\.absent"):
        await fetcher.prepare(row(attempts=attempts, code=code))


async def test_absence_seen_twice_is_told(fetcher: SalesOrderFetcher) -> None:
    settled = await fetcher.prepare(row(attempts=1, code="gp.absent"))

    assert (settled.state, settled.code, len(settled.publications)) == (State.DELIVERED, "fetched", 1)  # type: ignore[union-attr]  # never an intent
