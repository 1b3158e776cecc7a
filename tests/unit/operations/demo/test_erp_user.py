"""What GP's user does with an order that is to leave in two parts."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from errors import RefusedError
from operations.demo import erp_user
from operations.demo.board import Board
from operations.demo.erp_user import ErpUser, part_of
from operations.demo.facts import Placed
from operations.demo.outside import Erp, Paper
from operations.demo.plan import Fate, Story

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WITHIN_S = 10.0


class OneOrder(Erp):
    """GP with a single order in it, which leaves with its last piece."""

    def __init__(self, lines: dict[str, Decimal]) -> None:
        self._open = dict(lines)
        self._paper = Paper(number="ORD1", order_number="1", amount=Decimal(10), lines=lines, changed_at=NOW)
        self.shipments: list[dict[str, Decimal]] = []

    async def orders_since(self, since: datetime) -> dict[str, Paper]:  # noqa: ARG002  as in Erp
        return {"1": self._paper}

    async def ship(self, number: str, lines: Mapping[str, Decimal] | None, tracking: Sequence[str]) -> None:  # noqa: ARG002  as in Erp
        leaving = dict(self._open if lines is None else lines)
        if not leaving:
            raise RefusedError("sandbox.refused", "there is no such order any more")
        self.shipments.append(leaving)
        self._open = {item: left for item in self._open if (left := self._open[item] - leaving.get(item, 0)) > 0}

    async def finish(self, order_number: str, tracking: Sequence[str]) -> None:
        """Nothing lies there half done."""

    async def invoices(self, order_number: str) -> int:  # noqa: ARG002  as in Erp
        return len(self.shipments)

    async def is_in_history(self, number: str) -> bool:  # noqa: ARG002  as in Erp
        return not self._open


@pytest.mark.parametrize(
    ("lines", "shipments"),
    [
        ({"TEA": "1"}, [{"TEA": "1"}]),
        ({"TEA": "2"}, [{"TEA": "1"}, {"TEA": "1"}]),
        ({"TEA": "3"}, [{"TEA": "1"}, {"TEA": "2"}]),
        ({"TEA": "1", "CUP": "4"}, [{"TEA": "1"}, {"CUP": "4"}]),
    ],
)
async def test_order_leaves_in_two_parts_and_whole_where_it_cannot_be_parted(
    monkeypatch: pytest.MonkeyPatch, lines: dict[str, str], shipments: list[dict[str, str]]
) -> None:
    for pause in ("LOOK_EVERY_S", "REST_AFTER_S"):
        monkeypatch.setattr(erp_user, pause, 0.0)
    board = Board(orders=[Placed(order_id=1, number="1", story=Story.PLAIN, fate=Fate.PART_THEN_REST)])
    erp = OneOrder(_quantities(lines))

    await asyncio.wait_for(ErpUser(erp, board, seed=1, look_every_s=0.0).work(asyncio.Event()), WITHIN_S)

    assert erp.shipments == [_quantities(each) for each in shipments]
    assert board.not_played == []
    # no goods ordered for an order that is done
    assert "goods received" not in board.deeds


@pytest.mark.parametrize(
    ("lines", "part"), [({"TEA": "1"}, None), ({"TEA": "5"}, {"TEA": "2"}), ({"TEA": "1", "CUP": "1"}, {"TEA": "1"})]
)
def test_part_is_the_first_item_or_half_of_the_only_one(lines: dict[str, str], part: dict[str, str] | None) -> None:
    assert part_of(_quantities(lines)) == (None if part is None else _quantities(part))


def _quantities(lines: Mapping[str, str]) -> dict[str, Decimal]:
    return {item: Decimal(quantity) for item, quantity in lines.items()}
