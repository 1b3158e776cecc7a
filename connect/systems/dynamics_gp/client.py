"""Dynamics GP as the bus uses it: eConnect procedures and reads over ODBC, one method per thing done there."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TypeVar

import pyodbc

from bus.settings import Connection
from connect.discovered import Record
from connect.expected import Expected
from connect.identity import Known, Seen, Verdict
from connect.systems.dynamics_gp import catalogue, statements
from connect.systems.dynamics_gp.dialect import (
    NODE_OUTPUTS,
    Dialect,
    DuplicateKeyError,
    Output,
    Parameter,
    Statement,
    dialect_of,
)
from connect.systems.dynamics_gp.session import Session, Sessions
from errors import ConfigurationError, RefusedError, RetryableError, UnknownOutcomeError
from schemas.systems.dynamics_gp.receipt import Receipt
from schemas.systems.dynamics_gp.sales_order import DocumentId, SalesDocument, SalesLine

T = TypeVar("T")

#: The document is open on somebody's screen: he will close it.
_BUSY = frozenset({2022, 2079})
#: Of a company database that says nothing else.
CODE_PAGE = "cp1252"
#: For everything but the call with an effect, which has its intent's own limit.
READ_WITHIN_S = 60.0
#: So many documents are asked for in one statement, far below the 2100 parameters SQL Server takes.
_AT_ONCE = 100
#: GP's way to say that there is no date.
_NO_DATE_YEAR = 1900
_NUMBER_OUTPUTS = (Output(name="O_vSopNumber", type="varchar(21)"), Output(name="O_iErrorState", type="int"))


class GpTransaction:
    """One open transaction: every procedure called on it stands or falls with the others."""

    def __init__(self, session: Session, dialect: Dialect, expected: Expected) -> None:
        self._session = session
        self._dialect = dialect
        self._expected = expected
        #: Number and document of the receipt that was added.
        self._added: tuple[int, str] | None = None

    def call(self, procedure: str, parameters: Mapping[str, Parameter]) -> None:
        """Call an eConnect node procedure; parameters by their names without the @.

        Raises:
            RetryableError: the document is being edited by a user of GP.
            RefusedError: `gp.<first error number>`, with all numbers as facts.
        """
        row = self._one(self._dialect.call(procedure, parameters, NODE_OUTPUTS), procedure)
        state, numbers = int(row[0] or 0), str(row[1] or "").split()
        if state == 0:
            return
        reported = numbers or [str(state)]
        if any(number.isdigit() and int(number) in _BUSY for number in reported):
            raise RetryableError("gp.document_in_use", "a user of GP has the document open", number=reported[0])
        raise RefusedError(
            f"gp.{reported[0]}",
            f"{procedure} refused it: {' '.join(reported)}",
            procedure=procedure,
            numbers=" ".join(reported),
            item=str(parameters["I_vITEMNMBR"]) if "I_vITEMNMBR" in parameters else None,
        )

    def take_sop_number(self, document_type: int, document_id: str) -> str:
        """The next document number of a document id, such as WEB."""
        parameters: dict[str, Parameter] = {"I_tSOPTYPE": document_type, "I_cDOCID": document_id, "I_tInc_Dec": 1}
        row = self._one(self._dialect.call("taGetSopNumber", parameters, _NUMBER_OUTPUTS), "taGetSopNumber")
        if row[1]:
            raise RefusedError(
                "gp.no_number", f"no next number for document id {document_id!r}", document_id=document_id
            )
        return str(row[0]).strip()

    def add_receipt(self, receipt: Receipt) -> None:
        """Write the proof; comes first, so that a second transaction for the same operation waits here.

        Raises:
            UnknownOutcomeError: it is there already: the operation was carried out before, find it.
            StrangerError: its number was drawn before: the database was set back.
        """
        before = self._expected.high_water
        values = (
            receipt.reference,
            receipt.operation,
            receipt.record,
            receipt.document_type,
            receipt.document_number,
            receipt.digest,
        )
        try:
            rows = self._session.query(Statement(text=self._dialect.add_receipt, parameters=values))
        except DuplicateKeyError as error:
            raise UnknownOutcomeError("gp.receipt_exists", "this operation has a receipt already") from error
        number = int(rows[0][0])
        self._expected.drawn(number, before)
        self._added = number, receipt.document_number

    def receipts_of(self, reference: str) -> tuple[Receipt, ...]:
        """All receipts of one business reference, oldest first."""
        return self._receipts(Statement(text=statements.RECEIPTS_OF_REFERENCE, parameters=(reference,)))

    def written(self, document: DocumentId, reference: str, operation: str) -> tuple[Decimal, bool] | None:
        """The amount of a document in work, and whether its operation's receipt stands; None: there is no document."""
        for row in self._query(statements.WRITTEN, reference, operation, document.SOPTYPE, document.SOPNUMBE):
            return row[0], bool(row[1])
        return None

    def references_of(self, documents: Sequence[DocumentId]) -> dict[DocumentId, str]:
        """The references of those documents that have a receipt."""
        found: dict[DocumentId, str] = {}
        for kind, numbers in _by_type(documents):
            text = statements.receipts_of_documents(len(numbers))
            for receipt in self._receipts(Statement(text=text, parameters=(kind, *numbers))):
                document = DocumentId(SOPTYPE=receipt.document_type, SOPNUMBE=receipt.document_number)
                found.setdefault(document, receipt.reference)
        return found

    def listed(self, text: str) -> Sequence[pyodbc.Row]:
        """Rows of a statement without parameters."""
        return self._query(text)

    def knows_customer(self, number: str) -> bool:
        """Is the customer in RM00101?"""
        return bool(self._query(statements.CUSTOMER, number))

    def unknown_items(self, numbers: Collection[str]) -> tuple[str, ...]:
        """Those of the items that are not in IV00101, as they were asked for."""
        asked = sorted(set(numbers))
        # As it was written, and in capitals as GP keeps it: databases that compare with case have an index for both.
        forms = sorted({form for number in asked for form in (number, number.strip().upper())})
        known: set[str] = set()
        for start in range(0, len(forms), _AT_ONCE):
            some = forms[start : start + _AT_ONCE]
            known |= {str(row[0]).strip().upper() for row in self._query(statements.items(len(some)), *some)}
        return tuple(number for number in asked if number.strip().upper() not in known)

    def document(self, document: DocumentId) -> SalesDocument | None:
        """A document with its lines and tracking numbers, from work or else from history."""
        for text, in_history in ((statements.HEADER_IN_WORK, False), (statements.HEADER_IN_HISTORY, True)):
            for row in self._query(text, document.SOPTYPE, document.SOPNUMBE):
                return self._whole(row, in_history=in_history)
        return None

    def family(self, order: DocumentId, master_number: int) -> tuple[SalesDocument, ...]:
        """Every document that came of an order, in work and history, without the order itself.

        Args:
            order: Which.
            master_number: Its MSTRNUMB, by which its whole family is found; 0 where it is gone: what came of it alone.
        """
        values: tuple[Parameter, ...]
        if master_number:
            texts, values = (statements.FAMILY_IN_WORK, statements.FAMILY_IN_HISTORY), (master_number,)
        else:
            texts, values = (statements.CAME_OF_IN_WORK, statements.CAME_OF_IN_HISTORY), (order.SOPTYPE, order.SOPNUMBE)
        found: dict[tuple[int, str], SalesDocument] = {}
        for text, in_history in zip(texts, (False, True), strict=True):
            for row in self._query(text, *values):
                document = self._whole(row, in_history=in_history)
                found.setdefault((document.SOPTYPE, document.SOPNUMBE), document)
        found.pop((order.SOPTYPE, order.SOPNUMBE), None)
        return tuple(found[key] for key in sorted(found))

    def header(self, document: DocumentId) -> SalesDocument | None:
        """A document's header alone."""
        for text, in_history in ((statements.HEADER_IN_WORK, False), (statements.HEADER_IN_HISTORY, True)):
            for row in self._query(text, document.SOPTYPE, document.SOPNUMBE):
                return _header(row, in_history=in_history, lines=(), tracking_numbers=())
        return None

    def headers(self, documents: Sequence[DocumentId]) -> dict[DocumentId, SalesDocument]:
        """The headers alone of those documents there are, in few statements for many."""
        found: dict[DocumentId, SalesDocument] = {}
        for text_of, in_history in ((statements.headers_in_work, False), (statements.headers_in_history, True)):
            missing = [document for document in documents if document not in found]
            for kind, numbers in _by_type(missing):
                for row in self._query(text_of(len(numbers)), kind, *numbers):
                    header = _header(row, in_history=in_history, lines=(), tracking_numbers=())
                    found[DocumentId(SOPTYPE=header.SOPTYPE, SOPNUMBE=header.SOPNUMBE)] = header
        return found

    def lines_marked(self, document: DocumentId, mark: str) -> frozenset[int]:
        """Sequence numbers of the lines in work that carry the mark (INTEGRATIONID)."""
        rows = self._query(statements.LINES_MARKED, document.SOPTYPE, document.SOPNUMBE, mark)
        return frozenset(int(row[0]) for row in rows)

    def tax_details(self, document: DocumentId) -> tuple[tuple[int, str], ...]:
        """Line sequence number and tax detail of each tax row; number 0 is the document's own."""
        rows = self._query(statements.TAX_ROWS, document.SOPTYPE, document.SOPNUMBE)
        return tuple((int(row[0]), str(row[1]).strip()) for row in rows)

    def now(self) -> datetime:
        """The database's clock, UTC, without a zone."""
        row = self._session.query(Statement(text=f"SELECT {self._dialect.now}"))[0]
        moment = row[0]
        if not isinstance(moment, datetime):
            raise RetryableError("gp.away", "the GP database gave no time")
        return moment

    def commit(self) -> None:
        """Make all of it stand.

        Raises:
            UnknownOutcomeError: the answer was lost.
            StrangerError: somebody met another database than is expected meanwhile; nothing stands.
        """
        self._expected.still()
        self._session.commit()
        if self._added is not None:
            self._expected.stands(*self._added)

    def _whole(self, row: pyodbc.Row, *, in_history: bool) -> SalesDocument:
        text = statements.LINES_IN_HISTORY if in_history else statements.LINES_IN_WORK
        key = (row.SOPTYPE, row.SOPNUMBE)
        lines = tuple(_line(line) for line in self._query(text, *key))
        tracking = tuple(str(found[0]).strip() for found in self._query(statements.TRACKING, *key))
        return _header(row, in_history=in_history, lines=lines, tracking_numbers=tracking)

    def _receipts(self, statement: Statement) -> tuple[Receipt, ...]:
        return tuple(
            Receipt(
                reference=row.reference,
                operation=row.operation,
                document_type=row.document_type,
                document_number=row.document_number,
                digest=row.digest,
            )
            for row in self._session.query(statement)
        )

    def _query(self, text: str, *values: Parameter) -> Sequence[pyodbc.Row]:
        return self._session.query(Statement(text=text, parameters=values))

    def _one(self, statement: Statement, procedure: str) -> pyodbc.Row:
        rows = self._session.query(statement)
        if not rows:
            raise RefusedError("gp.no_answer", f"{procedure} gave no result", procedure=procedure)
        return rows[0]


