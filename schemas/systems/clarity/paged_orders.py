"""One page of an order search."""

from schemas.systems.clarity.order import ClarityListedOrder
from schemas.systems.clarity.wire import Wire


class ClarityPagedOrders(Wire, frozen=True, kw_only=True):
    """CEF's SalesOrderPagedResults."""

    results: tuple[ClarityListedOrder, ...]
    total_count: int = 0
    total_pages: int = 0
    current_page: int = 0
