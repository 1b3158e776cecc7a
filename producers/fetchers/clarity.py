"""Reads a Clarity order whole, as the store answers it."""

import hashlib

import msgspec

from bus.clock import Clock
from connect.systems.clarity.client import ClarityClient, Document
from delivery.ports import Decoder, Intent, LastSeen, Memory, OnlyReads, Publication, Row, Settlement
from delivery.states import State
from delivery.things import document_of
from errors import DecodeError, RejectedError, RetryableError
from schemas import topics
from schemas.bus.change import Change
from schemas.bus.fetched import Fetched
from schemas.systems.clarity import wire
from schemas.systems.clarity.aspects import own_aspect
from schemas.systems.clarity.order import ClarityOrder

RECORD = "order"
#: A reading that still seems older than what was seen after this long comes of a clock that was set back.
LAGS_AT_MOST_S = 30.0


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
            RetryableError: the store has no such order, which is believed only when it is so twice in a row with a
                while between; or it still shows an older one than it told of.
        """
        change = self._decoder.decode(row.payload)
        document = await self._client.order_document(change.id)
        if document is None:
            if row.code != "clarity.absent":
                raise RetryableError("clarity.absent", "no such order", retry_after_s=self._settling_delay_s)
            return _settled(change, State.FILTERED, code="clarity.gone")
        try:
            order = wire.decode(document.body, ClarityOrder, self._client.site.zone)
        except DecodeError:
            # The streams make a dead letter of its bytes. Nothing is remembered: the next reading would count as older.
            return self._fetched(row, change, document, hashlib.sha256(document.body).hexdigest())
        if str(order.id) != change.id:
            # An id in other letters: under it the order would be another one, and be carried out twice.
            raise RejectedError("clarity.other_id", "the store has it under another id", asked=change.id, is_=order.id)
        if order.updated_date < change.source_version:
            # From a cache or replica that lags. As nobody tells of the change again, it has to be waited for.
            raise RetryableError("clarity.stale_read", "older than told", retry_after_s=self._settling_delay_s)
        digest = hashlib.sha256(own_aspect(order, self._client.site)).hexdigest()
        reading = LastSeen(record=RECORD, key=row.root_key, digest=digest, source_version=int(order.updated_date))
        seen = await self._memory.last_seen(RECORD, row.root_key)
        return await self._known(row, change, reading, seen) or self._fetched(
            row, change, document, digest, self._newer(row, reading, seen)
        )

    def _newer(self, row: Row, reading: LastSeen, seen: LastSeen | None) -> LastSeen:
        """The reading with a version above what was seen before: under the lease the later reading is the newer one.

        Raises:
            RetryableError: it is dated before what was seen, as from a copy that lags; the next one is believed.
        """
        if seen is None or reading.source_version >= seen.source_version:
            return reading
        if row.code != "clarity.older_reading":
            raise RetryableError("clarity.older_reading", "older than seen", retry_after_s=LAGS_AT_MOST_S)
        return msgspec.structs.replace(reading, source_version=seen.source_version + 1)

    async def _known(self, row: Row, change: Change, reading: LastSeen, seen: LastSeen | None) -> Settlement | None:
        """How a reading ends that is no news; None for news."""
        if seen is not None and seen.digest != reading.digest:
            if reading.digest in await self._memory.expected(RECORD, row.root_key):
                return _settled(change, State.SUPPRESSED, code="echo", brings=_order(row))
            # what was under way may just have settled, between the two questions
            seen = await self._memory.last_seen(RECORD, row.root_key)
        if seen is not None and seen.digest == reading.digest:
            # read as it is now listed: the poller need not tell of it again
            newer = (reading,) if reading.source_version > seen.source_version else ()
            return _settled(change, State.SUPPRESSED, code="unchanged", brings=_order(row), last_seen=newer)
        return None

    def _fetched(
        self, row: Row, change: Change, document: Document, digest: str, reading: LastSeen | None = None
    ) -> Settlement:
        fetched = Fetched(
            connection=self._connection,
            id=change.id,
            read_at=self._clock(),
            source_version=reading.source_version if reading else 0,
            media_type=document.media_type,
            body=document.body,
        )
        return Settlement(
            state=State.DELIVERED,
            code="fetched",
            values={"order": change.id},
            last_seen=(reading,) if reading else (),
            publications=(
                Publication(topic=topics.CLARITY_ORDERS.name, key=row.root_key, document=fetched, body_digest=digest),
            ),
            brings=_order(row),
        )


def _settled(
    change: Change, state: State, *, code: str, brings: tuple[str, ...] = (), last_seen: tuple[LastSeen, ...] = ()
) -> Settlement:
    return Settlement(state=state, code=code, values={"order": change.id}, brings=brings, last_seen=last_seen)


def _order(row: Row) -> tuple[str, ...]:
    """It is there, for who waits for it or for an answer about it."""
    return (document_of(RECORD, row.root_key),)
