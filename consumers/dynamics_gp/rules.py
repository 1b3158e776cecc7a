"""What must be decided to write a store's order as a GP sales document."""

import hashlib
import unicodedata
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

import msgspec
from anyascii import anyascii

from consumers.dynamics_gp.target import CustomerNumbers, Target
from errors import MappingError
from mapping.port import Lookups
from schemas.canonical.order import Order, OrderLine

ZERO = Decimal(0)
#: GP's own step of line sequence numbers. A line that a person puts in between stays his: an update that would take
#: it off again is refused (`sink._leaving`).
LINE_STEP = 16384
_CUSTOMER_LENGTH = 15
_REFERENCE_LENGTH = 20


class LinePrice(msgspec.Struct, frozen=True, kw_only=True):
    """A line as GP wants it: unit price times quantity is the extended price to the last decimal."""

    unit: Decimal
    extended: Decimal
    #: What the extended price is above the customer's; the document's trade discount takes it off again.
    above: Decimal


def line_price(line: OrderLine, decimals: int) -> LinePrice:
    """Net unit price of a line after its discounts.

    Units: major currency units, `decimals` places.
    GP refuses a line whose price times quantity is not its extended price (722), so a discount that the quantity does
    not divide is rounded up in the price and the remainder goes to the document.
    """
    smallest = Decimal(1).scaleb(-decimals)
    unit = (line.extended / line.quantity).quantize(smallest, rounding=ROUND_CEILING)
    extended = (unit * line.quantity).quantize(smallest, rounding=ROUND_HALF_UP)
    return LinePrice(unit=unit, extended=extended, above=extended - line.extended)


def line_taxes(order: Order) -> tuple[Decimal, ...]:
    """Tax of each line; what the store taxed beyond its lines (freight, rounding) is put on the last one."""
    taxes = [line.tax for line in order.lines]
    taxes[-1] += order.tax - sum(taxes, ZERO)
    if taxes[-1] < ZERO:
        raise MappingError("tax", f"the lines' taxes exceed the order's {order.tax}")
    return tuple(taxes)


def customer_number(order: Order, lookups: Lookups, target: Target) -> str:
    """GP's customer number of who ordered; a guest is known by his e-mail address.

    A row of `gp_customers` (`<store>:<account or e-mail>` -> number) decides first. Else it is the account itself
    where the connection's option `customer_numbers` says so and the column holds it, else made of what he is known by.

    Raises:
        MappingError: neither account nor e-mail address, or a row's number does not fit.
    """
    account, email = order.customer_id.strip(), order.customer_email.strip().lower()
    if not account and not email:
        raise MappingError("customer_id", "neither an account nor an e-mail address: nobody to sell to")
    row = lookups.find("gp_customers", f"{order.connection}:{account or email}")
    if row is not None:
        return key(row, _CUSTOMER_LENGTH, "gp_customers", target.code_page)
    shared = target.customer_numbers is CustomerNumbers.ACCOUNT
    number = account.upper()
    if shared and 0 < len(number) <= _CUSTOMER_LENGTH and _held(number, target.code_page) == number:
        return number
    known_by = number or email
    whole = known_by if shared else f"{order.connection}:{known_by}"
    return "WEB" + hashlib.sha256(whole.encode()).hexdigest()[:12].upper()


def short_reference(root_key: str) -> str:
    """The root key where 20 plain characters hold it, else a digest of that length that never changes."""
    if len(root_key) <= _REFERENCE_LENGTH and root_key.isascii() and root_key.isprintable():
        return root_key
    return hashlib.sha256(root_key.encode()).hexdigest()[:_REFERENCE_LENGTH].upper()


def fit(text: str, length: int, code_page: str) -> str:
    """Text as a GP column can hold it: letters of its code page, no control characters, cut where it must be.

    Only for names and addresses that people read; keys that do not fit are refused (`key`).
    """
    return _held(text, code_page).strip()[:length].rstrip()


def key(text: str, length: int, field: str, code_page: str) -> str:
    """A key as it is.

    Raises:
        MappingError: its column does not hold it; cut or written with other letters, it would be another one.
    """
    if len(text) > length:
        raise MappingError(field, f"{text!r} is longer than GP's {length} characters: add a row to the lookup table")
    if not holds(text, code_page):
        raise MappingError(field, f"{text!r} has characters that GP has not: add a row to the lookup table")
    return text


def holds(text: str, code_page: str) -> bool:
    """Whether GP can keep the text as it is."""
    return _held(text, code_page) == text


def _held(text: str, code_page: str) -> str:
    printable = "".join(c for c in text if unicodedata.category(c)[0] != "C")
    return _in_code_page(printable, code_page)


def _in_code_page(text: str, code_page: str) -> str:
    try:
        text.encode(code_page)
    except UnicodeEncodeError:
        return "".join(c if _holds(code_page, c) else anyascii(c) for c in text)
    return text


def _holds(code_page: str, character: str) -> bool:
    try:
        character.encode(code_page)
    except UnicodeEncodeError:
        return False
    return True
