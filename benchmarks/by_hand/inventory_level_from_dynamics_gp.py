"""A captured row of GP's item-site table as a canonical inventory level, written by hand."""

from datetime import UTC, datetime, timedelta

from errors import MappingError
from mapping.port import Lookups
from schemas.canonical.inventory_level import InventoryLevel
from schemas.systems.captured import Captured
from schemas.systems.dynamics_gp.captured import ItemSiteRow
from schemas.types import root_key

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def inventory_level_by_hand(row: Captured[ItemSiteRow], lookups: Lookups, now: datetime) -> InventoryLevel:  # noqa: ARG001 - the port's shape
    """Stock as the ERP has it, in the item's base unit; nothing is taken off for orders on their way."""
    if row.after is None:
        raise MappingError("after", "a deleted row says nothing about stock")
    item, site = row.after.ITEMNMBR.strip(), row.after.LOCNCODE.strip()
    return InventoryLevel(
        id=root_key(row.connection, f"{item}@{site}"),
        # in the order of the log: SQL Server tells when a transaction began, not when it was committed
        source_version=(now - EPOCH) // timedelta(microseconds=1),
        occurred_at=row.at,
        connection=row.connection,
        sku=item,
        site=site,
        on_hand=row.after.QTYONHND,
        allocated=row.after.ATYALLOC,
        on_order=row.after.QTYONORD,
        back_ordered=row.after.QTYBKORD,
    )
