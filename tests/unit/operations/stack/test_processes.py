"""Parts are known by their marker, never by a process id alone."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from operations.stack import processes
from operations.stack.processes import Launch

WAITS = "import sys, signal; signal.pause()"


@pytest.fixture
def started(tmp_path: Path) -> Iterator[psutil.Process]:
    """A process of ours that carries the marker `towpath-test-part`."""
    command = (sys.executable, "-c", WAITS, "-Dtowpath.part=towpath-test-part")
    process_id = processes.start_daemon(Launch(command=command, directory=tmp_path, log=tmp_path / "logs/part.log"))
    process = psutil.Process(process_id)
    yield process
    processes.stop(process, signal.SIGKILL, within_s=5)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def wait_until_visible(process: psutil.Process, marker: str) -> None:
    wait_until(lambda: processes.find(process.pid, marker) is not None)


def test_a_part_is_found_by_its_marker_and_ended(started: psutil.Process) -> None:
    wait_until_visible(started, "towpath-test-part")

    assert [each.pid for each in processes.search("towpath-test-part")] == [started.pid]
    processes.stop(started, signal.SIGTERM, within_s=10)
    assert processes.find(started.pid, "towpath-test-part") is None


def test_a_process_id_given_to_somebody_else_is_not_our_part() -> None:
    with subprocess.Popen([sys.executable, "-c", WAITS]) as somebody:
        assert processes.find(somebody.pid, "towpath-test-part") is None
        somebody.kill()


def test_a_marker_that_only_begins_the_same_is_another_part(started: psutil.Process) -> None:
    wait_until_visible(started, "towpath-test-part")

    assert processes.find(started.pid, "towpath-test") is None


def test_a_dead_child_that_nobody_has_waited_for_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", WAITS, "towpath-test-zombie"]) as child:
        wait_until_visible(psutil.Process(child.pid), "towpath-test-zombie")
        child.kill()
        # a zombie keeps its id until somebody waits for it
        wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
        assert processes.find(child.pid, "towpath-test-zombie") is None


def test_a_part_lives_in_a_session_of_its_own_and_logs_to_its_file(tmp_path: Path) -> None:
    says = "import os, sys; print('out', os.getsid(0) != int(sys.argv[1])); print('err', file=sys.stderr)"
    command = (sys.executable, "-c", says, str(psutil.Process().pid))

    process_id = processes.start_daemon(Launch(command=command, directory=tmp_path, log=tmp_path / "part.log"))

    psutil.wait_procs([psutil.Process(process_id)] if psutil.pid_exists(process_id) else [], timeout=20)
    assert sorted((tmp_path / "part.log").read_text().split("\n")) == ["", "err", "out True"]


def test_the_end_of_a_log_is_read_without_the_rest(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_bytes(b"x" * 1_000_000 + "\n".join(["", "one", "two", "three"]).encode() + b"\xff")

    assert processes.last_lines(log, count=2) == "two\nthree�"
    assert processes.last_lines(tmp_path / "none.log") == ""
