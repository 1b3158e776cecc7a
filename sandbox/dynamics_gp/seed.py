"""Turns the shared catalogue into rows of the company's master data, for installer and reset."""

import itertools
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from sandbox.dynamics_gp.tables import Table, company_tables

#: the day the sandbox's company "was set up": seeding again must change nothing
SET_UP = "2020-01-02"
CURRENCY = "USD"
TAX = "WEBTAX"
SHIPPING_METHODS = {
    "UPS": "UPS", "UPS GROUND": "UPS", "UPS 2DAY": "UPS",
    "FEDEX": "FedEx", "FEDEX 2DAY": "FedEx", "FEDEX GROUND": "FedEx",
    "USPS": "US Postal Service", "USPS PRIORITY": "US Postal Service", "DHL": "DHL", "GROUND": "Ground carrier",
    "FREIGHT": "Freight carrier", "PICKUP": "", "LOCAL DELIVERY": "",
}  # fmt: skip
TERMS = {"NET30": 30, "NET15": 15, "PREPAID": 0, "COD": 0}
#: further units of a schedule beside its base unit: how many base units they hold
LARGER_UNITS = {"EACH": {"CASE": 12}}
#: units in which parts are sold; GP counts decimal places from 1 = none
DECIMALS = {"M": 3, "HOUR": 3, "KG": 4}
DOCUMENT_IDS = ((2, "WEB", "ORD0000001", 2), (2, "STDORD", "STD0000001", 1), (3, "STDINV", "INV0000001", 1))
FALLBACK_NUMBERS = {
    1: "QTE0000001",
    2: "SOR0000001",
    3: "SIN0000001",
    4: "RTN0000001",
    5: "BKO0000001",
    6: "FUL0000001",
}

Row = tuple[str, dict[str, Any]]


class Address(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""
    company: str | None = None
    street1: str | None = None
    street2: str | None = None
    street3: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None
    phone: str | None = None


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    account_key: str
    company: str | None = None
    first_name: str = ""
    last_name: str = ""
    email: str | None = None
    phone: str | None = None
    known_to_erp: bool = False
    billing: Address
    shipping: tuple[Address, ...] = ()


class Product(msgspec.Struct, frozen=True, kw_only=True):
    sku: str
    name: str
    price: Decimal
    uom: str = "EACH"
    weight: Decimal = Decimal(0)
    taxable: bool = True
    category: str = ""
    stock: Mapping[str, Decimal] = {}
    allow_backorder: bool = True
    item_class: str = ""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    name: str


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    products: tuple[Product, ...]
    customers: tuple[Customer, ...]
    sites: tuple[Site, ...]


def plant(company: psycopg.Connection, path: Path) -> None:
    """Bring the master data to what the catalogue says; rows that say so already are not touched."""
    catalogue = msgspec.json.decode(path.read_bytes(), type=Catalogue)
    company.execute("DELETE FROM sandbox.customer_classes")
    company.execute(
        "INSERT INTO sandbox.customer_classes VALUES ('WEB', 'GROUND', 'PREPAID', %s, 'RETAIL', %s, 1)", [TAX, CURRENCY]
    )
    known = [customer.account_key[:15] for customer in catalogue.customers if customer.known_to_erp]
    for table in ("RM00101", "RM00102"):
        company.execute(
            sql.SQL('DELETE FROM dbo.{} WHERE "CUSTNMBR" <> ALL (%s::bpchar[])').format(sql.Identifier(table)), [known]
        )
    company.execute(
        'DELETE FROM dbo."SY01200" WHERE "Master_Type" = \'CUS\' AND "Master_ID" <> ALL (%s::bpchar[])', [known]
    )
    known_tables = {table.name: table for table in company_tables()}
    with company.cursor() as cursor:
        for name, group in itertools.groupby(sorted(rows(catalogue), key=_table), key=_table):
            statement = "SELECT engine.{}(jsonb_populate_record(engine.{}(), %s))"
            names = (sql.Identifier(f"put_{name}"), sql.Identifier(f"blank_{name}"))
            values = [[json.dumps(fitted(known_tables[name], row))] for _, row in group]
            cursor.executemany(sql.SQL(statement).format(*names), values)
        for name, row in number_series():
            _add_missing(cursor, known_tables[name], fitted(known_tables[name], row))


def rows(catalogue: Catalogue) -> Iterator[Row]:
    """Every row of master data but the number series, as (table, columns)."""
    yield from _error_texts()
    yield from _setup(catalogue)
    for product in catalogue.products:
        yield from _item(product)
    for customer in catalogue.customers:
        if customer.known_to_erp:
            yield from _customer(customer)


def number_series() -> Iterator[Row]:
    """Document ids with their next numbers; planted once, since a number given out never comes back."""
    for kind, document_id, number, allocate_by in DOCUMENT_IDS:
        yield (
            "SOP40200",
            {"SOPTYPE": kind, "DOCID": document_id, "SOPNUMBE": number, "ALLOCABY": allocate_by, "CREATDDT": SET_UP,
             "SETUPKEY": 1, "DOCTYABR": "ORD" if kind == 2 else "INV", "ENABLEBACKORDER": 1, "ENABLECANCELED": 1},
        )  # fmt: skip
    for kind, number in FALLBACK_NUMBERS.items():
        yield "SOP40300", {"SOPTYPE": kind, "SOPNUMBE": number, "DOCTYABR": number[:3], "SETUPKEY": 1}


def fitted(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with every text cut to its column, as GP's windows do not let anybody type more."""
    sizes = {column.name: column.kind.size for column in table.columns if column.kind.is_text}
    unknown = set(row) - {column.name for column in table.columns}
    if unknown:
        raise KeyError(f"{table.name} has no column {', '.join(sorted(unknown))}")
    return {
        name: value[: sizes[name]] if isinstance(value, str) and sizes.get(name) else str(value)
        for name, value in row.items()
    }


def _table(row: Row) -> str:
    return row[0]


def _add_missing(cursor: psycopg.Cursor, table: Table, row: Mapping[str, Any]) -> None:
    condition = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(key)) for key in table.primary_key)
    query = sql.SQL("SELECT FROM dbo.{} WHERE {}").format(sql.Identifier(table.name), condition)
    if cursor.execute(query, [row[key] for key in table.primary_key]).fetchone() is None:
        statement = "SELECT engine.{}(jsonb_populate_record(engine.{}(), %s))"
        names = (sql.Identifier(f"add_{table.name}"), sql.Identifier(f"blank_{table.name}"))
        cursor.execute(sql.SQL(statement).format(*names), [json.dumps(row)])


