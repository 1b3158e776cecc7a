"""Take-in: once, in order, and only by whoever owns the partition."""

import asyncio

import msgspec
import psycopg
import pytest
from psycopg import sql
from psycopg.pq import TransactionStatus

from bus.events import Advance
from delivery import waiting
from delivery.decide import Pace, Step, after, settled
from delivery.migrate import schema_of
from delivery.ports import Arrival
from delivery.states import Kind, ParkedFor, State
from delivery.store import Store
from errors import LostPartitionError, RetryableError
from tests.integration.delivery.rows import (
    QUEUE,
    TOPIC,
    TOPIC_ID,
    arrival,
    assert_sound,
    change,
    delivered,
    history,
    ids,
    look,
    outcomes,
    take_in,
)


def stock(offset: int, message_key: str = "clarity-main:1001") -> Arrival:
    """Full state: a newer one supersedes what waits."""
    return arrival(offset, message_key, record="inventory_level", kind=Kind.STATE, replaces_with=State.SUPERSEDED)


def thin(offset: int) -> Arrival:
    """A change to fetch: a newer one takes what waits along."""
    return arrival(offset, record="sales_order", kind=Kind.STATE, replaces_with=State.MERGED)


async def test_position_moves_with_the_rows(store: Store) -> None:
    taken = await store.take_in(
        QUEUE,
        TOPIC,
        TOPIC_ID,
        [Advance(3, None, 12)],
        [arrival(7, partition=3), arrival(10, partition=3)],
    )

    assert (taken.queued, taken.ended, taken.repeats) == (2, 0, 0)
    assert await store.positions(QUEUE, TOPIC_ID) == {3: 12}
    assert await store.positions("fetchers", TOPIC_ID) == {}


async def test_partition_without_events_moves_on(store: Store) -> None:
    await store.take_in(QUEUE, TOPIC, TOPIC_ID, [Advance(0, None, 5)], [])
    await store.take_in(QUEUE, TOPIC, TOPIC_ID, [Advance(0, 5, 9)], [])

    assert await store.positions(QUEUE, TOPIC_ID) == {0: 9}


async def test_offsets_below_the_position_are_repeats(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0), arrival(1))

    taken = await store.take_in(QUEUE, TOPIC, TOPIC_ID, [Advance(0, 2, 4)], [arrival(1), arrival(3)])

    assert (taken.queued, taken.repeats) == (1, 1)
    assert [one["event_offset"] for one in look(bus_dsn, store.connection, "SELECT * FROM rows ORDER BY id")] == [
        0,
        1,
        3,
    ]


async def test_events_beyond_the_batch_are_a_bug(store: Store) -> None:
    with pytest.raises(ValueError, match="does not belong"):
        await store.take_in(QUEUE, TOPIC, TOPIC_ID, [Advance(0, None, 4)], [arrival(4)])


@pytest.mark.parametrize("expected", [None, 1, 3])
async def test_worker_whose_position_moved_has_lost_the_partition(
    store: Store, bus_dsn: str, expected: int | None
) -> None:
    await take_in(store, arrival(0), arrival(1))

    with pytest.raises(LostPartitionError):
        await store.take_in(QUEUE, TOPIC, TOPIC_ID, [Advance(0, expected, 4)], [arrival(3)])

    assert await store.positions(QUEUE, TOPIC_ID) == {0: 2}
    assert len(look(bus_dsn, store.connection, "SELECT 1 FROM rows")) == 2


async def test_with_one_partition_lost_nothing_of_a_batch_is_taken_in(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0))
    mine = [arrival(0, partition=1), arrival(1), arrival(2)]

    with pytest.raises(LostPartitionError) as lost:
        await store.take_in(QUEUE, TOPIC, TOPIC_ID, [Advance(1, None, 1), Advance(0, 2, 3)], mine)

    assert lost.value.facts == {"partition": 0, "expected": 2, "found": 1}
    assert await store.positions(QUEUE, TOPIC_ID) == {0: 1}
    await store.take_in(QUEUE, TOPIC, TOPIC_ID, [Advance(1, None, 1), Advance(0, 1, 3)], mine)
    assert await store.positions(QUEUE, TOPIC_ID) == {0: 3, 1: 1}
    taken = look(bus_dsn, store.connection, "SELECT partition, event_offset FROM rows ORDER BY id")
    assert [(one["partition"], one["event_offset"]) for one in taken] == [(0, 0), (1, 0), (0, 1), (0, 2)]


