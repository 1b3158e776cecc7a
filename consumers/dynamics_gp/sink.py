"""Orders into Dynamics GP: one order, one sales document, one transaction with our receipt in it."""

from collections.abc import Iterator
from functools import partial

import msgspec

from bus.clock import Clock
from connect.identity import StrangerError
from connect.systems.dynamics_gp.client import GpClient, GpTransaction
from consumers.dynamics_gp import econnect
from consumers.dynamics_gp.econnect import Call
from consumers.dynamics_gp.steps import CREATE, Step, Work, anew, next_step
from consumers.dynamics_gp.target import MissingItems, target_of
from delivery.ports import Absent, CannotTell, Decoder, Finding, Found, Intent, KnownAs, Reference, Row, Settlement
from delivery.states import Repeats, State
from errors import DependencyError, RefusedError, RetryableError, TooLateError
from mapping.port import Mapping, Tables, stamp
from schemas.canonical.order import Order
from schemas.systems.dynamics_gp.names import item_name
from schemas.systems.dynamics_gp.receipt import Receipt
from schemas.systems.dynamics_gp.sales_order import DocumentId, SalesDocument, SalesLine
from schemas.systems.dynamics_gp.sop_document import SopDocument, UserDefined

#: A document that is not found may be on its way from work to history.
LOOKED_FOR_AGAIN_S = 2.0

_DONE = {Step.CREATE: "created", Step.UPDATE: "updated", Step.CANCEL: "voided"}


class SalesOrderSink:
    """Brings the GP document of an order to what the order says: created, changed before transfer, or void.

    The receipt (reference, operation) is written first in the document's transaction, so that two workers at the same
    order wait for each other and the second finds the first one's work.
    """

    repeats = Repeats.ATOMIC

    def __init__(
        self,
        client: GpClient,
        decoder: Decoder[Order],
        mapping: Mapping[Order, SopDocument],
        lookups: Tables,
        clock: Clock,
        send_timeout_s: float,
    ) -> None:
        self._client = client
        self._decoder = decoder
        self._mapping = mapping
        self._lookups = lookups
        self._clock = clock
        self._send_timeout_s = send_timeout_s

    async def prepare(self, row: Row) -> Intent | Settlement:
        """Map, look what was done before, and take a number where a document is to be made.

        A replayed order whose document is gone is made anew: a live one does not undo what a person deleted.

        Raises:
            DependencyError: the company does not have an item of it, and orders wait for those.
        """
        foreseen = await self.foresee(row)
        if isinstance(foreseen, Settlement):
            return foreseen
        work = msgspec.json.decode(foreseen.body, type=Work)
        # before a number is taken, as each look would use one up
        await self._wait_for_items(work)
        if not foreseen.creates:
            return foreseen
        if work.operation != CREATE and row.code != "gp.absent":
            raise RetryableError("gp.absent", "neither in work nor in history", retry_after_s=LOOKED_FOR_AGAIN_S)
        number = await self._client.in_transaction(partial(_take_number, document=work.document))
        work = msgspec.structs.replace(work, number=number)
        return msgspec.structs.replace(foreseen, body=msgspec.json.encode(work), document_number=number)

    async def foresee(self, row: Row) -> Intent | Settlement:
        """What is to be done, without a number for what is to be made."""
        order = self._decoder.decode(row.payload)
        lookups = self._lookups.current()
        document = self._mapping(order, lookups, self._clock())
        receipts = await self._client.in_transaction(lambda gp: gp.receipts_of(order.id))
        work = next_step(order.id, order.source_version, document, document.digest, receipts)
        looked_for = row.replay and not document.cancelled and _leaves_one(work)
        if looked_for and await self._client.in_snapshot(partial(_is_gone, receipt=receipts[-1])):
            work = anew(order.id, document, document.digest, receipts)
        if isinstance(work, Settlement):
            return work
        if work.step is Step.CANCEL and await self._client.in_transaction(partial(_is_void, work=work)):
            # a person in GP was faster, or wanted the same
            return Settlement(state=State.SUPPRESSED, code="equal", document_number=work.number)
        return Intent(
            reference=Reference(record="order", business=order.id, operation=work.operation),
            body=msgspec.json.encode(work),
            document_number=work.number,
            mapping=stamp(self._mapping, lookups),
            timeout_s=self._send_timeout_s,
            creates=work.step is Step.CREATE,
        )

    async def deliver(self, intent: Intent) -> Settlement:
        """Receipt, document, read back, commit."""
        work = msgspec.json.decode(intent.body, type=Work)
        await self._client.in_transaction(partial(_carry_out, work=work), within_s=intent.timeout_s)
        return _settlement(work, intent)

    async def rehearse(self, intent: Intent) -> None:
        """The document's transaction, never committed: every procedure says what it would say.

        Raises:
            DependencyError: it would wait for an item.
        """
        work = msgspec.json.decode(intent.body, type=Work)
        await self._wait_for_items(work)
        await self._client.in_transaction(partial(_rehearse, work=work), within_s=intent.timeout_s)

    async def _wait_for_items(self, work: Work) -> None:
        if work.step is not Step.CANCEL and target_of(self._lookups.current()).missing_items is MissingItems.WAIT:
            await self._client.in_transaction(partial(_need_items, document=work.document))

    async def find(self, intent: Intent) -> Finding:
        """The receipt tells: it stands exactly when the document does."""
        work = msgspec.json.decode(intent.body, type=Work)
        try:
            receipts = await self._client.in_transaction(lambda gp: gp.receipts_of(work.reference))
        except StrangerError:
            raise
        except RetryableError as error:
            return CannotTell(reason=error.code)
        for receipt in receipts:
            if receipt.operation == work.operation:
                done = msgspec.structs.replace(work, number=receipt.document_number)
                return Found(settlement=_settlement(done, intent))
        return Absent()


