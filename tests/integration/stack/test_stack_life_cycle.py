"""The local stack of a checkout of its own: up, repaired, side by side with another, down, and nothing left."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import confluent_kafka
import confluent_kafka.admin
import httpx
import psutil
import psycopg
import pytest
from confluent_kafka.cimpl import NewTopic

from errors import ConfigurationError, FatalError
from operations.stack import lifecycle, processes, state
from operations.stack.lifecycle import Ending, Health
from operations.stack.parts import PartName
from operations.stack.places import Places
from operations.stack.settings import PortName, StackSettings, load
from operations.stack.state import StackState
from operations.topics import create

# whoever gives addresses in the environment has another stack, and maybe no room for this one
pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif("TOWPATH_TEST_KAFKA" in os.environ, reason="runs on given servers, starts none"),
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackSettings]:
    """A checkout in a folder that only its owner can enter, with a space and a letter beyond ASCII in its path."""
    root = tmp_path_factory.mktemp("owner") / "der Treidelweg, zweiter Kanal – ö"
    root.mkdir()
    root.parent.chmod(0o700)
    found = load(root, {name: value for name, value in os.environ.items() if not name.endswith("_PORT")})
    yield found
    lifecycle.purge(found)


@pytest.fixture(scope="module")
def running(settings: StackSettings) -> StackState:
    return lifecycle.up(settings)


def pids(settings: StackSettings) -> dict[str, int | None]:
    return {part.name: part.pid for part in lifecycle.status(settings)}


def listeners(pid: int) -> set[str]:
    return {each.laddr.ip for each in psutil.Process(pid).net_connections() if each.status == psutil.CONN_LISTEN}


def remaining(settings: StackSettings) -> list[psutil.Process]:
    places = Places(root=settings.root)
    return [process for name in PartName for process in processes.search(places.marker(name))]


def topics(kafka: str) -> set[str]:
    return set(confluent_kafka.admin.AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=30).topics)


def test_everything_listens_on_the_loopback_only(running: StackState) -> None:
    for name, part in running.parts.items():
        assert listeners(part.pid) <= {"127.0.0.1", "::ffff:127.0.0.1"}, name
        assert listeners(part.pid), name


def test_a_second_up_starts_nothing(settings: StackSettings, running: StackState) -> None:
    assert lifecycle.up(settings) == running


def test_idle_it_takes_less_than_two_gibibytes(settings: StackSettings, running: StackState) -> None:
    assert set(running.parts) == {str(name) for name in PartName}
    assert sum(part.memory_bytes for part in lifecycle.status(settings)) < 2 * 2**30


@pytest.mark.parametrize(
    "names",
    [(PartName.KAFKA, PartName.SANDBOX), (PartName.REGISTRY, PartName.CONNECT, PartName.BUS)],
    ids="+".join,
)
def test_what_was_killed_is_started_again_alone(
    settings: StackSettings, running: StackState, names: tuple[PartName, ...]
) -> None:
    before = pids(settings)
    killed = [psutil.Process(before[name]) for name in names]
    for process in killed:
        process.kill()
    psutil.wait_procs(killed, timeout=30)
    assert {part.name for part in lifecycle.status(settings) if part.health is Health.DOWN} == set(names)

    repaired = lifecycle.up(settings)

    after = pids(settings)
    assert {name for name, pid in after.items() if pid != before[name]} == set(names)
    assert None not in after.values()
    assert (repaired.kafka, repaired.bus, repaired.ports) == (running.kafka, running.bus, running.ports)


def test_a_restart_as_in_a_power_cut_recovers(settings: StackSettings, running: StackState) -> None:
    before = pids(settings)

    lifecycle.restart(settings, PartName.SANDBOX, Ending.CRASH)

    with psycopg.connect(running.sandbox.dsn) as connection:
        answer = connection.execute("SELECT current_setting('wal_level'), current_setting('fsync')").fetchone()
    assert answer == ("logical", "on")
    assert pids(settings)[PartName.SANDBOX] != before[PartName.SANDBOX]


def test_data_outlives_down_and_no_process_does(settings: StackSettings, running: StackState) -> None:
    with psycopg.connect(running.bus.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE mooring (place text)")
        connection.execute("INSERT INTO mooring VALUES (%s)", ["km 7"])
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": running.kafka})
    create(admin, [NewTopic("mooring.v1", 1, 1)])
    subject = f"{running.registry}/subjects/mooring.v1-value"
    httpx.post(f"{subject}/versions", json={"schema": '"string"'}, timeout=30).raise_for_status()

    lifecycle.down(settings)

    assert remaining(settings) == []
    assert {part.health for part in lifecycle.status(settings)} == {Health.DOWN}
    assert lifecycle.up(settings).ports == running.ports
    with psycopg.connect(running.bus.dsn) as connection:
        assert connection.execute("SELECT place FROM mooring").fetchone() == ("km 7",)
    assert {"mooring.v1", "connect.configs", "connect.offsets", "connect.statuses"} <= topics(running.kafka)
    assert httpx.get(f"{subject}/versions", timeout=30).json() == [1]


def test_a_port_of_a_running_part_cannot_be_changed_under_its_clients(
    settings: StackSettings, running: StackState
) -> None:
    lifecycle.up(settings)
    other = StackSettings(root=settings.root, cache=settings.cache, ports={PortName.KAFKA: 20_000})

    with pytest.raises(ConfigurationError, match=r"TOWPATH_KAFKA_PORT.*stack down"):
        lifecycle.up(other)


def test_two_checkouts_run_side_by_side_until_one_is_purged(
    settings: StackSettings, running: StackState, tmp_path: Path
) -> None:
    beside = StackSettings(root=tmp_path, cache=settings.cache, ports={})
    try:
        other = lifecycle.up(beside)
        assert not set(other.ports.values()) & set(running.ports.values())

        # one of its parts dies at the next start: nothing of it stays, and the first stack is left alone
        lifecycle.down(beside)
        (Places(root=tmp_path).kafka_data / "meta.properties").write_text("version=1\nnode.id=99\ncluster.id=another\n")
        with pytest.raises(FatalError) as caught:
            lifecycle.up(beside)
        assert caught.value.facts["part"] == "kafka"
        assert str(Places(root=tmp_path).log("kafka")) in str(caught.value)
        assert "99" in str(caught.value)
        assert remaining(beside) == []
    finally:
        lifecycle.purge(beside)

    assert not Places(root=tmp_path).home.exists()
    assert not Places(root=tmp_path).postgresql_home.exists()
    assert state.load(tmp_path) is None
    assert {part.health for part in lifecycle.status(settings)} == {Health.RUNNING}


def test_a_taken_port_stops_the_start_and_leaves_nothing(settings: StackSettings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        beside = StackSettings(root=tmp_path, cache=settings.cache, ports={PortName.BUS: port})
        try:
            with pytest.raises(ConfigurationError, match=rf"TOWPATH_BUS_PORT.*{port}.*process {os.getpid()}"):
                lifecycle.up(beside)
            assert remaining(beside) == []
        finally:
            lifecycle.purge(beside)