class GpClient:
    """One GP company database."""

    def __init__(self, odbc: str, dialect: str, *, in_flight: int, code_page: str = CODE_PAGE) -> None:
        self._dialect = dialect_of(dialect)
        self._expected = Expected()
        self._sessions = Sessions(
            odbc,
            self._dialect,
            in_flight=in_flight,
            code_page=code_page,
            who=partial(_who, dialect=self._dialect),
            expected=self._expected,
        )

    async def aclose(self) -> None:
        """Let running transactions end, for a while, then hang up."""
        await self._sessions.aclose()

    async def in_transaction(self, work: Callable[[GpTransaction], T], within_s: float = READ_WITHIN_S) -> T:
        """Run `work` in one transaction of its own; it commits itself, and nothing later than `within_s` from now."""
        return await self._sessions.run(lambda session: work(self._transaction(session)), within_s)

    async def catalogue(self) -> tuple[Record, ...]:
        """The tables of the company with their columns and keys, as its catalogue tells them."""

        def read(gp: GpTransaction) -> tuple[Record, ...]:
            return catalogue.records(gp.listed(statements.COLUMNS), gp.listed(statements.PRIMARY_KEYS))

        return await self.in_transaction(read)

    async def probe(self) -> None:
        """The cheapest read that needs a session: whether the company database works again."""
        await self.in_transaction(lambda gp: gp.now())

    async def in_snapshot(self, work: Callable[[GpTransaction], T]) -> T:
        """Run reads that all see one moment."""

        def reading(session: Session) -> T:
            try:
                for text in self._dialect.snapshot:
                    session.execute(Statement(text=text))
                return work(self._transaction(session))
            finally:
                session.rollback()
                session.restore(self._dialect.after_snapshot)

        return await self._sessions.run(reading, READ_WITHIN_S)

    # ---- which company it is

    async def who(self) -> Seen:
        """Which database answers, and the newest of our receipts there; whatever is expected."""
        return await self._sessions.who(READ_WITHIN_S)

    @property
    def known(self) -> Known | None:
        """Whom it expects, with the newest receipt it has written."""
        return self._expected.known

    @property
    def refusals(self) -> int:
        """How often it met another database than it expects."""
        return self._expected.refusals

    def expect(self, known: Known | None, refusals: int) -> bool:
        """Nothing is read from or written to any other database from now on; as `Expected.expect`."""
        return self._expected.expect(known, refusals)

    def refuse(self, why: Verdict) -> None:
        """Nothing is read or written until `expect`."""
        self._expected.refuse(why)

    def _transaction(self, session: Session) -> GpTransaction:
        return GpTransaction(session, self._dialect, self._expected)