def _leaves_one(work: Work | Settlement) -> bool:
    """Whether there should be a document once it is done that has been made before."""
    if isinstance(work, Settlement):
        return work.code == "equal"
    return work.step is Step.UPDATE


def _is_gone(gp: GpTransaction, receipt: Receipt) -> bool:
    return gp.header(DocumentId(SOPTYPE=receipt.document_type, SOPNUMBE=receipt.document_number)) is None


def _rehearse(gp: GpTransaction, work: Work) -> None:
    """The number goes back with the rest."""
    if work.step is Step.CREATE and not work.number:
        number = gp.take_sop_number(work.document.SOPTYPE, work.document.DOCID)
        work = msgspec.structs.replace(work, number=number)
    _write(gp, work)


def _take_number(gp: GpTransaction, document: SopDocument) -> str:
    """Committed by itself, as the lock on the number row must not last; an unused number leaves a gap, as GP allows."""
    number = gp.take_sop_number(document.SOPTYPE, document.DOCID)
    gp.commit()
    return number


def _need_items(gp: GpTransaction, document: SopDocument) -> None:
    missing = gp.unknown_items([line.ITEMNMBR for line in document.lines])
    if missing:
        raise DependencyError(item_name(missing[0]), f"the company has no item {missing[0]}")


def _is_void(gp: GpTransaction, work: Work) -> bool:
    standing = gp.header(DocumentId(SOPTYPE=work.document.SOPTYPE, SOPNUMBE=work.number))
    return standing is not None and bool(standing.VOIDSTTS)


def _carry_out(gp: GpTransaction, work: Work) -> None:
    _write(gp, work)
    gp.commit()


def _write(gp: GpTransaction, work: Work) -> None:
    """Receipt, document, and what was read back; all of it is gone again unless somebody commits."""
    document = work.document
    gp.add_receipt(
        Receipt(
            reference=work.reference,
            operation=work.operation,
            record="order",
            document_type=document.SOPTYPE,
            document_number=work.number,
            digest=work.digest,
        )
    )
    if work.step is Step.CREATE:
        _make_known(gp, document)
        _make(gp, _creation(work))
    else:
        standing = _still_changeable(gp, work)
        _make(gp, _change(gp, work, standing))
    if work.step is Step.CANCEL:
        receipts = gp.receipts_of(work.reference)
        _require_receipt(work, stands=any(receipt.operation == work.operation for receipt in receipts))
    else:
        _read_back(gp, work)


def _make(gp: GpTransaction, calls: Iterator[Call]) -> None:
    """Carry out calls one after the other; the first refusal ends it."""
    for procedure, parameters in calls:
        gp.call(procedure, parameters)


