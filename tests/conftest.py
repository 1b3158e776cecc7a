"""The servers that integration and end-to-end tests run on."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.stack import lifecycle
from operations.stack.addresses import Addresses, from_environment, of_local_stack
from operations.stack.lifecycle import Health
from operations.stack.settings import REPOSITORY_ROOT, load


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """Kafka, registry, Connect and both databases: given in the environment, else in Docker, else the local stack."""
    given = from_environment(os.environ)
    if given is not None:
        yield given
    elif _docker_answers():
        yield from _containers(tmp_path_factory.mktemp("compose"))
    else:
        yield request.getfixturevalue("local_stack")


@pytest.fixture(scope="session")
def local_stack() -> Iterator[Addresses]:
    """This checkout's own stack; left running where it ran before."""
    settings = load(REPOSITORY_ROOT, os.environ)
    ran_before = all(part.health is Health.RUNNING for part in lifecycle.status(settings))
    addresses = of_local_stack(lifecycle.up(settings))
    yield addresses
    # with several test processes none of them knows when the others are done
    if not ran_before and "PYTEST_XDIST_WORKER" not in os.environ:
        lifecycle.down(settings)


def _docker_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None or os.environ.get("TOWPATH_TEST_WITHOUT_DOCKER"):
        return False
    for question in (["info"], ["compose", "version"]):
        try:
            asked = subprocess.run([docker, *question], capture_output=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return False
        if asked.returncode != 0:
            return False
    return True


def _containers(folder: Path) -> Iterator[Addresses]:
    """The parts of `docker-compose.yml` under a project of their own.

    Never run yet: where this was written there is no Docker engine. Only the file itself is held by a contract test.
    """
    from testcontainers.compose import DockerCompose

    ports = {name: _free_port() for name in ("KAFKA", "REGISTRY", "CONNECT", "BUS", "SANDBOX")}
    environment = folder / "ports.env"
    environment.write_text("".join(f"TOWPATH_{name}_PORT={port}\n" for name, port in ports.items()))
    project = DockerCompose(
        context=REPOSITORY_ROOT, compose_file_name="docker-compose.yml", env_file=str(environment), wait=True
    )
    with project:
        yield Addresses(
            kafka=f"127.0.0.1:{ports['KAFKA']}",
            registry=f"http://127.0.0.1:{ports['REGISTRY']}/apis/ccompat/v7",
            connect=f"http://127.0.0.1:{ports['CONNECT']}",
            bus_dsn=f"postgresql://towpath:towpath@127.0.0.1:{ports['BUS']}/towpath",
            sandbox_dsn=f"postgresql://postgres:towpath@127.0.0.1:{ports['SANDBOX']}/postgres",
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
