"""Whatever of a store's order reaches the canonical order must count as a change of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from errors import BusError
from mapping.port import Lookups
from schemas.bus.fetched import Fetched
from schemas.canonical.order import Order
from schemas.systems.clarity import wire
from schemas.systems.clarity.aspects import own_aspect
from schemas.systems.clarity.order import ClarityOrder
from schemas.systems.clarity.site import CEF
from schemas.systems.clarity.wire import Ticks
from streams.routes import ORDER_FROM_CLARITY

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples" / "clarity.orders.v1"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOOKUPS = Lookups({"connection:shop": {"currency": "USD"}})


@dataclass
class Changed:
    """An order with one member changed."""

    where: str
    order: Any


def changed(value: Any, where: str) -> Iterator[Changed]:
    """The value with each of its leaves changed, one at a time."""
    match value:
        case msgspec.Struct():
            for name in value.__struct_fields__:
                for inner in changed(getattr(value, name), f"{where}.{name}"):
                    yield Changed(inner.where, msgspec.structs.replace(value, **{name: inner.order}))
        case tuple():
            for place, item in enumerate(value):
                for inner in changed(item, f"{where}[{place}]"):
                    yield Changed(inner.where, (*value[:place], inner.order, *value[place + 1 :]))
        case dict():
            for key, item in value.items():
                for inner in changed(item, f"{where}[{key!r}]"):
                    yield Changed(inner.where, value | {key: inner.order})
        case None:
            return
        case _:
            yield Changed(where, other(value))


def other(leaf: Any) -> Any:
    match leaf:
        case bool():
            return not leaf
        case Ticks():
            return Ticks(leaf + 86_400 * wire.TICKS_PER_SECOND)
        case Decimal() | int():
            return leaf + 1
        case str():
            return type(leaf)(f"{leaf}Z")
    raise AssertionError(repr(leaf))


def mapped(order: ClarityOrder) -> Order | str:
    """The canonical order without its versions, or why there is none."""
    fetched = Fetched(connection="shop", id="1", read_at=NOON, source_version=1, body=wire.encode(order))
    try:
        made: Order = ORDER_FROM_CLARITY(fetched, LOOKUPS, NOON)
    except BusError as error:
        return str(error)
    return msgspec.structs.replace(made, updated_at=NOON)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_every_member_that_is_mapped_is_part_of_the_aspect(path: Path) -> None:
    order = wire.decode(path.read_bytes(), ClarityOrder)
    before, aspect = mapped(order), own_aspect(order, CEF)

    forgotten = [
        each.where
        for each in changed(order, "order")
        if mapped(each.order) != before and own_aspect(each.order, CEF) == aspect
    ]

    assert isinstance(before, Order)
    assert forgotten == []
