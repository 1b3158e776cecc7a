"""Of an order's captured rows in one batch the last stands for all."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from bus.burial import Burial
from bus.codec import Codecs
from bus.events import Incoming
from bus.registry import MemoryRegistry
from producers.agents import ChangeRouter
from producers.routes import CAPTURED
from schemas import topics
from schemas.systems.captured import Captured
from schemas.systems.dynamics_gp.captured import SalesDocumentRow

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Rows:
    """Reads a captured row from JSON."""

    def decode(self, data: bytes | None) -> Captured[SalesDocumentRow] | None:
        return msgspec.json.decode(data or b"null", type=Captured[SalesDocumentRow] | None)


class NothingKnown:
    """A GP that has no receipt of any document."""

    async def in_transaction(self, work: Callable[[Any], Any]) -> Any:
        return work(self)

    def receipts_of_document(self, _document: object) -> tuple[()]:
        return ()


def event(offset: int, number: str) -> Incoming:
    row: Captured[SalesDocumentRow] = Captured(
        before=None,
        after=SalesDocumentRow(SOPTYPE=2, SOPNUMBE=number),
        op="u",
        connection="gp-two",
        table="SOP10200",
        at=NOW,
        ts_us=offset,
    )
    value = msgspec.json.encode(row)
    return Incoming(
        topic="t", topic_id="id", partition=0, offset=offset, timestamp_ms=0, key=number.encode(), value=value
    )


async def test_the_last_row_of_an_order_in_a_batch_stands_for_all() -> None:
    codecs = Codecs(MemoryRegistry())
    burial = Burial(codecs, stage="router", route="router/t", record="sales_order", connection="gp-two")
    changes = codecs.of(topics.GP_CHANGES)
    router = ChangeRouter(CAPTURED[0], "gp-two", cast("Any", NothingKnown()), cast("Any", Rows()), changes, burial)
    batch = [event(7, "ORD1"), event(8, "ORD2"), event(9, "ORD1")]

    await router.look_up(batch)
    made = [outgoing for one in batch for outgoing in router.transform(one)]

    assert [outgoing.topic.name for outgoing in made] == [
        "bus.outcomes.v1",
        "dynamics-gp.changes.v1",
        "dynamics-gp.changes.v1",
    ]
    told = codecs.of(topics.OUTCOMES).decode(made[0].value)
    assert (told.state, told.offset, told.merged_into) == ("merged", 7, "id/0/9")
    assert [changes.decode(outgoing.value).id for outgoing in made[1:]] == ["ORD2", "ORD1"]
