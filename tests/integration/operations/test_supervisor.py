"""The supervisor as a process of its own: what Connect does cannot stop it, and a killed one is not simply repeated."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from errors import RetryableError
from operations import processes
from operations.stack.settings import REPOSITORY_ROOT

WITHIN_S = 20.0
#: Announces itself as our processes do, and works until it is told to stop.
CHILD = """#!{python}
import signal, sys
sys.path.insert(0, "{repository}")
from pathlib import Path
from operations import processes
processes.announce(Path("{root}"), sys.argv[2])
signal.sigwait({{signal.SIGTERM}})
"""
SUPERVISOR = """
import sys, time
from pathlib import Path
from operations import processes
from errors import ConfigurationError

processes.RESTART_CONNECTORS_EVERY_S = 0.05

class Told(processes.Watcher):
    def cannot_restart_connectors(self, why):
        print(why, flush=True)
    def restarted_connectors(self, names):
        print("restarted", *names, flush=True)

answers = iter((ConfigurationError("pairs", "half written"), KeyError("kafka"), None))

def restart():
    answer = next(answers)
    if answer is None:
        print("hangs", flush=True)
        time.sleep(3600)
    raise answer

sys.exit(processes.supervise(Path(sys.argv[1]), dict.fromkeys(sys.argv[2:], 0), restart, Told()))
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A checkout whose command starts children that do nothing."""
    command = tmp_path / "towpath"
    command.write_text(CHILD.format(python=sys.executable, repository=REPOSITORY_ROOT, root=tmp_path))
    command.chmod(0o755)
    yield tmp_path
    for pids in processes.running(tmp_path).values():
        for pid in pids:
            psutil.Process(pid).kill()


@pytest.fixture
def supervisor(root: Path) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(root), "gateway", "streams"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY_ROOT)},
    )
    assert started.stdout is not None
    yield started
    started.kill()
    started.wait()
    started.stdout.close()


def pid_of(root: Path, name: str) -> int:
    return next(iter(processes.running(root).get(name, ())), 0)


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not reached():
        assert time.monotonic() < deadline, "not reached in time"
        time.sleep(0.02)


def lines(supervisor: subprocess.Popen[str], count: int) -> list[str]:
    assert supervisor.stdout is not None
    return [supervisor.stdout.readline().strip() for _ in range(count)]


def test_neither_errors_nor_silence_of_connect_stop_the_supervisor(
    root: Path, supervisor: subprocess.Popen[str]
) -> None:
    assert lines(supervisor, 3) == ["configuration: pairs: half written", "KeyError", "hangs"]
    until(lambda: bool(pid_of(root, "gateway")))
    first = pid_of(root, "gateway")

    os.kill(first, signal.SIGKILL)

    until(lambda: pid_of(root, "gateway") not in {0, first})
    told = time.monotonic()
    supervisor.terminate()
    assert supervisor.wait(WITHIN_S) == 0
    assert time.monotonic() - told < 5
    assert processes.running(root) == {}


def test_children_of_a_killed_supervisor_are_named_and_not_started_a_second_time(
    root: Path, supervisor: subprocess.Popen[str]
) -> None:
    until(lambda: {"gateway", "streams"} <= processes.running(root).keys())

    supervisor.kill()
    supervisor.wait()

    with pytest.raises(RetryableError, match=r"gateway, streams run already: `towpath stop` first"):
        processes.detach(root, ["gateway", "streams"])
    with pytest.raises(RetryableError, match="streams run already"):
        processes.supervise(root, {"streams": 0, "pollers": 0}, tuple, processes.Watcher())
    assert sorted(processes.stop(root)) == ["gateway", "streams"]
    processes.require_none_runs(root, ["gateway", "streams"])


def supervisors(root: Path) -> list[tuple[int, ...]]:
    return [each.pids for each in processes.states(root, []) if each.name == processes.SUPERVISOR]


def test_a_supervisor_is_listed_from_its_start_until_it_is_stopped_also_when_killed(
    root: Path, supervisor: subprocess.Popen[str]
) -> None:
    until(lambda: {"gateway", "streams"} <= processes.running(root).keys())
    assert supervisors(root) == [(supervisor.pid,)]

    supervisor.kill()
    supervisor.wait()

    # looked at twice: the first look must not be the last that sees it
    assert [supervisors(root), supervisors(root)] == [[()], [()]]
    processes.stop(root)
    assert supervisors(root) == []
