"""A GP sales order with every document that came of it, read in one snapshot from work and history."""

from datetime import datetime
from decimal import Decimal

import msgspec

ZERO = Decimal(0)

ORDER = 2
INVOICE = 3
BACK_ORDER = 5


class DocumentId(msgspec.Struct, frozen=True, kw_only=True):
    """A sales document is known by type and number together: the same number may stand under two types."""

    SOPTYPE: int
    SOPNUMBE: str


class SalesLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of SOP10200 or SOP30300, names as there, text trimmed."""

    LNITMSEQ: int
    CMPNTSEQ: int = 0
    ITEMNMBR: str
    UOFM: str = ""
    LOCNCODE: str = ""
    QUANTITY: Decimal = ZERO
    ATYALLOC: Decimal = ZERO
    QTYFULFI: Decimal = ZERO
    QTYTBAOR: Decimal = ZERO
    QTYCANCE: Decimal = ZERO
    QTYPRINV: Decimal = ZERO
    QTYREMAI: Decimal = ZERO


class SalesDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A header of SOP10100 (work) or SOP30200 (history) with its lines and tracking numbers."""

    SOPTYPE: int
    SOPNUMBE: str
    #: True when it stands in history: posted, voided or transferred in full.
    in_history: bool
    ORIGTYPE: int = 0
    ORIGNUMB: str = ""
    MSTRNUMB: int = 0
    DOCID: str = ""
    CUSTNMBR: str = ""
    CSTPONBR: str = ""
    SHIPMTHD: str = ""
    DOCAMNT: Decimal = ZERO
    SOPSTATUS: int = 0
    PSTGSTUS: int = 0
    VOIDSTTS: int = 0
    DOCDATE: datetime | None = None
    ACTLSHIP: datetime | None = None
    lines: tuple[SalesLine, ...] = ()
    tracking_numbers: tuple[str, ...] = ()


class SalesOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `dynamics-gp.sales-orders.v1`: one order's whole story at GP."""

    #: The order's document number.
    number: str
    #: Root key: the store order's where we know it, else the order's own at this connection.
    root_key: str
    connection: str
    #: The database's clock in the snapshot.
    read_at: datetime
    #: None when it is in neither work nor history: deleted.
    order: SalesDocument | None = None
    #: Every other document of its family: invoices, back orders.
    others: tuple[SalesDocument, ...] = ()
