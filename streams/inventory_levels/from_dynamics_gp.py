"""A captured row of GP's item-site table as a canonical inventory level."""

from datetime import datetime

from errors import MappingError
from mapping.port import Lookups, mapping
from schemas.canonical.inventory_level import InventoryLevel
from schemas.systems.captured import Captured
from schemas.systems.dynamics_gp.captured import ItemSiteRow
from schemas.types import root_key


@mapping("streams/inventory_levels/from_dynamics_gp", version=1)
def from_dynamics_gp(row: Captured[ItemSiteRow], lookups: Lookups, now: datetime) -> InventoryLevel:  # noqa: ARG001 - the port's shape
    """Stock as the ERP has it, in the item's base unit; nothing is taken off for orders on their way."""
    if row.after is None:
        raise MappingError("after", "a deleted row says nothing about stock")
    item, site = row.after.ITEMNMBR.strip(), row.after.LOCNCODE.strip()
    return InventoryLevel(
        id=root_key(row.connection, f"{item}@{site}"),
        source_version=row.ts_us,
        occurred_at=row.at,
        connection=row.connection,
        sku=item,
        site=site,
        on_hand=row.after.QTYONHND,
        allocated=row.after.ATYALLOC,
        on_order=row.after.QTYONORD,
        back_ordered=row.after.QTYBKORD,
    )
