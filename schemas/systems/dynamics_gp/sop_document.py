"""What the bus wants a GP sales document to look like: eConnect parameters by their real names."""

import hashlib
from datetime import date
from decimal import Decimal

import msgspec

from errors import MappingError

ZERO = Decimal(0)
_USER_DEFINED_LENGTH = 20


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


class UserDefined(msgspec.Struct, frozen=True, kw_only=True):
    """The user-defined fields of a sales document that are a deployment's own to fill; 20 characters each.

    Ours leaves them empty: what is empty is not sent, so that what a person entered in GP stays.
    """

    USERDEF2: str = ""
    USRDEF03: str = ""
    USRDEF04: str = ""
    USRDEF05: str = ""
    USRTAB01: str = ""
    USRTAB09: str = ""
    USRTAB03: str = ""

    def __post_init__(self) -> None:
        """Refuse what the columns do not hold: GP would cut it.

        Raises:
            MappingError: a text has more than 20 characters.
        """
        for name in self.__struct_fields__:
            if len(getattr(self, name)) > _USER_DEFINED_LENGTH:
                raise MappingError(
                    "", f"{name} holds {_USER_DEFINED_LENGTH} characters: write cut(…, 20) if it may be cut"
                )


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
    user_defined: UserDefined = UserDefined()

    @property
    def digest(self) -> str:
        """SHA-256 of all it says; without the user-defined fields as long as they say nothing, as it always was."""
        said = {name: getattr(self, name) for name in self.__struct_fields__}
        if self.user_defined == UserDefined():
            del said["user_defined"]
        return hashlib.sha256(msgspec.json.encode(said)).hexdigest()
