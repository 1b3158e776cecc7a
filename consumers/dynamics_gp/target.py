"""What a connection's options say about writing orders into its company."""

from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from errors import ConfigurationError
from mapping.port import Lookups

#: The lookup table that holds the target connection's options.
TARGET = "target"
#: GP keeps amounts with five decimals.
_MOST_DECIMALS = 5


class CustomerNumbers(StrEnum):
    """Where GP's customer numbers come from; a row of the lookup table `gp_customers` goes before either."""

    #: The store's account number is the company's customer number: one store, or stores that share their accounts.
    ACCOUNT = "account"
    #: Made of the store and its account, as several stores count their customers from 1.
    BY_STORE = "by-store"


class MissingItems(StrEnum):
    """What becomes of an order with an item the company does not have."""

    #: It waits for the item and goes on when that is created: items are kept in the store first, or the ERP is behind.
    WAIT = "wait"
    #: It is a dead letter: a number nobody knows is a mistake.
    REFUSE = "refuse"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `[connections.<name>.options]`, in the types they are used in."""

    #: Document id of the orders we make, such as WEB, with its own numbers.
    document_id: str
    #: Of lines that name none.
    site: str
    #: In which the company's days begin; the connection's own `time_zone`.
    time_zone: str
    #: The company's own; empty: not said, and orders in any currency are taken for it.
    currency: str
    currency_decimals: int
    #: Of the company database; letters beyond it are written in Latin ones.
    code_page: str
    customer_numbers: CustomerNumbers
    missing_items: MissingItems
    #: Both are needed as soon as an order is taxed.
    tax_schedule: str
    tax_detail: str
    #: Class whose settings a new customer takes over; none: those of the set-up.
    customer_class: str
    #: For shipping methods without a row in `gp_ship_methods`.
    ship_method: str


@lru_cache(maxsize=8)
def target_of(lookups: Lookups, connection: str = "<connection>") -> Target:
    """The options in the lookup table `target`; read once for the tables of a process.

    Args:
        lookups: The deployment's, the connection's options known as `target`.
        connection: Its name, for whoever has to correct a setting.

    Raises:
        ConfigurationError: an option is missing or impossible.
    """
    options = f"connections.{connection}.options"

    def option(name: str, default: str = "") -> str:
        return (lookups.find(TARGET, name) or default).strip()

    def required(name: str, example: str) -> str:
        if not option(name):
            raise ConfigurationError(f"{options}.{name}", f'missing: write {name} = "{example}" under [{options}]')
        return option(name)

    return Target(
        document_id=required("document_id", "WEB"),
        site=required("site", "MAIN"),
        time_zone=_zone(option("time_zone", "UTC"), f"connections.{connection}.time_zone"),
        currency=option("currency").upper(),
        currency_decimals=_decimals(option("currency_decimals", "2"), f"{options}.currency_decimals"),
        code_page=_code_page(option("code_page", "cp1252"), f"{options}.code_page"),
        customer_numbers=_numbers(option("customer_numbers", "account"), f"{options}.customer_numbers"),
        missing_items=_missing_items(option("missing_items", "wait"), f"{options}.missing_items"),
        tax_schedule=option("tax_schedule"),
        tax_detail=option("tax_detail"),
        customer_class=option("customer_class"),
        ship_method=option("ship_method"),
    )


def _zone(text: str, setting: str) -> str:
    try:
        return ZoneInfo(text).key
    except (KeyError, ValueError, OSError) as error:
        raise ConfigurationError(setting, f"{text!r} is no time zone: write one such as America/New_York") from error


def _decimals(text: str, setting: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _MOST_DECIMALS):
        raise ConfigurationError(setting, f"{text!r} is no number of decimals: write 0 to {_MOST_DECIMALS}")
    return int(text)


def _code_page(text: str, setting: str) -> str:
    try:
        "A".encode(text)
    except LookupError as error:
        raise ConfigurationError(setting, f"{text!r} is no code page: write one such as cp1252") from error
    return text


def _numbers(text: str, setting: str) -> CustomerNumbers:
    try:
        return CustomerNumbers(text)
    except ValueError as error:
        raise ConfigurationError(setting, f"{text!r} is not one of {', '.join(CustomerNumbers)}") from error


def _missing_items(text: str, setting: str) -> MissingItems:
    try:
        return MissingItems(text)
    except ValueError as error:
        raise ConfigurationError(setting, f"{text!r} is not one of {', '.join(MissingItems)}") from error
