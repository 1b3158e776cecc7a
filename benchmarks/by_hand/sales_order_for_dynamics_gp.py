"""A canonical order as a GP sales document of type order, written by hand: beside `consumers/dynamics_gp`."""

import unicodedata
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

import msgspec
from anyascii import anyascii

from consumers.dynamics_gp.rules import customer_number, short_reference
from consumers.dynamics_gp.target import Target, target_of
from errors import MappingError
from mapping.port import Lookups
from schemas.canonical.address import Address
from schemas.canonical.order import Order, OrderLine
from schemas.systems.dynamics_gp.sales_order import ORDER
from schemas.systems.dynamics_gp.sop_document import SopAddress, SopCustomer, SopDocument, SopLine

ZERO = Decimal(0)
LINE_STEP = 16384
_ADDRESS_CODE = "PRIMARY"


def sales_order_by_hand(order: Order, lookups: Lookups, now: datetime) -> SopDocument:  # noqa: ARG001 - the port's shape
    """Map the order; the document's amount is the order's total to the cent, or it is refused with the difference.

    Source: reference/dynamics-gp.md, 2.3 and 5.1.
    """
    target = target_of(lookups)
    for name in ("total", "shipping_amount", "handling_amount", "tax"):
        _require_whole(name, getattr(order, name), target.currency_decimals)
    prices = [line_price(line, target.currency_decimals) for line in order.lines]
    subtotal = sum((price.extended for price in prices), ZERO)
    trade_discount = order.discount + sum((price.above for price in prices), ZERO)
    amount = subtotal + order.shipping_amount + order.handling_amount + order.tax - trade_discount
    if amount != order.total:
        raise MappingError(
            "total", f"the document comes to {amount}, the order to {order.total}: difference {order.total - amount}"
        )
    day = order.ordered_at.astimezone(ZoneInfo(target.time_zone)).date()
    return SopDocument(
        SOPTYPE=ORDER,
        DOCID=target.document_id,
        DOCDATE=day,
        BACHNUMB=f"{target.document_id[:9]}{day:%y%m%d}",
        CSTPONBR=key(order.number, 20, "number", target.code_page),
        USERDEF1=short_reference(order.id),
        LOCNCODE=target.site,
        SHIPMTHD=lookups.find("gp_ship_methods", order.ship_method) or target.ship_method,
        CURNCYID=lookups.find("gp_currencies", order.currency) or "",
        TAXSCHID=_needed(target.tax_schedule, "tax_schedule") if order.tax else "",
        TAXDTLID=_needed(target.tax_detail, "tax_detail") if order.tax else "",
        SUBTOTAL=subtotal,
        FREIGHT=order.shipping_amount,
        MISCAMNT=order.handling_amount,
        TRDISAMT=trade_discount,
        TAXAMNT=order.tax,
        DOCAMNT=amount,
        customer=_customer(order, lookups, target),
        ship_to=_address(order.shipping, lookups, target),
        lines=_lines(order, lookups, target),
        cancelled=order.state == "cancelled",
        comment=fit(order.note, 500, target.code_page),
    )


def _require_whole(field: str, amount: Decimal, decimals: int) -> None:
    if amount < ZERO:
        raise MappingError(field, f"{amount} is negative")
    if amount != amount.quantize(Decimal(1).scaleb(-decimals)):
        raise MappingError(field, f"{amount} has more than {decimals} decimals")


def _needed(value: str, option: str) -> str:
    if not value:
        raise MappingError("tax", f"the order is taxed: set the connection's option {option}")
    return value


def _lines(order: Order, lookups: Lookups, target: Target) -> tuple[SopLine, ...]:
    page = target.code_page
    lines = []
    taxes = line_taxes(order, target.currency_decimals)
    for number, (line, tax) in enumerate(zip(order.lines, taxes, strict=True), start=1):
        if line.extended < ZERO or line.tax < ZERO:
            raise MappingError(f"lines[{number}]", "a price or a tax is negative")
        price = line_price(line, target.currency_decimals)
        lines.append(
            SopLine(
                LNITMSEQ=number * LINE_STEP,
                ITEMNMBR=key(lookups.find("gp_items", line.sku) or line.sku, 30, f"lines[{number}].sku", page),
                QUANTITY=line.quantity,
                UOFM=key(lookups.find("gp_units", line.unit) or line.unit, 8, f"lines[{number}].unit", page),
                UNITPRCE=price.unit,
                XTNDPRCE=price.extended,
                LOCNCODE=key(_site(line.site, lookups, target), 10, f"lines[{number}].site", page),
                TAXAMNT=tax,
            )
        )
    return tuple(lines)


def _customer(order: Order, lookups: Lookups, target: Target) -> SopCustomer:
    name = order.customer_name or order.billing.company or order.billing.name or order.customer_email
    return SopCustomer(
        CUSTNMBR=customer_number(order, lookups),
        CUSTNAME=fit(name, 64, target.code_page),
        CUSTCLAS=target.customer_class,
        email=order.customer_email if holds(order.customer_email, target.code_page) else "",
        billing=_address(order.billing, lookups, target),
    )


def _address(address: Address, lookups: Lookups, target: Target) -> SopAddress:
    page = target.code_page
    lines = (*address.lines, "", "", "")
    return SopAddress(
        ADRSCODE=_ADDRESS_CODE,
        ShipToName=fit(address.company or address.name, 64, page),
        CNTCPRSN=fit(address.name, 60, page),
        ADDRESS1=fit(lines[0], 60, page),
        ADDRESS2=fit(lines[1], 60, page),
        ADDRESS3=fit(lines[2], 60, page),
        CITY=fit(address.city, 35, page),
        STATE=fit(address.region, 29, page),
        ZIPCODE=fit(address.postal_code, 10, page),
        COUNTRY=fit(lookups.find("gp_countries", address.country) or address.country, 60, page),
        CCode=fit(address.country, 6, page),
        PHNUMBR1="".join(c for c in address.phone if c.isascii() and c.isdigit())[:21],
    )


def _site(site: str, lookups: Lookups, target: Target) -> str:
    return (lookups.find("gp_sites", site) or site) if site else target.site


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


def line_taxes(order: Order, decimals: int) -> tuple[Decimal, ...]:
    """Tax of each line; what the store taxed beyond its lines (freight, rounding) is put on the last one."""
    smallest = Decimal(1).scaleb(-decimals)
    taxes = [line.tax.quantize(smallest, rounding=ROUND_FLOOR) for line in order.lines]
    taxes[-1] += order.tax - sum(taxes, ZERO)
    if taxes[-1] < ZERO:
        raise MappingError("tax", f"the lines' taxes exceed the order's {order.tax}")
    return tuple(taxes)


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
