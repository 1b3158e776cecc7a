"""A connection's store at work inside a process: deliverer and relay beside the app's agents; for the workers."""

import asyncio
import os
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from bus import windows
from bus.clock import now
from bus.codec import Codecs
from bus.faust_app import BusApp
from bus.producer import BusProducer, Publisher
from bus.settings import Connection, Settings
from connect import paced
from connect.identity import StrangerError
from delivery.acts import Acts
from delivery.asking import Asking, Owner
from delivery.circuit import Rules
from delivery.decide import Pace
from delivery.engine import Deliverer, Limits, nobody_remembers
from delivery.identity import Watch
from delivery.migrate import check_version
from delivery.ports import Identifies, Sink
from delivery.recognition import marking, recognise
from delivery.relay import Relay, headers_of
from delivery.replay_reading import Origin
from delivery.replaying import Replayer
from delivery.store import Store
from errors import ConfigurationError

#: Short, as the turn to speak of a relay that died lasts a little longer; a broker that is away longer is tried again.
_SEND_WITHIN_S = 4.0
#: A dead worker's keys stand still this long; a call that takes longer lengthens its own.
_LEASE_S = 20.0
#: With what the app and the relay take, below the fifteen seconds after which a supervisor kills.
_STOP_WITHIN_S = 5.0


class AtTarget(msgspec.Struct, frozen=True):
    """What a worker gives its deliverer to work with, all of it over one client."""

    #: By record.
    sinks: Mapping[str, Sink]
    #: A cheap read of the target: raises as sinks do while it does not work.
    probe: Callable[[], Awaitable[None]]
    #: Asked for things that rows wait for; None: nobody can be.
    owner: Owner | None = None
    #: Where the target can tell who it is: the client, which is kept from strangers.
    there: Identifies | None = None


def chosen(settings: Settings, name: str | None, process: str) -> Connection:
    """The connection a process was asked to work for.

    Raises:
        ConfigurationError: none was named; one process works for one connection.
    """
    if name is None:
        known = ", ".join(f"{process}@{known}" for known in settings.connections)
        raise ConfigurationError(process, f"say for which connection: {known}")
    return settings.connection(name)


@asynccontextmanager
async def store_of(settings: Settings, connection: Connection, codecs: Codecs) -> AsyncIterator[Store]:
    """The connection's store, open, with the tables this code expects and all it has ever announced.

    Raises:
        FatalError: it was restored or replaced.
    """
    dsn = connection.store_dsn.reveal()
    await asyncio.to_thread(check_version, dsn, connection.name)
    store = Store(dsn, connection.name, code_version=settings.code_version)
    await store.open()
    try:
        await recognise(settings.kafka, codecs, store)
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def at_work(
    app: BusApp,
    settings: Settings,
    connection: Connection,
    store: Store,
    queue: str,
    target: AtTarget,
    codecs: Codecs,
) -> AsyncIterator[None]:
    """Deliver the queue and announce what became of it while the context lasts; a failure of either stops the app."""
    owner = f"{queue}@{connection.name}:{os.getpid()}:{secrets.token_hex(4)}"
    pace = Pace(settling_delay_s=connection.settling_delay_s, longest_backoff_s=60.0)
    limits = Limits(in_flight=paced.at_once(connection), lease_s=_LEASE_S, stop_within_s=_STOP_WITHIN_S)
    rules = Rules(
        keys=connection.circuit_keys,
        window_s=connection.circuit_window_s,
        first_delay_s=connection.circuit_delay_s,
        longest_delay_s=connection.circuit_longest_delay_s,
        longest_wait_s=connection.longest_retry_after_s,
    )
    async with (
        _kept_from_strangers(app, store, queue, target.there) as estranged,
        BusProducer(settings.kafka, delivery_timeout_s=_SEND_WITHIN_S) as producer,
    ):
        deliverer = Deliverer(
            store,
            queue,
            target.sinks,
            owner,
            random=random.random,
            limits=limits,
            pace=pace,
            rules=rules,
            probe=target.probe,
            estranged=estranged,
            closed_until=closed_until(connection),
        )
        publisher = Publisher(producer, codecs)
        relay = Relay(
            store,
            publisher,
            headers_of(connection.name),
            owner,
            send_within_s=_SEND_WITHIN_S,
            mark=marking(connection.name, publisher, now),
        )
        tasks = [asyncio.create_task(_or_die(app, work)) for work in (deliverer.run(), relay.run())]
        try:
            yield
        finally:
            deliverer.stop()
            await asyncio.wait(tasks[:1])
            relay.stop()
            await asyncio.wait(tasks)


@asynccontextmanager
async def replaying(
    app: BusApp,
    settings: Settings,
    connection: Connection,
    store: Store,
    queue: str,
    target: AtTarget,
    origins: Mapping[str, Origin],
) -> AsyncIterator[None]:
    """Carry out the queue's replays while the context lasts; a failure stops the app."""
    replayer = Replayer(
        store,
        queue,
        settings.kafka,
        origins,
        target.sinks,
        f"{queue}@{connection.name}:{os.getpid()}:{secrets.token_hex(4)}",
        in_flight=paced.at_once(connection),
        requests_per_minute=connection.requests_per_minute / paced.SHARES,
    )
    task = asyncio.create_task(_or_die(app, replayer.run()))
    try:
        yield
    finally:
        replayer.stop()
        await asyncio.wait({task})


@asynccontextmanager
async def asking(app: BusApp, connection: Connection, store: Store, queue: str, acts: Acts) -> AsyncIterator[None]:
    """Ask for what is waited for as often as the connection wants, while the context lasts; a failure stops the app."""
    if connection.ask_for_missing_min <= 0:
        yield
        return
    asker = Asking(store, queue, acts.carry_out, connection.ask_for_missing_min)
    task = asyncio.create_task(_or_die(app, asker.run()))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


def closed_until(connection: Connection) -> Callable[[datetime], datetime | None]:
    """When the maintenance window of a connection ends, at a moment inside of one."""
    listed, zone = [windows.parse(text) for text in connection.maintenance], ZoneInfo(connection.time_zone)

    def ends(at: datetime) -> datetime | None:
        return windows.open_until(listed, at.astimezone(zone)) if listed else None

    return ends


@asynccontextmanager
async def _kept_from_strangers(
    app: BusApp, store: Store, queue: str, there: Identifies | None
) -> AsyncIterator[Callable[[StrangerError], Awaitable[None]]]:
    """A client that can tell who is at its other end works with the system that is remembered, or not at all."""
    if there is None:
        yield nobody_remembers
        return
    watch = Watch(store, queue, there)
    await watch.begin()
    watching = asyncio.create_task(_or_die(app, watch.run()))
    try:
        yield watch.estranged
    finally:
        watching.cancel()
        await asyncio.wait({watching})
        await watch.end()


async def _or_die(app: BusApp, work: Coroutine[None, None, None]) -> None:
    try:
        await work
    except Exception as failure:  # noqa: BLE001 - whatever it is, the process must not go on half
        await app.die(failure)