async def test_batch_that_failed_is_not_taken_for_done_when_others_have_half_of_it(
    store: Store, bus_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = [arrival(0), arrival(0, partition=1)]
    moves = [Advance(0, None, 1), Advance(1, None, 1)]

    async def no_answer(*_: object) -> dict[str, int]:
        raise RetryableError("store_unavailable", "PostgreSQL did not answer")

    with monkeypatch.context() as away:
        away.setattr(waiting, "bring", no_answer)
        with pytest.raises(RetryableError):
            await store.take_in(QUEUE, TOPIC, TOPIC_ID, moves, mine)
    other = Store(bus_dsn, store.connection)
    await other.open()
    await other.take_in(QUEUE, TOPIC, TOPIC_ID, moves[:1], mine[:1])
    await other.close()

    with pytest.raises(LostPartitionError):
        await store.take_in(QUEUE, TOPIC, TOPIC_ID, moves, mine)

    assert await store.positions(QUEUE, TOPIC_ID) == {0: 1}


async def test_of_events_of_one_root_only_those_that_ended_are_left_out(store: Store, bus_dsn: str) -> None:
    with psycopg.connect(bus_dsn, autocommit=True) as wire:
        wire.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema_of(store.connection))))
        wire.execute("INSERT INTO horizons VALUES (%s, %s, 0, 9)", [QUEUE, TOPIC_ID])
        wire.execute(
            "INSERT INTO heard VALUES"
            " (%s, %s, 0, 0, '', 's:1', 'shipment', 0, 'delivered', '', 'created', '{}', 1, '', '', '', true, now())",
            [QUEUE, TOPIC_ID],
        )
    invoices = [msgspec.structs.replace(arrival(offset), root=arrival(0).root) for offset in (0, 1)]

    taken = await store.take_in(QUEUE, TOPIC, TOPIC_ID, [Advance(0, None, 2)], invoices)

    assert taken.queued == 1
    assert [one["event_offset"] for one in look(bus_dsn, store.connection, "SELECT * FROM rows")] == [1]


async def test_of_two_workers_with_one_partition_each_event_is_taken_once(bus_dsn: str, store: Store) -> None:
    other = Store(bus_dsn, store.connection)
    await other.open()
    lost = 0

    async def worker(mine: Store, batch: int) -> None:
        nonlocal lost
        while (at := (await mine.positions(QUEUE, TOPIC_ID)).get(0)) is None or at < 200:
            first = at or 0
            events = [arrival(offset, f"clarity-main:{offset % 7}") for offset in range(first, min(first + batch, 200))]
            try:
                await mine.take_in(QUEUE, TOPIC, TOPIC_ID, [Advance(0, at, events[-1].offset + 1)], events)
            except LostPartitionError:
                lost += 1

    await asyncio.gather(worker(store, 5), worker(other, 3), worker(store, 7))
    await other.close()

    found = look(bus_dsn, store.connection, "SELECT event_offset FROM rows ORDER BY id")
    assert [one["event_offset"] for one in found] == list(range(200))
    assert lost > 0


async def test_answer_lost_on_the_way_back_is_not_another_worker(
    store: Store, bus_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = psycopg.AsyncPipeline.__aexit__

    async def commit_and_lose(self: psycopg.AsyncPipeline, *error: object) -> None:
        await real(self, *error)  # type: ignore[arg-type]  # handed through
        if self._conn.pgconn.transaction_status == TransactionStatus.IDLE:
            raise psycopg.OperationalError("connection lost")

    with monkeypatch.context() as away:
        away.setattr(psycopg.AsyncPipeline, "__aexit__", commit_and_lose)
        with pytest.raises(RetryableError):
            await store.take_in(QUEUE, TOPIC, TOPIC_ID, [Advance(0, None, 1)], [arrival(0)])

    again = await store.take_in(QUEUE, TOPIC, TOPIC_ID, [Advance(0, None, 1)], [arrival(0)])

    assert again.repeats == 1
    assert len(look(bus_dsn, store.connection, "SELECT 1 FROM rows")) == 1


async def test_rows_of_a_key_keep_the_order_of_commits(store: Store, bus_dsn: str) -> None:
    """Two topics carry events of the same orders: ids must not be drawn before the key is locked."""

    async def partition(number: int) -> None:
        expected = None
        for first in range(0, 60, 4):
            events = [arrival(first + n, f"clarity-main:{n % 3}", partition=number) for n in range(4)]
            await store.take_in(QUEUE, TOPIC, TOPIC_ID, [Advance(number, expected, first + 4)], events)
            expected = first + 4

    await asyncio.gather(*(partition(number) for number in range(6)))

    # Within one key and partition ids follow offsets, however the transactions were mixed.
    assert not look(
        bus_dsn,
        store.connection,
        """SELECT 1 FROM rows a JOIN rows b USING (root_key, partition)
           WHERE a.id < b.id AND a.event_offset > b.event_offset""",
    )


async def test_older_source_version_ends_at_once(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0, source_version=7))

    taken = await store.take_in(
        QUEUE,
        TOPIC,
        TOPIC_ID,
        [Advance(0, 1, 4)],
        [arrival(1, source_version=6), arrival(2, source_version=7), arrival(3)],
    )

    assert (taken.queued, taken.ended) == (2, 1)
    (ended,) = history(bus_dsn, store.connection)
    assert (ended["event_offset"], ended["state"], ended["code"], ended["payload"]) == (1, "superseded", "older", None)
    (outcome,) = outcomes(bus_dsn, store.connection)
    assert (outcome.offset, outcome.state, outcome.code, outcome.stage) == (1, "superseded", "older", "consumers")
    assert_sound(bus_dsn, store.connection)


