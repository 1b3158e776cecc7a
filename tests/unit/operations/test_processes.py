"""Which processes a command line means, how restarts are paced, and whose process ids are believed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.settings import Pair
from errors import ConfigurationError
from operations import processes
from operations.stack.processes import be_nicer
from producers.gateway.worker import listening

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


def test_what_tells_the_store_gives_way_to_what_brings_its_orders() -> None:
    pairs = [Pair(store="clarity-main", erp="gp-two")]
    nicer = {name: processes.niceness(name, pairs, 10) for name in processes.every(CONNECTIONS)}

    assert {name for name, by in nicer.items() if by} == {"fetchers@gp-two", "consumers@clarity-main", "projector"}
    assert set(nicer.values()) == {0, 10}


def test_a_process_that_gives_way_does_so_within_its_session_and_as_a_session() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        be_nicer(child.pid, 7)

        assert os.getpriority(os.PRIO_PROCESS, child.pid) == os.getpriority(os.PRIO_PROCESS, 0) + 7
        share = Path(f"/proc/{child.pid}/autogroup")
        if share.exists():
            assert share.read_text(encoding="ascii").endswith("nice 7\n")
    finally:
        child.kill()
        child.wait()


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


def test_process_is_found_with_the_address_of_its_metrics(tmp_path: Path) -> None:
    processes.announce(tmp_path, "fetchers@gp-two", "http://127.0.0.1:9475/metrics")

    told = {each.name: each.metrics for each in processes.states(tmp_path, CONNECTIONS) if each.running}

    assert told == {"fetchers@gp-two": ("http://127.0.0.1:9475/metrics",)}


def test_each_process_has_a_port_of_its_own_for_its_metrics() -> None:
    ports = {name: processes.metrics_port(9470, name, CONNECTIONS) for name in processes.every(CONNECTIONS)}

    assert ports == {
        "gateway": 9470,
        "pollers": 9471,
        "streams": 9472,
        "projector": 9473,
        "fetchers@clarity-main": 9474,
        "consumers@clarity-main": 9475,
        "fetchers@gp-two": 9476,
        "consumers@gp-two": 9477,
    }
    assert processes.metrics_port(0, "gateway", CONNECTIONS) == 0


def test_process_id_that_belongs_to_another_by_now_is_not_believed(tmp_path: Path) -> None:
    mark = processes.announce(tmp_path, "gateway")
    mark.write_text("12.5\n", encoding="ascii")

    assert processes.running(tmp_path) == {}
    assert not mark.exists()


def test_a_supervisor_that_starts_takes_the_place_of_a_killed_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    killed = processes.pid_file(tmp_path, processes.SUPERVISOR, 2**30)
    killed.parent.mkdir(parents=True)
    killed.write_text("12.5\n", encoding="ascii")
    states: list[processes.ProcessState] = []

    def look(_root: Path, _children: object, _watcher: object) -> None:
        states.extend(processes.states(tmp_path, []))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(processes, "_keep_running", look)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        processes.supervise(tmp_path, {}, tuple, processes.Watcher())
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    assert [each.pids for each in states if each.name == processes.SUPERVISOR] == [(os.getpid(),)]
    assert not killed.exists()


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


@pytest.fixture
def taken() -> Iterator[int]:
    """A port another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def test_taken_port_is_refused_in_the_gateway_s_own_words(tmp_path: Path, taken: int) -> None:
    with pytest.raises(ConfigurationError) as own, listening("127.0.0.1", taken):
        pass

    with pytest.raises(ConfigurationError) as refused:
        processes.require_gateway_address(tmp_path, ["pollers", "gateway"], "127.0.0.1", taken)

    assert refused.value.message == own.value.message
    assert refused.value.facts == own.value.facts


def test_address_is_asked_for_only_where_a_gateway_is_to_be_started(tmp_path: Path, taken: int) -> None:
    processes.require_gateway_address(tmp_path, ["streams"], "127.0.0.1", taken)
    processes.announce(tmp_path, "gateway")

    processes.require_gateway_address(tmp_path, ["gateway"], "127.0.0.1", taken)


def test_free_port_stays_free(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])

    processes.require_gateway_address(tmp_path, ["gateway"], "127.0.0.1", port)

    with listening("127.0.0.1", port):
        pass
