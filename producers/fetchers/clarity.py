"""Reads a Clarity order whole, as the store answers it."""

import hashlib
from datetime import datetime

from bus.clock import Clock
from connect.systems.clarity.client import ClarityClient, Document
from delivery.ports import Decoder, Intent, LastSeen, Memory, OnlyReads, Publication, Row, Settlement
from delivery.states import State
from errors import DecodeError, RetryableError
from schemas import topics
from schemas.bus.change import Change
from schemas.bus.fetched import Fetched
from schemas.systems.clarity import wire
from schemas.systems.clarity.aspects import own_aspect
from schemas.systems.clarity.order import ClarityOrder

RECORD = "order"


class OrderFetcher(OnlyReads):
    """A sink whose document is the source record: what it reads is announced when the row settles."""

    def __init__(
        self,
        client: ClarityClient,
        decoder: Decoder[Change],
        memory: Memory,
        connection: str,
        settling_delay_s: float,
        clock: Clock,
    ) -> None:
        self._client = client
        self._decoder = decoder
        self._memory = memory
        self._connection = connection
        self._settling_delay_s = settling_delay_s
        self._clock = clock

    async def prepare(self, row: Row) -> Intent | Settlement:
        """Read and compare the customer's part with what was last seen: an echo of our own status ends here.

        Raises:
            RetryableError: the store has no such order; believed only when it is so once more after a while.
        """
        change = self._decoder.decode(row.payload)
        document = await self._client.order_document(change.id)
        if document is None:
            if row.attempts == 0:
                raise RetryableError("clarity.absent", "no such order", retry_after_s=self._settling_delay_s)
            return Settlement(state=State.FILTERED, code="clarity.gone", values={"order": change.id})
        reading = _Reading(document, self._clock())
        seen = await self._memory.last_seen(RECORD, row.root_key)
        if seen is not None and seen.digest != reading.digest:
            if reading.digest in await self._memory.expected(RECORD, row.root_key):
                return Settlement(state=State.SUPPRESSED, code="echo", values={"order": change.id})
            # what was under way may just have settled, between the two questions
            seen = await self._memory.last_seen(RECORD, row.root_key)
        if seen is not None and seen.digest == reading.digest:
            return Settlement(state=State.SUPPRESSED, code="unchanged", values={"order": change.id})
        if seen is not None and seen.source_version > reading.source_version:
            return Settlement(state=State.SUPERSEDED, code="older_reading", values={"order": change.id})
        fetched = Fetched(
            connection=self._connection,
            id=change.id,
            read_at=reading.read_at,
            source_version=reading.source_version,
            media_type=document.media_type,
            body=document.body,
        )
        version = reading.source_version
        return Settlement(
            state=State.DELIVERED,
            code="fetched",
            values={"order": change.id},
            last_seen=(LastSeen(record=RECORD, key=row.root_key, digest=reading.digest, source_version=version),),
            publications=(
                Publication(
                    topic=topics.CLARITY_ORDERS.name, key=row.root_key, document=fetched, body_digest=reading.digest
                ),
            ),
        )


class _Reading:
    """A body with its change number and the digest of what the store owns of it.

    A body that is no order is passed on as it is: the streams make a dead letter of it, with its bytes.
    """

    def __init__(self, document: Document, read_at: datetime) -> None:
        self.read_at = read_at
        try:
            order = wire.decode(document.body, ClarityOrder)
        except DecodeError:
            self.digest = hashlib.sha256(document.body).hexdigest()
            self.source_version = int(wire.ticks_at(read_at))
        else:
            self.digest = hashlib.sha256(own_aspect(order)).hexdigest()
            self.source_version = int(order.updated_date)
