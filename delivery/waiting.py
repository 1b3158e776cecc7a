"""Rows that wait for a named thing: registered, and woken when it arrives; inside transactions of a connection's store.

A sink's look at its target and the registration are two moments, and what arrives between them must not be missed: the
arrival of a thing draws a number, as leases do, so that whoever looked under an older lease is due at once. Whoever
waits already is woken afterwards, in portions: a hundred thousand rows may wait for one thing.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Final

import msgspec

from delivery import columns, decide, statements
from delivery.database import Connection, Database, planned_anew
from delivery.decide import Turn
from delivery.states import ParkedFor

#: What processes are told when somebody is to be woken, in place of a queue's name.
NOTICE: Final = "things"
#: Rows woken in one transaction.
PORTION: Final = 500
#: Things looked up at once.
THINGS: Final = 100
#: Links of a chain that is followed; rows that wait for each other over more go unnoticed.
LONGEST: Final = 20
QUEUES: Final = ("fetchers", "consumers")


async def meet(wire: Connection, channel: str, brought: Set[str], awaited: Set[str]) -> Mapping[str, int]:
    """Let things that arrived and rows that wait for some meet; keys of the rows are locked before.

    Args:
        wire: The transaction that settles what brought them, or parks what waits.
        channel: Where other processes listen.
        brought: Names of what surely is there now.
        awaited: Names of what is waited for.

    Returns:
        By name, the number of the last arrival; a lease with a lower one may have missed it.
    """
    if not brought and not awaited:
        return {}
    found = await columns.rows(wire, statements.MEET, _meeting(channel, brought, awaited))
    return {name: arrival for name, arrival, _ in found}


async def bring(wire: Connection, channel: str, brought: Set[str]) -> None:
    """As `meet`, where nobody of the transaction waits: there is no answer to be read."""
    if brought:
        await columns.asked(wire, statements.MEET, _meeting(channel, brought, frozenset()))


async def registered(wire: Connection, queue: str, turns: Sequence[Turn], arrivals: Mapping[str, int]) -> list[Turn]:
    """Turns as they may be written: due at once where the thing came meanwhile, a person's where they go in circles."""
    due = [_again(turn) if arrivals.get(turn.waits_for, 0) > turn.row.epoch else turn for turn in turns]
    waiting = [turn for turn in due if turn.cause is ParkedFor.DEPENDENCY]
    if not waiting:
        return due
    asking = {
        "queue": queue,
        "queues": list(QUEUES),
        "longest": LONGEST,
        "ids": [turn.row.id for turn in waiting],
        "root_keys": [turn.row.root_key for turn in waiting],
        "names": [turn.waits_for for turn in waiting],
    }
    async with planned_anew(wire):
        circles = dict(await columns.rows(wire, statements.CIRCLES, asking))
    return [decide.goes_in_circles(turn, circles[turn.row.id]) if turn.row.id in circles else turn for turn in due]


async def wake(database: Database) -> int:
    """Make due who waits for what arrived; how many rows. Killed half way, the next call does the rest."""
    woken = 0
    for name, arrival in await database.fetch(statements.PENDING, {"limit": THINGS}):
        after: int | None = 0
        while after is not None:
            portion, after = await _wake_portion(database, name, after)
            woken += portion
        async with database.transaction() as wire:
            # whoever registered has either been seen above, or waits here and sees the arrival
            await wire.execute(statements.LOCK_THING, {"name": name})
            await wire.execute(statements.ALL_WOKEN, {"name": name, "arrival": arrival})
    return woken


async def _wake_portion(database: Database, name: str, after: int) -> tuple[int, int | None]:
    """Rows woken, and the last one looked at; None: there are no more."""
    async with database.transaction() as wire:
        found = await columns.rows(wire, statements.WAITING, {"name": name, "after": after, "limit": PORTION})
        if not found:
            return 0, None
        ids, queues, root_keys = zip(*found, strict=True)
        # Those in a deliverer's hands are being looked at, or their owner sees the arrival when he registers.
        locked = {"queues": list(queues), "root_keys": list(root_keys)}
        free = await columns.rows(wire, statements.LOCK_WAITING, locked)
        waking = {
            "name": name,
            "ids": list(ids),
            "queues": [queue for queue, _ in free],
            "root_keys": [root_key for _, root_key in free],
        }
        woken = [queue for (queue,) in await columns.rows(wire, statements.WAKE, waking)]
        for queue in sorted(set(woken)):
            await wire.execute(statements.NOTIFY, {"channel": database.schema, "queue": queue})
    return len(woken), max(ids)


def _meeting(channel: str, brought: Set[str], awaited: Set[str]) -> dict[str, object]:
    return {"channel": channel, "notice": NOTICE, **columns.of_meeting(brought, awaited)}


def _again(turn: Turn) -> Turn:
    return msgspec.structs.replace(turn, delay_s=0.0)
