"""Which processes a command line means, how restarts are paced, and whose process ids are believed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from errors import ConfigurationError
from operations import processes

CONNECTIONS = ["gp-two", "clarity-main"]


def test_all_is_every_process_and_one_for_each_connection() -> None:
    assert processes.check(["all"], CONNECTIONS) == (
        "gateway",
        "pollers",
        "fetchers@clarity-main",
        "fetchers@gp-two",
        "streams",
        "consumers@clarity-main",
        "consumers@gp-two",
        "projector",
    )


def test_one_connection_can_be_named() -> None:
    assert processes.check(["consumers@gp-two"], CONNECTIONS) == ("consumers@gp-two",)


@pytest.mark.parametrize("name", ["gatway", "consumers@gp-three", "streams@gp-two"])
def test_what_is_no_process_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        processes.check([name], CONNECTIONS)


def test_restarts_of_one_that_keeps_dying_come_ever_more_slowly() -> None:
    pauses = [processes.FIRST_PAUSE_S]
    for _ in range(10):
        pauses.append(processes.pause_after(1.0, pauses[-1]))

    assert pauses[1:4] == [1.0, 2.0, 4.0]
    assert pauses[-1] == processes.LONGEST_PAUSE_S


def test_one_that_was_healthy_is_started_again_at_once() -> None:
    assert processes.pause_after(processes.HEALTHY_S, 30.0) == processes.FIRST_PAUSE_S


def test_announced_process_is_running_until_it_is_gone(tmp_path: Path) -> None:
    mark = processes.announce(tmp_path, "gateway")

    assert processes.running(tmp_path) == {"gateway": (os.getpid(),)}

    mark.unlink()
    assert processes.running(tmp_path) == {}


def test_process_id_that_belongs_to_another_by_now_is_not_believed(tmp_path: Path) -> None:
    mark = processes.announce(tmp_path, "gateway")
    mark.write_text("12.5\n", encoding="ascii")

    assert processes.running(tmp_path) == {}
    assert not mark.exists()


def test_stop_ends_what_runs(tmp_path: Path) -> None:
    code = "import sys, time\nfrom pathlib import Path\nfrom operations import processes\n"
    code += "processes.announce(Path(sys.argv[1]), 'streams')\nprint('up', flush=True)\ntime.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"up\n"

    stopped = processes.stop(tmp_path)

    child.stdout.close()
    child.wait(5)
    assert stopped == ("streams",)
    assert processes.running(tmp_path) == {}
