"""The process of the stage for one connection: agents take in, a deliverer sends, a relay tells."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing
from functools import partial

from bus import worker
from bus.clock import now
from bus.codec import Codecs
from bus.faust_app import BusApp
from bus.read_one import read_letter
from bus.registry import Registry
from bus.settings import Connection, Settings, of_connection
from bus.verify import verify
from connect.systems.clarity.client import open_client
from connect.systems.dynamics_gp.client import open_company
from consumers import agents
from consumers.clarity.inventory_level_sink import InventoryLevelSink
from consumers.clarity.order_status_sink import OrderStatusSink, PossibleTables
from consumers.clarity.shipment_sink import ShipmentSink
from consumers.documents import Documents
from consumers.dynamics_gp.sink import SalesOrderSink
from consumers.dynamics_gp.target import TARGET, target_of
from consumers.routes import ROUTES, mappings_to
from consumers.tables import unfit
from delivery.at_work import AtTarget, at_work, chosen, replaying, store_of
from delivery.buried import BuriedLetters
from delivery.command_agent import attach_commands
from delivery.ports import Sink
from delivery.store import Store
from errors import ConfigurationError
from mapping.port import Renamed, Tables
from mapping.tables import refuse_unfit
from schemas import topics


def run(settings: Settings, name: str | None) -> int:
    """Run for a connection until told to stop; the exit code."""

    @asynccontextmanager
    async def build() -> AsyncIterator[BusApp]:
        connection = chosen(settings, name, agents.QUEUE)
        routes = agents.routes_to(connection)
        with closing(Registry(settings.registry)) as registry:
            used = [*(route.source for route in routes), *topics.OF_STORES, topics.LOOKUPS]
            app = BusApp(f"towpath.consumers.{connection.name}", settings.kafka, verify(settings.kafka, registry, used))
            codecs = Codecs(registry)
            async with (
                store_of(settings, connection, codecs) as store,
                worker.lookups_of(app, settings, codecs, partial(unfit, settings, [connection])) as lookups,
                target_at(settings, connection, store, codecs, lookups) as there,
            ):
                agents.attach(app, settings, connection, store, codecs)
                origins = agents.origins(app, settings, connection, codecs)
                read = partial(read_letter, settings.kafka, app.topic_ids)
                readers = {topic: origin.read for topic, origin in origins.items()}
                buried = BuriedLetters(agents.QUEUE, codecs.of(topics.DEAD_LETTERS), read, readers)
                attach_commands(
                    app,
                    store,
                    agents.QUEUE,
                    there.sinks,
                    codecs,
                    settings.code_version,
                    origins,
                    buried=buried,
                    catch_up=lookups.catch_up,
                )
                async with (
                    at_work(app, settings, connection, store, agents.QUEUE, there, codecs),
                    replaying(app, settings, connection, store, agents.QUEUE, there, origins),
                ):
                    yield app

    return worker.run(build)


@asynccontextmanager
async def target_at(
    settings: Settings, connection: Connection, store: Store, codecs: Codecs, tables: Tables
) -> AsyncIterator[AtTarget]:
    """The connection's sinks by record and its probe, with a client of their own."""
    mappings = mappings_to(connection.system, settings.mappings)
    refuse_unfit(mappings.values(), (each.mapping for each in ROUTES), tables.current())
    match connection.system:
        case "dynamics-gp":
            lookups = Renamed(tables, of_connection(connection.name), known_as=TARGET)
            target_of(lookups.current(), connection.name)  # a mistake in it stops us now, not at the first order
            async with aclosing(open_company(connection)) as company:
                orders = SalesOrderSink(
                    company, codecs.of(topics.ORDERS), mappings["order"], lookups, now, connection.send_timeout_s
                )
                yield AtTarget({"order": orders}, company.probe, there=company)
        case "clarity":
            async with open_client(connection) as site:
                statuses = Documents(mappings["order_status"], PossibleTables(tables, site.site), now)
                shipments = Documents(mappings["shipment"], tables, now)
                stock = Documents(mappings["inventory_level"], tables, now)
                sinks: dict[str, Sink] = {
                    "order_status": OrderStatusSink(site, codecs.of(topics.ORDER_STATUSES), statuses, store),
                    "shipment": ShipmentSink(site, codecs.of(topics.SHIPMENTS), shipments),
                    "inventory_level": InventoryLevelSink(site, codecs.of(topics.INVENTORY_LEVELS), stock),
                }
                yield AtTarget(sinks, site.probe)
        case other:
            raise ConfigurationError(f"connections.{connection.name}.system", f"nothing is written to {other!r}")
