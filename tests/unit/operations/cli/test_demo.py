"""What `towpath demo` refuses before it starts anything."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from operations.cli import demo as demo_command


@pytest.mark.parametrize(("where", "told"), [("missing/report.json", "missing"), ("", "is a directory")])
def test_report_that_could_not_be_written_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str, told: str
) -> None:
    started: list[object] = []
    monkeypatch.setattr(demo_command, "_demonstrate", lambda *given, **_named: started.append(given))
    app = typer.Typer()
    app.command()(demo_command.demo)

    answer = CliRunner().invoke(app, ["--report", str(tmp_path / where)], env={"COLUMNS": "400"})

    assert answer.exit_code == 2
    assert told in answer.output
    assert started == []
