"""The Faust code of the stage: the change router, and the fetchers' take-in of thin events."""

import hashlib

from bus.burial import Burial
from bus.codec import Codec, Codecs
from bus.events import Incoming
from bus.faust_app import BusApp
from bus.headers import from_headers
from bus.pipe import attach_pipe
from bus.settings import Connection
from bus.take_in import attach_take_in
from connect.systems.dynamics_gp.client import GpClient
from delivery.capacity import Capacity, marks_of
from delivery.intake import Commit, Positions
from delivery.ports import Arrival
from delivery.states import Kind, State
from delivery.store import Store
from producers.fetchers.change_router import ChangeRouter
from producers.routes import CAPTURED, FETCHES, Fetch
from schemas.bus.change import Change
from schemas.systems.dynamics_gp.captured import SalesDocumentRow
from schemas.types import root_of

QUEUE = "fetchers"


def attach_router(app: BusApp, connection: Connection, client: GpClient, codecs: Codecs, code_version: str) -> None:
    """Give the app one agent for each captured table of the connection's system."""
    for table in CAPTURED:
        if table.system != connection.system:
            continue
        route = f"router/{table.source.name}"
        burial = Burial(
            codecs,
            stage="router",
            route=route,
            record=table.record,
            connection=connection.name,
            code_version=code_version,
        )
        router = ChangeRouter(
            table.source,
            table.target,
            table.record,
            connection.name,
            client,
            codecs.captured(table.source, SalesDocumentRow),
            codecs.of(table.target),
            burial,
        )
        attach_pipe(
            app,
            f"router.{connection.name}.{table.source.name}",
            table.source.name,
            router.transform,
            burial,
            look_up=router.look_up,
        )


def attach_take_ins(app: BusApp, connection: Connection, store: Store, codecs: Codecs, code_version: str) -> None:
    """Give the app one agent for each kind of thin event the connection's documents are fetched for."""
    capacity = Capacity(store, QUEUE, marks_of(connection))
    for fetch in FETCHES:
        if fetch.system != connection.system:
            continue
        name = f"{QUEUE}.{connection.name}.{fetch.record}"
        attach_take_in(
            app,
            name,
            fetch.source.name,
            positions=Positions(store, QUEUE, app.topic_ids),
            read=ChangeReader(fetch, connection.name, codecs.of(fetch.source)),
            bury=Burial(
                codecs,
                stage=QUEUE,
                route=name,
                record=fetch.record,
                connection=connection.name,
                code_version=code_version,
            ),
            commit=Commit(store, QUEUE, fetch.source.name),
            has_room=capacity,
        )


class ChangeReader:
    """A thin event as a row of the connection's queue; a newer one of a document makes an open older one needless."""

    def __init__(self, fetch: Fetch, connection: str, codec: Codec[Change]) -> None:
        self._fetch = fetch
        self._connection = connection
        self._codec = codec

    def __call__(self, event: Incoming) -> Arrival | None:
        """The row; None for a document of another connection.

        Raises:
            DecodeError: not a thin event.
        """
        change = self._codec.decode(event.value)
        if change.connection != self._connection or change.record != self._fetch.record:
            return None
        lineage = from_headers(event.headers)
        key = event.key_text
        return Arrival(
            topic=event.topic,
            topic_id=event.topic_id,
            partition=event.partition,
            offset=event.offset,
            root=lineage.root or event.root,
            root_key=root_of(key),
            message_key=key,
            record=change.record,
            kind=Kind.STATE,
            replaces_with=State.MERGED,
            source_version=change.source_version,
            payload=event.value or b"",
            payload_digest=hashlib.sha256(event.value or b"").hexdigest(),
            origin=lineage.origin,
            hops=lineage.hops,
            traceparent=lineage.traceparent,
        )
