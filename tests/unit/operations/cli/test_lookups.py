"""`towpath lookups set`: what waited for a row is told, and tried again only where somebody says so."""

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from bus.laid_over import Aside
from errors import ConfigurationError, NotFoundError
from operations import acting, commands, lookups
from operations.acting import Plan
from operations.cli import acts
from operations.cli import lookups as command
from operations.commands import Answer, Answers
from operations.dead_letters import Count
from operations.lookups import Drop, RowTold
from schemas.bus.command import Act, Command
from schemas.bus.lookup_row import LookupRow

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CAUSE = "mapping table=gp_carriers key=DRONE"
WAITS = Count(
    stage="consumers",
    connection="gp-two",
    code="mapping",
    cause=CAUSE,
    count=12,
    money={},
    oldest=NOON,
    newest=NOON,
    sample="1",
    happened="",
    to_do="",
    cure="a row of a lookup table",
    cure_table="gp_carriers",
    cure_row="DRONE",
    then=f"towpath dead-letters redrive --cause '{CAUSE}'",
)


class Bus:
    """What the command does to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, known: bool = True) -> None:
        self.laid: list[LookupRow] = []
        self.asked: list[str] = []
        self._known = known
        monkeypatch.setattr(command, "settings", SimpleNamespace)
        monkeypatch.setattr(lookups, "shown", self._shown)
        monkeypatch.setattr(lookups, "lay_over", lambda _settings, rows: self.laid.extend(rows))
        monkeypatch.setattr(lookups, "refuse_impossible", lambda *_given: ())
        monkeypatch.setattr(lookups, "cures", lambda *_given: (WAITS,))
        monkeypatch.setattr(commands, "ask", self._ask)
        monkeypatch.setattr(acting, "on_causes", self._on_causes)

    def _shown(self, _settings: object, table: str, key: str) -> tuple[RowTold, ...]:
        if not self._known:
            raise NotFoundError("lookups.unknown", f"there is no lookup table {table!r}")
        return (RowTold(table=table, key=key, value=None, file_says=None),)

    def _on_causes(self, _settings: object, act: str, filters: dict[str, str], _by: object) -> Plan:
        asked = Command(id="c", at=NOON, who="mara", connection="gp-two", act=act, values=filters)
        return Plan(act=act, reached=(), commands=(asked,))

    def _ask(self, _settings: object, asked: Sequence[Command], _wait_s: float) -> Answers:
        assert all(each.act == Act.REDRIVE for each in asked)
        self.asked += [each.values["cause"] for each in asked]
        answer = Answer(command_id="c", connection="gp-two", queue="consumers", code="x", values={}, says="12 rows.")
        return Answers(asked=("c",), answers=(answer,), silent=())


def run(*words: str) -> Any:
    return CliRunner().invoke(command.app, ["set", "gp_carriers", "DRONE", "UPS GROUND", *words])


def test_what_waited_for_a_row_is_told_and_left_where_nobody_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Bus(monkeypatch)

    answer = run("--why", "new carrier", "--as", "mara")

    assert answer.exit_code == 0
    assert [(row.key, row.value, row.who, row.why) for row in bus.laid] == [
        ("DRONE", "UPS GROUND", "mara", "new carrier")
    ]
    assert f"Waited for it: {WAITS.then}" in answer.output
    assert bus.asked == []


def test_what_waited_is_tried_again_where_somebody_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Bus(monkeypatch)

    answer = run("--why", "new carrier", "--redrive")

    assert (answer.exit_code, bus.asked) == (0, [CAUSE])
    assert "consumers@gp-two: 12 rows." in answer.output


@pytest.mark.parametrize("words", [(), ("--why", " "), ("--why", "x", "--until", "2020-01-01")])
def test_a_row_needs_a_reason_and_an_end_that_is_to_come(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    bus = Bus(monkeypatch)

    assert run(*words).exit_code == 2
    assert bus.laid == []


def test_a_misspelt_table_is_no_new_one_unless_somebody_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Bus(monkeypatch, known=False)

    refused = run("--why", "x")

    assert isinstance(refused.exception, NotFoundError)
    assert "add --new-table" in refused.exception.message
    assert bus.laid == []
    assert run("--why", "x", "--new-table").exit_code == 0
    assert len(bus.laid) == 1


def test_a_row_no_process_would_start_with_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Bus(monkeypatch)

    def refuse(*_given: object) -> None:
        raise ConfigurationError("lookups/gp_carriers.csv", "twice")

    monkeypatch.setattr(lookups, "refuse_impossible", refuse)

    done = run("--why", "new")

    assert isinstance(done.exception, ConfigurationError)
    assert bus.laid == []


def dropped(
    monkeypatch: pytest.MonkeyPatch, by: tuple[str, ...], *words: str, says: str = "", meanwhile: str = "AIR"
) -> tuple[Any, list[Drop]]:
    aside = Aside(table="gp_carriers", key="DRONE", why="there is no AIR", by=by)
    row = Drop(aside=aside, message_key="gp_carriers/DRONE", instead=None, says="AIR", then="UPS GROUND")
    looks = iter((row, msgspec.structs.replace(row, says=meanwhile)))
    done: list[Drop] = []
    monkeypatch.setattr(command, "settings", SimpleNamespace)
    monkeypatch.setattr(lookups, "to_drop", lambda *_given: next(looks))
    monkeypatch.setattr(lookups, "drop", lambda _settings, row: done.append(row))
    monkeypatch.setattr(acts, "is_asked", lambda: bool(says))
    return CliRunner().invoke(command.app, ["drop", "gp_carriers", "DRONE", *words], input=says), done


def test_a_row_nobody_maps_by_is_dropped_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, done = dropped(monkeypatch, ())

    assert (answer.exit_code, len(done)) == (0, 1)
    assert "is taken off the topic; it was put aside, as there is no AIR" in answer.output


@pytest.mark.parametrize(
    ("words", "says", "code", "times"),
    [((), "", 2, 0), ((), "n\n", 1, 0), ((), "y\n", 0, 1), (("--yes",), "", 0, 1), (("--plan",), "", 0, 0)],
)
def test_a_row_others_map_by_is_dropped_only_where_somebody_says_so(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str, code: int, times: int
) -> None:
    answer, done = dropped(monkeypatch, ("streams",), *words, says=says)

    assert (answer.exit_code, len(done)) == (code, times)
    told = " ".join(answer.output.split())
    assert "put aside by streams only. Everywhere else it is at work, and changes there as well" in told
    assert "from AIR to UPS GROUND." in told


def test_a_row_that_changed_while_somebody_was_asked_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, done = dropped(monkeypatch, ("streams",), says="y\n", meanwhile="DHL")

    assert (answer.exit_code, done) == (2, [])
    assert "changed while you were asked" in answer.output


def test_a_program_is_told_what_dropping_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, done = dropped(monkeypatch, ("streams",), "--plan", "--json")

    told = msgspec.json.decode(answer.output)
    assert (list(told), told["changes"], done) == (
        ["would_drop", "changes"],
        {"says": "AIR", "then": "UPS GROUND"},
        [],
    )
