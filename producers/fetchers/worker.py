"""The process that completes thin events of one connection: change router, take-in, fetchers, relay."""

import os
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing
from functools import partial

from bus import worker
from bus.clock import now
from bus.codec import Codecs
from bus.events import Outgoing
from bus.faust_app import BusApp
from bus.read_one import read_letter
from bus.registry import Registry
from bus.settings import Connection, Settings
from bus.verify import verify
from connect.systems.clarity.client import open_client
from connect.systems.dynamics_gp.client import open_company
from delivery.at_work import AtTarget, asking, at_work, chosen, store_of
from delivery.buried import BuriedLetters
from delivery.command_agent import attach_commands
from delivery.store import Store
from errors import ConfigurationError
from producers import agents
from producers.fetchers.clarity import OrderFetcher
from producers.fetchers.dynamics_gp import SalesOrderFetcher
from producers.fetchers.owners import ClarityOwner, GpOwner
from producers.gateway.letters import GatewayLetters
from producers.gateway.written import Written
from producers.routes import CAPTURED, FETCHES, SIGHTINGS, CapturedTable, Fetch
from schemas import topics
from schemas.topics import Topic


def run(settings: Settings, name: str | None) -> int:
    """Run for a connection until told to stop; the exit code."""

    @asynccontextmanager
    async def build() -> AsyncIterator[BusApp]:
        connection = chosen(settings, name, agents.QUEUE)
        with closing(Registry(settings.registry)) as registry:
            topic_ids = verify(settings.kafka, registry, used_by(connection))
            app = BusApp(f"towpath.fetchers.{connection.name}", settings.kafka, topic_ids)
            codecs = Codecs(registry)
            async with (
                store_of(settings, connection, codecs) as store,
                source_at(app, connection, store, codecs, settings.code_version) as there,
            ):
                agents.attach_take_ins(app, connection, store, codecs, settings.code_version)
                agents.attach_sightings(app, connection, store, codecs, settings.code_version)
                read = partial(read_letter, settings.kafka, app.topic_ids)
                buried = BuriedLetters(
                    agents.QUEUE, codecs.of(topics.DEAD_LETTERS), read, agents.readers(connection, codecs)
                )
                letters = GatewayLetters(
                    connection.system,
                    codecs.of(topics.DEAD_LETTERS),
                    read,
                    partial(_write, app, codecs),
                    now,
                    os.urandom,
                )
                acts = attach_commands(
                    app,
                    store,
                    agents.QUEUE,
                    there.sinks,
                    codecs,
                    settings.code_version,
                    other=letters,
                    owner=there.owner,
                    buried=buried,
                )
                async with (
                    at_work(app, settings, connection, store, agents.QUEUE, there, codecs),
                    asking(app, connection, store, agents.QUEUE, acts),
                ):
                    yield app

    return worker.run(build)


async def _write(app: BusApp, codecs: Codecs, each: Written) -> None:
    """Until the broker has it."""
    value = codecs.of(each.topic).encode(each.record)
    await app.write_one(Outgoing(topic=each.topic, key=each.key, value=value, headers=each.headers))


def used_by(connection: Connection) -> tuple[Topic, ...]:
    """Every topic the process reads or writes."""
    routes: tuple[CapturedTable | Fetch, ...] = (*CAPTURED, *FETCHES)
    rows = [row for row in routes if row.system == connection.system]
    named = {topic.name: topic for row in rows for topic in (row.source, row.target)}
    sighted = [sighting.source for sighting in SIGHTINGS if sighting.system == connection.system]
    return (*named.values(), *sighted, *topics.OF_STORES)


@asynccontextmanager
async def source_at(
    app: BusApp, connection: Connection, store: Store, codecs: Codecs, code_version: str
) -> AsyncIterator[AtTarget]:
    """The connection's fetchers by record and its probe; where tables are captured the app gets their router too."""
    delay_s = connection.settling_delay_s
    match connection.system:
        case "dynamics-gp":
            async with aclosing(open_company(connection)) as company:
                agents.attach_router(app, connection, company, codecs, code_version)
                changes = codecs.of(topics.GP_CHANGES)
                fetcher = SalesOrderFetcher(company, changes, store, connection.name, delay_s)
                yield AtTarget({"sales_order": fetcher}, company.probe, GpOwner(company), there=company)
        case "clarity":
            async with open_client(connection) as site:
                changes = codecs.of(topics.CLARITY_CHANGES)
                orders = OrderFetcher(site, changes, store, connection.name, delay_s, now)
                owner = ClarityOwner(site, connection.name, changes, app.write_one, now, os.urandom)
                yield AtTarget({"order": orders}, site.probe, owner)
        case other:
            raise ConfigurationError(f"connections.{connection.name}.system", f"nothing is fetched from {other!r}")
