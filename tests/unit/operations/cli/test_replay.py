"""How a replay is asked for."""

import pytest
import typer

from operations.cli.replay import _at, _mapping
from operations.replays import Plan, Selection, plan_of


def test_offsets_include_both_ends() -> None:
    found = _at("canonical.orders.v1:3:100-250", Selection(record="order"))

    assert found == Selection(record="order", topic="canonical.orders.v1", partition=3, first=100, last=251)
    assert _at("", found) == found


@pytest.mark.parametrize("text", ["canonical.orders.v1:3", "canonical.orders.v1:3:9-8", "3:1-2", "a:b:1-2"])
def test_offsets_written_wrong_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="first-last"):
        _at(text, Selection())


@pytest.mark.parametrize("text", ["sales_order", "@3", "sales_order@"])
def test_mapping_without_version_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="id@version"):
        _mapping(text)


def test_plan_is_read_from_its_outcome_whatever_an_older_worker_left_out() -> None:
    found = plan_of({"events": "40", "creates": "3", "minutes": "1.5", "why": "gp.90023 x2", "more": "1"})

    assert isinstance(found, Plan)
    assert (found.events, found.creates, found.gone, found.minutes, found.why) == (40, 3, 0, 1.5, "gp.90023 x2")
