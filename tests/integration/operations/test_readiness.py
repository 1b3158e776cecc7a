"""What is told while processes come up, and when they count as ready."""

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from bus.secret import Secret
from bus.settings import Gateway, Settings
from errors import RetryableError
from mapping.port import Lookups
from operations import processes, readiness
from operations.offsets import admin_of


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ready" else 404)
        self.end_headers()

    def log_message(self, *_said: object) -> None:
        pass


def settings_of(root: Path, port: int) -> Settings:
    return Settings(
        root=root,
        deployment="test",
        folder=root,
        time_zone="UTC",
        kafka="127.0.0.1:1",
        registry="",
        connect="",
        projection_dsn=Secret("none"),
        gateway=Gateway(port=port),
        connections={},
        pairs=(),
        lookups=Lookups({}),
        code_version="0",
    )


def test_gateway_is_ready_once_it_runs_and_says_so(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, 1)
    admin = admin_of(settings.kafka)

    assert next(readiness.not_ready(settings, admin, ["gateway"])).startswith("gateway; it writes to ")
    processes.announce(tmp_path, "gateway")
    assert list(readiness.not_ready(settings, admin, ["gateway"])) == ["the gateway to take webhooks"]
    with ThreadingHTTPServer(("127.0.0.1", 0), Ready) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        here = msgspec.structs.replace(settings, gateway=Gateway(port=server.server_port))
        assert list(readiness.not_ready(here, admin, ["gateway"])) == []
        server.shutdown()
    assert processes.running(tmp_path) == {"gateway": (os.getpid(),)}


def test_streams_are_not_ready_while_kafka_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "ASK_WITHIN_S", 0.5)
    processes.announce(tmp_path, "streams")

    with pytest.raises(RetryableError, match="not ready within 0 s: Kafka does not answer"):
        readiness.wait_for_processes(settings_of(tmp_path, 1), ["streams"], print, within_s=0)


def test_each_thing_that_is_missing_is_told_once() -> None:
    looks = iter((["the gateway"], ["the gateway", "streams"], ["streams"], []))
    told: list[str] = []

    readiness.wait(lambda: next(looks), told.append)

    assert told == ["waiting for the gateway", "waiting for streams"]
