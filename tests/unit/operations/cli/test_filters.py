"""Options and arguments that only a few values can be right for."""

import sys
from types import SimpleNamespace

import pytest

from operations.cli import app as command_line
from operations.cli import dead_letters as dead_letters_command
from operations.cli import outcomes as outcomes_command


@pytest.fixture(autouse=True)
def deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SimpleNamespace(connections={"clarity-main": None, "gp-two": None})
    for command in (outcomes_command, dead_letters_command):
        monkeypatch.setattr(command, "settings", lambda: settings)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("outcomes", "--state", "deliverd"), ("'--state'", "delivered", "parked")),
        (("outcomes", "--stage", "consumer"), ("'--stage'", "gateway", "consumers")),
        (("outcomes", "--connection", "gp"), ("'--connection'", "clarity-main", "gp-two")),
        (("dead-letters", "list", "--stage", "consumer"), ("'--stage'", "gateway", "consumers")),
        (("dead-letters", "list", "--connection", "gp"), ("'--connection'", "clarity-main", "gp-two")),
        (("routes", "ordre"), ("'RECORD'", "order", "inventory_level")),
    ],
)
def test_misspelt_filter_is_wrong_use_and_names_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sys, "argv", ["towpath", *words])

    with pytest.raises(SystemExit) as ended:
        command_line.main()

    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.out == ""
    assert [word for word in told if word not in said.err] == []
