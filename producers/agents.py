"""The Faust code of the stage: the change router, and the fetchers' take-in of thin events."""

import hashlib
from functools import lru_cache

from bus.burial import Burial
from bus.captured_codec import CapturedCodec
from bus.codec import Codec, Codecs
from bus.events import Incoming
from bus.faust_app import BusApp
from bus.headers import from_headers
from bus.pipe import attach_pipe
from bus.settings import Connection
from bus.take_in import attach_take_in
from connect.systems.dynamics_gp.client import GpClient
from delivery.capacity import Capacity, marks_of
from delivery.intake import Commit, Positions, Sightings
from delivery.ports import Arrival
from delivery.states import Kind, State
from delivery.store import Store
from errors import DecodeError
from producers.fetchers.change_router import ChangeRouter, Told
from producers.routes import CAPTURED, FETCHES, SIGHTINGS, Fetch, Sighting
from schemas.bus.change import Change
from schemas.systems.dynamics_gp.captured import ItemSiteRow, SalesDocumentRow
from schemas.types import root_of

QUEUE = "fetchers"
#: Made, or read in a snapshot: it may have been made while nothing was captured.
NEW = frozenset({"c", "r"})


def attach_router(app: BusApp, connection: Connection, client: GpClient, codecs: Codecs, code_version: str) -> None:
    """Give the app one agent for each captured table of the connection's system."""
    told_of = lru_cache(maxsize=1)(lambda _: Told())
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
            lambda: told_of(app.given_up),
        )
        attach_pipe(
            app,
            f"router.{connection.name}.{table.source.name}",
            table.source.name,
            router.transform,
            burial,
            look_up=router.look_up,
        )


def attach_sightings(app: BusApp, connection: Connection, store: Store, codecs: Codecs, code_version: str) -> None:
    """Give the app one agent for each captured table that tells of things rows of this connection wait for."""
    for sighting in SIGHTINGS:
        if sighting.system != connection.system:
            continue
        name = f"sightings.{connection.name}.{sighting.record}"
        attach_take_in(
            app,
            name,
            sighting.source.name,
            positions=Positions(store, QUEUE, app.topic_ids),
            read=SightingReader(sighting, connection.name, codecs.captured(sighting.source, sighting.row_type)),
            bury=Burial(
                codecs,
                stage=QUEUE,
                route=name,
                record=sighting.record,
                connection=connection.name,
                code_version=code_version,
            ),
            commit=Sightings(store, QUEUE, sighting.source.name),
            is_keyed=has_any_key,
        )


def has_any_key(_: Incoming) -> bool:
    """A captured row's key is none of ours, and nothing is queued by it."""
    return True


class SightingReader:
    """A captured row that is new as the name of the thing it tells of."""

    def __init__(self, sighting: Sighting, connection: str, codec: CapturedCodec[ItemSiteRow]) -> None:
        self._sighting = sighting
        self._connection = connection
        self._codec = codec

    def __call__(self, event: Incoming) -> str | None:
        """The name; None for a change of what was there, and for what the streams make a dead letter of."""
        try:
            row = self._codec.decode(event.value)
        except DecodeError:
            return None
        if row is None or row.connection != self._connection or row.op not in NEW or row.after is None:
            return None
        return self._sighting.name(row.after)


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


def readers(connection: Connection, codecs: Codecs) -> dict[str, "ChangeReader"]:
    """How take-in reads events, by topic."""
    return {
        fetch.source.name: ChangeReader(fetch, connection.name, codecs.of(fetch.source))
        for fetch in FETCHES
        if fetch.system == connection.system
    }


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
