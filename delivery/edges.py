"""What the edges of the bus keep in a connection's database: webhooks accepted, and how far somebody has read.

For the gateway, the pollers and the relay, whose turn to speak is a cursor's lease. Every method is one transaction;
errors are `database.py`'s.
"""

from collections.abc import Sequence

import msgspec

from delivery import statements
from delivery.database import Database


class CursorLease(msgspec.Struct, frozen=True, kw_only=True):
    """The right to advance a cursor, until the lease runs out and somebody takes it."""

    name: str
    owner: str
    epoch: int
    #: Empty at the very first.
    cursor: str


class Edges:
    """Webhooks and cursors of one connection."""

    def __init__(self, database: Database) -> None:
        """`database`: open, or opened before the first call."""
        self._database = database

    # ---- webhooks

    async def seen_webhooks(self, ids: Sequence[str]) -> frozenset[str]:
        """Which of these webhooks were accepted before."""
        return frozenset(row[0] for row in await self._database.fetch(statements.SEEN_WEBHOOKS, {"ids": list(ids)}))

    async def remember_webhooks(self, ids: Sequence[str]) -> int:
        """Remember accepted webhooks, after the broker has what they said; how many were not remembered before."""
        return await self._database.execute(statements.REMEMBER_WEBHOOKS, {"ids": list(ids)})

    async def forget_webhooks(self, older_than_s: float) -> int:
        """Drop ids no sender repeats any more."""
        return await self._database.execute(statements.FORGET_WEBHOOKS, {"older_than_s": older_than_s})

    # ---- cursors

    async def cursor(self, name: str) -> str | None:
        """How far a poller has read; None if it never did."""
        found = await self._database.fetch(statements.CURSOR, {"name": name})
        return str(found[0][0]) if found else None

    async def lease_cursor(self, name: str, owner: str, lease_s: float) -> CursorLease | None:
        """The right to read on from a cursor; None while another owner has it. The holder may ask again to renew."""
        asking = {"name": name, "owner": owner, "lease_s": lease_s}
        known = self._database.known
        found = await self._database.fetch(statements.LEASE_CURSOR, asking)
        if not found:
            return None
        cursor, epoch, incarnation = found[0]
        self._database.met(incarnation, known)
        return CursorLease(name=name, owner=owner, cursor=cursor, epoch=epoch)

    async def advance_cursor(self, lease: CursorLease, cursor: str, lease_s: float) -> bool:
        """Move a cursor and renew its lease; False when somebody else has taken it."""
        moving = {**_holder(lease), "cursor": cursor, "lease_s": lease_s}
        return await self._database.execute(statements.ADVANCE_CURSOR, moving) == 1

    async def release_cursor(self, lease: CursorLease) -> None:
        """Let another owner read on at once."""
        await self._database.execute(statements.RELEASE_CURSOR, _holder(lease))

    # ---- positions

    async def positions(self, queue: str, topic_id: str) -> dict[int, int]:
        """Next offset of each partition of a topic that a queue of the connection ever took in."""
        return dict(await self._database.fetch(statements.POSITIONS, {"queue": queue, "topic_id": topic_id}))

    # ---- readings

    async def versions(self, record: str, keys: Sequence[str]) -> dict[str, int]:
        """The source's change number of the last reading of each document that was ever read, by root key."""
        return dict(await self._database.fetch(statements.SEEN_VERSIONS, {"record": record, "keys": list(keys)}))


def _holder(lease: CursorLease) -> dict[str, object]:
    return {"name": lease.name, "owner": lease.owner, "epoch": lease.epoch}
