"""Carries what a connection's store has to announce to Kafka; for the workers that own a store.

An entry leaves the outbox when the broker has every copy of it: a relay killed in between says it again, with the same
`ce_id`. One relay of a store speaks at a time, so that the records of a key keep their order; any number may stand by.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import msgspec
import structlog

from bus.events import Headers
from bus.headers import Lineage, event_id, to_headers
from delivery.announcements import Announcement, What
from delivery.edges import CursorLease, Edges
from delivery.incarnation import Incarnation
from delivery.store import Store
from errors import RejectedError, RetryableError
from schemas.types import Root

log = structlog.get_logger(__name__)

BATCH: Final = 500
#: The turn to speak, among cursors.
TURN: Final = "relay"
#: How much longer a turn lasts than anything said in it can take to reach the broker.
MARGIN_S: Final = 2.0
POLL_S: Final = 1.0
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 5.0


#: How often the store's progress is told: so much may be announced before a restored store and still go unnoticed.
MARK_EVERY_S: Final = 0.25


class Publisher(Protocol):
    """Writes a record to its topic; the answer comes when every copy is written.

    Order: records of a key are written in the order of the calls. Failure: RetryableError, RejectedError for a record
    its topic will never take, FatalError.
    """

    def publish(
        self, topic_name: str, key: str, value: msgspec.Struct | None, headers: Headers = ()
    ) -> Awaitable[object]:
        """Encode and send."""


async def nobody_asks(_: Incarnation) -> None:
    """Where no other process may ever work on the store."""


class Relay:
    """Speaks for one store while it is its turn."""

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        headers: Callable[[Announcement], Headers],
        owner: str,
        *,
        send_within_s: float,
        mark: Callable[[Incarnation], Awaitable[object]] = nobody_asks,
    ) -> None:
        """Build, without starting.

        Args:
            store: Open.
            publisher: To Kafka.
            headers: What travels beside a record: `headers_of`.
            owner: Of the turn: unique to this relay.
            mark: Tells Kafka how far the store has come, once the store itself knows that it has.
            send_within_s: After this long the publisher sends nothing any more of what it was given. A turn outlasts
                it, as two relays that speak at once could put an older record of a key behind a newer one.
        """
        self._store = store
        self._turns = Edges(store)
        self._publisher = publisher
        self._headers = headers
        self._owner = owner
        self._turn_s = send_within_s + MARGIN_S
        self._mark = mark
        #: How far the store has come, while that is not told; when it is to be.
        self._reached: Incarnation | None = None
        self._mark_at = 0.0
        self._stopping = asyncio.Event()
        self._log = log.bind(connection=store.connection)

    async def run(self) -> None:
        """Carry until `stop`.

        Raises:
            FatalError: Kafka takes nothing from us any more.
        """
        pause_s = FIRST_PAUSE_S
        turn: CursorLease | None = None
        begin_by = 0.0
        while not self._stopping.is_set():
            try:
                if turn is None or time.monotonic() > begin_by - MARGIN_S / 2:
                    begin_by = time.monotonic() + MARGIN_S
                    turn = await self._turns.lease_cursor(TURN, self._owner, self._turn_s)
                self._store.speaks = turn is not None
                if turn is None:
                    self._reached = None  # whoever speaks now tells of more
                    # Standing by, it looks often enough to follow a dead speaker.
                    await self._wait(min(POLL_S, self._turn_s / 2))
                    continue
                all_said = await self._carry(begin_by)
                await self._tell_mark()
                pause_s = FIRST_PAUSE_S
                if all_said:
                    longest_s = MARK_EVERY_S if self._reached is not None else POLL_S
                    await self._store.wait_for_announcements(min(longest_s, self._turn_s / 2))
            except RetryableError as error:
                begin_by = 0.0
                self._log.warning("relay.waits", code=error.code, pause_s=pause_s)
                await self._wait(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        self._store.speaks = False
        if turn is not None:
            with contextlib.suppress(RetryableError):
                self._mark_at = 0.0
                await self._tell_mark()
                await self._turns.release_cursor(turn)

    def stop(self) -> None:
        """End after the batch under way."""
        self._stopping.set()
        self._store.wake_relay()

    async def _carry(self, begin_by: float) -> bool:
        """One batch; answers whether nothing was left when it was read. What is written later is told of.

        Args:
            begin_by: On the monotonic clock; later the rest of the turn would be too short.

        Raises:
            RetryableError: some could not be written; what was written is marked.
        """
        batch = await self._store.outbox_batch(BATCH)
        if not batch:
            return True
        if time.monotonic() > begin_by:
            return False
        # Tasks start in the order they are made, and each hands its record over before it first waits.
        sending = [asyncio.ensure_future(self._publish(one)) for one in batch]
        try:
            answers = await asyncio.gather(*sending, return_exceptions=True)
        finally:
            for one in sending:
                one.cancel()
        sent, failed = _sorted_answers(batch, answers)
        if sent:
            self._reached = await self._store.outbox_sent(sent)
            self._log.info("relay.sent", records=len(sent), first=sent[0], last=sent[-1])
        for announcement, answer in zip(batch, answers, strict=True):
            if isinstance(answer, RejectedError):
                self._log.error("relay.refused", topic=announcement.topic, root=announcement.root, code=answer.code)
                await self._store.outbox_refused(announcement.id, str(answer))
        if failed is not None:
            raise failed
        return len(batch) < BATCH

    async def _tell_mark(self) -> None:
        """Only now: a mark the store itself does not know of would make it look restored."""
        if self._reached is None or time.monotonic() < self._mark_at:
            return
        await self._mark(self._reached)
        self._reached = None
        self._mark_at = time.monotonic() + MARK_EVERY_S

    async def _publish(self, one: Announcement) -> None:
        await self._publisher.publish(one.topic, one.key, one.value, self._headers(one))

    async def _wait(self, pause_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._stopping.wait()


def headers_of(connection: str) -> Callable[[Announcement], Headers]:
    """Headers of what a connection announces; the same each time the same entry is sent."""

    def headers(one: Announcement) -> Headers:
        route = f"{connection}/{one.topic}"
        # Two readings of a document are two events, however they differ; every other entry is one of its own.
        ordinal = 0 if one.what is What.PUBLICATION else one.id
        return to_headers(
            Lineage(
                root=Root(one.root),
                origin=one.origin,
                mapping=one.mapping,
                hops=one.hops,
                traceparent=one.traceparent,
                ce_id=event_id(one.root, route, ordinal, one.digest),
                ce_source=f"/{route}",
                ce_type=f"towpath.{one.topic}",
                ce_time=one.at.isoformat().replace("+00:00", "Z") if one.at is not None else "",
            )
        )

    return headers


def _sorted_answers(batch: Sequence[Announcement], answers: Sequence[object]) -> tuple[list[int], BaseException | None]:
    """What may leave the outbox, and the error to act on.

    After an entry that failed, later ones of its key are said again behind it: else it would come last.
    """
    sent: list[int] = []
    failed: BaseException | None = None
    held_back: set[tuple[str, str]] = set()
    for announcement, answer in zip(batch, answers, strict=True):
        stream = (announcement.topic, announcement.key)
        if isinstance(answer, RejectedError):
            continue
        if isinstance(answer, BaseException):
            held_back.add(stream)
            if failed is None or (isinstance(failed, RetryableError) and not isinstance(answer, RetryableError)):
                failed = answer
        elif stream not in held_back:
            sent.append(announcement.id)
    return sent, failed
