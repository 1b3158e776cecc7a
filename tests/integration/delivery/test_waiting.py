"""Rows that wait for a named thing: registered with a second look, woken when it comes, told when in circles."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import pytest

from bus.events import Advance
from delivery import waiting
from delivery.decide import Pace, Step, Turn, after, settled
from delivery.intake import Sightings
from delivery.ports import Row
from delivery.states import ParkedFor, State
from delivery.store import Intended, Store
from errors import DependencyError, LostPartitionError, UnknownOutcomeError
from tests.integration.delivery.rows import (
    QUEUE,
    arrival,
    assert_sound,
    change,
    delivered,
    intent_of,
    look,
    outcomes,
    take_in,
)

ITEM = "item:SKU-77"
SLOW = Pace(first_recheck_s=3600.0, longest_recheck_s=3600.0, settling_delay_s=3600.0, longest_backoff_s=3600.0)


@pytest.fixture
async def other(bus_dsn: str, store: Store) -> AsyncIterator[Store]:
    """Another process at the same store."""
    other = Store(bus_dsn, store.connection)
    await other.open()
    yield other
    await other.close()


def lacks(row: Row, name: str = ITEM) -> Turn:
    return after(DependencyError(name, "not there"), Step.PREPARE, row, None, SLOW, 0.5)


async def claim(store: Store, queue: str = QUEUE, limit: int = 2000) -> list[Row]:
    return await store.claim(queue, "me", limit, 60)


async def settle(store: Store, *turns: Turn, queue: str = QUEUE, going_on: frozenset[int] = frozenset()) -> list[Row]:
    settled_ = await store.settle(queue, "me", turns, going_on)
    return list(settled_.next.values())


async def bring(store: Store, name: str = ITEM, *, offset: int = 9000) -> None:
    """Something read by the fetchers of the same connection."""
    await take_in(store, arrival(offset, f"gp:{offset}", partition=7), queue="fetchers")
    (row,) = await claim(store, "fetchers")
    await settle(store, settled(row, delivered(brings=(name,)), None), queue="fetchers")


async def test_row_is_woken_by_the_arrival_of_what_it_waits_for(bus_dsn: str, store: Store) -> None:
    await take_in(store, arrival(0, "s:1"), arrival(1, "s:2"))
    first, second = await claim(store)
    await settle(store, lacks(first), lacks(second, "item:SKU-78"))
    assert await claim(store) == []

    await bring(store)

    assert await store.wake_waiting() == 1
    (woken,) = await claim(store)
    assert (woken.offset, woken.state, woken.cause, woken.waits_for) == (
        0,
        State.PARKED,
        ParkedFor.DEPENDENCY,
        ITEM,
    )
    assert_sound(bus_dsn, store.connection)


async def test_what_arrived_between_the_look_and_the_registration_is_not_missed(store: Store) -> None:
    await take_in(store, arrival(0, "s:1"))
    (row,) = await claim(store)
    await bring(store)

    went_on = await settle(store, lacks(row), going_on=frozenset({row.epoch}))

    assert went_on == [], "under the old lease it would look for ever"
    (again,) = await claim(store)
    await settle(store, lacks(again))
    assert await claim(store) == [], "it has looked since"
    assert await store.wake_waiting() == 0


async def test_of_two_at_one_moment_the_second_sees_the_first(bus_dsn: str, store: Store, other: Store) -> None:
    """Registration and arrival race; whoever comes second, the row is due once both are done."""
    for offset in range(30):
        await take_in(store, arrival(offset, "s:1"))
        (row,) = await claim(store)
        await take_in(store, arrival(offset, "gp:1", partition=7), queue="fetchers")
        (bringer,) = await claim(store, "fetchers")

        await asyncio.gather(
            settle(store, lacks(row)),
            settle(other, settled(bringer, delivered(brings=(ITEM,)), None), queue="fetchers"),
        )
        await store.wake_waiting()

        (again,) = await claim(store)
        await settle(store, settled(again, delivered(), None))
        # the entry must be made anew by whoever comes first
        change(bus_dsn, store.connection, "DELETE FROM things")


async def test_a_flood_is_woken_in_portions_and_what_is_in_hand_is_left_alone(
    bus_dsn: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 250
    monkeypatch.setattr(waiting, "PORTION", 100)
    await take_in(store, *(arrival(offset, f"s:{offset}") for offset in range(rows)))
    await settle(store, *(lacks(row) for row in await claim(store)))
    change(bus_dsn, store.connection, "UPDATE rows SET due = now() WHERE event_offset = 5")
    change(bus_dsn, store.connection, "UPDATE keys SET due = now() WHERE root_key = 's:5'")
    (in_hand,) = await claim(store)
    await bring(store)

    assert await store.wake_waiting() == rows - 1
    assert await store.wake_waiting() == 0

    assert len(await claim(store)) == rows - 1
    await settle(store, lacks(in_hand))
    assert [row.offset for row in await claim(store)] == [5], "its owner saw the arrival when he registered"
    assert_sound(bus_dsn, store.connection)


async def test_waking_that_was_broken_off_is_done_by_the_next(
    bus_dsn: str, store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PORTION", 2)
    await take_in(store, *(arrival(offset, f"s:{offset}") for offset in range(5)))
    await settle(store, *(lacks(row) for row in await claim(store)))
    await bring(store)
    await waiting._wake_portion(store, ITEM, 0)

    assert await other.wake_waiting() == 3
    assert len(await claim(store)) == 5
    assert look(bus_dsn, store.connection, "SELECT 1 FROM things WHERE pending") == []


async def test_what_is_seen_there_wakes_and_is_noted_once(store: Store) -> None:
    await take_in(store, arrival(0, "s:1"))
    (row,) = await claim(store)
    await settle(store, lacks(row))
    sightings = Sightings(store, "fetchers", "dynamics-gp.cdc.IV00102.v1")

    await sightings("captured", [Advance(0, None, 3)], [ITEM, "item:OTHER", ITEM])

    assert await store.wake_waiting() == 1
    assert len(await claim(store)) == 1
    assert await store.positions("fetchers", "captured") == {0: 3}
    with pytest.raises(LostPartitionError):
        await sightings("captured", [Advance(0, None, 3)], [ITEM])


async def test_waiting_for_another_thing_is_said(bus_dsn: str, store: Store) -> None:
    await take_in(store, arrival(0, "s:1"))
    for name in (ITEM, ITEM, "item:SKU-78"):
        (row,) = await claim(store)
        await settle(store, lacks(row, name))
        change(bus_dsn, store.connection, "UPDATE rows SET due = now()")
        change(bus_dsn, store.connection, "UPDATE keys SET state = 'ready', due = now()")

    assert [said.values["waits_for"] for said in outcomes(bus_dsn, store.connection)] == [ITEM, "item:SKU-78"]


async def test_rows_that_wait_for_each_other_are_a_persons(bus_dsn: str, store: Store) -> None:
    await take_in(store, arrival(0, "s:1"), arrival(1, "s:2"), arrival(2, "s:3"))
    one, two, three = await claim(store)
    await settle(store, lacks(one, "order:s:2"))
    await settle(store, lacks(two, "order:s:3"))
    assert look(bus_dsn, store.connection, "SELECT 1 FROM rows WHERE cause = 'person'") == []

    await settle(store, lacks(three, "order:s:1"))

    (stuck,) = look(bus_dsn, store.connection, "SELECT * FROM rows WHERE cause = 'person'")
    assert (stuck["event_offset"], stuck["code"], stuck["due"]) == (2, "dependency_circle", None)
    assert stuck["code_values"]["circle"] == "order:s:1 → order:s:2 → order:s:3 → order:s:1"
    assert_sound(bus_dsn, store.connection)

    await bring(store, "order:s:1")
    await store.wake_waiting()
    assert [row.offset for row in await claim(store)] == [2], "made by somebody else after all"


async def test_row_whose_thing_waits_behind_itself_is_a_persons(bus_dsn: str, store: Store) -> None:
    await take_in(store, arrival(0, "s:1/p-1", record="shipment"), arrival(1, "s:1"))
    (shipment,) = await claim(store)

    await settle(store, lacks(shipment, "order:s:1"))

    (stuck,) = look(bus_dsn, store.connection, "SELECT * FROM rows WHERE cause = 'person'")
    assert stuck["code_values"]["circle"] == "order:s:1 → order:s:1"


async def test_what_the_fetchers_of_the_key_will_bring_is_no_circle(bus_dsn: str, store: Store) -> None:
    await take_in(store, arrival(0, "s:1", record="order_status"))
    await take_in(store, arrival(0, "s:1", partition=3), queue="fetchers")
    (status,) = await claim(store)

    await settle(store, lacks(status, "order:s:1"))

    assert look(bus_dsn, store.connection, "SELECT cause FROM rows WHERE queue = 'consumers'") == [
        {"cause": "dependency"}
    ]


async def test_late_echo_has_what_is_in_doubt_looked_for(bus_dsn: str, store: Store) -> None:
    await take_in(store, arrival(0, "s:1"))
    (row,) = await claim(store)
    intent = intent_of(row)
    lost = after(UnknownOutcomeError("lost", "perhaps"), Step.DELIVER, row, intent, SLOW, 0.5)
    await settle(store, lost)
    assert await claim(store) == []

    await bring(store, "order:s:1")
    await store.wake_waiting()

    (doubtful,) = await claim(store)
    assert (doubtful.state, doubtful.intent) == (State.UNKNOWN, intent)
    assert doubtful.settles_in_s > 3000, "an absence is not believed yet"
    assert_sound(bus_dsn, store.connection)


async def test_echo_that_came_before_its_worker_was_missed_counts(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0, "s:1"))
    (row,) = await claim(store)
    await store.intend(QUEUE, "me", [Intended(row=row, intent=intent_of(row))])
    await bring(store, "order:s:1")
    change(bus_dsn, store.connection, "UPDATE keys SET lease_until = now() - interval '1 s' WHERE queue = 'consumers'")

    await store.expire_leases(QUEUE, "me", 3600.0)

    (doubtful,) = await claim(store)
    assert doubtful.state is State.UNKNOWN
    assert_sound(bus_dsn, store.connection)


async def test_old_arrivals_are_forgotten_and_what_is_waited_for_is_not(bus_dsn: str, store: Store) -> None:
    await take_in(store, arrival(0, "s:1"))
    (row,) = await claim(store)
    await settle(store, lacks(row))
    await bring(store, "item:SKU-1")
    change(bus_dsn, store.connection, "UPDATE things SET at = at - interval '2 days'")

    await store.keep_history(date(2026, 5, 1), 1, 1)

    assert look(bus_dsn, store.connection, "SELECT name FROM things") == [{"name": ITEM}]
