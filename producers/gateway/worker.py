"""The gateway as a process: what it is built from, how it starts and how it stops."""

import asyncio
import contextlib
import errno
import logging
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

import structlog
import uvicorn

from bus import clock, logs
from bus.codec import Codecs
from bus.process import run_async, spare_the_collector
from bus.producer import BusProducer, Publisher
from bus.registry import Registry
from bus.settings import Settings
from bus.verify import verify
from delivery.database import Database
from errors import BusError, ConfigurationError, FatalError
from producers.gateway.app import Application, Gateway, Limits
from producers.gateway.memory import StoreMemory
from producers.gateway.protocol import GuardedProtocol
from producers.gateway.sources import Source, source
from producers.gateway.spool import Spool, Spooling
from producers.gateway.spool_file import SpoolFile
from producers.gateway.storage import Storage
from schemas import topics

log = structlog.get_logger(__name__)

#: Requests under way when told to stop may take so long; the gateway's budget for one is shorter.
_STOPPING_S = 8
_MOST_CONNECTIONS = 1000
_FORGET_EVERY_S = 3600.0


def run(settings: Settings) -> int:
    """Receive webhooks until SIGTERM or SIGINT (exit code 0) or until nothing can be stored any more (1)."""
    logs.set_up("gateway", level=settings.log_level)
    # A line of uvicorn's for each garbled request is a log strangers can fill; our own counts name them.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    return run_async(lambda: serve(settings))


async def serve(settings: Settings) -> int:
    """Build the gateway, serve it, and close what it was built from.

    Raises:
        ConfigurationError: a setting is impossible, a topic or schema is missing, or the port is in use.
    """
    sources = sources_of(settings)
    with listening(settings.gateway.host, settings.gateway.port) as listener:
        async with (
            _spools(settings, sources) as spools,
            _storage(settings, sources) as storage,
            _memory(settings, sources) as memory,
        ):
            server = Server()
            spooling = Spooling(storage, spools)
            gateway = Gateway(
                sources,
                spooling,
                memory,
                Limits(
                    max_body_bytes=settings.gateway.max_body_bytes,
                    requests_per_minute=settings.gateway.requests_per_minute,
                ),
                clock.now,
                settings.code_version,
                server.die,
            )

            async def can_take() -> bool:
                return await storage.answers() or spooling.takes(sorted(sources))

            async with contextlib.AsyncExitStack() as at_work:
                await at_work.enter_async_context(_at_work(storage.make_sure(), server))
                await at_work.enter_async_context(_at_work(_forget(memory), server))
                for spool in spools.values():
                    await at_work.enter_async_context(_at_work(spool.drain(storage), server))
                await server.serve_on(Application(gateway, can_take), listener, sorted(sources))
    if server.died_of is not None:
        raise server.died_of
    log.info("gateway.stopped")
    return 0


def sources_of(settings: Settings) -> dict[str, Source]:
    """The connections that can be reached: those with a secret, of a system that sends webhooks."""
    found = (
        source(
            connection.name,
            connection.system,
            [secret.reveal() for secret in connection.webhook_secrets],
            settings.gateway.window_s,
        )
        for connection in settings.connections.values()
    )
    return {each.connection: each for each in found if each is not None}


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """The one socket the gateway listens on.

    Raises:
        ConfigurationError: it cannot be had.
    """
    try:
        listener = socket.create_server((host, port), backlog=512)
    except OSError as error:
        why = "is in use by another process" if error.errno == errno.EADDRINUSE else error.strerror
        raise ConfigurationError("gateway.port", f"{host}:{port} {why}") from error
    with listener:
        yield listener


class Server:
    """uvicorn, told to stop by signals or by what cannot go on."""

    def __init__(self) -> None:
        self.died_of: BusError | None = None
        self._uvicorn: uvicorn.Server | None = None

    def stop(self) -> None:
        """Accept nothing more, finish what is under way."""
        if self._uvicorn is not None:
            self._uvicorn.should_exit = True

    def die(self, error: BusError) -> None:
        """Stop because of it."""
        self.died_of = self.died_of or error
        self.stop()

    async def serve_on(self, app: Application, listener: socket.socket, connections: list[str]) -> None:
        """Serve until told to stop."""
        host, port = listener.getsockname()[:2]
        server = self._uvicorn = _Uvicorn(
            uvicorn.Config(
                app,
                http=GuardedProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                # Whoever stands before the gateway may say whatever it likes: no address in a header is believed.
                proxy_headers=False,
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_keep_alive=15,
                timeout_graceful_shutdown=_STOPPING_S,
            )
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        spare_the_collector()
        log.info("gateway.ready", host=host, port=port, connections=connections)
        try:
            if self.died_of is None:
                await server.serve(sockets=[listener])
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Not uvicorn's: it raises the signal again when all is done, so that a clean stop would look like a crash."""
        yield


@contextlib.asynccontextmanager
async def _storage(settings: Settings, sources: Mapping[str, Source]) -> AsyncIterator[Storage]:
    written = {target.name: target for each in sources.values() for target in each.targets.values()}
    with contextlib.closing(Registry(settings.registry)) as registry:
        async with BusProducer(settings.kafka) as producer:
            yield Storage(
                settings.kafka,
                Publisher(producer, Codecs(registry)),
                partial(verify, settings.kafka, registry, [*written.values(), topics.OUTCOMES, topics.DEAD_LETTERS]),
            )


@contextlib.asynccontextmanager
async def _spools(settings: Settings, sources: Iterable[str]) -> AsyncIterator[dict[str, Spool]]:
    """Those of the connections that have one."""
    async with contextlib.AsyncExitStack() as opened:
        spools: dict[str, Spool] = {}
        for name in sources:
            connection = settings.connection(name)
            if connection.spool:
                file = SpoolFile(Path(connection.spool), name)
                spools[name] = Spool(file, name, connection.spool_most_mb * 1024 * 1024)
                opened.push_async_callback(spools[name].close)
        yield spools


@contextlib.asynccontextmanager
async def _memory(settings: Settings, sources: Mapping[str, Source]) -> AsyncIterator[StoreMemory]:
    def database_of(connection: str) -> Database:
        dsn = settings.connection(connection).store_dsn.reveal()
        return Database(dsn, connection, pool_size=2)

    memory = StoreMemory({connection: partial(database_of, connection) for connection in sources})
    try:
        yield memory
    finally:
        await memory.close()


@contextlib.asynccontextmanager
async def _at_work(work: Coroutine[None, None, None], server: Server) -> AsyncIterator[None]:
    """Have it done beside serving; what it fails with ends the server."""
    task = asyncio.create_task(work)

    def look(done: asyncio.Task[None]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            server.die(error if isinstance(error, BusError) else FatalError("defect", type(error).__name__))

    task.add_done_callback(look)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _forget(memory: StoreMemory) -> None:
    while True:
        await memory.forget_old()
        await asyncio.sleep(_FORGET_EVERY_S)
