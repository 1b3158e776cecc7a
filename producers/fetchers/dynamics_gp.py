"""Reads a GP sales order whole: the order, what came of it, in one snapshot."""

import hashlib
from datetime import UTC, datetime

import msgspec

from connect.systems.dynamics_gp.client import GpClient, GpTransaction
from delivery.ports import Decoder, Intent, LastSeen, Memory, OnlyReads, Publication, Row, Settlement
from delivery.states import State
from delivery.things import document_of
from errors import RetryableError
from schemas import topics
from schemas.bus.change import Change
from schemas.bus.fetched import Fetched
from schemas.systems.dynamics_gp.sales_order import ORDER, DocumentId, SalesOrder

RECORD = "sales_order"


class SalesOrderFetcher(OnlyReads):
    """A sink whose document is the source record: what it reads is announced when the row settles."""

    def __init__(
        self, client: GpClient, decoder: Decoder[Change], memory: Memory, connection: str, settling_delay_s: float
    ) -> None:
        self._client = client
        self._decoder = decoder
        self._memory = memory
        self._connection = connection
        self._settling_delay_s = settling_delay_s

    async def prepare(self, row: Row) -> Intent | Settlement:
        """Read and compare with what was last seen; a read has no effect, so nothing is left to send.

        Raises:
            RetryableError: it is in neither work nor history; believed only when the last try
                found the same; any other failure between says nothing.
        """
        change = self._decoder.decode(row.payload)
        order = await self._client.in_snapshot(lambda gp: _read(gp, self._connection, row.root_key, change.id))
        if order.order is None and row.code != "gp.absent":
            raise RetryableError("gp.absent", "neither in work nor in history", retry_after_s=self._settling_delay_s)
        digest = hashlib.sha256(_normal_form(order)).hexdigest()
        seen = await self._memory.last_seen(RECORD, row.root_key)
        # whatever was to come of our own write, it can be found now
        brings = (document_of(RECORD, row.root_key),)
        if seen is not None and seen.digest == digest:
            return Settlement(state=State.SUPPRESSED, code="unchanged", document_number=order.number, brings=brings)
        # under the lease the later reading is the newer one, should the database's clock have been set back
        version = max(int(order.read_at.timestamp() * 1_000_000), seen.source_version + 1 if seen else 0)
        fetched = Fetched(
            connection=self._connection,
            id=order.number,
            read_at=order.read_at,
            source_version=version,
            body=msgspec.json.encode(order),
        )
        return Settlement(
            state=State.DELIVERED,
            code="fetched",
            document_number=order.number,
            last_seen=(LastSeen(record=RECORD, key=row.root_key, digest=digest, source_version=version),),
            publications=(
                Publication(topic=topics.GP_SALES_ORDERS.name, key=row.root_key, document=fetched, body_digest=digest),
            ),
            brings=brings,
        )


def _read(gp: GpTransaction, connection: str, root_key: str, number: str) -> SalesOrder:
    identity = DocumentId(SOPTYPE=ORDER, SOPNUMBE=number)
    read_at = _utc(gp.now())
    order = gp.document(identity)
    return SalesOrder(
        number=number,
        root_key=root_key,
        connection=connection,
        read_at=read_at,
        order=order,
        others=gp.family(identity, order.MSTRNUMB if order else 0),
    )


def _normal_form(order: SalesOrder) -> bytes:
    """Everything but when it was read."""
    return msgspec.json.encode(msgspec.structs.replace(order, read_at=datetime(1970, 1, 1, tzinfo=UTC)))


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
