"""Captured rows as things somebody may wait for."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from bus.captured_codec import CapturedCodec
from bus.events import Incoming
from errors import DecodeError
from producers.agents import SightingReader
from producers.routes import SIGHTINGS
from schemas.systems.captured import Captured
from schemas.systems.dynamics_gp.captured import ItemSiteRow

(ITEMS,) = SIGHTINGS
EVENT = Incoming(topic="t", topic_id="id", partition=0, offset=0, timestamp_ms=0, key=b"\x00", value=b"row")
ROW = ItemSiteRow(ITEMNMBR="sku-77 ", LOCNCODE="MAIN", RCRDTYPE=2)


class Told:
    """A codec that reads every event as the same row."""

    def __init__(self, **changes: Any) -> None:
        self._captured: Captured[ItemSiteRow] = Captured(
            **{"before": None, "after": ROW, "op": "c", "connection": "gp", "table": "IV00102", **changes},
            at=datetime(2026, 3, 1, tzinfo=UTC),
        )

    def decode(self, _: bytes | None) -> Captured[ItemSiteRow]:
        return self._captured


class Unreadable:
    """A codec that reads none."""

    def decode(self, _: bytes | None) -> None:
        raise DecodeError("no envelope")


def read(codec: object) -> str | None:
    return SightingReader(ITEMS, "gp", cast("CapturedCodec[ItemSiteRow]", codec))(EVENT)


@pytest.mark.parametrize("op", ["c", "r"])
def test_new_item_at_a_site_is_named_as_who_waits_for_it_does(op: str) -> None:
    assert read(Told(op=op)) == "item:SKU-77"


def test_moving_stock_another_company_and_what_streams_bury_wake_nobody() -> None:
    assert read(Told(op="u", before=ROW)) is None
    assert read(Told(op="d", before=ROW, after=None)) is None
    assert read(Told(connection="other")) is None
    assert read(Unreadable()) is None
