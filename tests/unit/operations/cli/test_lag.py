"""`towpath lag` lists the same for people and for programs."""

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from operations.cli import lag as lag_command
from operations.lag import Lag

LINES = (
    Lag(process="streams", topic="clarity.orders.v1", behind=0),
    Lag(process="consumers@gp-two", topic="canonical.orders.v1", behind=0, open=2),
    Lag(process="projector", topic="bus.outcomes.v1", behind=7),
)


@pytest.mark.parametrize(
    ("words", "listed"),
    [([], ["consumers@gp-two", "projector"]), (["--all"], ["streams", "consumers@gp-two", "projector"])],
)
def test_who_is_not_behind_is_listed_on_demand(
    monkeypatch: pytest.MonkeyPatch, words: list[str], listed: list[str]
) -> None:
    monkeypatch.setattr(lag_command, "settings", lambda: None)
    monkeypatch.setattr(lag_command, "behind", lambda _settings: LINES)
    app = typer.Typer()
    app.command()(lag_command.lag)

    text = CliRunner().invoke(app, words).stdout.splitlines()[1:]
    printed = msgspec.json.decode(CliRunner().invoke(app, [*words, "--json"]).stdout)

    assert [line.split("\t")[0] for line in text] == listed
    assert [line["process"] for line in printed["lag"]] == listed
