"""The pollers as a process: one for each connection of a system that is polled, all in one event loop."""

import asyncio
import contextlib
import os
import signal
import socket
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog

from bus import clock, logs
from bus.codec import Codecs
from bus.process import run_async
from bus.producer import BusProducer, Publisher
from bus.registry import Registry
from bus.settings import Connection, Settings
from bus.verify import verify
from connect.systems.clarity.client import open_client
from delivery.store import Store
from errors import ConfigurationError
from producers import routes
from producers.pollers.clarity import Orders
from producers.pollers.pace import keep_polling, until_possible
from producers.pollers.rounds import Beat, Poller
from producers.routes import Poll

log = structlog.get_logger(__name__)

#: Where the first round of all begins, unless the connection's option `poll_since` names a date.
FIRST_LOOK_BACK = timedelta(days=1)
_SHORTEST_LEASE_S = 60.0


def run(settings: Settings) -> int:
    """Poll until SIGTERM or SIGINT (exit code 0) or until a connection can not be polled any more (1)."""
    logs.set_up("pollers", level=settings.log_level)
    return run_async(lambda: serve(settings))


async def serve(settings: Settings) -> int:
    """Poll every connection of a polled system.

    Raises:
        BusError: polling cannot go on: credentials, a setting, a schema.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as built:
        registry = Registry(settings.registry)
        built.callback(registry.close)
        producer = await built.enter_async_context(BusProducer(settings.kafka))
        publisher = Publisher(producer, Codecs(registry))
        targets = {poll.target.name: poll.target for poll in routes.POLLS}
        look = partial(asyncio.to_thread, verify, settings.kafka, registry, targets.values())
        if await until_possible(look, stop, "topics"):
            log.info("pollers.ready", connections=[connection.name for connection, _ in polled(settings)])
            await _poll_all(settings, publisher, stop)
    log.info("pollers.stopped")
    return 0


def polled(settings: Settings) -> list[tuple[Connection, Poll]]:
    """Which connections are asked for what."""
    return [(connection, poll) for poll in routes.POLLS for connection in settings.of_system(poll.system)]


async def _poll_all(settings: Settings, publisher: Publisher, stop: asyncio.Event) -> None:
    tasks = [
        asyncio.create_task(_poll(settings, connection, poll, publisher, stop)) for connection, poll in polled(settings)
    ]
    # Where nothing is polled the process stays: a supervisor would start an ended one again and again.
    told = asyncio.create_task(stop.wait())
    await asyncio.wait({told, *tasks}, return_when=asyncio.FIRST_EXCEPTION)
    stop.set()
    await told
    await asyncio.gather(*tasks)


async def _poll(
    settings: Settings, connection: Connection, poll: Poll, publisher: Publisher, stop: asyncio.Event
) -> None:
    """One connection until told to stop."""
    store = Store(connection.store_dsn.reveal(), connection.name, code_version=settings.code_version, pool_size=1)
    async with open_client(connection) as client, contextlib.AsyncExitStack() as built:
        built.push_async_callback(store.close)
        if not await until_possible(store.open, stop, connection.name):
            return
        poller = Poller(
            beat_of(connection, poll, clock.now()),
            Orders(client),
            publisher,
            store,
            owner=f"{socket.gethostname()}/{os.getpid()}",
            clock=clock.now,
            randomness=os.urandom,
        )
        await keep_polling(poller, connection.name, connection.poll_interval_s, stop)


def beat_of(connection: Connection, poll: Poll, now: datetime) -> Beat:
    """How a connection is polled.

    Raises:
        ConfigurationError: `poll_since` is no date.
    """
    since = connection.options.get("poll_since", "")
    try:
        start = datetime.fromisoformat(since) if since else now - FIRST_LOOK_BACK
    except ValueError as error:
        name = f"connections.{connection.name}.options.poll_since"
        raise ConfigurationError(name, "not a date such as 2026-01-31 or 2026-01-31T00:00:00Z") from error
    return Beat(
        connection=connection.name,
        record=poll.record,
        target=poll.target,
        overlap=timedelta(seconds=connection.poll_overlap_s),
        start=start if start.tzinfo else start.replace(tzinfo=UTC),
        lease_s=max(3 * connection.poll_interval_s, _SHORTEST_LEASE_S),
    )
