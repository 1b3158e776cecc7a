"""A sales document as eConnect calls in the order GP wants them: customer, lines, taxes, user fields, header last."""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal

import msgspec

from schemas.systems.dynamics_gp.sales_order import SalesLine
from schemas.systems.dynamics_gp.sop_document import SopAddress, SopDocument, SopLine

Value = str | int | Decimal | date | None
Call = tuple[str, dict[str, Value]]
ZERO = Decimal(0)
#: A person ordered it: what is short is his to decide on in GP; 2 = sell it though it is short.
_OVERRIDE_SHORTAGE = 2
_EMAIL_LENGTH = 200


def customer_calls(document: SopDocument) -> Iterator[Call]:
    """Create the customer with his address and e-mail; never touches one that is there."""
    customer, address = document.customer, document.customer.billing
    yield (
        "taUpdateCreateCustomerRcd",
        _given(
            CUSTNMBR=customer.CUSTNMBR,
            CUSTNAME=customer.CUSTNAME,
            CUSTCLAS=customer.CUSTCLAS,
            UseCustomerClass=1 if customer.CUSTCLAS else 0,
            ADRSCODE=address.ADRSCODE,
            **_address(address),
            PRSTADCD=address.ADRSCODE,
            PRBTADCD=address.ADRSCODE,
            STADDRCD=address.ADRSCODE,
            CreateAddress=1,
            UpdateIfExists=0,
        ),
    )
    # cut, it would be somebody else's
    if 0 < len(customer.email) <= _EMAIL_LENGTH:
        yield (
            "taCreateInternetAddresses",
            _given(Master_Type="CUS", Master_ID=customer.CUSTNMBR, ADRSCODE=address.ADRSCODE, INET1=customer.email),
        )


def line_call(document: SopDocument, number: str, line: SopLine, *, update: int) -> Call:
    """Insert or change one line, marked as ours; `update` is eConnect's UpdateIfExists."""
    return (
        "taSopLineIvcInsert",
        _given(
            SOPTYPE=document.SOPTYPE,
            SOPNUMBE=number,
            CUSTNMBR=document.customer.CUSTNMBR,
            DOCDATE=document.DOCDATE,
            DOCID=document.DOCID,
            LOCNCODE=line.LOCNCODE,
            ITEMNMBR=line.ITEMNMBR,
            UNITPRCE=line.UNITPRCE,
            XTNDPRCE=line.XTNDPRCE,
            QUANTITY=line.QUANTITY,
            UOFM=line.UOFM,
            LNITMSEQ=line.LNITMSEQ,
            TAXAMNT=line.TAXAMNT,
            TAXSCHID=document.TAXSCHID or None,
            CURNCYID=document.CURNCYID,
            UpdateIfExists=update,
            QtyShrtOpt=_OVERRIDE_SHORTAGE,
            INTEGRATIONID=document.USERDEF1,
        ),
    )


def line_delete_call(document: SopDocument, number: str, line: SalesLine) -> Call:
    """Take a line off the document."""
    return (
        "taSopLineDelete",
        _given(SOPTYPE=document.SOPTYPE, SOPNUMBE=number, LNITMSEQ=line.LNITMSEQ, ITEMNMBR=line.ITEMNMBR, DeleteType=1),
    )


def tax_calls(document: SopDocument, number: str, standing: Iterable[tuple[int, str]] = ()) -> Iterator[Call]:
    """One tax row for each taxed line, so that a part transferred to an invoice takes its tax along.

    Standing rows (line, tax detail) that are not wanted any more are set to zero, as eConnect has no call to delete
    one; else the rows would come to more than the header's tax (712).
    """
    taxed = {line.LNITMSEQ: line for line in document.lines if line.TAXAMNT}
    for sequence, detail in standing:
        # 0 is the document's own row, which GP sums up itself
        if sequence and (sequence not in taxed or detail != document.TAXDTLID):
            yield _tax_call(document, number, sequence, detail, sales=ZERO, tax=ZERO)
    for sequence, line in taxed.items():
        yield _tax_call(document, number, sequence, document.TAXDTLID, sales=line.XTNDPRCE, tax=line.TAXAMNT)


