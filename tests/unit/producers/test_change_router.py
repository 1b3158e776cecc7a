"""What the change router tells of a batch of captured rows."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from bus.burial import Burial
from bus.codec import Codecs
from bus.events import Incoming, Outgoing
from bus.registry import MemoryRegistry
from producers import agents
from producers.fetchers import change_router
from producers.fetchers.change_router import ChangeRouter, Told
from schemas import topics
from schemas.systems.captured import Captured
from schemas.systems.dynamics_gp.captured import SalesDocumentRow
from schemas.systems.dynamics_gp.sales_order import DocumentId, SalesDocument

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CODECS = Codecs(MemoryRegistry())
CHANGES = CODECS.of(topics.GP_CHANGES)


class Rows:
    """Reads a captured row from JSON."""

    def decode(self, data: bytes | None) -> Captured[SalesDocumentRow] | None:
        return msgspec.json.decode(data or b"null", type=Captured[SalesDocumentRow] | None)


class Gp:
    """A company with some documents and receipts; counts what it is asked."""

    def __init__(self, *headers: SalesDocument, references: Mapping[DocumentId, str] = {}) -> None:
        self._headers = {DocumentId(SOPTYPE=h.SOPTYPE, SOPNUMBE=h.SOPNUMBE): h for h in headers}
        self._references = references
        self.questions = 0

    async def in_transaction(self, work: Callable[[Any], Any]) -> Any:
        return work(self)

    def headers(self, documents: Sequence[DocumentId]) -> dict[DocumentId, SalesDocument]:
        self.questions += bool(documents)
        return {document: self._headers[document] for document in documents if document in self._headers}

    def references_of(self, documents: Sequence[DocumentId]) -> dict[DocumentId, str]:
        self.questions += bool(documents)
        return {document: self._references[document] for document in documents if document in self._references}


def header(kind: int, number: str, **origin: Any) -> SalesDocument:
    return SalesDocument(SOPTYPE=kind, SOPNUMBE=number, in_history=False, **origin)


def event(
    offset: int,
    number: str,
    *,
    kind: int = 2,
    op: str = "u",
    table: str = "SOP10200",
    transaction: str = "",
    at: datetime = NOW,
    snapshot: bool = False,
) -> Incoming:
    content = SalesDocumentRow(SOPTYPE=kind, SOPNUMBE=number)
    row: Captured[SalesDocumentRow] = Captured(
        before=content if op == "d" else None,
        after=None if op == "d" else content,
        op=op,
        connection="gp-two",
        table=table,
        at=at,
        transaction=transaction,
        snapshot=snapshot,
    )
    value = msgspec.json.encode(row)
    return Incoming(
        topic=table, topic_id="id", partition=0, offset=offset, timestamp_ms=0, key=number.encode(), value=value
    )


async def routed(gp: Gp, *batch: Incoming, told: Told | Callable[[], Told] = Told) -> list[tuple[str, ...]]:
    """What became of a batch: changes as (order, key), outcomes as (state, code or merged into)."""
    burial = Burial(CODECS, stage="router", route="router/t", record="sales_order", connection="gp-two")
    router = ChangeRouter(
        topics.GP_SOP10100,
        topics.GP_CHANGES,
        "sales_order",
        "gp-two",
        cast("Any", gp),
        cast("Any", Rows()),
        CHANGES,
        burial,
        (lambda: told) if isinstance(told, Told) else told,
    )
    await router.look_up(batch)
    return [read(outgoing) for one in batch for outgoing in router.transform(one)]


def read(outgoing: Outgoing) -> tuple[str, ...]:
    if outgoing.topic == topics.GP_CHANGES:
        return (CHANGES.decode(outgoing.value).id, outgoing.key)
    told = CODECS.of(topics.OUTCOMES).decode(outgoing.value)
    return (told.state, told.merged_into or told.code)


async def test_the_last_row_of_an_order_in_a_batch_stands_for_all() -> None:
    made = await routed(Gp(), event(7, "ORD1"), event(8, "ORD2"), event(9, "ORD1"))

    assert made == [("merged", "id/0/9"), ("ORD2", "gp-two:ORD2"), ("ORD1", "gp-two:ORD1")]


async def test_rows_of_a_second_stage_document_find_the_store_s_order() -> None:
    gp = Gp(
        header(3, "INV1", ORIGTYPE=5, ORIGNUMB="BKO1"),
        header(5, "BKO1", ORIGTYPE=2, ORIGNUMB="ORD1"),
        references={DocumentId(SOPTYPE=2, SOPNUMBE="ORD1"): "clarity-main:1001"},
    )

    assert await routed(gp, event(7, "INV1", kind=3)) == [("ORD1", "clarity-main:1001")]


async def test_a_batch_of_many_documents_is_asked_for_at_once() -> None:
    invoices = [header(3, f"INV{n}", ORIGTYPE=2, ORIGNUMB=f"ORD{n}") for n in range(500)]
    gp = Gp(*invoices)

    made = await routed(gp, *(event(n, f"INV{n}", kind=3) for n in range(500)))

    assert len(made) == 500
    assert gp.questions == 2


async def test_order_removed_from_history_is_told_to_nobody() -> None:
    made = await routed(
        Gp(),
        event(7, "ORD1", op="d", table="SOP30200"),
        event(8, "ORD1", op="d", table="SOP30300"),
        event(9, "ORD1", op="d", table="SOP10107"),
    )

    assert made == [("filtered", "purged")] * 3


async def test_row_before_a_removal_in_the_same_batch_is_told() -> None:
    made = await routed(Gp(), event(7, "ORD1", op="c", table="SOP30200"), event(8, "ORD1", op="d", table="SOP30200"))

    assert made == [("ORD1", "gp-two:ORD1"), ("filtered", "purged")]


async def test_order_deleted_in_work_is_told() -> None:
    assert await routed(Gp(), event(7, "ORD1", op="d", table="SOP10100")) == [("ORD1", "gp-two:ORD1")]


async def test_tracking_number_taken_off_a_standing_order_is_told() -> None:
    made = await routed(Gp(header(2, "ORD1")), event(7, "ORD1", op="d", table="SOP10107"))

    assert made == [("ORD1", "gp-two:ORD1")]


async def test_rows_of_a_transaction_on_several_topics_are_told_once() -> None:
    told = Told()
    first = await routed(Gp(), event(7, "ORD1", table="SOP10100", transaction="91"), told=told)
    lines = (event(17, "ORD1", transaction="91"), event(18, "ORD1", transaction="91"))

    assert first == [("ORD1", "gp-two:ORD1")]
    assert await routed(Gp(), *lines, told=told) == [("merged", "id/0/7")] * 2


async def test_each_transaction_of_an_order_is_told() -> None:
    told = Told()
    await routed(Gp(), event(7, "ORD1", table="SOP10100", transaction="91"), told=told)

    # read with the first one, the order would lack what the second did
    assert await routed(Gp(), event(17, "ORD1", transaction="92"), told=told) == [("ORD1", "gp-two:ORD1")]


async def test_newer_row_is_told_though_an_older_one_behind_it_has_a_stand_in() -> None:
    told = Told()
    await routed(Gp(), event(7, "ORD1", table="SOP10100", transaction="91"), told=told)

    made = await routed(Gp(), event(17, "ORD1", transaction="92"), event(3, "ORD1", transaction="91"), told=told)

    assert made == [("ORD1", "gp-two:ORD1"), ("merged", "id/0/7")]


async def test_event_that_comes_again_is_told_again() -> None:
    told = Told()
    first = event(7, "ORD1", table="SOP10100", transaction="91")
    await routed(Gp(), first, told=told)

    assert await routed(Gp(), first, told=told) == [("ORD1", "gp-two:ORD1")]


async def test_transactions_of_one_name_are_told_apart_by_their_moment() -> None:
    told = Told()
    await routed(Gp(), event(7, "ORD1", table="SOP10100", transaction="91"), told=told)
    restored = event(17, "ORD1", transaction="91", at=NOW + timedelta(days=1))

    assert await routed(Gp(), restored, told=told) == [("ORD1", "gp-two:ORD1")]


async def test_a_row_of_a_snapshot_is_told_whatever_transaction_it_names() -> None:
    told = Told()
    await routed(Gp(), event(7, "ORD1", table="SOP10100", transaction="91"), told=told)

    # changed while nothing was captured, it would never be read
    found = event(17, "ORD1", op="r", transaction="91", snapshot=True)
    assert await routed(Gp(), found, told=told) == [("ORD1", "gp-two:ORD1")]


async def test_rows_of_transactions_without_a_name_are_each_told() -> None:
    told = Told()
    await routed(Gp(), event(7, "ORD1", table="SOP10100"), told=told)

    assert await routed(Gp(), event(17, "ORD1"), told=told) == [("ORD1", "gp-two:ORD1")]


async def test_one_reading_answers_all_transactions_of_a_batch_on_every_topic() -> None:
    told = Told()
    headers = (event(7, "ORD1", table="SOP10100", transaction="91"), event(8, "ORD1", transaction="92"))
    await routed(Gp(), *headers, told=told)
    lines = (event(17, "ORD1", transaction="91"), event(18, "ORD1", transaction="92"))

    assert await routed(Gp(), *lines, told=told) == [("merged", "id/0/8")] * 2


async def test_only_so_many_transactions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_router, "REMEMBERED", 1)
    told = Told()
    await routed(Gp(), event(7, "ORD1", table="SOP10100", transaction="91"), told=told)
    await routed(Gp(), event(8, "ORD2", table="SOP10100", transaction="92"), told=told)

    assert await routed(Gp(), event(17, "ORD1", transaction="91"), told=told) == [("ORD1", "gp-two:ORD1")]


async def test_what_is_told_while_its_batch_is_given_up_stands_for_nothing_later() -> None:
    told = [Told()]

    class GivenUp(Gp):
        def headers(self, documents: Sequence[DocumentId]) -> dict[DocumentId, SalesDocument]:
            told.append(Told())
            return super().headers(documents)

    await routed(GivenUp(), event(7, "ORD1", table="SOP10100", transaction="91"), told=lambda: told[-1])

    # the other event may be merged into this one by the process that reads it now
    assert await routed(Gp(), event(17, "ORD1", transaction="91"), told=lambda: told[-1]) == [("ORD1", "gp-two:ORD1")]


def test_routers_of_a_process_share_what_is_told_until_it_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    routers: list[ChangeRouter] = []
    monkeypatch.setattr(agents, "attach_pipe", lambda *_, look_up, **__: routers.append(look_up.__self__))
    app = SimpleNamespace(given_up=0)
    company = SimpleNamespace(name="gp-two", system="dynamics-gp")
    agents.attach_router(cast("Any", app), cast("Any", company), cast("Any", Gp()), CODECS, "")

    before = [router._told_before() for router in routers]
    app.given_up += 1
    after = [router._told_before() for router in routers]

    assert len(routers) > 1
    assert all(each is before[0] for each in before)
    assert all(each is after[0] and each is not before[0] for each in after)