def _make_known(gp: GpTransaction, document: SopDocument) -> None:
    """Create the customer unless he is there; another order of his may do the same at this moment."""
    number = document.customer.CUSTNMBR
    if gp.knows_customer(number):
        return
    customer, *details = econnect.customer_calls(document)
    try:
        gp.call(*customer)
    except RefusedError:
        if not gp.knows_customer(number):
            raise
    else:
        _make(gp, iter(details))


def _creation(work: Work) -> Iterator[Call]:
    document, number = work.document, work.number
    yield from (econnect.line_call(document, number, line, update=0) for line in document.lines)
    yield from econnect.tax_calls(document, number)
    yield econnect.user_defined_call(document, number)
    yield econnect.header_call(document, number, update=0)


def _change(gp: GpTransaction, work: Work, standing: SalesDocument) -> Iterator[Call]:
    document, number = work.document, work.number
    if work.step is Step.CANCEL:
        yield econnect.void_call(document, number)
        return
    identity = DocumentId(SOPTYPE=document.SOPTYPE, SOPNUMBE=number)
    leaving = _leaving(work, standing, gp.lines_marked(identity, document.USERDEF1))
    staying = {line.LNITMSEQ for line in standing.lines} - {line.LNITMSEQ for line in leaving}
    yield from (econnect.line_delete_call(document, number, line) for line in leaving)
    yield from (
        econnect.line_call(document, number, line, update=int(line.LNITMSEQ in staying)) for line in document.lines
    )
    # read now that the lines which left have taken theirs along
    yield from econnect.tax_calls(document, number, gp.tax_details(identity))
    # eConnect empties the dates a person entered beside them: only for deployments that fill any
    if document.user_defined != UserDefined():
        yield econnect.user_defined_call(document, number)
    yield econnect.header_call(document, number, update=1)


def _leaving(work: Work, standing: SalesDocument, ours: frozenset[int]) -> list[SalesLine]:
    """Standing lines the order does not have; the components of a kit go with their line.

    A line cannot change its item (2902): such a one is taken off and put on again.

    Raises:
        TooLateError: a person put it there, so that a person has to take it off.
    """
    wanted = {line.LNITMSEQ: line.ITEMNMBR.upper() for line in work.document.lines}
    leaving = [
        line for line in standing.lines if not line.CMPNTSEQ and wanted.get(line.LNITMSEQ) != line.ITEMNMBR.upper()
    ]
    for line in leaving:
        if line.LNITMSEQ not in ours:
            raise TooLateError(
                "gp.changed_by_hand",
                "a line of a person's would be taken off the document",
                document=work.number,
                line=line.ITEMNMBR,
            )
    return leaving


def _still_changeable(gp: GpTransaction, work: Work) -> SalesDocument:
    """The document as it stands in work.

    Raises:
        TooLateError: transferred, posted, void or deleted since.
    """
    standing = gp.document(DocumentId(SOPTYPE=work.document.SOPTYPE, SOPNUMBE=work.number))
    if standing is None:
        raise TooLateError("gp.document_gone", "the document was deleted in GP", document=work.number)
    if standing.in_history or any(line.QTYPRINV for line in standing.lines):
        raise TooLateError("gp.too_late", "the document was transferred to an invoice already", document=work.number)
    return standing


def _read_back(gp: GpTransaction, work: Work) -> None:
    """A zero error state without a document has been seen: believe the tables.

    Others wait for the batch the document is in: document and receipt are one question.
    """
    document = DocumentId(SOPTYPE=work.document.SOPTYPE, SOPNUMBE=work.number)
    written = gp.written(document, work.reference, work.operation)
    if written is None or written[0] != work.document.DOCAMNT:
        raise RefusedError(
            "gp.not_written", "eConnect reported success but the document does not stand", document=work.number
        )
    _require_receipt(work, stands=written[1])


def _require_receipt(work: Work, *, stands: bool) -> None:
    """What an add-on rolls back in the middle takes our receipt along, while what follows would be committed."""
    if not stands:
        raise RefusedError("gp.rolled_back", "something in GP undid the first half", document=work.number)


def _settlement(work: Work, intent: Intent) -> Settlement:
    known = KnownAs(canonical_id=work.reference, record="sales_order", id_there=work.number)
    return Settlement(
        state=State.DELIVERED,
        code=_DONE[work.step],
        values={"document": work.number, "amount": str(work.document.DOCAMNT)},
        document_number=work.number,
        known_as=(known,) if work.step is Step.CREATE else (),
        mapping=intent.mapping,
    )
