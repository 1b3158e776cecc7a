"""Running an app as a process: start, stop on SIGTERM, end with the right exit code; for all stages of agents."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import structlog

from bus.codec import Codecs
from bus.faust_app import BusApp
from bus.laid_over import Faults
from bus.live_lookups import LiveLookups
from bus.logs import described
from bus.process import EXIT_FAILED, EXIT_STOPPED, run_async, spare_the_collector
from bus.recreated import watch_topics
from bus.settings import Settings

log = structlog.get_logger(__name__)

#: Builds the app inside the running loop; what it opens is closed when the context ends, after the app has stopped.
Build = Callable[[], AbstractAsyncContextManager[BusApp]]


def run(build: Build) -> int:
    """Run until SIGTERM or SIGINT (exit code 0) or until the worker cannot go on (1); returns the exit code."""
    return run_async(lambda: serve(build))


async def serve(build: Build) -> int:
    """Start the app, wait for a signal or its death, stop it; the exit code."""
    async with build() as app, _told_to_stop() as told:
        await app.start()
        spare_the_collector()
        log.info("worker.ready", group=app.conf.id, agents=sorted(app.agents))
        dead = asyncio.create_task(app.wait_until_stopped())
        watching = asyncio.create_task(watch_topics(app))
        await asyncio.wait({dead, told}, return_when=asyncio.FIRST_COMPLETED)
        watching.cancel()
        await app.stop()
        dead.cancel()
    failed = app.died_of or app.crash_reason
    if failed is not None:
        log.error("worker.died", **described(failed))
        return EXIT_FAILED
    log.info("worker.stopped", group=app.conf.id)
    return EXIT_STOPPED


@contextlib.asynccontextmanager
async def lookups_of(app: BusApp, settings: Settings, codecs: Codecs, faults: Faults) -> AsyncIterator[LiveLookups]:
    """The lookup tables, followed while the context lasts; a failure stops the app: it would map by those of long ago.

    Rows on the topic that bring what `faults` finds are put aside.

    Raises:
        ConfigurationError: a file is no table.
        RetryableError: Kafka or the registry does not answer.
    """
    with LiveLookups(settings, codecs, faults) as lookups:
        task = asyncio.create_task(_follow(app, lookups))
        try:
            yield lookups
        finally:
            lookups.stop()
            await asyncio.wait({task})


async def _follow(app: BusApp, lookups: LiveLookups) -> None:
    try:
        await lookups.follow()
    except Exception as failure:  # noqa: BLE001 - whatever it is, the process must not go on half
        await app.die(failure)


@contextlib.asynccontextmanager
async def _told_to_stop() -> AsyncIterator[asyncio.Future[None]]:
    loop = asyncio.get_running_loop()
    told: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not told.done():
            told.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, tell)
    try:
        yield told
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
