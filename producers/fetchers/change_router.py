"""Turns captured rows of GP's tables into thin events of the orders they belong to."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from bus.burial import Burial
from bus.captured_codec import CapturedCodec
from bus.codec import Codec
from bus.events import Incoming, Outgoing
from bus.headers import descended, from_headers
from connect.systems.dynamics_gp.client import GpClient, GpTransaction
from errors import DecodeError
from producers.fetchers.router import (
    TRACKING,
    Origin,
    document_of,
    key_of_order,
    order_of,
    origin_in,
    tells_nothing,
    unknown_origins,
)
from schemas.bus.change import Cause, Change
from schemas.systems.captured import Captured
from schemas.systems.dynamics_gp.captured import SalesDocumentRow
from schemas.systems.dynamics_gp.sales_order import DocumentId
from schemas.topics import Topic
from schemas.types import Root

Row = Captured[SalesDocumentRow]
#: An order and a transaction that touched it, with the moment of its commit: names of transactions come again.
Touch = tuple[DocumentId, str, datetime]

#: Transactions remembered, whose rows lie on several topics and come within moments of each other.
REMEMBERED: Final = 5_000


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of GP for a whole batch."""

    origins: Mapping[DocumentId, Origin] = {}
    #: Store orders by the GP orders we made of them.
    references: Mapping[DocumentId, str] = {}
    #: Of the documents that lost a tracking number, those that stand.
    standing: frozenset[DocumentId] = frozenset()
    #: By root: the event whose reading answers this one, too.
    stand_ins: Mapping[Root, Incoming] = {}


class Told:
    """Which event was told for an order's rows of one transaction, by any table's router of this process.

    An order is read after the commit that the event tells of, so that reading shows the transaction's other rows,
    whichever topic they come from. Their stand-in is not acknowledged before it is written: if it has to be told
    again, that is done by whoever reads it then. So what was told and given up unwritten must be forgotten: where two
    processes change topics, each would hold its own event told, and both would be merged.
    """

    def __init__(self) -> None:
        self._events: OrderedDict[Touch, Incoming] = OrderedDict()

    def stand_in(self, touch: Touch, event: Incoming) -> Incoming | None:
        """The other event that was told for it; None: this one is to be."""
        told = self._events.get(touch) if touch[1] else None
        return None if told is None or told.root == event.root else told

    def add(self, touches: Iterable[Touch], event: Incoming) -> None:
        """It is told now."""
        for touch in touches:
            self._events[touch] = event
            self._events.move_to_end(touch)
        while len(self._events) > REMEMBERED:
            self._events.popitem(last=False)