def _error_texts() -> Iterator[Row]:
    for line in (Path(__file__).parent / "error_codes.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            number, procedure, text = (part.strip() for part in line.split("|"))
            yield "taErrorCode", {"ErrorCode": int(number), "SourceProc": procedure, "ErrorDesc": text}


def _setup(catalogue: Catalogue) -> Iterator[Row]:
    yield "MC40200", {"CURNCYID": CURRENCY, "CURRNIDX": 1, "CRNCYDSC": "US Dollar", "ISOCURRC": "USD", "DECPLCUR": 3}
    for site in catalogue.sites:
        yield "IV40700", {"LOCNCODE": site.key, "LOCNDSCR": site.name}
    for method, carrier in SHIPPING_METHODS.items():
        kind = 1 if method == "PICKUP" else 0
        yield "SY03000", {"SHIPMTHD": method, "SHMTHDSC": method.title(), "CARRIER": carrier, "SHIPTYPE": kind}
    for terms, days in TERMS.items():
        yield "SY03300", {"PYMTRMID": terms, "DUETYPE": 1, "DUEDTDS": days}
    for schedule, text in ((TAX, "Sales tax of web orders"), ("EXEMPT", "No tax")):
        yield "TX00101", {"TAXSCHID": schedule, "TXSCHDSC": text}
    yield "TX00102", {"TAXSCHID": TAX, "TAXDTLID": TAX, "TXDTLBSE": 3}
    yield "TX00201", {"TAXDTLID": TAX, "TXDTLDSC": "Sales tax", "TXDTLTYP": 1, "TXDTLBSE": 3, "TXDTLPCT": "8.25"}
    for level in ("RETAIL", "WEB"):
        yield (
            "IV40800",
            {"PRCLEVEL": level, "DSCRIPTN": f"{level.title()} prices", "CREATDDT": SET_UP, "MODIFDT": SET_UP},
        )
    for unit in sorted({product.uom for product in catalogue.products}):
        places = DECIMALS.get(unit, 1)
        yield "IV40201", {"UOMSCHDL": unit, "UMSCHDSC": f"Sold by {unit.lower()}", "BASEUOFM": unit, "UMDPQTYS": places}
        for number, (name, amount) in enumerate(_units(unit), start=1):
            yield (
                "IV40202",
                {"UOMSCHDL": unit, "UOFM": name, "SEQNUMBR": number * 16384, "EQUIVUOM": unit, "EQUOMQTY": amount,
                 "QTYBSUOM": amount, "UOFMLONGDESC": name.title()},
            )  # fmt: skip


def _units(base: str) -> list[tuple[str, int]]:
    return [(base, 1), *LARGER_UNITS.get(base, {}).items()]


def _item(product: Product) -> Iterator[Row]:
    number, places = product.sku[:30], DECIMALS.get(product.uom, 1)
    cost = (product.price * Decimal("0.6")).quantize(Decimal("0.01"))
    yield (
        "IV00101",
        {"ITEMNMBR": number, "ITEMDESC": product.name, "ITMSHNAM": product.name, "ITMGEDSC": product.category,
         "ITEMTYPE": 5 if product.uom == "HOUR" else 1, "STNDCOST": cost, "CURRCOST": cost,
         "ITEMSHWT": int(product.weight * 100), "DECPLQTY": places, "DECPLCUR": 3, "ITMCLSCD": product.item_class,
         "TAXOPTNS": 1 if product.taxable else 2, "ITMTSHID": TAX if product.taxable else "", "UOMSCHDL": product.uom,
         "SELNGUOM": product.uom, "PRCHSUOM": product.uom, "PRCLEVEL": "RETAIL", "PRICMTHD": 1,
         "LOCNCODE": next(iter(product.stock), ""), "ALWBKORD": int(product.allow_backorder), "VCTNMTHD": 3,
         "KPERHIST": 1, "KPTRXHST": 1, "KPCALHST": 1, "KPDSTHST": 1, "CREATDDT": SET_UP, "MODIFDT": SET_UP},
    )  # fmt: skip
    yield "IV00102", {"ITEMNMBR": number, "RCRDTYPE": 1, "LOCNCODE": "", "QTYONHND": sum(product.stock.values())}
    for site, quantity in product.stock.items():
        yield "IV00102", {"ITEMNMBR": number, "RCRDTYPE": 2, "LOCNCODE": site, "QTYONHND": quantity}
    yield "IV00105", {"ITEMNMBR": number, "CURNCYID": CURRENCY, "CURRNIDX": 1, "DECPLCUR": 3, "LISTPRCE": product.price}
    for unit, amount in _units(product.uom):
        price = {"ITEMNMBR": number, "CURNCYID": CURRENCY, "PRCLEVEL": "RETAIL", "UOFM": unit, "QTYBSUOM": amount}
        yield "IV00106", {"ITEMNMBR": number, "UOFM": unit, "QTYBSUOM": amount, "UMPUROPT": 1}
        yield "IV00107", {**price, "UMSLSOPT": 2}
        yield "IV00108", {**price, "FROMQTY": "0.01", "TOQTY": "999999999999", "UOMPRICE": product.price * amount}


def _customer(customer: Customer) -> Iterator[Row]:
    number = customer.account_key[:15]
    name = customer.company or f"{customer.first_name} {customer.last_name}".strip()
    addresses = {"PRIMARY": customer.billing}
    addresses.update({f"SHIP{place}": address for place, address in enumerate(customer.shipping, start=1)})
    shared = {"SHIPMTHD": "GROUND", "TAXSCHID": TAX, "CREATDDT": SET_UP, "MODIFDT": SET_UP}
    yield (
        "RM00101",
        {**_address(customer.billing), **shared, "CUSTNMBR": number, "CUSTNAME": name, "STMTNAME": name,
         "SHRTNAME": name,
         "CUSTCLAS": "WEB", "ADRSCODE": "PRIMARY", "PRBTADCD": "PRIMARY", "STADDRCD": "PRIMARY",
         "PRSTADCD": "SHIP1" if customer.shipping else "PRIMARY",
         "PYMTRMID": "NET30" if customer.company else "PREPAID",
         "PRCLEVEL": "RETAIL", "CURNCYID": CURRENCY, "CRLMTTYP": 1, "FRSTINDT": SET_UP,
         "KPERHIST": 1, "KPTRXHST": 1, "KPCALHST": 1, "KPDSTHST": 1},
    )  # fmt: skip
    for code, address in addresses.items():
        ship_to = address.company or address.name or name
        yield "RM00102", {**_address(address), **shared, "CUSTNMBR": number, "ADRSCODE": code, "ShipToName": ship_to}
        if customer.email:
            yield "SY01200", {"Master_Type": "CUS", "Master_ID": number, "ADRSCODE": code, "INET1": customer.email}


def _address(address: Address) -> dict[str, Any]:
    digits = "".join(letter for letter in address.phone or "" if letter.isdigit())
    return {
        "CNTCPRSN": address.name,
        "ADDRESS1": address.street1 or "",
        "ADDRESS2": address.street2 or "",
        "ADDRESS3": address.street3 or "",
        "CITY": address.city or "",
        "STATE": address.region or "",
        "ZIP": address.postal_code or "",
        "COUNTRY": address.country or "",
        "CCode": address.country or "",
        # digits only, with four more for an extension
        "PHONE1": f"{digits}0000" if digits else "",
    }
