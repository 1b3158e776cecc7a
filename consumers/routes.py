"""Table of contents of the stage: canonical topic -> which connections -> sink."""

from collections.abc import Callable, Mapping

import msgspec

from bus.settings import Pair
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
    #: What the sink sends; None: it writes the record field by field.
    mapping: DataMapping | None = None
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
        sink=OrderStatusSink,
        kind=Kind.STATE,
        replaces_with=State.SUPERSEDED,
    ),
    Route(
        source=topics.SHIPMENTS,
        record="shipment",
        system="clarity",
        to=store_that_owns_it,
        sink=ShipmentSink,
        kind=Kind.STATE,
        replaces_with=State.SUPERSEDED,
    ),
    Route(
        source=topics.INVENTORY_LEVELS,
        record="inventory_level",
        system="clarity",
        to=stores_of_its_erp,
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
    ours = {route.mapping.id: route.mapping for route in ROUTES if route.mapping is not None}
    own = own_mappings(files, ours, "consumers")
    return tuple(
        msgspec.structs.replace(route, mapping=own.get(route.mapping.id, route.mapping))
        if route.mapping is not None
        else route
        for route in ROUTES
    )


def sales_order(files: Mapping[str, bytes]) -> DataMapping:
    """What makes GP's document of an order in a deployment.

    Raises:
        BrokenMappingError: as `deployed`.
    """
    return next(
        route.mapping
        for route in deployed(files)
        if (route.system, route.record) == ("dynamics-gp", "order") and route.mapping is not None
    )
