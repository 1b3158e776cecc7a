"""Holds a connection's store against what Kafka has heard of it; for every worker, before it works on one."""

import asyncio
from collections.abc import Awaitable, Callable

from bus import store_marks
from bus.clock import Clock
from bus.codec import Codecs
from bus.producer import Publisher
from delivery.database import Database
from delivery.incarnation import Incarnation
from schemas.bus.store_mark import StoreMark
from schemas.topics import STORES


async def recognise(kafka: str, codecs: Codecs, database: Database) -> None:
    """Kafka first: what another worker announces meanwhile the store knows already.

    Raises:
        FatalError: the store was restored or replaced, or is being recovered.
        RetryableError: Kafka or the store do not answer.
    """
    marks = await asyncio.to_thread(store_marks.read, kafka, codecs)
    await database.recognise(announced(marks.get(database.connection)))


def announced(mark: StoreMark | None) -> Incarnation | None:
    """What Kafka has heard, in the store's words."""
    return None if mark is None else Incarnation(store_id=mark.store_id, counter=mark.counter)


def marking(connection: str, publisher: Publisher, clock: Clock) -> Callable[[Incarnation], Awaitable[object]]:
    """Tells Kafka how far a store has come."""

    async def mark(reached: Incarnation) -> None:
        told = StoreMark(connection=connection, store_id=reached.store_id, counter=reached.counter, at=clock())
        await publisher.publish(STORES.name, connection, told)

    return mark
