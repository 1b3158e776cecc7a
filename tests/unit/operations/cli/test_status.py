"""`towpath status` and `towpath explain` for people, programs and cron."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from operations.cli import explain as explain_command
from operations.cli import status as status_command
from operations.explain import Explained, Explanation, Move
from operations.findings import Finding, Kind, Severity
from operations.side_by_side import Silence
from operations.status import NotAsked, Status

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FINDING = Finding(
    severity=Severity.ALARM,
    kind=Kind.DEAD_LETTERS,
    about="gp-two",
    headline="2 dead letters at gp-two, the oldest: refused [sku].",
    money={"USD": Decimal("1234.5"), "EUR": Decimal(7)},
    count=2,
    since=NOW - timedelta(days=3, hours=4, minutes=5),
    to_do="See `towpath dead-letters list`.",
)


def status_of(*findings: Finding) -> Status:
    return Status(
        as_of=NOW,
        well=all(each.severity is Severity.NOTE for each in findings),
        findings=findings,
        looked_at=("Kafka", "projection"),
        not_asked=(NotAsked(what="census", why="it asks the stores"),),
    )


def run(monkeypatch: pytest.MonkeyPatch, found: Status, *words: str) -> tuple[int, str]:
    monkeypatch.setattr(status_command, "settings", lambda: None)
    monkeypatch.setattr(status_command, "asked", lambda _settings, **_given: found)
    app = typer.Typer()
    app.command()(status_command.status)
    answer = CliRunner().invoke(app, list(words))
    return answer.exit_code, answer.stdout


@pytest.mark.parametrize(
    ("severities", "expected"), [([], 0), (["note"], 0), (["warning"], 0), (["warning", "alarm"], 1)]
)
@pytest.mark.parametrize("words", [(), ("--json",)])
def test_exit_code_tells_of_an_alarm(
    monkeypatch: pytest.MonkeyPatch, severities: list[str], expected: int, words: tuple[str, ...]
) -> None:
    found = [msgspec.structs.replace(FINDING, severity=Severity(each)) for each in severities]

    assert run(monkeypatch, status_of(*found), *words)[0] == expected


def test_finding_shows_money_age_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = run(monkeypatch, status_of(FINDING))[1].splitlines()

    assert lines == [
        "alarm    2 dead letters at gp-two, the oldest: refused [sku]. [7.00 EUR, 1,234.50 USD, for 3 d 4 h]",
        "         See `towpath dead-letters list`.",
        "",
        "As of 2026-11-21 12:00:00Z. Looked at: Kafka, projection.",
        "Not asked: census (it asks the stores).",
    ]


def test_all_is_well_is_one_line_that_says_what_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, status_of())[1].splitlines()[0] == (
        "All is well at 2026-11-21 12:00:00Z. Looked at: Kafka, projection."
    )


def test_programs_get_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = msgspec.json.decode(run(monkeypatch, status_of(FINDING), "--json")[1])

    assert printed.keys() == {"as_of", "well", "findings", "looked_at", "not_asked"}
    assert printed["findings"][0] == {
        "severity": "alarm",
        "kind": "dead letters",
        "about": "gp-two",
        "headline": FINDING.headline,
        "money": {"USD": "1234.5", "EUR": "7"},
        "count": 2,
        "since": "2026-11-18T07:55:00Z",
        "to_do": FINDING.to_do,
    }


@pytest.mark.parametrize(
    ("lasted", "expected"),
    [
        (timedelta(seconds=-1), "0 s"),
        (timedelta(seconds=12), "12 s"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(hours=2, minutes=5, seconds=7), "2 h 5 min"),
        (timedelta(days=3, minutes=5), "3 d"),
    ],
)
def test_ages_are_told_in_their_two_largest_units(lasted: timedelta, expected: str) -> None:
    assert status_command.age(lasted) == expected


def test_explanation_ends_with_what_would_move_it(monkeypatch: pytest.MonkeyPatch) -> None:
    key = Explained(
        key="shop:[red]1",
        waiting=(),
        not_read=(),
        dead_letters=(),
        delivered=(),
        moves=(Move(command="towpath resume gp-two", says="gp-two is paused by mara"),),
    )
    found = Explanation(as_of=NOW, keys=(key,), not_asked=(Silence(source="Kafka", why="away"),))
    monkeypatch.setattr(explain_command, "settings", lambda: None)
    monkeypatch.setattr(explain_command, "explained", lambda _settings, _key: found)
    app = typer.Typer()
    app.command()(explain_command.explain)

    text = CliRunner().invoke(app, ["1"]).stdout.splitlines()
    printed = msgspec.json.decode(CliRunner().invoke(app, ["1", "--json"]).stdout)

    assert text == [
        "shop:[red]1",
        "",
        "what would move it",
        "command\tsays",
        "towpath resume gp-two\tgp-two is paused by mara",
        "Not asked: Kafka (away).",
    ]
    assert printed["keys"][0]["moves"] == [{"command": "towpath resume gp-two", "says": "gp-two is paused by mara"}]
