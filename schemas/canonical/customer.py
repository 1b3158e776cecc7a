"""Who buys: a person or a business account with its addresses and contacts, as it is seen at a connection."""

from datetime import datetime
from enum import StrEnum

import msgspec

from schemas.canonical.address import Address
from schemas.types import Amount


class CustomerKind(StrEnum):
    """Values of `Customer.kind`."""

    PERSON = "person"
    COMPANY = "company"
    GUEST = "guest"
    UNKNOWN = "unknown"


class CustomerState(StrEnum):
    """Values of `Customer.state`."""

    ACTIVE = "active"
    ON_HOLD = "on_hold"
    INACTIVE = "inactive"
    DELETED = "deleted"
    UNKNOWN = "unknown"


class CustomerAddress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address in the customer's book."""

    #: The address's own code or id there.
    code: str = ""
    #: `billing`, `shipping`, `both` or `other`.
    use: str = "other"
    #: Taken where nobody chooses.
    is_default: bool = False
    address: Address = Address()
    ship_method: str = ""
    tax_code: str = ""


class CustomerContact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person at a business account."""

    #: The contact's own id there.
    code: str = ""
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    #: E.164 where it could be read so.
    phone: str = ""
    role: str = ""


class Customer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A customer; its message key is the root key, behind it `/<connection>` where another than the owner has it so.

    Matching it to one at another system later never changes the key: that is a cross-reference.
    """

    #: Root key: `<owning connection>:<account there>`.
    id: str
    #: The source's own change number, or microseconds since 1970 of the read.
    source_version: int
    updated_at: datetime
    #: Where it is seen like this.
    connection: str = ""
    #: The number as people know it there.
    number: str = ""
    #: `person`, `company`, `guest` or `unknown`.
    kind: str = CustomerKind.UNKNOWN.value
    #: `active`, `on_hold`, `inactive`, `deleted` or `unknown`.
    state: str = CustomerState.UNKNOWN.value
    #: The company's name, or the person's in full.
    name: str = ""
    first_name: str = ""
    last_name: str = ""
    #: Trimmed, in small letters; customers are matched by it.
    email: str = ""
    #: E.164 where it could be read so; customers are matched by it.
    phone: str = ""
    #: Customer class, membership or group.
    group: str = ""
    #: Root key of the account it belongs to; empty: its own.
    parent_id: str = ""
    #: ISO 4217.
    currency: str = ""
    #: BCP 47, such as `en-US`.
    language: str = ""
    price_level: str = ""
    payment_terms: str = ""
    ship_method: str = ""
    salesperson: str = ""
    #: In the customer's currency; absent: none is set.
    credit_limit: Amount | None = None
    tax_code: str = ""
    #: VAT or exemption number.
    tax_number: str = ""
    tax_exempt: bool = False
    billing: Address = Address()
    shipping: Address = Address()
    #: The whole book, where there is one.
    addresses: tuple[CustomerAddress, ...] = ()
    contacts: tuple[CustomerContact, ...] = ()
    note: str = ""
    custom: dict[str, str] = {}
