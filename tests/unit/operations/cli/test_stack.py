"""What `towpath stack down --purge` forgets."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from operations.cli import stack as stack_command


@pytest.mark.parametrize(("words", "kept"), [(["down"], True), (["down", "--purge"], False)])
def test_purge_forgets_the_orders_of_the_simulated_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], kept: bool
) -> None:
    orders = tmp_path / ".towpath" / "sandbox" / "clarity" / "orders.db"
    orders.parent.mkdir(parents=True)
    orders.write_text("yesterday's")
    monkeypatch.setattr(stack_command, "REPOSITORY_ROOT", tmp_path)

    answer = CliRunner().invoke(stack_command.app, words)

    assert answer.exit_code == 0, answer.output
    assert orders.exists() is kept
