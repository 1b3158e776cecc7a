"""What `towpath stack` prints, and what `down --purge` forgets."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from operations import local, processes, sandbox
from operations.cli import stack as stack_command
from operations.stack.state import Database, StackState


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


@pytest.mark.parametrize(("words", "kept"), [(["down"], True), (["down", "--purge"], False)])
def test_purge_forgets_addresses_and_passwords_of_servers_that_are_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], kept: bool
) -> None:
    stack, simulators = {"TOWPATH_KAFKA": "127.0.0.1:20001"}, {"TOWPATH_CLARITY_PASSWORD": "one"}
    gateway = {"TOWPATH_GATEWAY_PORT": "20002"}
    for name, values in (("stack", stack), (sandbox.KEPT, simulators), ("gateway", gateway)):
        local.write(tmp_path, name, values)
    monkeypatch.setattr(stack_command, "REPOSITORY_ROOT", tmp_path)

    answer = CliRunner().invoke(stack_command.app, words)

    assert answer.exit_code == 0, answer.output
    assert local.read(tmp_path, "stack") == (stack if kept else {})
    assert local.read(tmp_path, sandbox.KEPT) == (simulators if kept else {})
    # senders know it
    assert local.read(tmp_path, "gateway") == gateway


@pytest.mark.parametrize(("words", "kept"), [(["down"], True), (["down", "--purge"], False)])
def test_purge_drops_the_logs_of_what_does_not_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], kept: bool
) -> None:
    processes.announce(tmp_path, "gateway")
    logs = {name: processes.log_of(tmp_path, name) for name in ("gateway", "streams")}
    for log in logs.values():
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("yesterday's")
    monkeypatch.setattr(stack_command, "REPOSITORY_ROOT", tmp_path)

    answer = CliRunner().invoke(stack_command.app, words)

    assert answer.exit_code == 0, answer.output
    assert logs["gateway"].exists()
    assert logs["streams"].exists() is kept


def test_up_prints_addresses_of_databases_without_their_passwords(capsys: pytest.CaptureFixture[str]) -> None:
    bus = Database(host="127.0.0.1", port=20004, user="towpath", password="hidden", database="towpath")
    sandbox_cluster = Database(host="127.0.0.1", port=20005, user="postgres", password="hidden")
    started = StackState(
        kafka="127.0.0.1:20001", registry="", connect="", bus=bus, sandbox=sandbox_cluster, ports={}, parts={}
    )

    stack_command._print_state(started, as_json=False)

    assert capsys.readouterr().out.splitlines()[3:] == [
        "bus       postgresql://towpath@127.0.0.1:20004/towpath",
        "sandbox   postgresql://postgres@127.0.0.1:20005/postgres",
    ]
