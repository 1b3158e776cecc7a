"""A group of products in a store's catalogue or an ERP's item classes, as it is seen at a connection."""

from datetime import datetime
from enum import StrEnum

import msgspec


class CategoryState(StrEnum):
    """Values of `Category.state`."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    DELETED = "deleted"
    UNKNOWN = "unknown"


class Category(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A category; its root key is its id."""

    #: Root key: `<connection>:<id there>`.
    id: str
    #: The source's own change number, or microseconds since 1970 of the read.
    source_version: int
    updated_at: datetime
    connection: str = ""
    #: The code it is known by; a lookup table turns it into another system's.
    code: str = ""
    name: str = ""
    description: str = ""
    #: Root key of the category above it; empty at the top.
    parent_id: str = ""
    #: Names from the top down to itself.
    path: tuple[str, ...] = ()
    #: Place among its sisters, the smallest first.
    position: int = 0
    #: `active`, `inactive`, `deleted` or `unknown`.
    state: str = CategoryState.UNKNOWN.value
    custom: dict[str, str] = {}
