"""python -m benchmarks.sending.bare KAFKA TOPIC PORT: the least that stores a webhook before it answers.

An ASGI application on the gateway's own server and settings: no check, no reading, no log, no count. It reads the
body, waits for Kafka to have every copy, and answers.
"""

import asyncio
import itertools
import sys
from typing import Any

import msgspec
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from bus.events import Outgoing
from bus.producer import BusProducer
from schemas.topics import CLARITY_CHANGES, Topic

ANSWER = b'{"status":"accepted"}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


class Bare:
    """Stores bodies."""

    def __init__(self, producer: BusProducer, topic: Topic) -> None:
        self._producer = producer
        self._topic = topic
        self._keys = itertools.cycle([str(number) for number in range(1000)])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - every path is ours
        """One request."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        await self._producer.hand_over(Outgoing(topic=self._topic, key=next(self._keys), value=body, headers=()))
        await send({"type": "http.response.start", "status": 202, "headers": HEADERS})
        await send({"type": "http.response.body", "body": ANSWER})


async def serve(kafka: str, topic: Topic, port: int) -> None:
    """Until SIGTERM."""
    async with BusProducer(kafka) as producer:
        settings: dict[str, Any] = {
            "http": "httptools",
            "ws": "none",
            "lifespan": "off",
            "log_config": None,
            "access_log": False,
            "server_header": False,
            "proxy_headers": False,
            "limit_concurrency": 1000,
            "timeout_keep_alive": 15,
        }
        await uvicorn.Server(uvicorn.Config(Bare(producer, topic), port=port, **settings)).serve()


def main(kafka: str, topic: str, port: str) -> None:
    """Serve."""
    named = msgspec.structs.replace(CLARITY_CHANGES, name=topic)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(kafka, named, int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
