"""What must be decided to write a store's order as a GP sales document; named by its mapping."""

import hashlib

from consumers.dynamics_gp.target import CustomerNumbers, Target, target_of
from errors import MappingError
from mapping.functions.texts import fit_code_page
from mapping.port import Lookups
from schemas.canonical.order import Order

__all__ = ["customer_number", "key", "short_reference", "target"]

_CUSTOMER_LENGTH = 15
_REFERENCE_LENGTH = 20


def target(lookups: Lookups) -> Target:
    """What the connection's options say."""
    return target_of(lookups)


def customer_number(order: Order, lookups: Lookups) -> str:
    """GP's customer number of who ordered; a guest is known by his e-mail address.

    A row of `gp_customers` (`<store>:<account or e-mail>` -> number) decides first. Else it is the account itself
    where the connection's option `customer_numbers` says so and the column holds it, else made of what he is known by.

    Raises:
        MappingError: neither account nor e-mail address, or a row's number does not fit.
    """
    company = target_of(lookups)
    account, email = order.customer_id.strip(), order.customer_email.strip().lower()
    if not account and not email:
        raise MappingError("customer_id", "neither an account nor an e-mail address: nobody to sell to")
    row = lookups.find("gp_customers", f"{order.connection}:{account or email}")
    if row is not None:
        return key(row, _CUSTOMER_LENGTH, company.code_page)
    shared = company.customer_numbers is CustomerNumbers.ACCOUNT
    number = account.upper()
    if shared and 0 < len(number) <= _CUSTOMER_LENGTH and fit_code_page(number, company.code_page) == number:
        return number
    known_by = number or email
    whole = known_by if shared else f"{order.connection}:{known_by}"
    return "WEB" + hashlib.sha256(whole.encode()).hexdigest()[:12].upper()


def short_reference(root_key: str) -> str:
    """The root key where 20 plain characters hold it, else a digest of that length that never changes."""
    if len(root_key) <= _REFERENCE_LENGTH and root_key.isascii() and root_key.isprintable():
        return root_key
    return hashlib.sha256(root_key.encode()).hexdigest()[:_REFERENCE_LENGTH].upper()


def key(text: str, length: int, code_page: str) -> str:
    """A key as it is.

    Raises:
        MappingError: its column does not hold it; cut or written with other letters, it would be another one.
    """
    if len(text) > length:
        raise MappingError("", f"{text!r} is longer than GP's {length} characters: add a row to the lookup table")
    if fit_code_page(text, code_page) != text:
        raise MappingError("", f"{text!r} has characters that GP has not: add a row to the lookup table")
    return text
