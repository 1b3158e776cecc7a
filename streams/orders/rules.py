"""What must be decided about a store's order on its way to the canonical one; named by its mapping."""

from functools import partial

from errors import MappingError
from mapping.port import Lookups
from schemas.bus.fetched import Fetched
from schemas.systems.clarity import wire
from schemas.systems.clarity.order import ClarityOrder
from schemas.systems.clarity.site import Site, Standing, site_of
from schemas.types import root_key

__all__ = ["root_key", "standing_of", "store_order"]


def store_order(fetched: Fetched, lookups: Lookups) -> ClarityOrder:
    """The order in a body; moments without an offset are the site's local time, as its connection says.

    Raises:
        DecodeError: the body is no order.
    """
    return wire.decode(fetched.body, ClarityOrder, _site(fetched.connection, lookups).zone)


def standing_of(order: ClarityOrder, connection: str, lookups: Lookups) -> str:
    """Only whether it still stands, a `Standing`: how far it got is the ERP's to say.

    Raises:
        MappingError: nobody told us of the status.
    """
    status = order.status_key.strip()
    standing = _site(connection, lookups).standing(status)
    if standing is Standing.UNKNOWN:
        # Were it passed on, an order cancelled in words of the site's own would be carried out.
        option = "name it in the connection's option open_statuses, shipped_statuses or cancelled_status"
        raise MappingError("status", f"{status!r} is no status we know: {option}")
    return standing.value


def _site(connection: str, lookups: Lookups) -> Site:
    return site_of(connection, partial(lookups.find, f"connection:{connection}"))