def open_company(connection: Connection) -> GpClient:
    """A client of the connection's company database.

    Raises:
        ConfigurationError: no connection string, or a limit that nobody would keep here.
    """
    if connection.requests_per_minute:
        raise ConfigurationError(
            f"connections.{connection.name}.requests_per_minute", "a database counts sessions: write in_flight instead"
        )
    if connection.odbc is None:
        raise ConfigurationError(f"connections.{connection.name}.odbc", "the ODBC connection string is missing")
    return GpClient(
        connection.odbc.reveal(),
        connection.dialect,
        in_flight=connection.in_flight,
        code_page=connection.options.get("code_page", CODE_PAGE),
    )


def _who(session: Session, dialect: Dialect) -> Seen:
    """The receipts only where there are any: a database without the table is not ours, which its identity says."""
    name, has_receipts, *values = session.query(Statement(text=dialect.who))[0]
    parts = {part: str(value) for part, value in zip(dialect.parts, values, strict=True) if value is not None}
    if not has_receipts:
        return Seen(name=str(name), parts=parts)
    for number, document in session.query(Statement(text=dialect.newest_receipt)):
        return Seen(name=str(name), parts=parts, high_water=int(number), newest=str(document).strip())
    drawn = session.query(Statement(text=dialect.last_drawn))
    return Seen(name=str(name), parts=parts, high_water=int(drawn[0][0] or 0) if drawn else 0)


