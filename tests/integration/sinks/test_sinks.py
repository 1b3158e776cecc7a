"""One suite for every sink: whatever goes wrong, a row has its effect as its class of repeats promises."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from enum import Enum, auto

import pytest

from consumers.routes import ROUTES, Route
from delivery.ports import Arrival
from delivery.states import ParkedFor, Repeats, State
from delivery.store import Store
from operations.sentences import CATALOGUE
from tests.integration.delivery.rows import arrival, assert_sound, history, look, outcomes, take_in
from tests.integration.delivery.running import deliverer, running, until_done
from tests.integration.sinks.adapter import Adapter, Event
from tests.integration.sinks.adapters import ADAPTERS
from tests.integration.sinks.workers import DEADLINE_S, Moment, StandingStill, Watched


class Trouble(Enum):
    """What happens to a row."""

    #: It is delivered again, as nobody wrote down that it was.
    REPEAT = auto()
    #: Two workers deliver it at one moment.
    RACE = auto()
    #: A worker stands still before it sends, another one finishes, the first goes on.
    STALL = auto()
    #: A worker stands still before it sends, until after the time limit of its call.
    TOO_LATE = auto()
    THROTTLE = auto()
    LOST_ANSWER = auto()


#: How often at most a delivery may be noticed at the target. More than once, and `docs/how-to/repeats.md` says so.
#: What the target refused is never noticed there, whatever the class.
AT_MOST: Mapping[Repeats, Mapping[Trouble, int]] = {
    Repeats.ATOMIC: dict.fromkeys(Trouble, 1),
    Repeats.KEYED: dict.fromkeys(Trouble, 1),
    # Who looks before he writes sees nothing of another one who has looked and not written yet. So nothing may be begun
    # too late, where it could also write an older value over a newer one.
    Repeats.PROBED: {**dict.fromkeys(Trouble, 1), Trouble.RACE: 2, Trouble.STALL: 2, Trouble.TOO_LATE: 0},
    Repeats.REPEATABLE: {**dict.fromkeys(Trouble, 1), Trouble.RACE: 2, Trouble.TOO_LATE: 0},
}


class Place:
    """A sink at its simulator, and a connection's store."""

    def __init__(self, adapter: Adapter, store: Store, dsn: str) -> None:
        self.adapter = adapter
        self.store = store
        self.dsn = dsn
        self.route: Route = next(route for route in ROUTES if route.sink is adapter.sink)
        self._offset = 0

    async def take_in(self, event: Event) -> None:
        """One more row of the event."""
        await take_in(self.store, self._arrival(event))
        self._offset += 1

    def _arrival(self, event: Event) -> Arrival:
        return arrival(
            self._offset,
            event.message_key,
            record=self.route.record,
            kind=self.route.kind,
            replaces_with=self.route.replaces_with,
            source_version=7,
            payload=event.payload,
        )

    @contextlib.asynccontextmanager
    async def worker(
        self, around: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
    ) -> AsyncIterator[Watched]:
        """A worker that works; `around` each delivery."""
        async with self.adapter.opened(self.store) as sink:
            watched = Watched(sink, around)
            async with running(deliverer(self.store, {self.route.record: watched})):
                yield watched

    @contextlib.asynccontextmanager
    async def standing_still(self, moment: Moment, timeout_s: float | None = None) -> AsyncIterator[StandingStill]:
        """A worker that stands still at the moment, its lease lost."""
        still = StandingStill(self.store, self.dsn, self.adapter, self.route.record, moment, timeout_s)
        async with asyncio.TaskGroup() as group:
            group.create_task(still.run())
            try:
                await still.stands_and_loses_its_lease()
                yield still
            finally:
                still.stop()

    def assert_delivered(self, event: Event, trouble: Trouble) -> None:
        """Its one row ended as delivered, and the target has what the class of the sink promises."""
        assert [State(row["state"]) for row in history(self.dsn, self.store.connection)] == [State.DELIVERED]
        assert_sound(self.dsn, self.store.connection)
        at_most = AT_MOST[self.route.sink.repeats][trouble]
        effects = self.adapter.effects(event)
        assert {what for what, count in effects.items() if not 1 <= count <= at_most} == set(), effects

    def said(self) -> list[tuple[str, str]]:
        """States and codes in the order they were announced."""
        return [(one.state, one.code) for one in outcomes(self.dsn, self.store.connection)]


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.sink.__name__)
def place(request: pytest.FixtureRequest, store: Store, bus_dsn: str) -> Iterator[Place]:
    adapter: Adapter = request.param(request.getfixturevalue(request.param.simulator))
    yield Place(adapter, store, bus_dsn)
    adapter.calm()


