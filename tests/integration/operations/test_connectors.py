"""Kafka Connect itself checks our Debezium files, so that none can rot unnoticed; and what we make of odd answers."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from bus.secret import Secret
from bus.settings import Capture, Connection, Gateway, Settings
from errors import BusError, FatalError, RetryableError
from mapping.port import Lookups
from operations import connectors
from operations.stack.addresses import Addresses
from operations.stack.settings import REPOSITORY_ROOT

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


@pytest.fixture
def somebody() -> Iterator[Callable[[int, bytes], Settings]]:
    """Somebody at Connect's address who answers always the same; gives the deployment that asks him."""
    servers = []

    def answer(status: int, body: bytes) -> Settings:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_said: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Answer))
        threading.Thread(target=servers[-1].serve_forever, args=(0.02,)).start()
        return deployment(f"http://127.0.0.1:{servers[-1].server_port}")

    yield answer
    for server in servers:
        server.shutdown()
        server.server_close()


def deployment(connect: str) -> Settings:
    """One captured connection."""
    capture = Capture(host="127.0.0.1", port=1, database="two", user="nobody", password=Secret("nothing"))
    gp = Connection(
        name="gp-test", system="dynamics-gp", dialect="postgresql", store_dsn=Secret("none"), capture=capture
    )
    return Settings(
        root=REPOSITORY_ROOT,
        deployment="test",
        folder=REPOSITORY_ROOT,
        time_zone="UTC",
        kafka="127.0.0.1:1",
        registry="http://127.0.0.1:1/apis/ccompat/v7",
        connect=connect,
        projection_dsn=Secret("none"),
        gateway=Gateway(),
        connections={"gp-test": gp},
        pairs=(),
        lookups=Lookups({}),
        code_version="0",
    )


@pytest.mark.parametrize("ask", [connectors.status, connectors.restart_failed, connectors.apply])
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, b'{"error_code": 500, "message": "request timed out"}', RetryableError),
        (503, b"<html>starting</html>", RetryableError),
        (401, b"", FatalError),
        (409, b'{"error_code": 409, "message": "rebalancing"}', RetryableError),
        (200, b"<html>log in first</html>", RetryableError),
        (200, b"[1]", RetryableError),
    ],
)
def test_odd_answer_is_one_of_our_errors(
    somebody: Callable[[int, bytes], Settings],
    ask: Callable[[Settings], object],
    status: int,
    body: bytes,
    kind: type[BusError],
) -> None:
    with pytest.raises(kind):
        ask(somebody(status, body))


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:1", "http://127.0.0.1:many"])
def test_nobody_at_the_address_is_one_of_our_errors(address: str) -> None:
    with pytest.raises(BusError):
        connectors.status(deployment(address))


def test_connector_connect_does_not_know_is_absent(somebody: Callable[[int, bytes], Settings]) -> None:
    (found,) = connectors.status(somebody(404, b'{"error_code": 404, "message": "No status found"}'))

    assert found.state == "ABSENT"
