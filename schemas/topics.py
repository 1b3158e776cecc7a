"""Every topic: name, value, key, keeping and its one writing stage; the page to keep a finger in while reading."""

from enum import StrEnum
from functools import cache
from pathlib import Path

import msgspec

from schemas.bus.change import Change
from schemas.bus.command import Command
from schemas.bus.cross_reference import CrossReference
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.fetched import Fetched
from schemas.bus.lookup_row import LookupRow
from schemas.bus.outcome import Outcome
from schemas.bus.store_mark import StoreMark
from schemas.canonical.category import Category
from schemas.canonical.customer import Customer
from schemas.canonical.goods_return import Return
from schemas.canonical.inventory_level import InventoryLevel
from schemas.canonical.invoice import Invoice
from schemas.canonical.order import Order
from schemas.canonical.order_status import OrderStatus
from schemas.canonical.payment import Payment
from schemas.canonical.price import Price
from schemas.canonical.product import Product
from schemas.canonical.promotion import Promotion
from schemas.canonical.shipment import Shipment

DAY_MS = 86_400_000
MIB = 1024 * 1024
#: Fixed for life: a key's partition must never move. More means a new version of the topic.
PARTITIONS = 12


class Cleanup(StrEnum):
    """What Kafka does with old records."""

    DELETE = "delete"
    COMPACT = "compact"


class Compatibility(StrEnum):
    """The registry's rule for new versions of a schema."""

    NONE = "NONE"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"


class Stage(StrEnum):
    """Who writes a topic."""

    PRODUCERS = "producers"
    CONNECT = "kafka-connect"
    FETCHERS = "fetchers"
    STREAMS = "streams"
    BUS = "bus"


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """One topic as it must exist before anything starts."""

    name: str
    #: The value's record; None where Kafka Connect brings its own schema.
    record: type[msgspec.Struct] | None
    #: What the message key is, in words.
    key: str
    written_by: Stage
    cleanup: Cleanup = Cleanup.DELETE
    #: How long records stay; for compacted topics the lag before compaction.
    retention_ms: int
    compatibility: Compatibility
    partitions: int = PARTITIONS
    max_message_bytes: int = MIB
    #: The broker's clock stamps what comes from outside, so that hours of arrival are ours.
    log_append_time: bool = False
    #: Of a compacted topic that is read whole: only what lies before the last segment is compacted. 0: the broker's.
    segment_bytes: int = 0


def changes(system: str) -> Topic:
    """Thin changes of one system's documents."""
    return Topic(
        name=f"{system}.changes.v1",
        record=Change,
        key="root key of the changed document",
        written_by=Stage.PRODUCERS,
        retention_ms=14 * DAY_MS,
        compatibility=Compatibility.BACKWARD_TRANSITIVE,
        log_append_time=True,
    )


def captured(system: str, table: str) -> Topic:
    """Rows of one captured table, as Debezium writes them."""
    return Topic(
        name=f"{system}.cdc.{table}.v1",
        record=None,
        key="the document's key columns, so that all its rows of this table share a partition",
        written_by=Stage.CONNECT,
        retention_ms=14 * DAY_MS,
        compatibility=Compatibility.NONE,
        max_message_bytes=4 * MIB,
        log_append_time=True,
    )


def fetched(system: str, record: str) -> Topic:
    """Documents of one kind read whole, bytes as received."""
    return Topic(
        name=f"{system}.{record}.v1",
        record=Fetched,
        key="root key of the document",
        written_by=Stage.FETCHERS,
        retention_ms=30 * DAY_MS,
        compatibility=Compatibility.FULL_TRANSITIVE,
        max_message_bytes=4 * MIB,
        log_append_time=True,
    )


def canonical(record: str, value: type[msgspec.Struct], key: str) -> Topic:
    """Our records, the newest of each key for ever and thirty days of history."""
    return Topic(
        name=f"canonical.{record}.v1",
        record=value,
        key=key,
        written_by=Stage.STREAMS,
        cleanup=Cleanup.COMPACT,
        retention_ms=30 * DAY_MS,
        compatibility=Compatibility.FULL_TRANSITIVE,
    )


def heartbeats(connection: str) -> Topic:
    """Debezium's sign of life for one captured database."""
    return Topic(
        name=f"{connection}.heartbeats.v1",
        record=None,
        key="the connection",
        written_by=Stage.CONNECT,
        retention_ms=DAY_MS,
        compatibility=Compatibility.NONE,
        partitions=1,
    )


CLARITY_CHANGES = changes("clarity")
CLARITY_ORDERS = fetched("clarity", "orders")

GP_SOP10100 = captured("dynamics-gp", "SOP10100")
GP_SOP10200 = captured("dynamics-gp", "SOP10200")
GP_SOP10107 = captured("dynamics-gp", "SOP10107")
GP_SOP30200 = captured("dynamics-gp", "SOP30200")
GP_SOP30300 = captured("dynamics-gp", "SOP30300")
GP_IV00102 = captured("dynamics-gp", "IV00102")
GP_CHANGES = changes("dynamics-gp")
GP_SALES_ORDERS = fetched("dynamics-gp", "sales-orders")

