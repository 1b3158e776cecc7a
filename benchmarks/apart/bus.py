"""A bus of the benchmarks' own on the local stack: real processes on topics and stores nobody else has."""

import base64
import contextlib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.apart.names import named
from benchmarks.harness.processes import Started, started
from operations.stack.addresses import Addresses
from schemas.topics import Topic

DEPLOYMENT: Final = Path(__file__).parent / "deployment"
STORE, ERP = "benchmark-store", "benchmark-erp"
KEY: Final = b"k" * 32


class Apart:
    """What was made, and how its processes are started."""

    def __init__(self, stack: Addresses, root: Path, more: Mapping[str, str]) -> None:
        self.stack = stack
        self._root = root
        self.port = _free_port()
        self.environ = {
            "TOWPATH_DEPLOYMENT": str(DEPLOYMENT),
            "TOWPATH_KAFKA": stack.kafka,
            "TOWPATH_REGISTRY": stack.registry,
            "TOWPATH_STORE_DSN": stack.bus_dsn,
            "TOWPATH_BENCHMARK_PORT": str(self.port),
            "TOWPATH_BENCHMARK_SECRET": "whsec_" + base64.b64encode(KEY).decode(),
            "TOWPATH_BENCHMARK_STORE": "http://127.0.0.1:9",
            "TOWPATH_BENCHMARK_PASSWORD": "none",
            **more,
        }

    def process(self, name: str) -> contextlib.AbstractContextManager[Started]:
        """One process of the bus, exactly as `towpath run` starts it but for the names of its topics."""
        return started(self._command("run", name), self.environ)

    def make(self) -> None:
        """Empty topics, empty stores."""
        self._do("make")

    def drop(self) -> None:
        """None of them."""
        self._do("drop")

    def topic(self, topic: Topic) -> str:
        """What it is called here."""
        return named(topic.name)

    def renamed(self, topic: Topic) -> Topic:
        """As its processes know it."""
        return msgspec.structs.replace(topic, name=named(topic.name))

    def _do(self, what: str) -> None:
        with started(self._command(what), self.environ) as doing:
            if doing.process.wait(120) != 0:
                raise subprocess.SubprocessError(f"benchmarks.apart {what}: {doing.said()[-2000:]}")

    def _command(self, *words: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "benchmarks.apart", str(self._root), *words)


@contextlib.contextmanager
def bus_apart(stack: Addresses, **more: str) -> Iterator[Apart]:
    """Made anew, and gone when the context ends; `more` are variables of its deployment."""
    with tempfile.TemporaryDirectory() as root:
        apart = Apart(stack, Path(root), more)
        apart.make()
        try:
            yield apart
        finally:
            apart.drop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
