"""The mapping as ours run it, and the routes it stands in."""

from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.transforming.placed_order import PlacedOrder
from benchmarks.transforming.store_order import StoreOrder
from bus.codec import Codecs
from bus.registry import MemoryRegistry
from errors import DecodeError
from mapping.data import DataMapping
from mapping.records import Records
from schemas import topics
from schemas.bus.fetched import Fetched
from schemas.topics import Compatibility, Stage, Topic, avro_schema
from streams.routes import Route, as_it_is, everything, whole

ORDER: Final = DataMapping(
    Path(__file__).with_name("order.yaml"),
    "benchmarks/transforming/order.yaml",
    records=Records({"store.Order": StoreOrder, "placed.Order": PlacedOrder}),
)


def route(form: str, source: str, target: str) -> Route:
    """From one topic to the other, as the table of contents of the stage has them."""
    return Route(
        name="benchmarks/transforming",
        source=_topic(source, StoreOrder if form == "avro" else Fetched),
        read=as_it_is if form == "avro" else order_in,
        split=whole,
        leave_out=everything,
        mapping=ORDER,
        target=_topic(target, PlacedOrder),
        message_key=_id_of,
        record="order",
    )


def codecs(form: str) -> Codecs:
    """Codecs whose schemas have the numbers of `by_hand`."""
    registry = MemoryRegistry()
    registry.id_of("", avro_schema(StoreOrder if form == "avro" else Fetched))
    registry.id_of("", avro_schema(PlacedOrder))
    return Codecs(registry)


def order_in(fetched: Fetched) -> StoreOrder:
    """The order in a fetched body."""
    try:
        return msgspec.json.decode(fetched.body, type=StoreOrder)
    except msgspec.DecodeError as error:
        raise DecodeError(f"not a StoreOrder: {error}") from error


def _topic(name: str, record: type[msgspec.Struct]) -> Topic:
    return Topic(
        name=name,
        record=record,
        key="root key of the order",
        written_by=Stage.STREAMS,
        retention_ms=topics.DAY_MS,
        compatibility=Compatibility.NONE,
    )


def _id_of(order: Any) -> str:
    made: PlacedOrder = order
    return made.id