ORDERS = canonical("orders", Order, "the order's root key")
ORDER_STATUSES = canonical("order-statuses", OrderStatus, "the order's root key")
SHIPMENTS = canonical("shipments", Shipment, "<order's root key>/<shipment's number>")
INVENTORY_LEVELS = canonical("inventory-levels", InventoryLevel, "<ERP connection>:<item>@<site>")

OUTCOMES = Topic(
    name="bus.outcomes.v1",
    record=Outcome,
    key="root key of the document, or the connection's name",
    written_by=Stage.BUS,
    retention_ms=400 * DAY_MS,
    compatibility=Compatibility.FULL_TRANSITIVE,
)
DEAD_LETTERS = Topic(
    name="bus.dead-letters.v1",
    record=DeadLetter,
    key="as the original's",
    written_by=Stage.BUS,
    retention_ms=400 * DAY_MS,
    compatibility=Compatibility.FULL_TRANSITIVE,
    max_message_bytes=8 * MIB,
)
CROSS_REFERENCES = Topic(
    name="bus.cross-references.v1",
    record=CrossReference,
    key="<canonical id>/<connection>/<record>/<id there>",
    written_by=Stage.BUS,
    cleanup=Cleanup.COMPACT,
    retention_ms=30 * DAY_MS,
    compatibility=Compatibility.FULL_TRANSITIVE,
)

COMMANDS = Topic(
    name="bus.commands.v1",
    record=Command,
    key="<connection>:commands",
    written_by=Stage.BUS,
    retention_ms=400 * DAY_MS,
    compatibility=Compatibility.FULL_TRANSITIVE,
    # few, and every connection's workers read all of them
    partitions=1,
)

STORES = Topic(
    name="bus.stores.v1",
    record=StoreMark,
    key="the connection",
    written_by=Stage.BUS,
    cleanup=Cleanup.COMPACT,
    retention_ms=10 * 60_000,
    compatibility=Compatibility.FULL_TRANSITIVE,
    # the newest of a few connections, read whole by every worker that starts
    partitions=1,
    segment_bytes=MIB,
)

LOOKUPS = Topic(
    name="bus.lookups.v1",
    record=LookupRow,
    key="<lookup table>/<key of the row>",
    written_by=Stage.BUS,
    cleanup=Cleanup.COMPACT,
    retention_ms=30 * DAY_MS,
    compatibility=Compatibility.FULL_TRANSITIVE,
    # few, and read whole by every worker that maps, in the order they were written
    partitions=1,
    segment_bytes=MIB,
)

#: What a worker with a connection's store announces, and is asked for.
OF_STORES = (OUTCOMES, DEAD_LETTERS, CROSS_REFERENCES, COMMANDS, STORES)

TOPICS: tuple[Topic, ...] = (
    CLARITY_CHANGES,
    CLARITY_ORDERS,
    GP_SOP10100,
    GP_SOP10200,
    GP_SOP10107,
    GP_SOP30200,
    GP_SOP30300,
    GP_IV00102,
    GP_CHANGES,
    GP_SALES_ORDERS,
    ORDERS,
    ORDER_STATUSES,
    SHIPMENTS,
    INVENTORY_LEVELS,
    OUTCOMES,
    DEAD_LETTERS,
    CROSS_REFERENCES,
    COMMANDS,
    STORES,
    LOOKUPS,
)

#: Records whose shape is settled and that no route writes yet. The contract tests hold them like the others and the
#: reference page tells them, but `towpath topics apply` neither makes the topics nor registers the schemas: a stream
#: that nobody feeds looks like one that stopped, and a registered schema could be changed in compatible ways only
#: before anybody has used it. With its first route a topic moves to `TOPICS`.
TO_COME: tuple[Topic, ...] = (
    canonical(
        "products", Product, "the item's root key; `/<connection>` behind it where another than its owner says so"
    ),
    canonical("prices", Price, "the item's root key"),
    canonical("customers", Customer, "the customer's root key; `/<connection>` behind it where another says so"),
    canonical("payments", Payment, "<order's root key>/<payment's id at the store>"),
    canonical("invoices", Invoice, "<order's root key>/<invoice's number at the ERP>"),
    canonical("returns", Return, "<order's root key>/<return's id at its owner>"),
    canonical("categories", Category, "the category's root key"),
    canonical("promotions", Promotion, "the promotion's root key"),
)


@cache
def by_name(name: str) -> Topic:
    """The topic of that name; KeyError for a stranger."""
    return {topic.name: topic for topic in TOPICS}[name]


def avro_schema(record: type[msgspec.Struct]) -> str:
    """Text of the `.avsc` beside the record's module: what the registry is given."""
    path = Path(__file__).parent.parent.joinpath(*record.__module__.split(".")).with_suffix(".avsc")
    return path.read_text(encoding="utf-8")