async def test_key_of_which_nothing_is_queued_leaves_no_trace(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0, source_version=7))
    (row,) = await store.claim(QUEUE, "me", 1, 60)
    await store.settle(QUEUE, "me", [settled(row, delivered(), None)], [])

    await take_in(store, arrival(1, source_version=6))

    assert look(bus_dsn, store.connection, "SELECT * FROM keys") == []


async def test_source_versions_are_compared_within_a_message_key_and_record(store: Store) -> None:
    await take_in(store, arrival(0, "clarity-main:1/a", source_version=7))

    taken = await store.take_in(
        QUEUE,
        TOPIC,
        TOPIC_ID,
        [Advance(0, 1, 3)],
        [
            arrival(1, "clarity-main:1/b", source_version=6),
            arrival(2, "clarity-main:1/a", record="x", source_version=6),
        ],
    )

    assert taken.queued == 2


async def test_newer_state_makes_waiting_ones_needless(store: Store, bus_dsn: str) -> None:
    await take_in(store, stock(0), stock(1, "clarity-main:1001/other"), arrival(2))
    await take_in(store, stock(3))

    assert [one["event_offset"] for one in look(bus_dsn, store.connection, "SELECT * FROM rows ORDER BY id")] == [
        1,
        2,
        3,
    ]
    (ended,) = history(bus_dsn, store.connection)
    assert (ended["event_offset"], ended["state"], ended["payload"]) == (0, "superseded", None)
    (outcome,) = outcomes(bus_dsn, store.connection)
    assert outcome.merged_into == arrival(3).root
    assert_sound(bus_dsn, store.connection)


async def test_thin_changes_of_one_batch_are_merged_into_the_last(store: Store, bus_dsn: str) -> None:
    taken = await store.take_in(QUEUE, TOPIC, TOPIC_ID, [Advance(0, None, 3)], [thin(n) for n in range(3)])

    assert (taken.queued, taken.ended) == (1, 2)
    assert [one["event_offset"] for one in look(bus_dsn, store.connection, "SELECT * FROM rows")] == [2]
    found = outcomes(bus_dsn, store.connection)
    assert [(one.offset, one.state, one.merged_into) for one in found] == [
        (0, "merged", arrival(2).root),
        (1, "merged", arrival(2).root),
    ]


async def test_documents_wait_their_turn(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0), arrival(1))
    await take_in(store, arrival(2))

    assert len(look(bus_dsn, store.connection, "SELECT 1 FROM rows")) == 3
    assert outcomes(bus_dsn, store.connection) == []


async def test_row_in_hand_is_not_replaced(store: Store, bus_dsn: str) -> None:
    """Else a key that changes faster than it is delivered would never be."""
    await take_in(store, stock(0))
    (row,) = await store.claim(QUEUE, "me", 1, 60)

    await take_in(store, stock(1))
    await take_in(store, stock(2))

    assert [one["event_offset"] for one in look(bus_dsn, store.connection, "SELECT * FROM rows ORDER BY id")] == [0, 2]
    answer = await store.settle(QUEUE, "me", [settled(row, delivered(), None)], [row.epoch])
    assert answer.fenced == frozenset()
    assert ids(list(answer.next.values())) == [2]


async def test_row_in_backoff_is_replaced_and_its_time_kept(store: Store, bus_dsn: str) -> None:
    await take_in(store, stock(0))
    (row,) = await store.claim(QUEUE, "me", 1, 60)
    turn = after(RetryableError("busy", "later"), Step.PREPARE, row, None, Pace(first_backoff_s=500), 1.0)
    await store.settle(QUEUE, "me", [turn], [row.epoch])

    await take_in(store, stock(1))

    assert [one["event_offset"] for one in look(bus_dsn, store.connection, "SELECT * FROM rows")] == [1]
    due_s = await store.due_in(QUEUE)
    assert due_s is not None
    assert due_s > 200
    assert_sound(bus_dsn, store.connection)


@pytest.mark.parametrize("cause", [ParkedFor.PERSON, ParkedFor.OPERATOR, ParkedFor.LOOP])
async def test_row_that_waits_for_a_person_is_not_replaced(store: Store, bus_dsn: str, cause: ParkedFor) -> None:
    await take_in(store, stock(0))
    change(bus_dsn, store.connection, "UPDATE rows SET state = 'parked', cause = %s, due = NULL", cause)
    change(bus_dsn, store.connection, "UPDATE keys SET state = 'parked', due = NULL")

    await take_in(store, stock(1))

    assert len(look(bus_dsn, store.connection, "SELECT 1 FROM rows")) == 2
    assert await store.claim(QUEUE, "me", 5, 60) == []


async def test_other_processes_hear_of_what_is_taken_in(bus_dsn: str, store: Store) -> None:
    other = Store(bus_dsn, store.connection)
    await other.open()
    heard = asyncio.create_task(store.wait_for_work(QUEUE, 30))
    while not look(bus_dsn, store.connection, "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%%'"):
        await asyncio.sleep(0.01)
    started = asyncio.get_running_loop().time()

    await take_in(other, arrival(0))
    await heard

    assert asyncio.get_running_loop().time() - started < 5
    await other.close()
