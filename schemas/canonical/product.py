"""What is sold: an ERP's item or a store's product, as it is seen at a connection; not its prices, not its stock."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from schemas.types import Amount, Rate

ZERO = Decimal(0)


class ProductVariantState(StrEnum):
    """Values of `ProductVariant.state`."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    DELETED = "deleted"
    UNKNOWN = "unknown"


class ProductKind(StrEnum):
    """Values of `Product.kind`."""

    GOODS = "goods"
    SERVICE = "service"
    KIT = "kit"
    DOWNLOAD = "download"
    UNKNOWN = "unknown"


class ProductState(StrEnum):
    """Values of `Product.state`."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    DISCONTINUED = "discontinued"
    DELETED = "deleted"
    UNKNOWN = "unknown"


class ProductUnit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A unit of measure the product is sold or kept in."""

    unit: str = "EACH"
    #: How many of the base unit one is.
    factor: Rate = ZERO
    #: GTIN on this packing.
    barcode: str = ""


class ProductAttribute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A property people choose or search by: colour, size, material."""

    name: str = ""
    value: str = ""
    #: Of the value, where it is a measure.
    unit: str = ""


class ProductVariant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of several forms of a product, with an item number of its own."""

    sku: str = ""
    name: str = ""
    barcode: str = ""
    attributes: tuple[ProductAttribute, ...] = ()
    #: Absent: the product's.
    weight: Amount | None = None
    #: `active`, `inactive`, `deleted` or `unknown`.
    state: str = ProductVariantState.UNKNOWN.value


class Product(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product; its message key is the root key, behind it `/<connection>` where another than the owner has it so."""

    #: Root key: `<owning connection>:<item>`.
    id: str
    #: The source's own change number, or microseconds since 1970 of the read.
    source_version: int
    updated_at: datetime
    #: Where it is seen like this.
    connection: str = ""
    #: The item as people know it, trimmed.
    sku: str = ""
    name: str = ""
    short_description: str = ""
    description: str = ""
    #: `goods`, `service`, `kit`, `download` or `unknown`.
    kind: str = ProductKind.UNKNOWN.value
    #: `active`, `inactive`, `discontinued`, `deleted` or `unknown`.
    state: str = ProductState.UNKNOWN.value
    #: The item class or product type.
    item_class: str = ""
    #: Codes of its categories, the main one first.
    categories: tuple[str, ...] = ()
    brand: str = ""
    manufacturer_number: str = ""
    #: GTIN of one base unit.
    barcode: str = ""
    #: Unit of measure stock is counted in.
    base_unit: str = "EACH"
    #: All units, where there are more.
    units: tuple[ProductUnit, ...] = ()
    taxable: bool = True
    tax_code: str = ""
    #: Of one base unit, packed.
    weight: Amount = ZERO
    #: `kg`, `g`, `lb` or `oz`.
    weight_unit: str = ""
    length: Amount = ZERO
    width: Amount = ZERO
    height: Amount = ZERO
    #: `cm`, `mm`, `m`, `in` or `ft`.
    length_unit: str = ""
    #: ISO 3166-1 alpha-2.
    country_of_origin: str = ""
    #: Customs tariff number.
    tariff_number: str = ""
    #: Addresses of pictures, the main one first.
    images: tuple[str, ...] = ()
    attributes: tuple[ProductAttribute, ...] = ()
    variants: tuple[ProductVariant, ...] = ()
    custom: dict[str, str] = {}
