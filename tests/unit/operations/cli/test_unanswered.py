"""Commands that nobody answers: the same words and the same exit code, whichever it is."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from types import ModuleType, SimpleNamespace

import msgspec
import pytest

from operations import acting, commands, dead_letters, replays
from operations.cli import dead_letters as dead_letters_command
from operations.cli import parked as parked_command
from operations.cli import pause as pause_command
from operations.cli import replay as replay_command
from operations.projection import migrate
from schemas.bus.command import Act, Command
from tests.unit.operations.cli.test_commands import run_main

ASKED = Command(id="c", at=datetime(2026, 11, 21, 12, tzinfo=UTC), who="mara", connection="gp-two", act=Act.ASK)
ONCE_IT_RUNS = (
    "consumers@gp-two has not answered in 0.01 s: nothing is known to be done. The command is kept, and carried out "
    "once and in its turn as soon as it runs: `towpath run consumers@gp-two`; `towpath outcomes` tells the answer then"
)
ASK_AGAIN = (
    "consumers@gp-two has not answered in 0.01 s: see that it runs, `towpath run consumers@gp-two`, then ask again"
)

ACTS = [
    ("pause", "gp-two"),
    ("resume", "gp-two"),
    ("parked", "release", "shop:1"),
    ("parked", "skip", "shop:1", "--why", "x", "--yes"),
    ("parked", "discard", "shop:1", "--why", "x", "--yes"),
    ("parked", "ask", "item:SKU-77"),
    ("dead-letters", "redrive", "abc"),
    ("dead-letters", "skip", "abc", "--why", "x", "--yes"),
    ("dead-letters", "discard", "abc", "--why", "x", "--yes"),
    ("replay", "--to", "gp-two", "--since", "2h", "--yes"),
    ("replay", "stop", "abc"),
]
QUESTIONS = [("dead-letters", "preflight", "abc"), ("replay", "--to", "gp-two", "--since", "2h", "--plan")]


@pytest.fixture(autouse=True)
def written(monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    """What reaches the topic; nobody reads it."""
    found: list[Command] = []

    async def write(_settings: object, sent: Sequence[Command]) -> None:
        found.extend(sent)

    def plan(_settings: object, act: str, *_: object) -> acting.Plan:
        return acting.Plan(act=act, reached=(), commands=(msgspec.structs.replace(ASKED, act=act),), named=True)

    given = SimpleNamespace(connections={"gp-two": None}, projection_dsn=SimpleNamespace(reveal=lambda: ""))
    modules: tuple[ModuleType, ...] = (pause_command, parked_command, dead_letters_command, replay_command)
    for module in modules:
        monkeypatch.setattr(module, "settings", lambda: given)
    for name in ("on_parked", "on_letters"):
        monkeypatch.setattr(acting, name, plan)
    monkeypatch.setattr(acting, "on_missing", lambda *_: (ASKED,))
    monkeypatch.setattr(dead_letters, "verdicts", lambda *_: ())
    one = SimpleNamespace(connection="gp-two", stage="consumers", command_id="abc")
    monkeypatch.setattr(replays, "shown", lambda *_: SimpleNamespace(replay=one))
    monkeypatch.setattr(
        replays, "command_of", lambda *_, plan: msgspec.structs.replace(ASKED, act=Act.REPLAY, plan=plan)
    )
    monkeypatch.setattr(commands, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(commands, "_write", write)
    monkeypatch.setattr(commands, "_answering", lambda *_: ("consumers",))
    monkeypatch.setattr(commands, "_answers", lambda *_: [])
    monkeypatch.setattr(commands, "_unread", lambda *_: 0)
    monkeypatch.setattr(migrate, "opened", lambda *_: nullcontext())
    return found


@pytest.mark.parametrize(
    ("words", "told"), [*((words, ONCE_IT_RUNS) for words in ACTS), *((words, ASK_AGAIN) for words in QUESTIONS)]
)
def test_what_nobody_answers_is_not_known_to_be_done(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    written: list[Command],
    words: tuple[str, ...],
    told: str,
) -> None:
    assert run_main(monkeypatch, *words, "--wait", "0.01") == 1
    said = capsys.readouterr()
    assert (said.err.strip(), len(written)) == (told, 1)

    assert run_main(monkeypatch, *words, "--wait", "0.01", "--json") == 1
    said = capsys.readouterr()
    assert said.err.strip() == told
    if "--plan" not in words:
        assert json.loads(said.out)["silent"] == ["consumers@gp-two"]


def test_who_does_not_wait_is_told_where_the_answer_will_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], written: list[Command]
) -> None:
    assert run_main(monkeypatch, "resume", "gp-two", "--wait", "0") == 0
    assert capsys.readouterr().err.strip() == (
        "Written for consumers@gp-two, and not waited for: `towpath outcomes` tells the answer"
    )
    assert [each.act for each in written] == [Act.RESUME]


def test_projector_that_is_behind_may_hold_the_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "_unread", lambda *_: 12)

    assert run_main(monkeypatch, "pause", "gp-two", "--wait", "0.01") == 1
    assert "The projector has 12 outcomes before it, and the answer may be among them" in capsys.readouterr().err


def test_streams_are_named_as_they_are_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(commands, "_answering", lambda *_: (commands.STREAMS,))

    run_main(monkeypatch, "dead-letters", "redrive", "abc", "--wait", "0.01")

    assert "`towpath run streams`" in capsys.readouterr().err


def test_letters_without_a_key_are_asked_for_at_the_rate_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    letter = msgspec.structs.replace(
        ASKED, act=Act.REDRIVE, queue="streams", topic="bus.dead-letters.v1", per_minute=20
    )
    rows = msgspec.structs.replace(letter, queue="consumers", topic="")
    others = msgspec.structs.replace(letter, queue="gateway")
    asked = [letter, letter, rows, letter, others]

    paced = commands.paced(asked)

    assert [wait_s for wait_s, _ in paced] == [0, 0, 0, 3, 6]
    assert [command.queue for _, command in paced] == ["streams", "consumers", "gateway", "streams", "streams"]
    assert [wait_s for wait_s, _ in commands.paced(msgspec.structs.replace(each, per_minute=0) for each in asked)] == [
        0
    ] * 5

    recall = msgspec.structs.replace(letter, act=Act.RECALL, topic="clarity.orders.v1")
    assert [wait_s for wait_s, _ in commands.paced([recall] * 3)] == [0, 3, 6]

    plan = acting.Plan(act=Act.REDRIVE, reached=(), commands=tuple(asked), named=True)
    monkeypatch.setattr(acting, "on_letters", lambda *_: plan)
    run_main(monkeypatch, "dead-letters", "redrive", "abc", "--per-minute", "20", "--wait", "0")

    assert "one by one: the last in 0.1 minutes" in capsys.readouterr().err
