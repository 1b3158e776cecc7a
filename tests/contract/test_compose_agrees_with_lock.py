"""The containers of `docker-compose.yml` are the parts and versions of the local stack."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from operations.stack.artifacts import read_lock, version_of
from operations.stack.parts import PartName
from operations.stack.postgresql import packaged_postgresql
from operations.stack.settings import REPOSITORY_ROOT, PortName


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    compose = yaml.safe_load((REPOSITORY_ROOT / "docker-compose.yml").read_text())
    found: dict[str, Any] = compose["services"]
    return found


def test_compose_has_the_parts_of_the_local_stack(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if "profiles" not in service} == {str(name) for name in PartName}


@pytest.mark.parametrize(
    ("service", "artifact"),
    [
        ("kafka", "kafka_2.13"),
        ("registry", "apicurio-registry-app"),
        ("connect", "debezium-connector-postgres"),
        ("connect", "debezium-connector-sqlserver"),
    ],
)
def test_image_has_the_locked_version(services: dict[str, Any], service: str, artifact: str) -> None:
    tag = services[service]["image"].rpartition(":")[2]

    assert tag == version_of(read_lock(), artifact)


def test_both_databases_are_of_the_release_the_package_brings(services: dict[str, Any]) -> None:
    program = packaged_postgresql() / "bin" / "postgres"

    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout

    version = answer.split()[-1]
    assert {services[name]["image"] for name in ("bus", "sandbox")} == {f"postgres:{version}"}


def test_every_port_is_bound_to_the_loopback_and_named_as_in_the_local_stack(services: dict[str, Any]) -> None:
    for name, service in services.items():
        variable = PortName(name).variable
        for binding in service["ports"]:
            assert re.fullmatch(rf"127\.0\.0\.1:\$\{{{variable}:-\d+\}}:\d+", binding), binding


def test_kafka_and_connect_come_from_one_release() -> None:
    versions = {each.version for each in read_lock() if each.group == "org.apache.kafka"}

    assert versions == {version_of(read_lock(), "kafka_2.13")}
