"""The pollers as a process: one for each connection of a system that is polled, all in one event loop."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog

from bus import clock, logs, metrics
from bus.codec import Codecs
from bus.process import run_async
from bus.producer import BusProducer, Publisher
from bus.registry import Registry
from bus.settings import Connection, Settings
from bus.verify import verify
from connect.systems.clarity.client import open_client
from delivery.database import Database
from delivery.edges import Edges
from delivery.incarnation import NOT_TRUSTED
from delivery.recognition import recognise
from errors import ConfigurationError, FatalError
from producers import routes
from producers.pollers.clarity import Orders
from producers.pollers.pace import keep_polling, until_possible
from producers.pollers.rounds import Beat, Lister, Poller
from producers.pollers.target import ChangesTopic
from producers.routes import Poll
from schemas import topics

log = structlog.get_logger(__name__)

#: Where the first round of all begins, unless the connection's option `poll_since` names a date.
FIRST_LOOK_BACK = timedelta(days=1)
_SHORTEST_LEASE_S = 30.0
#: Whether a store that was restored has been recovered.
_LOOKS_AGAIN_S = 30.0


def run(settings: Settings) -> int:
    """Poll until SIGTERM or SIGINT (exit code 0) or until none can be polled any more (1)."""
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
        look = partial(asyncio.to_thread, verify, settings.kafka, registry, [*targets.values(), topics.STORES])
        if await until_possible(look, stop, "topics"):
            log.info("pollers.ready", connections=[connection.name for connection, _ in polled(settings)])
            await _poll_all(settings, publisher, stop)
    log.info("pollers.stopped")
    return 0


def polled(settings: Settings) -> list[tuple[Connection, Poll]]:
    """Which connections are asked for what."""
    return [(connection, poll) for poll in routes.POLLS for connection in settings.of_system(poll.system)]


async def _poll_all(settings: Settings, publisher: Publisher, stop: asyncio.Event) -> None:
    """Until told to stop, or until none can be polled, or one fails in a way that is not its store's."""
    tasks = [
        asyncio.create_task(_poll_if_possible(settings.kafka, connection, poll, publisher, stop))
        for connection, poll in polled(settings)
    ]
    told = asyncio.create_task(stop.wait())
    # Where nothing is polled the process stays: a supervisor would start an ended one again and again.
    working = asyncio.create_task(asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION) if tasks else stop.wait())
    await asyncio.wait({told, working}, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    # Whatever ended it, each of the others gives its cursor back first.
    await asyncio.gather(told, working, *tasks, return_exceptions=True)
    left_out = [failure for task in tasks if (failure := task.result()) is not None]
    if tasks and len(left_out) == len(tasks):
        raise left_out[0]


async def _poll_if_possible(
    kafka: str, connection: Connection, poll: Poll, publisher: Publisher, stop: asyncio.Event
) -> FatalError | None:
    """One connection until told to stop; why it is left out, where its store can not be polled any more."""
    try:
        await _poll(connection, kafka, poll, publisher, stop)
    except FatalError as error:
        metrics.POLLS.labels(connection=connection.name, result=error.code).inc()
        log.error(  # noqa: TRY400 -- what the store said, not where in our code it was heard
            "poller.left_out", connection=connection.name, code=error.code, reason=error.message
        )
        return error
    return None


async def _poll(connection: Connection, kafka: str, poll: Poll, publisher: Publisher, stop: asyncio.Event) -> None:
    """Until told to stop; a store that was restored keeps its cursor where it is until it has been recovered."""
    while not stop.is_set():
        try:
            await _poll_store(connection, kafka, poll, publisher, stop)
        except FatalError as error:
            if error.code not in NOT_TRUSTED:
                raise
            metrics.POLLS.labels(connection=connection.name, result=error.code).inc()
            log.error("poller.store_not_trusted", connection=connection.name, code=error.code, reason=error.message)  # noqa: TRY400 - what to do, no stack
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOKS_AGAIN_S):
                    await stop.wait()


async def _poll_store(
    connection: Connection, kafka: str, poll: Poll, publisher: Publisher, stop: asyncio.Event
) -> None:
    database = Database(connection.store_dsn.reveal(), connection.name, pool_size=1)
    async with _lister(connection) as lister, contextlib.AsyncExitStack() as built:
        built.push_async_callback(database.close)
        for step in (database.open, partial(recognise, kafka, publisher.codecs, database)):
            if not await until_possible(step, stop, connection.name):
                return
        edges = Edges(database)
        poller = Poller(
            beat_of(connection, poll, clock.now()),
            lister,
            publisher,
            edges,
            ChangesTopic(kafka, poll.target, edges),
            edges,
            owner=f"{socket.gethostname()}/{os.getpid()}",
            clock=clock.now,
            randomness=os.urandom,
        )
        await keep_polling(poller, connection.name, connection.poll_interval_s, stop)


@contextlib.asynccontextmanager
async def _lister(connection: Connection) -> AsyncIterator[Lister]:
    """Who is asked what changed there."""
    match connection.system:
        case "clarity":
            async with open_client(connection) as client:
                yield Orders(client)
        case other:
            raise ConfigurationError(f"connections.{connection.name}.system", f"nothing is polled at {other!r}")


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
