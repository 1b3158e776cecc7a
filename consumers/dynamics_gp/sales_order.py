"""A canonical order as a GP sales document of type order."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from consumers.dynamics_gp.rules import LINE_STEP, customer_number, fit, key, line_price, line_taxes, short_reference
from errors import MappingError
from mapping.port import Lookups, mapping
from schemas.canonical.address import Address
from schemas.canonical.order import Order
from schemas.systems.dynamics_gp.sales_order import ORDER
from schemas.systems.dynamics_gp.sop_document import SopAddress, SopCustomer, SopDocument, SopLine

ZERO = Decimal(0)
#: The lookup table that holds the target connection's options.
TARGET = "target"
_ADDRESS_CODE = "PRIMARY"


@mapping("consumers/dynamics_gp/sales_order", version=1)
def sales_order(order: Order, lookups: Lookups, now: datetime) -> SopDocument:  # noqa: ARG001 - the port's shape
    """Map the order; the document's amount is the order's total to the cent, or it is refused with the difference.

    Source: reference/dynamics-gp.md, 2.3 and 5.1.
    """
    decimals = int(lookups.find(TARGET, "currency_decimals") or "2")
    prices = [line_price(line, decimals) for line in order.lines]
    subtotal = sum((price.extended for price in prices), ZERO)
    trade_discount = order.discount + sum((price.above for price in prices), ZERO)
    amount = subtotal + order.shipping_amount + order.handling_amount + order.tax - trade_discount
    if amount != order.total:
        raise MappingError(
            "total", f"the document comes to {amount}, the order to {order.total}: difference {order.total - amount}"
        )
    day = order.ordered_at.astimezone(ZoneInfo(lookups.find(TARGET, "time_zone") or "UTC")).date()
    document_id = lookups.get(TARGET, "document_id", "DOCID")
    return SopDocument(
        SOPTYPE=ORDER,
        DOCID=document_id,
        DOCDATE=day,
        BACHNUMB=f"{document_id[:9]}{day:%y%m%d}",
        CSTPONBR=key(order.number, 20, "number"),
        USERDEF1=short_reference(order.id),
        LOCNCODE=_site("", lookups),
        SHIPMTHD=lookups.find("gp_ship_methods", order.ship_method) or lookups.find(TARGET, "ship_method") or "",
        CURNCYID=lookups.find("gp_currencies", order.currency) or "",
        TAXSCHID=lookups.get(TARGET, "tax_schedule", "TAXSCHID") if order.tax else "",
        TAXDTLID=lookups.get(TARGET, "tax_detail", "TAXDTLID") if order.tax else "",
        SUBTOTAL=subtotal,
        FREIGHT=order.shipping_amount,
        MISCAMNT=order.handling_amount,
        TRDISAMT=trade_discount,
        TAXAMNT=order.tax,
        DOCAMNT=amount,
        customer=_customer(order, lookups),
        ship_to=_address(order.shipping, lookups),
        lines=_lines(order, lookups, decimals),
        cancelled=order.state == "cancelled",
        comment=fit(order.note, 500, _code_page(lookups)),
    )


def _lines(order: Order, lookups: Lookups, decimals: int) -> tuple[SopLine, ...]:
    lines = []
    for number, (line, tax) in enumerate(zip(order.lines, line_taxes(order), strict=True), start=1):
        price = line_price(line, decimals)
        lines.append(
            SopLine(
                LNITMSEQ=number * LINE_STEP,
                ITEMNMBR=key(lookups.find("gp_items", line.sku) or line.sku, 30, f"lines[{number}].sku"),
                QUANTITY=line.quantity,
                UOFM=key(lookups.find("gp_units", line.unit) or line.unit, 8, f"lines[{number}].unit"),
                UNITPRCE=price.unit,
                XTNDPRCE=price.extended,
                LOCNCODE=_site(line.site, lookups),
                TAXAMNT=tax,
            )
        )
    return tuple(lines)


def _customer(order: Order, lookups: Lookups) -> SopCustomer:
    code_page = _code_page(lookups)
    name = order.customer_name or order.billing.company or order.billing.name or order.customer_email
    return SopCustomer(
        CUSTNMBR=customer_number(order),
        CUSTNAME=fit(name, 64, code_page),
        CUSTCLAS=lookups.find(TARGET, "customer_class") or "",
        email=order.customer_email,
        billing=_address(order.billing, lookups),
    )


def _address(address: Address, lookups: Lookups) -> SopAddress:
    page = _code_page(lookups)
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


def _site(site: str, lookups: Lookups) -> str:
    return (lookups.find("gp_sites", site) or site) if site else lookups.get(TARGET, "site", "LOCNCODE")


def _code_page(lookups: Lookups) -> str:
    return lookups.find(TARGET, "code_page") or "cp1252"
