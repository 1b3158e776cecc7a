"""The shared catalogue of products, customers and sites that store and ERP simulators are filled from."""

from decimal import Decimal
from pathlib import Path

import msgspec

from sandbox.clarity.requests import AddressRequest

CATALOGUE_PATH = Path(__file__).parent.parent / "catalogue.json"


class CatalogueProduct(msgspec.Struct, frozen=True, kw_only=True):
    sku: str
    name: str
    description: str
    price: Decimal
    uom: str
    weight: Decimal
    taxable: bool
    tax_code: str
    category: str
    #: on hand, by site
    stock: dict[str, int]
    allow_backorder: bool
    item_class: str


class CatalogueCustomer(msgspec.Struct, frozen=True, kw_only=True):
    account_key: str
    company: str | None
    first_name: str
    last_name: str
    email: str
    phone: str
    known_to_erp: bool
    billing: AddressRequest
    shipping: list[AddressRequest]


class CatalogueSite(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    name: str


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    products: list[CatalogueProduct]
    customers: list[CatalogueCustomer]
    sites: list[CatalogueSite]


def load_catalogue(path: Path = CATALOGUE_PATH) -> Catalogue:
    return msgspec.json.decode(path.read_bytes(), type=Catalogue)
