"""What one installed site has of its own: its time zone and its words for an order's status; for all who read orders.

Source: reference/clarity-ecommerce.md, 5.1: statuses are rows, so that a site can add and rename them.
"""

from collections.abc import Callable
from datetime import UTC, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from errors import ConfigurationError

#: As CEF names them.
_OPEN = frozenset(
    {
        "Pending",
        "Confirmed",
        "On Hold",
        "Backordered",
        "Partial Payment Received",
        "Full Payment Received",
        "Processing",
        "Ready For Pickup",
    }
)
_SHIPPED = frozenset({"Shipped", "Shipped from Vendor"})
_CANCELLED = "Void"


class Standing(StrEnum):
    """What the store alone says of an order's status; values of `Order.state`. How far it got is the ERP's to say."""

    OPEN = "open"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """A site as its connection describes it."""

    #: Of moments written without an offset.
    zone: tzinfo = UTC
    open: frozenset[str] = _OPEN
    #: The goods have left.
    shipped: frozenset[str] = _SHIPPED
    completed: frozenset[str] = frozenset({"Completed"})
    cancelled: str = _CANCELLED

    def standing(self, status_key: str) -> Standing:
        """Whether an order of that status still stands; UNKNOWN where nobody told us of the status."""
        if status_key == self.cancelled:
            return Standing.CANCELLED
        return Standing.OPEN if status_key in self.open | self.shipped | self.completed else Standing.UNKNOWN


#: A site that is as CEF makes them.
CEF = Site()


def site_of(connection: str, find: Callable[[str], str | None]) -> Site:
    """The site of a connection.

    Args:
        connection: Its name.
        find: A value of the connection: `time_zone`, or one of the options `open_statuses`, `shipped_statuses`
            (the site's own, separated by commas, beside those of CEF) and `cancelled_status` (instead of Void).

    Raises:
        ConfigurationError: the time zone is none.
    """
    name = find("time_zone") or "UTC"
    try:
        zone: tzinfo = UTC if name == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigurationError(f"connections.{connection}.time_zone", f"{name!r} is no time zone") from error
    return Site(
        zone=zone,
        open=_OPEN | _listed(find("open_statuses")),
        shipped=_SHIPPED | _listed(find("shipped_statuses")),
        cancelled=(find("cancelled_status") or _CANCELLED).strip(),
    )


def _listed(text: str | None) -> frozenset[str]:
    return frozenset(part.strip() for part in (text or "").split(",") if part.strip())
