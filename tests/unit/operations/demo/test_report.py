"""When a demonstration counts as passed."""

from datetime import UTC, datetime

import msgspec
import pytest

from operations.census import Census
from operations.cli import demo_view
from operations.demo.board import Board
from operations.demo.books import Books
from operations.demo.reconcile import Difference
from operations.demo.report import Report, Setting, Witnessed, report
from operations.ledger import DeliveryLine, IntakeLine, Ledger
from tests.doubles.demo_world import ERP, STORE, agreeing

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BALANCED = Ledger(
    since=NOW,
    until=NOW,
    as_of=NOW,
    balanced=True,
    intake=(),
    delivery=(),
    intake_total=IntakeLine(topic="", hour=NOW),
    delivery_total=DeliveryLine(record="", target="", hour=NOW),
    unaccounted=(),
    uncounted={},
)


def ended(*, faults: bool, not_played: list[str]) -> Report:
    """A run after which everything agrees."""
    world = agreeing()
    setting = Setting(orders=3, per_second=1.0, seed=1, faults=faults, store=STORE, erp=ERP)
    board = Board(orders=world.placed, not_played=not_played)
    found = Witnessed(shop=world.shop, company=world.company, seen=world.seen)
    books = Books(ledger=BALANCED, census=Census(since=NOW, until=NOW, complete=True, lines=(), uncaptured=()))
    return report(setting, board, found, (), books, "", NOW, NOW)


@pytest.mark.parametrize(
    ("faults", "not_played", "agreed"),
    [(True, [], True), (False, ["order 7: too late"], True), (True, ["order 7: too late"], False)],
)
def test_troubles_that_were_asked_for_must_have_been_played(faults: bool, not_played: list[str], agreed: bool) -> None:
    assert ended(faults=faults, not_played=not_played).agreed is agreed


@pytest.mark.parametrize(
    ("not_played", "verdict"),
    [(["order 7: too late"], "1 thing was not played"), (["one", "two"], "2 things were not played")],
)
def test_report_says_what_was_not_played(
    capsys: pytest.CaptureFixture[str], not_played: list[str], verdict: str
) -> None:
    demo_view.print_report(ended(faults=True, not_played=not_played))

    told = capsys.readouterr().out
    assert f"not played: {not_played[0]}" in told
    assert f"The demonstration failed: {verdict}." in told


@pytest.mark.parametrize("not_played", [[], ["order 7: too late"]])
def test_report_ends_with_what_goes_on_running_and_how_it_is_ended(
    capsys: pytest.CaptureFixture[str], not_played: list[str]
) -> None:
    demo_view.print_report(ended(faults=True, not_played=not_played))

    assert capsys.readouterr().out.splitlines()[-1] == (
        "Everything goes on running for a look: `towpath trace`, `towpath ledger`; `towpath down` ends it."
    )


def test_one_difference_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    found = msgspec.structs.replace(
        ended(faults=True, not_played=[]), agreed=False, differences=(Difference(subject="1", field="total"),)
    )

    demo_view.print_report(found)

    told = capsys.readouterr().out
    assert "\n1 difference\n" in told
    assert "The demonstration failed: 1 difference." in told
