"""The Faust code of the stage: canonical events into a connection's store, a batch a transaction."""

import hashlib
from decimal import Decimal
from typing import Any

from bus.burial import Burial
from bus.codec import Codec, Codecs
from bus.events import Incoming
from bus.faust_app import BusApp
from bus.headers import from_headers
from bus.settings import Connection, Settings
from bus.take_in import attach_take_in
from consumers.routes import ROUTES, Route
from delivery.capacity import Capacity, marks_of
from delivery.intake import Commit, Positions
from delivery.ports import Arrival
from delivery.replay_reading import Origin
from delivery.store import Store
from schemas.canonical.order import Order
from schemas.types import root_of

QUEUE = "consumers"
ZERO = Decimal(0)


def routes_to(connection: Connection) -> tuple[Route, ...]:
    """The rows of the table of contents that can end at this connection."""
    return tuple(route for route in ROUTES if route.system == connection.system)


def attach(app: BusApp, settings: Settings, connection: Connection, store: Store, codecs: Codecs) -> None:
    """Give the app one agent for each route to the connection."""
    capacity = Capacity(store, QUEUE, marks_of(connection))
    for route in routes_to(connection):
        name = f"{QUEUE}.{connection.name}.{route.record}"
        attach_take_in(
            app,
            name,
            route.source.name,
            positions=Positions(store, QUEUE, app.topic_ids),
            read=Reader(route, connection.name, settings, codecs.of(route.source)),
            bury=Burial(
                codecs,
                stage=QUEUE,
                route=name,
                record=route.record,
                connection=connection.name,
                code_version=settings.code_version,
            ),
            commit=Commit(store, QUEUE, route.source.name),
            has_room=capacity,
        )


def origins(app: BusApp, settings: Settings, connection: Connection, codecs: Codecs) -> dict[str, Origin]:
    """What was taken in here and can be once more, by topic; read by the same function."""
    return {
        route.source.name: Origin(
            topic=route.source.name,
            topic_id=app.topic_ids[route.source.name],
            partitions=route.source.partitions,
            record=route.record,
            read=Reader(route, connection.name, settings, codecs.of(route.source)),
        )
        for route in routes_to(connection)
    }


class Reader:
    """An event of a canonical topic as a row of the connection's queue, if it goes there at all."""

    def __init__(self, route: Route, connection: str, settings: Settings, codec: Codec[Any]) -> None:
        self._route = route
        self._connection = connection
        self._pairs = settings.pairs
        self._codec = codec

    def __call__(self, event: Incoming) -> Arrival | None:
        """The row; None for a record of another connection and for a tombstone.

        Raises:
            DecodeError: not what the topic promises.
        """
        key = event.key_text
        if event.value is None or self._connection not in self._route.to(key, self._pairs):
            return None
        record = self._codec.decode(event.value)
        lineage = from_headers(event.headers)
        amount, currency = (record.total, record.currency) if isinstance(record, Order) else (ZERO, "")
        return Arrival(
            topic=event.topic,
            topic_id=event.topic_id,
            partition=event.partition,
            offset=event.offset,
            root=lineage.root or event.root,
            root_key=root_of(key),
            message_key=key,
            record=self._route.record,
            kind=self._route.kind,
            replaces_with=self._route.replaces_with,
            source_version=record.source_version,
            payload=event.value,
            payload_digest=hashlib.sha256(event.value).hexdigest(),
            mapping_in=lineage.mapping,
            origin=lineage.origin,
            hops=lineage.hops,
            traceparent=lineage.traceparent,
            amount=amount,
            currency=currency,
        )
