"""What `towpath run` refuses before it starts anything, and what it waits for with --detach."""

import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner, Result

from errors import ConfigurationError
from operations import processes
from operations.cli import run as run_command


def run(*words: str) -> Result:
    app = typer.Typer()
    app.command()(run_command.run)
    return CliRunner().invoke(app, words)


def deployment(root: Path, port: int = 0) -> SimpleNamespace:
    return SimpleNamespace(root=root, connections={}, gateway=SimpleNamespace(host="127.0.0.1", port=port))


@pytest.mark.parametrize(
    ("words", "waited"),
    [
        (["--detach"], [("gateway", "streams")]),
        (["--detach", "--wait"], [("gateway", "streams")]),
        (["--detach", "--no-wait"], []),
    ],
)
def test_detached_processes_are_waited_for_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], waited: list[tuple[str, ...]]
) -> None:
    seen: list[tuple[str, ...]] = []
    monkeypatch.setattr(run_command, "settings", lambda: deployment(tmp_path))
    monkeypatch.setattr(processes, "detach", lambda _root, _names: 4711)
    monkeypatch.setattr(run_command, "_wait", lambda _settings, names: seen.append(names))

    answer = run("gateway", "streams", *words)

    assert answer.exit_code == 0, answer.output
    assert "running in the background under process 4711: gateway, streams" in answer.output
    assert seen == waited


@pytest.mark.parametrize("words", [("all",), ("all", "--detach"), ("gateway", "--detach"), ("gateway", "--supervised")])
def test_nothing_is_started_while_another_program_has_the_gateway_s_port(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...]
) -> None:
    started: list[object] = []
    monkeypatch.setattr(processes, "detach", lambda *given: started.append(given))
    monkeypatch.setattr(processes, "supervise", lambda *given: started.append(given))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = int(other.getsockname()[1])
        monkeypatch.setattr(run_command, "settings", lambda: deployment(tmp_path, port))

        refused = run(*words).exception

    assert isinstance(refused, ConfigurationError)
    assert refused.message == f"gateway.port: 127.0.0.1:{port} is in use by another process"
    assert started == []


@pytest.mark.parametrize("name", ["nonsense", "consumers@nonsense"])
def test_misspelt_process_is_wrong_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setattr(run_command, "settings", lambda: deployment(tmp_path))

    answer = run(name)

    assert answer.exit_code == 2
    assert "no 'nonsense'; there are" in answer.output
