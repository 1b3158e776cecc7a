"""Table of contents of the stage: HTTP path, poll or captured table -> topic; thin event -> who completes it."""

from collections.abc import Callable

import msgspec

from producers.fetchers.clarity import OrderFetcher
from producers.fetchers.dynamics_gp import SalesOrderFetcher
from schemas import topics
from schemas.systems.dynamics_gp.captured import ItemSiteRow, SalesDocumentRow
from schemas.systems.dynamics_gp.names import item_name
from schemas.topics import Topic


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway takes for a system: `POST /webhooks/<connection>`."""

    system: str
    #: What changed, in the system's noun.
    record: str
    target: Topic


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a system at intervals, for webhooks that never came."""

    system: str
    record: str
    target: Topic


class CapturedTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table whose rows are parts of documents, routed to the document they belong to."""

    system: str
    source: Topic
    row_type: type[msgspec.Struct]
    #: What the document is, in the system's noun.
    record: str
    target: Topic


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """A table whose new rows are things that rows of the connection's own queues may wait for."""

    system: str
    source: Topic
    row_type: type[ItemSiteRow]
    #: What the thing is, in the system's noun.
    record: str
    #: Of the thing, as who waits for it writes it.
    name: Callable[[ItemSiteRow], str]


class Fetch(msgspec.Struct, frozen=True, kw_only=True):
    """Who reads the document a thin event speaks of."""

    system: str
    record: str
    source: Topic
    by: type[OrderFetcher] | type[SalesOrderFetcher]
    target: Topic


WEBHOOKS: tuple[Webhook, ...] = (Webhook(system="clarity", record="order", target=topics.CLARITY_CHANGES),)

POLLS: tuple[Poll, ...] = (Poll(system="clarity", record="order", target=topics.CLARITY_CHANGES),)

CAPTURED: tuple[CapturedTable, ...] = tuple(
    CapturedTable(
        system="dynamics-gp",
        source=source,
        row_type=SalesDocumentRow,
        record="sales_order",
        target=topics.GP_CHANGES,
    )
    for source in (
        topics.GP_SOP10100,
        topics.GP_SOP10200,
        topics.GP_SOP10107,
        topics.GP_SOP30200,
        topics.GP_SOP30300,
    )
)

SIGHTINGS: tuple[Sighting, ...] = (
    # GP makes the row of all sites together with the item, and one more for each site it is assigned to
    Sighting(
        system="dynamics-gp",
        source=topics.GP_IV00102,
        row_type=ItemSiteRow,
        record="item",
        name=lambda row: item_name(row.ITEMNMBR),
    ),
)

FETCHES: tuple[Fetch, ...] = (
    Fetch(
        system="clarity",
        record="order",
        source=topics.CLARITY_CHANGES,
        by=OrderFetcher,
        target=topics.CLARITY_ORDERS,
    ),
    Fetch(
        system="dynamics-gp",
        record="sales_order",
        source=topics.GP_CHANGES,
        by=SalesOrderFetcher,
        target=topics.GP_SALES_ORDERS,
    ),
)
