"""Stock into a Clarity store: absolute quantities per product and section."""

import msgspec

from connect.systems.clarity.client import ClarityClient
from consumers.clarity.rules import stock_stands
from consumers.documents import Documents
from delivery.ports import Absent, CannotTell, Decoder, Finding, Found, Intent, Reference, Row, Settlement
from delivery.states import Repeats, State
from errors import RetryableError
from schemas.canonical.inventory_level import InventoryLevel
from schemas.systems.clarity.stock_section import UpsertStockSection


class InventoryLevelSink:
    """Writes what the ERP has on hand and has promised; the last value wins."""

    repeats = Repeats.REPEATABLE

    def __init__(self, client: ClarityClient, decoder: Decoder[InventoryLevel], documents: Documents) -> None:
        self._client = client
        self._decoder = decoder
        self._documents = documents

    async def prepare(self, row: Row) -> Intent | Settlement:
        """Read the section and write it if it differs."""
        level = self._decoder.decode(row.payload)
        work, stamped = self._documents.of(level)
        standing = await self._client.stock_section_by_key(work.custom_key)
        if stock_stands(standing, work):
            return Settlement(state=State.SUPPRESSED, code="equal", mapping=stamped)
        return Intent(
            reference=Reference(record="inventory_level", business=level.id, operation=f"write:{level.source_version}"),
            body=msgspec.msgpack.encode(work),
            mapping=stamped,
            creates=standing is None,
        )

    async def deliver(self, intent: Intent) -> Settlement:
        """Write the section."""
        work = msgspec.msgpack.decode(intent.body, type=UpsertStockSection)
        await self._client.upsert_stock_section(work)
        return _settlement(work)

    async def find(self, intent: Intent) -> Finding:
        """The section tells."""
        work = msgspec.msgpack.decode(intent.body, type=UpsertStockSection)
        try:
            stands = stock_stands(await self._client.stock_section_by_key(work.custom_key), work)
        except RetryableError as error:
            return CannotTell(reason=error.code)
        return Found(settlement=_settlement(work)) if stands else Absent()


def _settlement(work: UpsertStockSection) -> Settlement:
    values = {
        "product": work.product_key,
        "section": work.inventory_location_section_key,
        "quantity": str(work.quantity),
    }
    return Settlement(state=State.DELIVERED, code="stock_set", values=values)
