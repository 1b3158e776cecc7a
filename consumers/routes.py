"""Table of contents of the stage: canonical topic -> which connections -> sink."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import msgspec

from bus.settings import Pair
from consumers.clarity import rules as clarity_rules
from consumers.clarity.inventory_level_sink import InventoryLevelSink
from consumers.clarity.order_status_sink import OrderStatusSink
from consumers.clarity.shipment_sink import ShipmentSink
from consumers.dynamics_gp import rules as dynamics_gp_rules
from consumers.dynamics_gp.sink import SalesOrderSink
from delivery.states import Kind, State
from mapping.data import DataMapping, from_file
from mapping.overlay import own_mappings
from schemas import topics
from schemas.topics import Topic
from schemas.types import connection_of, root_of

Pairs = tuple[Pair, ...]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One arrow of the map."""

    source: Topic
    record: str
    #: System of the targets.
    system: str
    #: Connections an event goes to, told from its message key.
    to: Callable[[str, Pairs], tuple[str, ...]]
    #: What makes the document the sink sends.
    mapping: DataMapping
    sink: type[SalesOrderSink] | type[OrderStatusSink] | type[ShipmentSink] | type[InventoryLevelSink]
    kind: Kind
    #: How an open older row of the same message key ends when this one arrives; None: it waits its turn.
    replaces_with: State | None


def erp_of_its_store(message_key: str, pairs: Pairs) -> tuple[str, ...]:
    """A store's record goes to the ERP it is paired with."""
    store = connection_of(root_of(message_key))
    return tuple(pair.erp for pair in pairs if pair.store == store)


def store_that_owns_it(message_key: str, pairs: Pairs) -> tuple[str, ...]:
    """What hangs on an order goes to the store that took it."""
    owner = connection_of(root_of(message_key))
    return tuple(dict.fromkeys(pair.store for pair in pairs if pair.store == owner))


def stores_of_its_erp(message_key: str, pairs: Pairs) -> tuple[str, ...]:
    """An ERP's record goes to every store it is paired with."""
    erp = connection_of(root_of(message_key))
    return tuple(pair.store for pair in pairs if pair.erp == erp)


ORDER_STATUS = from_file("consumers/clarity/order_status.yaml", clarity_rules)
SHIPMENT = from_file("consumers/clarity/shipment.yaml", clarity_rules)
STOCK_SECTION = from_file("consumers/clarity/stock_section.yaml", clarity_rules)
SALES_ORDER = from_file("consumers/dynamics_gp/sales_order.yaml", dynamics_gp_rules)

ROUTES: tuple[Route, ...] = (
    Route(
        source=topics.ORDERS,
        record="order",
        system="dynamics-gp",
        to=erp_of_its_store,
        mapping=SALES_ORDER,
        sink=SalesOrderSink,
        kind=Kind.DOCUMENT,
        replaces_with=None,
    ),
    Route(
        source=topics.ORDER_STATUSES,
        record="order_status",
        system="clarity",
        to=store_that_owns_it,
        mapping=ORDER_STATUS,
        sink=OrderStatusSink,
        kind=Kind.STATE,
        replaces_with=State.SUPERSEDED,
    ),
    Route(
        source=topics.SHIPMENTS,
        record="shipment",
        system="clarity",
        to=store_that_owns_it,
        mapping=SHIPMENT,
        sink=ShipmentSink,
        kind=Kind.STATE,
        replaces_with=State.SUPERSEDED,
    ),
    Route(
        source=topics.INVENTORY_LEVELS,
        record="inventory_level",
        system="clarity",
        to=stores_of_its_erp,
        mapping=STOCK_SECTION,
        sink=InventoryLevelSink,
        kind=Kind.STATE,
        replaces_with=State.SUPERSEDED,
    ),
)


def deployed(files: Mapping[str, bytes]) -> tuple[Route, ...]:
    """The routes with a deployment's own mappings in the place of ours.

    Raises:
        BrokenMappingError: one of its files cannot be run in the place of one of ours.
    """
    return _deployed(tuple(files.items()))


@lru_cache(maxsize=4)
def _deployed(files: tuple[tuple[str, bytes], ...]) -> tuple[Route, ...]:
    """Whoever makes documents of many records asks for each: a deployment's own are compiled but once."""
    own = own_mappings(dict(files), {route.mapping.id: route.mapping for route in ROUTES}, "consumers")
    return tuple(msgspec.structs.replace(route, mapping=own.get(route.mapping.id, route.mapping)) for route in ROUTES)


def mappings_to(system: str, files: Mapping[str, bytes]) -> Mapping[str, DataMapping]:
    """What makes the documents of a system in a deployment, by record.

    Raises:
        BrokenMappingError: as `deployed`.
    """
    return {route.record: route.mapping for route in deployed(files) if route.system == system}
