"""What a system of record makes of being asked for a thing."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from bus.codec import Codecs
from bus.events import Outgoing
from bus.headers import from_headers
from bus.registry import MemoryRegistry
from connect.systems.clarity.client import Document
from delivery.asking import Owned
from producers.fetchers.owners import ClarityOwner, GpOwner
from schemas import topics
from schemas.bus.change import Change

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
CHANGES = Codecs(MemoryRegistry()).of(topics.CLARITY_CHANGES)


class Shop:
    """A store with the orders 1001 and A/1."""

    async def order_document(self, order_id: str) -> Document | None:
        return Document(body=b"{}", media_type="application/json") if order_id in {"1001", "A/1"} else None


class Company:
    """A company with one item, as `GpClient` and its transaction."""

    async def in_transaction(self, ask: Callable[["Company"], Any]) -> Any:
        return ask(self)

    def unknown_items(self, numbers: list[str]) -> tuple[str, ...]:
        return tuple(each for each in numbers if each.strip().upper() != "SKU-77")


async def asked(thing: str) -> tuple[Owned, list[Outgoing]]:
    written: list[Outgoing] = []

    async def write(each: Outgoing) -> None:
        written.append(each)

    shop: Any = Shop()
    owner = ClarityOwner(shop, "clarity-main", CHANGES, write, lambda: NOW, lambda size: b"r" * size)
    return await owner(thing, "c-1"), written


@pytest.mark.parametrize(("key", "id_"), [("clarity-main:1001", "1001"), ("clarity-main:A%2F1", "A/1")])
async def test_order_the_store_has_is_fetched_like_any_that_changed(key: str, id_: str) -> None:
    owned, (written,) = await asked(f"order:{key}")

    assert owned == Owned(code="ask.sent")
    assert (written.topic, written.key) == (topics.CLARITY_CHANGES, key)
    change = Change(connection="clarity-main", record="order", id=id_, noticed_at=NOW, cause="asked")
    assert CHANGES.decode(written.value) == change
    lineage = from_headers(written.headers)
    assert (lineage.origin, lineage.root) == ("clarity-main", "")
    # carried out twice, it is the same event
    assert lineage.ce_id == from_headers((await asked(f"order:{key}"))[1][0].headers).ce_id


@pytest.mark.parametrize(
    ("thing", "code"),
    [
        ("order:clarity-main:9", "ask.not_there"),
        ("order:another:1001", "ask.no_way"),
        ("item:SKU-77", "ask.no_way"),
        ("order:clarity-main", "ask.no_way"),
        ("order:clarity-main:", "ask.no_way"),
        ("", "ask.no_way"),
    ],
)
async def test_what_the_store_cannot_send_is_not_written(thing: str, code: str) -> None:
    assert await asked(thing) == (Owned(code=code), [])


@pytest.mark.parametrize(
    ("thing", "owned"),
    [
        ("item:sku-77 ", Owned(code="ask.there", brings="item:SKU-77")),
        ("item:SKU-78", Owned(code="ask.not_there")),
        ("customer:C1", Owned(code="ask.no_way")),
    ],
)
async def test_company_tells_whether_it_has_an_item(thing: str, owned: Owned) -> None:
    company: Any = Company()

    assert await GpOwner(company)(thing, "c-1") == owned
