"""The Faust code of the stage: the change router, and the fetchers' take-in of thin events."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from bus.burial import Burial
from bus.captured_codec import CapturedCodec
from bus.codec import Codec, Codecs
from bus.events import Incoming, Outgoing
from bus.faust_app import BusApp
from bus.headers import descend, from_headers, to_headers
from bus.pipe import attach_pipe
from bus.settings import Connection
from bus.take_in import attach_take_in
from connect.systems.dynamics_gp.client import DocumentId, GpClient, GpTransaction
from delivery.intake import Commit, Positions
from delivery.ports import Arrival
from delivery.states import Kind, State
from delivery.store import Store
from errors import DecodeError
from producers.fetchers.router import (
    DocumentKey,
    Origin,
    document_of,
    key_of_order,
    order_of,
    origin_in,
    unknown_origins,
)
from producers.routes import CAPTURED, FETCHES, CapturedTable, Fetch
from schemas.bus.change import Cause, Change
from schemas.systems.captured import Captured
from schemas.systems.dynamics_gp.captured import SalesDocumentRow
from schemas.types import root_of

QUEUE = "fetchers"

Row = Captured[SalesDocumentRow]


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
            table,
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


class ChangeRouter:
    """Turns the captured rows of one table into thin events of the orders they belong to.

    What a row does not say (whose invoice a line is on, whose order it came of) is asked of GP for a whole batch. Of
    an order's rows in one batch the last stands for all: posting an invoice writes a dozen, one reading is enough.
    """

    def __init__(
        self,
        table: CapturedTable,
        connection: str,
        client: GpClient,
        captured: CapturedCodec[SalesDocumentRow],
        changes: Codec[Change],
        burial: Burial,
    ) -> None:
        self._table = table
        self._connection = connection
        self._client = client
        self._captured = captured
        self._changes = changes
        self._burial = burial
        self._origins: dict[DocumentKey, Origin] = {}
        self._references: dict[DocumentKey, str] = {}
        #: The last event of each order in the batch: one reading answers them all.
        self._last: dict[DocumentKey, Incoming] = {}

    async def look_up(self, events: Sequence[Incoming]) -> None:
        """Learn whose documents the batch's rows are parts of."""
        found = [(event, row, document_of(row)) for event in events if (row := self._readable(event)) is not None]
        documents = [document for _, _, document in found if document is not None]
        said = {document: origin for _, row, document in found if document and (origin := origin_in(row))}
        self._origins, self._references = await self._client.in_transaction(lambda gp: _resolve(gp, documents, said))
        of_orders = ((order_of(document, self._origins), event) for event, _, document in found if document)
        self._last = {order: event for order, event in of_orders if order is not None}

    def transform(self, event: Incoming) -> Iterable[Outgoing]:
        """One thin event, or the outcome that says why there is none.

        Raises:
            DecodeError: not a captured row.
        """
        row = self._captured.decode(event.value)
        if row is None or row.connection != self._connection:
            return []
        document = document_of(row)
        order = None if document is None else order_of(document, self._origins)
        if order is None:
            return [self._burial.filtered(event, "no_order")]
        last = self._last[order]
        if last is not event:
            return [self._burial.merged(event, into=last)]
        key = key_of_order(self._connection, order, self._references)
        change = Change(
            connection=self._connection,
            record=self._table.record,
            id=order.SOPNUMBE,
            noticed_at=row.at,
            changed_at=row.at,
            cause=Cause.CDC.value,
        )
        lineage = descend(
            from_headers(event.headers),
            root=event.root,
            route=f"router/{self._table.source.name}",
            ordinal=0,
            ce_type=f"towpath.{self._table.target.name}",
            at=row.at,
            origin=self._connection,
        )
        value = self._changes.encode(change)
        return [Outgoing(topic=self._table.target, key=key, value=value, headers=to_headers(lineage))]

    def _readable(self, event: Incoming) -> Row | None:
        """The row, if it is one of ours; what cannot be read is refused by `transform`, not here."""
        try:
            row = self._captured.decode(event.value)
        except DecodeError:
            return None
        return row if row is not None and row.connection == self._connection else None


def _resolve(
    gp: GpTransaction, documents: Sequence[DocumentKey], said: Mapping[DocumentKey, Origin]
) -> tuple[dict[DocumentKey, Origin], dict[DocumentKey, str]]:
    origins = dict(said)
    pending = unknown_origins(documents, origins)
    while pending:
        for document in pending:
            header = gp.header(DocumentId(SOPTYPE=document.SOPTYPE, SOPNUMBE=document.SOPNUMBE))
            origins[document] = Origin(ORIGTYPE=header.ORIGTYPE, ORIGNUMB=header.ORIGNUMB) if header else Origin()
        parents = [DocumentKey(SOPTYPE=o.ORIGTYPE, SOPNUMBE=o.ORIGNUMB) for o in origins.values() if o.ORIGNUMB]
        pending = unknown_origins(parents, origins)
    orders = {order for document in documents if (order := order_of(document, origins)) is not None}
    references = {}
    for order in orders:
        receipts = gp.receipts_of_document(DocumentId(SOPTYPE=order.SOPTYPE, SOPNUMBE=order.SOPNUMBE))
        if receipts:
            references[order] = receipts[0].reference
    return origins, references