class ChangeRouter:
    """Turns the captured rows of one table into thin events of the orders they belong to.

    What a row does not say (whose invoice a line is on, whose order it came of) is asked of GP for a whole batch. Of
    an order's rows in one batch the last stands for all, and of those of one transaction on several topics the first
    that comes: posting an invoice writes a dozen, one reading is enough.
    """

    def __init__(
        self,
        source: Topic,
        target: Topic,
        record: str,
        connection: str,
        client: GpClient,
        captured: CapturedCodec[SalesDocumentRow],
        changes: Codec[Change],
        burial: Burial,
        told: Callable[[], Told],
    ) -> None:
        """Of one table; `told` is asked before each batch: the same for all routers of a process, and a new one once
        what was in flight is given up.
        """
        self._route = f"router/{source.name}"
        self._target = target
        self._record = record
        self._connection = connection
        self._client = client
        self._captured = captured
        self._changes = changes
        self._burial = burial
        self._told_before = told
        self._answers = Answers()

    async def look_up(self, events: Sequence[Incoming]) -> None:
        """Learn whose documents the batch's rows are parts of."""
        found = [(event, row) for event in events if (row := self._readable(event)) is not None]
        rows = [row for _, row in found]
        # before GP answers: a batch that is given up meanwhile is not written
        told = self._told_before()
        answers = await self._client.in_transaction(lambda gp: _resolve(gp, rows))
        self._answers = msgspec.structs.replace(answers, stand_ins=dict(_stand_ins(found, answers, told)))

    def transform(self, event: Incoming) -> Iterable[Outgoing]:
        """One thin event, or the outcome that says why there is none.

        Raises:
            DecodeError: not a captured row.
        """
        row = self._captured.decode(event.value)
        if row is None or row.connection != self._connection:
            return []
        if tells_nothing(row, self._answers.standing):
            return [self._burial.filtered(event, "purged")]
        order = _order_of(row, self._answers)
        if order is None:
            return [self._burial.filtered(event, "no_order")]
        if (told := self._answers.stand_ins.get(event.root)) is not None:
            return [self._burial.merged(event, into=told)]
        return [self._told(event, row, order)]

    def _told(self, event: Incoming, row: Row, order: DocumentId) -> Outgoing:
        change = Change(
            connection=self._connection,
            record=self._record,
            id=order.SOPNUMBE,
            noticed_at=row.at,
            changed_at=row.at,
            cause=Cause.CDC.value,
        )
        headers = descended(
            from_headers(event.headers),
            root=event.root,
            route=self._route,
            ordinal=0,
            ce_type=f"towpath.{self._target.name}",
            at=row.at,
            origin=self._connection,
        )
        key = key_of_order(self._connection, order, self._answers.references)
        return Outgoing(topic=self._target, key=key, value=self._changes.encode(change), headers=headers)

    def _readable(self, event: Incoming) -> Row | None:
        """The row, if it is one of ours; what cannot be read is refused by `transform`, not here."""
        try:
            row = self._captured.decode(event.value)
        except DecodeError:
            return None
        return row if row is not None and row.connection == self._connection else None


def _stand_ins(
    found: Sequence[tuple[Incoming, Row]], answers: Answers, told_before: Told
) -> Iterator[tuple[Root, Incoming]]:
    """Roots of the events that are not told themselves, with the one told for each."""
    own: dict[DocumentId, list[tuple[Touch, Incoming]]] = {}
    for event, row in found:
        order = None if tells_nothing(row, answers.standing) else _order_of(row, answers)
        if order is None:
            continue
        # what a snapshot reads is named by a transaction that need not have written it
        touch = (order, "" if row.snapshot else row.transaction, row.at)
        if (told := told_before.stand_in(touch, event)) is not None:
            yield event.root, told
        else:
            own.setdefault(order, []).append((touch, event))
    for events in own.values():
        _, last = events[-1]
        yield from ((event.root, last) for _, event in events if event is not last)
        told_before.add((touch for touch, _ in events), last)


def _order_of(row: Row, answers: Answers) -> DocumentId | None:
    document = document_of(row)
    return None if document is None else order_of(document, answers.origins)


def _resolve(gp: GpTransaction, rows: Sequence[Row]) -> Answers:
    """Ask for all rows at once: a snapshot's batches are full of documents, and every question is a way to the ERP."""
    named = [(row, document) for row in rows if (document := document_of(row)) is not None]
    documents = [document for _, document in named]
    origins = {document: origin for row, document in named if (origin := origin_in(row)) is not None}
    pending = unknown_origins(documents, origins)
    while pending:
        headers = gp.headers(pending)
        for document in pending:
            header = headers.get(document)
            origins[document] = Origin(ORIGTYPE=header.ORIGTYPE, ORIGNUMB=header.ORIGNUMB) if header else Origin()
        parents = [DocumentId(SOPTYPE=o.ORIGTYPE, SOPNUMBE=o.ORIGNUMB) for o in origins.values() if o.ORIGNUMB]
        pending = unknown_origins(parents, origins)
    orders = {order for document in documents if (order := order_of(document, origins)) is not None}
    untracked = [document for row, document in named if row.op == "d" and row.table == TRACKING]
    return Answers(
        origins=origins,
        references=gp.references_of(tuple(orders)),
        standing=frozenset(gp.headers(untracked)),
    )
