"""Rows of Dynamics GP tables as change data capture brings them: only the columns the bus reads."""

from decimal import Decimal

import msgspec

ZERO = Decimal(0)


class SalesDocumentRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of SOP10100, SOP10200, SOP10107, SOP30200 or SOP30300: enough to know which document it belongs to."""

    SOPTYPE: int
    SOPNUMBE: str
    #: Only headers have these three.
    ORIGTYPE: int = 0
    ORIGNUMB: str = ""
    MSTRNUMB: int = 0


class ItemSiteRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of IV00102: one item at one site, or with RCRDTYPE 1 the total of all sites."""

    ITEMNMBR: str
    LOCNCODE: str
    RCRDTYPE: int
    QTYONHND: Decimal = ZERO
    ATYALLOC: Decimal = ZERO
    QTYONORD: Decimal = ZERO
    QTYBKORD: Decimal = ZERO
