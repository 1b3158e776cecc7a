"""What `towpath run --detach` waits for."""

from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from operations import processes
from operations.cli import run as run_command
from operations.stack.settings import REPOSITORY_ROOT


@pytest.mark.parametrize(
    ("words", "waited"),
    [
        (["--detach"], [("gateway", "streams")]),
        (["--detach", "--wait"], [("gateway", "streams")]),
        (["--detach", "--no-wait"], []),
    ],
)
def test_detached_processes_are_waited_for_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, words: list[str], waited: list[tuple[str, ...]]
) -> None:
    seen: list[tuple[str, ...]] = []
    monkeypatch.setattr(run_command, "settings", lambda: SimpleNamespace(root=REPOSITORY_ROOT, connections={}))
    monkeypatch.setattr(processes, "detach", lambda _root, _names: 4711)
    monkeypatch.setattr(run_command, "_wait", lambda _settings, names: seen.append(names))
    app = typer.Typer()
    app.command()(run_command.run)

    answer = CliRunner().invoke(app, ["gateway", "streams", *words])

    assert answer.exit_code == 0, answer.output
    assert "running in the background under process 4711: gateway, streams" in answer.output
    assert seen == waited
