"""Kafka Connect itself checks our Debezium files, so that the one for SQL Server cannot rot unnoticed."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from operations import connectors
from operations.stack.addresses import Addresses

VALUES = {
    "connection": "gp-test",
    "connection.identifier": "gp_test",
    "kafka": "127.0.0.1:1",
    "registry.v2": "http://127.0.0.1:1/apis/registry/v2",
    "capture.host": "127.0.0.1",
    "capture.port": "1",
    "capture.database": "two",
    "capture.user": "nobody",
    "capture.password": "nothing",
}
#: Connect also tries the database, which is not there.
NOT_ABOUT_THE_FILE = {"database.hostname", "database.port", "database.user", "database.password", "database.dbname"}


@pytest.fixture
def connect(stack: Addresses) -> Iterator[httpx.Client]:
    with connectors.client_of(stack.connect) as client:
        yield client


@pytest.mark.parametrize("file", sorted(connectors.FILES.glob("*.json")), ids=lambda path: path.name)
def test_connect_knows_every_setting_of_our_file(connect: httpx.Client, file: Path) -> None:
    config = connectors.fill(file.read_text(encoding="utf-8"), VALUES)

    found = connectors.validate(connect, config | {"name": "gp-test"})

    assert found.unknown == ()
    assert found.errors.keys() <= NOT_ABOUT_THE_FILE


def test_misspelt_and_ill_typed_settings_are_found(connect: httpx.Client) -> None:
    file = connectors.FILES / "dynamics-gp.sql-server.json"
    config = connectors.fill(file.read_text(encoding="utf-8"), VALUES)

    found = connectors.validate(connect, config | {"name": "gp-test", "snapshot.mod": "x", "poll.interval.ms": "soon"})

    assert found.unknown == ("snapshot.mod",)
    assert "poll.interval.ms" in found.errors
