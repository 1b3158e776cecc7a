"""Table of contents of the stage: source topic -> mapping -> canonical topic."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from errors import DecodeError, NotFoundError, RejectedError
from mapping.data import DataMapping, from_file
from mapping.overlay import own_mappings
from mapping.port import Lookups
from schemas import topics
from schemas.bus.fetched import Fetched
from schemas.bus.seen import Seen
from schemas.canonical.inventory_level import InventoryLevel
from schemas.canonical.order import Order
from schemas.canonical.order_status import OrderStatus
from schemas.canonical.shipment import Shipment
from schemas.systems.dynamics_gp.captured import ItemSiteRow
from schemas.systems.dynamics_gp.sales_order import SalesOrder
from schemas.topics import Topic
from schemas.types import RootKey, connection_of
from streams.inventory_levels import rules as inventory_level_rules
from streams.orders import rules as order_rules
from streams.shipments import rules as shipment_rules


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One arrow of the map; the parts are typed by the functions named in it, which fit each other."""

    #: Of the agent, and in the ids of events, for good.
    name: str
    source: Topic
    #: What lies on the source topic, decoded, as the mapping reads it.
    read: Callable[[Any], Any]
    #: Row of a captured table; None for fetched documents.
    row_type: type[msgspec.Struct] | None = None
    #: The parts it falls into, one target record each.
    split: Callable[[Any], tuple[Any, ...]]
    #: Why a part is left out, as a code; None: it goes on.
    leave_out: Callable[[Any], str | None]
    mapping: DataMapping
    target: Topic
    message_key: Callable[[Any], str]
    #: What the target record is called in outcomes and at the sinks.
    record: str


def record_of(route: Route, parts: Sequence[Any], lookups: Lookups, at: datetime, message_key: str) -> tuple[int, Any]:
    """One record of an event mapped once more, after its part's place; pure.

    Args:
        route: The mapping's.
        parts: Of the event.
        lookups: Tables it is mapped by.
        at: When the event was written.
        message_key: The record's.

    Raises:
        NotFoundError: nothing of the event becomes that record any more.
        RejectedError: it is refused, or what is refused may be it.
    """
    refused: RejectedError | None = None
    for ordinal, part in enumerate(parts):
        if route.leave_out(part) is not None:
            continue
        try:
            record = route.mapping(part, lookups, at)
        except RejectedError as error:
            # another record's trouble, perhaps
            refused = refused or error
            continue
        if route.message_key(record) == message_key:
            return ordinal, record
    raise refused or NotFoundError("recall.not_made", f"the mapping at work makes no {message_key} of it any more")


def whole(part: Any) -> tuple[Any, ...]:
    """A record that is its own only part."""
    return (part,)


def everything(part: Any) -> None:
    """Nothing is left out."""


def as_it_is(decoded: Any) -> Any:
    """A captured row, or a document whose mapping reads the body itself with what the connection says of the site."""
    return decoded


def gp_sales_order(fetched: Fetched) -> Seen[SalesOrder]:
    """The GP order in a fetched body."""
    try:
        order = msgspec.json.decode(fetched.body, type=SalesOrder)
    except msgspec.DecodeError as error:
        raise DecodeError(f"not a SalesOrder: {error}") from error
    return Seen(
        connection=fetched.connection,
        key=order.root_key,
        read_at=fetched.read_at,
        source_version=fetched.source_version,
        content=order,
    )


def not_from_a_store(seen: Seen[Any]) -> str | None:
    """An order that was entered at the ERP itself has no store to be told."""
    return "no_store_order" if connection_of(RootKey(seen.key)) == seen.connection else None


def id_of_record(record: Order | OrderStatus | Shipment | InventoryLevel) -> str:
    """Canonical records carry their own message key."""
    return record.id


ORDER_FROM_CLARITY = from_file("streams/orders/from_clarity.yaml", order_rules)
ORDER_STATUS_FROM_DYNAMICS_GP = from_file("streams/order_statuses/from_dynamics_gp.yaml")
SHIPMENT_FROM_DYNAMICS_GP = from_file("streams/shipments/from_dynamics_gp.yaml", shipment_rules)
INVENTORY_LEVEL_FROM_DYNAMICS_GP = from_file("streams/inventory_levels/from_dynamics_gp.yaml", inventory_level_rules)

ROUTES: tuple[Route, ...] = (
    Route(
        name="streams/orders/from_clarity",
        source=topics.CLARITY_ORDERS,
        read=as_it_is,
        split=whole,
        leave_out=everything,
        mapping=ORDER_FROM_CLARITY,
        target=topics.ORDERS,
        message_key=id_of_record,
        record="order",
    ),
    Route(
        name="streams/order_statuses/from_dynamics_gp",
        source=topics.GP_SALES_ORDERS,
        read=gp_sales_order,
        split=whole,
        leave_out=not_from_a_store,
        mapping=ORDER_STATUS_FROM_DYNAMICS_GP,
        target=topics.ORDER_STATUSES,
        message_key=id_of_record,
        record="order_status",
    ),
    Route(
        name="streams/shipments/from_dynamics_gp",
        source=topics.GP_SALES_ORDERS,
        read=gp_sales_order,
        split=shipment_rules.shipments_in,
        leave_out=not_from_a_store,
        mapping=SHIPMENT_FROM_DYNAMICS_GP,
        target=topics.SHIPMENTS,
        message_key=id_of_record,
        record="shipment",
    ),
    Route(
        name="streams/inventory_levels/from_dynamics_gp",
        source=topics.GP_IV00102,
        read=as_it_is,
        row_type=ItemSiteRow,
        split=whole,
        leave_out=inventory_level_rules.leave_out,
        mapping=INVENTORY_LEVEL_FROM_DYNAMICS_GP,
        target=topics.INVENTORY_LEVELS,
        message_key=id_of_record,
        record="inventory_level",
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
    """Whoever looks at many records or rows asks for each: a deployment's own are compiled but once."""
    own = own_mappings(dict(files), {route.mapping.id: route.mapping for route in ROUTES}, "streams")
    return tuple(msgspec.structs.replace(route, mapping=own.get(route.mapping.id, route.mapping)) for route in ROUTES)
