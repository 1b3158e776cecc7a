"""Which captured stock rows say something; named by the route and its mapping."""

from schemas.systems.captured import Captured
from schemas.systems.dynamics_gp.captured import ItemSiteRow
from schemas.types import root_key

__all__ = ["leave_out", "root_key"]

#: RCRDTYPE 1 is the total of all sites: adding it to the sites would count everything twice.
ONE_SITE = 2


def leave_out(row: Captured[ItemSiteRow]) -> str | None:
    """Why a row is not told: the total of all sites, or an item taken off a site."""
    if row.after is None:
        return "stock_row_deleted"
    if row.after.RCRDTYPE != ONE_SITE:
        return "total_of_sites"
    return None
