"""Systems of record that are asked for a thing rows wait for: what is there goes the ordinary way once more."""

from collections.abc import Awaitable, Callable

from bus.clock import Clock
from bus.codec import Codec
from bus.events import Outgoing
from bus.headers import Lineage, event_id, new_trace, to_headers
from connect.systems.clarity.client import ClarityClient
from connect.systems.dynamics_gp.client import GpClient
from delivery.asking import Owned
from schemas import topics
from schemas.bus.change import Cause, Change
from schemas.systems.dynamics_gp.names import item_name
from schemas.types import RootKey, connection_of, id_of

STAGE = "asked"
NO_WAY = Owned(code="ask.no_way")
NOT_THERE = Owned(code="ask.not_there")

#: Returns when the broker has it.
Write = Callable[[Outgoing], Awaitable[None]]


class ClarityOwner:
    """A store's orders: one that is there is fetched anew, as if the store had told of it."""

    def __init__(
        self,
        client: ClarityClient,
        connection: str,
        changes: Codec[Change],
        write: Write,
        clock: Clock,
        randomness: Callable[[int], bytes],
    ) -> None:
        self._client = client
        self._connection = connection
        self._changes = changes
        self._write = write
        self._clock = clock
        self._randomness = randomness

    async def __call__(self, thing: str, command_id: str) -> Owned:
        """Look, then write the thin change; its fetcher does the rest, and tells who waits."""
        record, _, key = thing.partition(":")
        number = id_of(RootKey(key)) if ":" in key else ""
        if record != "order" or connection_of(RootKey(key)) != self._connection or not number:
            return NO_WAY
        if await self._client.order_document(number) is None:
            return NOT_THERE
        now = self._clock()
        change = Change(connection=self._connection, record="order", id=number, noticed_at=now, cause=Cause.ASKED.value)
        lineage = Lineage(
            origin=self._connection,
            traceparent=new_trace(self._randomness(16), self._randomness(8)),
            ce_id=event_id(command_id, STAGE, 0),
            ce_source=f"/{STAGE}/{self._connection}",
            ce_type=f"towpath.{topics.CLARITY_CHANGES.name}",
            ce_time=now.isoformat().replace("+00:00", "Z"),
        )
        await self._write(
            Outgoing(
                topic=topics.CLARITY_CHANGES, key=key, value=self._changes.encode(change), headers=to_headers(lineage)
            )
        )
        return Owned(code="ask.sent")


class GpOwner:
    """A company's items: nothing of an item but its being there is waited for, so that seeing it is all."""

    def __init__(self, client: GpClient) -> None:
        self._client = client

    async def __call__(self, thing: str, command_id: str) -> Owned:  # noqa: ARG002  there is no event to be known by
        """Look for it as the orders that wait for it do."""
        record, _, number = thing.partition(":")
        if record != "item":
            return NO_WAY
        missing = await self._client.in_transaction(lambda gp: gp.unknown_items([number]))
        return NOT_THERE if missing else Owned(code="ask.there", brings=item_name(number))
