"""Clarity eCommerce as a poller asks it: orders by the date of their last change."""

from collections.abc import AsyncIterator
from datetime import datetime

from connect.systems.clarity.client import ClarityClient
from producers.pollers.rounds import Listed
from schemas.systems.clarity.wire import ticks_at


class Orders:
    """Implements `rounds.Lister`."""

    def __init__(self, client: ClarityClient) -> None:
        self._client = client

    async def changed_since(self, moment: datetime) -> AsyncIterator[Listed]:
        """As in `rounds.Lister`."""
        async for order in self._client.orders_modified_since(ticks_at(moment)):
            yield Listed(id=str(order.id), changed_at=order.updated_date.moment, source_version=int(order.updated_date))
