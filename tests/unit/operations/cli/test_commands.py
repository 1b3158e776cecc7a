"""The command line as people and programs meet it."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from errors import ConfigurationError
from operations import commands
from operations.census import Census, CensusLine, Uncaptured
from operations.cli import app as command_line
from operations.cli import census as census_command
from operations.cli import ledger as ledger_command
from operations.cli import pause as pause_command
from operations.cli.times import moment
from operations.commands import Answer, Answers
from operations.ledger import DeliveryLine, IntakeLine, Ledger, SpooledLine, Unaccounted
from operations.projection import queues
from schemas.bus.command import Command

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LINE = IntakeLine(topic="clarity.changes.v1", hour=NOW, accepted=3, mapped=2, remainder=1)
LEDGER = Ledger(
    since=NOW,
    until=NOW + timedelta(hours=1),
    as_of=NOW + timedelta(minutes=30),
    balanced=False,
    intake=(LINE,),
    delivery=(DeliveryLine(record="order", target="gp-two", hour=NOW, taken_in=2, delivered=2),),
    intake_total=msgspec.structs.replace(LINE, topic=""),
    delivery_total=DeliveryLine(record="", target="", hour=NOW, taken_in=2, delivered=2),
    unaccounted=(
        Unaccounted(
            topic="clarity.changes.v1", topic_id="id", partition=4, offset=7, hour=NOW, root_key="clarity-main:1001"
        ),
    ),
    uncounted={},
)


def every_command() -> Iterator[tuple[str, Any]]:
    """Each command that does something, with its full name."""
    for name, lazy in command_line.command().commands.items():
        loaded = lazy.load()
        commands = getattr(loaded, "commands", None)
        if commands is None:
            yield name, loaded
        else:
            yield from ((f"{name} {below}", each) for below, each in commands.items())


def run_main(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["towpath", *words])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("words", "act", "code", "ends_with"),
    [
        ((), "resume", "command.resumed", 0),
        ((), "resume", "identity.still_held", 1),
        (("--accept-identity", "--why", "restored"), "accept", "identity.accepted", 0),
        (("--accept-identity",), "", "", 2),
    ],
)
def test_resume_goes_on_with_a_stranger_only_where_a_person_says_so(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    act: str,
    code: str,
    ends_with: int,
) -> None:
    asked: list[Command] = []

    def ask(_settings: object, sent: Sequence[Command], _wait_s: float) -> Answers:
        asked.extend(sent)
        answer = Answer(command_id="c", connection="gp-two", queue="consumers", code=code, values={}, says=code)
        return Answers(asked=("c",), answers=(answer,), silent=())

    monkeypatch.setattr(commands, "ask", ask)
    monkeypatch.setattr(pause_command, "settings", lambda: SimpleNamespace(connections={"gp-two": None}))
    shown = {"seen": "TWO", "seen_newest": "ORD1", "known": "TWO", "known_newest": "ORD2"}
    standing = SimpleNamespace(stranger=SimpleNamespace(values=shown))
    monkeypatch.setattr(queues, "standing", lambda _connection: standing)

    assert run_main(monkeypatch, "resume", "gp-two", *words) == ends_with
    assert [command.act for command in asked] == [act] * bool(act)
    named = {"seen": "TWO", "seen_newest": "ORD1"} if act == "accept" else {}
    assert [command.values for command in asked] == [named] * bool(act)
    said = capsys.readouterr()
    assert code in (said.err if ends_with else said.out)


def test_every_command_says_what_it_does() -> None:
    silent = [name for name, command in every_command() if not (command.help or "").strip()]

    assert silent == []


def test_every_command_speaks_json() -> None:
    mute = [
        name for name, command in every_command() if not any("--json" in parameter.opts for parameter in command.params)
    ]

    # both run until they are stopped, and log instead
    assert [name for name in mute if name != "run"] == []


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom operations.cli.app import command\ncommand()\n"
        "print([name for name in ('confluent_kafka', 'psycopg', 'httpx', 'faust', 'pyodbc') if name in sys.modules])"
    )

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert answer.stdout.strip() == "[]"


def test_error_is_one_line_on_stderr_and_exit_code_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise ConfigurationError("kafka.bootstrap", "missing")

    monkeypatch.setattr(ledger_command, "settings", refuse)

    code = run_main(monkeypatch, "ledger")

    told = capsys.readouterr()
    assert code == 1
    assert told.out == ""
    assert told.err == "towpath: kafka.bootstrap: missing\n"


@pytest.mark.parametrize(
    "words", [("ledgre",), ("ledger", "--sinc", "2h"), ("ledger", "--since", "yesterday"), ("run",)]
)
def test_wrong_use_is_exit_code_two(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    monkeypatch.setattr(ledger_command, "settings", lambda: None)

    assert run_main(monkeypatch, *words) == 2


@pytest.fixture
def run_ledger(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setattr(ledger_command, "settings", lambda: None)
    monkeypatch.setattr(ledger_command, "balanced", lambda *_given, **_named: LEDGER)
    app = typer.Typer()
    app.command()(ledger_command.ledger)
    return lambda *words: CliRunner().invoke(app, words)


def test_ledger_that_does_not_balance_is_exit_code_one_and_names_what_is_missing(
    run_ledger: Callable[..., Any],
) -> None:
    answer = run_ledger()

    assert answer.exit_code == 1
    assert "unaccounted: clarity.changes.v1/4/7 clarity-main:1001" in answer.output
    assert "Balanced" not in answer.output


def test_what_the_spools_hold_stands_below_the_books(
    monkeypatch: pytest.MonkeyPatch, run_ledger: Callable[..., Any]
) -> None:
    spools = (
        SpooledLine(connection="shop", here=True, in_flight=4, refused=1),
        SpooledLine(connection="far", here=False),
    )
    told = msgspec.structs.replace(LEDGER, spooled=spools)
    monkeypatch.setattr(ledger_command, "balanced", lambda *_given, **_named: told)

    answer = run_ledger()

    assert "Spool of shop: 4 accepted and not in Kafka yet, 1 can never be sent" in answer.output
    assert "Spool of far: not on this machine: ask there" in answer.output


def test_lost_key_with_brackets_is_named_whole(monkeypatch: pytest.MonkeyPatch, run_ledger: Callable[..., Any]) -> None:
    lost = msgspec.structs.replace(LEDGER.unaccounted[0], root_key="shop:[red]1[/red]")
    told = msgspec.structs.replace(LEDGER, unaccounted=(lost,), uncounted={"a[bold]b": 1})
    monkeypatch.setattr(ledger_command, "balanced", lambda *_given, **_named: told)

    answer = run_ledger()

    assert "unaccounted: clarity.changes.v1/4/7 shop:[red]1[/red]" in answer.output
    assert "uncounted: 1 records of a[bold]b" in answer.output


def test_census_names_an_uncaptured_key_with_brackets_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = Uncaptured(
        connection="shop",
        record="order",
        id="[red]1[/red]",
        root_key="shop:[red]1[/red]",
        changed_at=NOW,
        source_version=1,
        last_heard_at=None,
    )
    found = Census(since=NOW, until=NOW, complete=False, lines=(), uncaptured=(lost,))
    monkeypatch.setattr(census_command, "settings", lambda: None)
    monkeypatch.setattr(census_command, "window", lambda *_given: (NOW, NOW))
    monkeypatch.setattr(census_command, "compared", lambda *_given, **_named: found)
    asked: list[Command] = []
    monkeypatch.setattr(census_command, "ask", lambda _settings, commands, **_named: asked.extend(commands))
    app = typer.Typer()
    app.command()(census_command.census)

    answer = CliRunner().invoke(app, ["--as", "mara"])

    assert answer.exit_code == 1
    assert "uncaptured: shop:[red]1[/red] changed 2026-11-21 12:00:00Z, never heard of" in answer.output
    assert "Asked fetchers@shop for 1 of them" in " ".join(answer.output.split())
    assert [(each.connection, each.who, each.values) for each in asked] == [
        ("shop", "mara", {"waits_for": "order:shop:[red]1[/red]"})
    ]

    CliRunner().invoke(app, ["--no-fetch"])

    assert len(asked) == 1


@pytest.mark.parametrize(
    ("complete", "told"),
    [(True, "Nothing is uncaptured up to 2026-11-21 12:34:56Z."), (False, "Looked up to 2026-11-21 12:34:56Z.")],
)
def test_census_says_up_to_when_it_looked(monkeypatch: pytest.MonkeyPatch, complete: bool, told: str) -> None:
    until = NOW + timedelta(minutes=34, seconds=56)
    line = CensusLine(connection="shop", record="order", hour=NOW, listed=1, captured=1, uncaptured=0)
    found = Census(since=NOW, until=until, complete=complete, lines=(line,), uncaptured=())
    monkeypatch.setattr(census_command, "settings", lambda: None)
    monkeypatch.setattr(census_command, "window", lambda *_given: (NOW, until))
    monkeypatch.setattr(census_command, "compared", lambda *_given, **_named: found)
    app = typer.Typer()
    app.command()(census_command.census)

    answer = CliRunner().invoke(app, [])

    assert answer.output.splitlines()[-1] == told


def test_ledger_for_people(run_ledger: Callable[..., Any]) -> None:
    lines = run_ledger().output.splitlines()

    assert lines[:4] == [
        "Intake",
        "hour\ttopic\taccepted\tmapped\tmerged\tfiltered\tsuppressed\tdead\tin_flight\tremainder",
        "2026-11-21 12h\tclarity.changes.v1\t3\t2\t0\t0\t0\t0\t0\t1",
        "-\tall\t3\t2\t0\t0\t0\t0\t0\t1",
    ]


def test_ledger_for_programs(run_ledger: Callable[..., Any]) -> None:
    printed = msgspec.json.decode(run_ledger("--json").stdout)

    assert printed["balanced"] is False
    assert printed["intake"][0]["remainder"] == 1
    assert printed["delivery"][0] | {"hour": ""} == {
        "record": "order",
        "target": "gp-two",
        "hour": "",
        "taken_in": 2,
        "delivered": 2,
        **dict.fromkeys(
            (
                *("superseded", "suppressed", "merged", "filtered", "discarded", "dead", "parked"),
                *("in_flight", "remainder"),
            ),
            0,
        ),
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("90s", NOW - timedelta(seconds=90)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("2026-11-20T08:30", datetime(2026, 11, 20, 8, 30, tzinfo=UTC)),
        ("2026-11-20T08:30+02:00", datetime(2026, 11, 20, 6, 30, tzinfo=UTC)),
    ],
)
def test_times_as_people_write_them(text: str, expected: datetime) -> None:
    assert moment(text, NOW) == expected