def _by_type(documents: Sequence[DocumentId]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Numbers of each type, as many as are asked for at once."""
    for kind in sorted({document.SOPTYPE for document in documents}):
        numbers = sorted({document.SOPNUMBE for document in documents if kind == document.SOPTYPE})
        for start in range(0, len(numbers), _AT_ONCE):
            yield kind, tuple(numbers[start : start + _AT_ONCE])


def _header(
    row: pyodbc.Row, *, in_history: bool, lines: tuple[SalesLine, ...], tracking_numbers: tuple[str, ...]
) -> SalesDocument:
    return SalesDocument(
        SOPTYPE=row.SOPTYPE,
        SOPNUMBE=row.SOPNUMBE.strip(),
        in_history=in_history,
        ORIGTYPE=row.ORIGTYPE,
        ORIGNUMB=row.ORIGNUMB.strip(),
        MSTRNUMB=row.MSTRNUMB,
        DOCID=row.DOCID.strip(),
        CUSTNMBR=row.CUSTNMBR.strip(),
        CSTPONBR=row.CSTPONBR.strip(),
        SHIPMTHD=row.SHIPMTHD.strip(),
        DOCAMNT=row.DOCAMNT,
        SOPSTATUS=row.SOPSTATUS,
        PSTGSTUS=row.PSTGSTUS,
        VOIDSTTS=row.VOIDSTTS,
        DOCDATE=_date(row.DOCDATE),
        ACTLSHIP=_date(row.ACTLSHIP),
        lines=lines,
        tracking_numbers=tracking_numbers,
    )


def _line(row: pyodbc.Row) -> SalesLine:
    return SalesLine(
        LNITMSEQ=row.LNITMSEQ,
        CMPNTSEQ=row.CMPNTSEQ,
        ITEMNMBR=row.ITEMNMBR.strip(),
        UOFM=row.UOFM.strip(),
        LOCNCODE=row.LOCNCODE.strip(),
        QUANTITY=row.QUANTITY,
        ATYALLOC=row.ATYALLOC,
        QTYFULFI=row.QTYFULFI,
        QTYTBAOR=row.QTYTBAOR,
        QTYCANCE=row.QTYCANCE,
        QTYPRINV=row.QTYPRINV,
        QTYREMAI=row.QTYREMAI,
    )


def _date(value: datetime) -> datetime | None:
    return None if value.year <= _NO_DATE_YEAR else value