async def test_row_delivered_again_after_its_settle_was_lost_has_its_effect_once(place: Place) -> None:
    event = place.adapter.event()
    await place.take_in(event)

    async with place.standing_still(Moment.BEFORE_SETTLING) as first:
        async with place.worker() as second:
            await until_done(place.store)
        await first.goes_on_to_its_end()

    assert (second.found, second.delivered) == (1, 0)
    place.assert_delivered(event, Trouble.REPEAT)


async def test_event_that_comes_again_finds_its_effect_there(place: Place) -> None:
    event = place.adapter.event()
    async with place.worker() as worker:
        await place.take_in(event)
        await until_done(place.store)

        await place.take_in(event)
        await until_done(place.store)

    assert worker.delivered == 1
    assert set(place.adapter.effects(event).values()) == {1}


async def test_two_workers_that_deliver_one_row_at_one_moment_keep_to_what_its_class_promises(place: Place) -> None:
    event = place.adapter.event()
    await place.take_in(event)

    async with place.standing_still(Moment.BEFORE_SENDING) as first:

        @contextlib.contextmanager
        def together() -> Iterator[None]:
            first.let_go()
            yield

        async with place.worker(together):
            await until_done(place.store)
        await first.goes_on_to_its_end()

    place.assert_delivered(event, Trouble.RACE)


async def test_worker_that_stood_still_past_its_lease_changes_nothing_when_it_goes_on(place: Place) -> None:
    event = place.adapter.event()
    await place.take_in(event)

    async with place.standing_still(Moment.BEFORE_SENDING) as first:
        async with place.worker():
            await until_done(place.store)
        place.assert_delivered(event, Trouble.STALL)
        await first.goes_on_to_its_end()

    place.assert_delivered(event, Trouble.STALL)


async def test_worker_that_stood_still_past_its_time_limit_does_no_harm(place: Place) -> None:
    event = place.adapter.event()
    await place.take_in(event)

    async with place.standing_still(Moment.BEFORE_SENDING, timeout_s=0.2):
        limit = time.monotonic() + 0.3
        while time.monotonic() < limit:
            await asyncio.sleep(0.02)

    assert max(place.adapter.effects(event).values()) <= AT_MOST[place.route.sink.repeats][Trouble.TOO_LATE]


async def test_row_its_target_throttled_is_delivered_afterwards(place: Place) -> None:
    event = place.adapter.event()
    place.adapter.throttle_once()
    await place.take_in(event)

    async with place.worker() as worker:
        await until_done(place.store)

    assert worker.delivered == 2
    assert [state for state, _ in place.said()] == [State.PARKED, State.DELIVERED]
    place.assert_delivered(event, Trouble.THROTTLE)


async def test_row_its_target_refuses_is_parked_and_leaves_nothing_there(place: Place) -> None:
    event = place.adapter.event_it_refuses()
    before = place.adapter.effects(event)
    await place.take_in(event)

    async with place.worker() as worker, asyncio.timeout(DEADLINE_S):
        while not (rows := look(place.dsn, place.store.connection, "SELECT cause, code FROM rows WHERE code <> ''")):
            await asyncio.sleep(0.02)

    ((cause, code),) = [row.values() for row in rows]
    assert cause == ParkedFor.REFUSED
    assert code in CATALOGUE
    assert worker.delivered == 1
    assert set(before.values()) == {0}
    assert place.adapter.effects(event) == before


async def test_row_whose_answer_was_lost_is_looked_for_and_not_sent_again(place: Place) -> None:
    event = place.adapter.event()
    place.adapter.lose_an_answer()
    await place.take_in(event)

    async with place.worker() as worker:
        await until_done(place.store)

    assert (worker.delivered, worker.found) == (1, 1)
    assert [state for state, _ in place.said()] == [State.UNKNOWN, State.DELIVERED]
    place.assert_delivered(event, Trouble.LOST_ANSWER)
