"""The worker the pattern's tests start, kill and stop: it copies numbered events."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus import logs, worker
from bus.events import Incoming, Outgoing
from bus.faust_app import BusApp
from bus.pipe import attach_pipe
from bus.registry import MemoryRegistry
from bus.verify import verify
from errors import RejectedError
from schemas.topics import Compatibility, Stage, Topic

MIB = 1024 * 1024


def topic(name: str, partitions: int, max_message_bytes: int = MIB) -> Topic:
    return Topic(
        name=name,
        record=None,
        key="text",
        written_by=Stage.BUS,
        retention_ms=86_400_000,
        compatibility=Compatibility.NONE,
        partitions=partitions,
        max_message_bytes=max_message_bytes,
    )


def main() -> int:
    told = json.loads(sys.argv[1])
    logs.set_up("pattern-worker")
    source = topic(told["source"], told["partitions"])
    target = topic(told["target"], told["partitions"])
    dead = topic(told["dead"], told["partitions"], 8 * MIB)

    def copy(event: Incoming) -> list[Outgoing]:
        body = json.loads(event.value or b"{}")
        if body.get("poison"):
            raise RejectedError("poison", f"event {body['n']} is poison")
        value = b"x" * body["grow"] if body.get("grow") else event.value
        return [
            Outgoing(topic=target, key=event.key_text, value=value, headers=[("towpath-root", event.root.encode())])
        ]

    def bury(event: Incoming, error: RejectedError) -> list[Outgoing]:
        return [Outgoing(topic=dead, key=event.key_text, value=event.value, headers=[("code", error.code.encode())])]

    @asynccontextmanager
    async def build() -> AsyncIterator[BusApp]:
        ids = verify(told["kafka"], MemoryRegistry(), [source, target, dead])
        app = BusApp(told["group"], told["kafka"], ids, broker_session_timeout=6.0)
        attach_pipe(app, "copy", source.name, copy, bury, most_dead_in_a_row=told.get("most_dead", 1000))
        yield app

    return worker.run(build)


if __name__ == "__main__":
    sys.exit(main())
