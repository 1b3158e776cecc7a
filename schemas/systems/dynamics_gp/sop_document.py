"""What the bus wants a GP sales document to look like: eConnect parameters by their real names."""

from datetime import date
from decimal import Decimal

import msgspec

ZERO = Decimal(0)


class SopAddress(msgspec.Struct, frozen=True, kw_only=True):
    """One address block, cut to GP's lengths."""

    ADRSCODE: str
    ShipToName: str = ""
    CNTCPRSN: str = ""
    ADDRESS1: str = ""
    ADDRESS2: str = ""
    ADDRESS3: str = ""
    CITY: str = ""
    STATE: str = ""
    ZIPCODE: str = ""
    COUNTRY: str = ""
    CCode: str = ""
    PHNUMBR1: str = ""


class SopCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """The customer, created in the same transaction when GP does not know him."""

    CUSTNMBR: str
    CUSTNAME: str
    CUSTCLAS: str
    email: str
    billing: SopAddress


class SopLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line; `LNITMSEQ` steps by 16384 in the order of the store's lines."""

    LNITMSEQ: int
    ITEMNMBR: str
    QUANTITY: Decimal
    UOFM: str
    UNITPRCE: Decimal
    XTNDPRCE: Decimal
    LOCNCODE: str
    TAXAMNT: Decimal = ZERO


class SopDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A sales order for GP: header, lines, customer, references. Totals add up or it is not made."""

    SOPTYPE: int
    DOCID: str
    DOCDATE: date
    BACHNUMB: str
    CSTPONBR: str
    USERDEF1: str
    LOCNCODE: str
    SHIPMTHD: str
    CURNCYID: str
    TAXSCHID: str
    TAXDTLID: str
    SUBTOTAL: Decimal
    FREIGHT: Decimal
    MISCAMNT: Decimal
    TRDISAMT: Decimal
    TAXAMNT: Decimal
    DOCAMNT: Decimal
    customer: SopCustomer
    ship_to: SopAddress
    lines: tuple[SopLine, ...]
    #: True: the store cancelled the order, the document shall be void.
    cancelled: bool = False
    comment: str = ""