def user_defined_call(document: SopDocument, number: str) -> Call:
    """The reference where GP's own reports can show it, and what the deployment fills of the other fields."""
    filled = {name: value for name, value in msgspec.structs.asdict(document.user_defined).items() if value}
    return ("taSopUserDefined", _given(SOPTYPE=document.SOPTYPE, SOPNUMBE=number, USERDEF1=document.USERDEF1, **filled))


def header_call(document: SopDocument, number: str, *, update: int) -> Call:
    """The header, which checks everything before it; `update` is eConnect's UpdateExisting."""
    return (
        "taSopHdrIvcInsert",
        _given(
            SOPTYPE=document.SOPTYPE,
            DOCID=document.DOCID,
            SOPNUMBE=number,
            TAXSCHID=document.TAXSCHID,
            SHIPMTHD=document.SHIPMTHD or None,
            TAXAMNT=document.TAXAMNT,
            LOCNCODE=document.LOCNCODE,
            DOCDATE=document.DOCDATE,
            FREIGHT=document.FREIGHT,
            MISCAMNT=document.MISCAMNT,
            TRDISAMT=document.TRDISAMT,
            CUSTNMBR=document.customer.CUSTNMBR,
            CUSTNAME=document.customer.CUSTNAME,
            CSTPONBR=document.CSTPONBR,
            ShipToName=document.ship_to.ShipToName,
            **{name: value for name, value in _address(document.ship_to).items() if name != "CCode"},
            SUBTOTAL=document.SUBTOTAL,
            DOCAMNT=document.DOCAMNT,
            BACHNUMB=document.BACHNUMB,
            PRBTADCD=document.customer.billing.ADRSCODE,
            PRSTADCD=document.ship_to.ADRSCODE,
            CREATEDIST=0,
            CURNCYID=document.CURNCYID,
            UpdateExisting=update,
            CMMTTEXT=document.comment,
        ),
    )


def void_call(document: SopDocument, number: str) -> Call:
    """Void the document: it moves to history, its allocations are given back."""
    return (
        "taSopVoidDocument",
        _given(SOPTYPE=document.SOPTYPE, SOPNUMBE=number, BACHNUMB=document.BACHNUMB, VOIDDATE=document.DOCDATE),
    )


def _tax_call(document: SopDocument, number: str, sequence: int, detail: str, *, sales: Decimal, tax: Decimal) -> Call:
    return (
        "taSopLineIvcTaxInsert",
        _given(
            SOPTYPE=document.SOPTYPE,
            SOPNUMBE=number,
            CUSTNMBR=document.customer.CUSTNMBR,
            LNITMSEQ=sequence,
            TAXDTLID=detail,
            SALESAMT=sales,
            STAXAMNT=tax,
            TDTTXSLS=sales,
            TXDTOTTX=tax,
        ),
    )


def _address(address: SopAddress) -> dict[str, Value]:
    return {
        "CNTCPRSN": address.CNTCPRSN,
        "ADDRESS1": address.ADDRESS1,
        "ADDRESS2": address.ADDRESS2,
        "ADDRESS3": address.ADDRESS3,
        "CITY": address.CITY,
        "STATE": address.STATE,
        "ZIPCODE": address.ZIPCODE,
        "CCode": address.CCode,
        "COUNTRY": address.COUNTRY,
        "PHNUMBR1": address.PHNUMBR1,
    }


def _given(**parameters: Value) -> dict[str, Value]:
    """Parameters by their real names; None is not supplied, which GP takes as the customer's or the setup's."""
    return {f"I_v{name}": value for name, value in parameters.items() if value is not None}
