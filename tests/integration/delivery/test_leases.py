"""Claim, intend, settle: only the owner of a key's lease writes, and every row is found again."""

import asyncio
from decimal import Decimal

import msgspec

from delivery.decide import Pace, Step, Turn, after, for_a_person, settled, still_unknown
from delivery.ports import Intent, KnownAs, LastSeen, Publication, Row
from delivery.states import ParkedFor, State
from delivery.store import Intended, Settled, Store
from errors import DependencyError, RefusedError, RetryableError
from schemas.bus.cross_reference import CrossReference
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.fetched import Fetched
from tests.integration.delivery.rows import (
    QUEUE,
    arrival,
    assert_sound,
    change,
    delivered,
    history,
    ids,
    intent_of,
    look,
    outcomes,
    take_in,
)

PACE = Pace(first_backoff_s=100.0, settling_delay_s=0.0)


async def claim(store: Store, owner: str = "me", limit: int = 10, lease_s: float = 60.0) -> list[Row]:
    return await store.claim(QUEUE, owner, limit, lease_s)


async def intend(store: Store, row: Row, owner: str = "me") -> Intent | None:
    intent = intent_of(row)
    return intent if await store.intend(QUEUE, owner, [Intended(row=row, intent=intent)]) else None


async def settle(store: Store, turn: Turn, *, owner: str = "me", going_on: bool = False) -> Settled:
    return await store.settle(QUEUE, owner, [turn], [turn.row.epoch] if going_on else [])


def expire(dsn: str, store: Store) -> None:
    """Time passes."""
    change(dsn, store.connection, "UPDATE keys SET lease_until = now() - interval '1 s' WHERE state = 'leased'")


async def test_first_row_of_each_key_is_claimed_longest_waiting_first(store: Store) -> None:
    await take_in(store, arrival(0, "s:1"), arrival(1, "s:1"))
    await take_in(store, arrival(2, "s:2"))
    await take_in(store, arrival(3, "s:3"))

    assert ids(await claim(store, limit=2)) == [0, 2]
    assert ids(await claim(store, "other")) == [3]
    assert ids(await claim(store, "other")) == []


async def test_claimed_row_is_as_it_was_taken_in(store: Store) -> None:
    event = msgspec.structs.replace(
        arrival(4, "s:1/p", payload=bytes(range(256)), source_version=9),
        amount=Decimal("12.34500"),
        currency="EUR",
        command_id="c",
        mapping_in="m@1+d",
    )
    await take_in(store, event)

    (row,) = await claim(store)

    for name in set(event.__struct_fields__) - {"replaces_with"}:
        assert getattr(row, name) == getattr(event, name), name
    assert (row.queue, row.state, row.attempts, row.lease_owner) == (QUEUE, State.READY, 0, "me")
    assert row.epoch > 0
    assert row.taken_in_at.utcoffset() is not None


async def test_queues_of_a_store_do_not_hold_each_other_up(store: Store) -> None:
    await take_in(store, arrival(0, "s:1"))
    await take_in(store, arrival(0, "s:1"), queue="fetchers")

    assert len(await claim(store)) == 1
    assert len(await store.claim("fetchers", "me", 10, 60.0)) == 1


async def test_intent_is_written_before_it_is_sent(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0))
    (row,) = await claim(store)

    intent = await intend(store, row)

    (found,) = look(bus_dsn, store.connection, "SELECT * FROM rows")
    assert (found["state"], found["reference"], found["document_number"]) == (
        "sending",
        "order|clarity-main:1001|update:0",
        "ORD1",
    )
    assert msgspec.msgpack.decode(found["intent"], type=Intent) == intent
    assert await intend(store, row) == intent, "a repeat answers the same"
    assert_sound(bus_dsn, store.connection)


async def test_settled_row_leaves_outcome_knowledge_and_an_empty_key(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0, source_version=5))
    (row,) = await claim(store)
    intent = await intend(store, row)
    document = Fetched(connection="x", id="1", read_at=row.taken_in_at, source_version=1, body=b"{}")
    settlement = delivered(
        values={"number": "ORD1"},
        last_seen=(LastSeen(record="order", key="1001", digest="d", source_version=3),),
        known_as=(KnownAs(canonical_id=row.root_key, record="sales_order", id_there="A/1"),),
        publications=(Publication(topic="clarity.orders.v1", key=row.root_key, document=document, body_digest="b"),),
    )

    answer = await settle(store, settled(row, settlement, intent))

    assert answer == Settled()
    (ended,) = history(bus_dsn, store.connection)
    assert (ended["state"], ended["code"], ended["payload"], ended["attempts"]) == ("delivered", "created", None, 1)
    assert (ended["document_number"], ended["mapping_out"]) == ("ORD1", "m@1+d")
    (outcome,) = outcomes(bus_dsn, store.connection)
    assert (outcome.state, outcome.values, outcome.epoch) == ("delivered", {"number": "ORD1"}, row.epoch)
    assert (outcome.reference, outcome.document_number) == ("order|clarity-main:1001|update:0", "ORD1")
    assert await store.last_seen("order", "1001") == settlement.last_seen[0]
    assert await store.last_seen("order", "1002") is None
    assert await store.known_as(row.root_key, "sales_order") == "A/1"
    said = await store.outbox_batch(10)
    assert [one.what.value for one in said] == ["outcome", "cross_reference", "publication"]
    assert said[1].key == f"clarity-main:1001/{store.connection}/sales_order/A%2F1"
    assert isinstance(said[1].value, CrossReference)
    assert said[2].value == document
    assert (said[2].root, said[2].hops, said[2].origin, said[2].digest) == (row.root, 1, "clarity-main", "b")
    assert look(bus_dsn, store.connection, "SELECT * FROM keys") == []
    assert look(bus_dsn, store.connection, "SELECT * FROM rows") == []


async def test_what_is_being_sent_is_expected_until_it_is_settled(store: Store) -> None:
    await take_in(store, arrival(0))
    (row,) = await claim(store)
    left = LastSeen(record="order", key=row.root_key, digest="after")
    intent = msgspec.structs.replace(intent_of(row), leaves=(left,))
    assert await store.expected("order", row.root_key) == frozenset()

    await store.intend(QUEUE, "me", [Intended(row=row, intent=intent)])

    assert await store.expected("order", row.root_key) == {"after"}
    assert await store.expected("item", row.root_key) == frozenset()
    assert await store.expected("order", "another") == frozenset()
    await settle(store, settled(row, delivered(last_seen=(left,)), intent))
    assert await store.expected("order", row.root_key) == frozenset()


async def test_cross_reference_is_announced_once(store: Store) -> None:
    known = delivered(known_as=(KnownAs(canonical_id="s:1", record="sales_order", id_there="1"),))
    for offset in range(2):
        await take_in(store, arrival(offset, "s:1"))
        (row,) = await claim(store)
        await settle(store, settled(row, known, None))

    assert [one.what.value for one in await store.outbox_batch(10)] == ["outcome", "cross_reference", "outcome"]


async def test_older_knowledge_does_not_replace_newer(store: Store) -> None:
    for offset, version in enumerate((5, 4)):
        await take_in(store, arrival(offset, "s:1"))
        (row,) = await claim(store)
        seen = LastSeen(record="item", key="k", digest=f"d{version}", source_version=version)
        await settle(store, settled(row, delivered(last_seen=(seen,)), None))

    found = await store.last_seen("item", "k")
    assert found is not None
    assert found.digest == "d5"


async def test_lease_goes_on_with_the_next_row_of_its_key(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0), arrival(1))
    (row,) = await claim(store)

    answer = await settle(store, settled(row, delivered(), None), going_on=True)

    (next_,) = answer.next.values()
    assert (next_.offset, next_.epoch) == (1, row.epoch)
    assert await claim(store, "other") == []
    assert_sound(bus_dsn, store.connection)


async def test_key_that_does_not_go_on_queues_behind_the_others(store: Store) -> None:
    await take_in(store, arrival(0, "s:1"), arrival(1, "s:1"))
    await take_in(store, arrival(2, "s:2"))
    (row,) = await claim(store, limit=1)

    answer = await settle(store, settled(row, delivered(), None))

    assert answer.next == {}
    assert ids(await claim(store)) == [2, 1]


async def test_row_that_was_taken_over_is_fenced(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0))
    (mine,) = await claim(store)
    expire(bus_dsn, store)
    assert await store.expire_leases(QUEUE, "other", 0.0) == 1
    (theirs,) = await claim(store, "other")

    assert await intend(store, mine) is None
    answer = await settle(store, settled(mine, delivered(), None), going_on=True)

    assert (answer.fenced, answer.next) == (frozenset({mine.epoch}), {})
    assert outcomes(bus_dsn, store.connection) == []
    assert await intend(store, theirs, "other") is not None
    assert (await settle(store, settled(theirs, delivered(), None), owner="other")).fenced == frozenset()
    assert len(outcomes(bus_dsn, store.connection)) == 1


async def test_lease_that_ran_out_unnoticed_sends_nothing_but_settles(store: Store, bus_dsn: str) -> None:
    """Nobody took the key over, so what was done may be written down; what was not begun may not begin."""
    await take_in(store, arrival(0, "s:1"))
    await take_in(store, arrival(1, "s:2"))
    begun, not_begun = await claim(store)
    await intend(store, begun)
    expire(bus_dsn, store)

    assert await intend(store, not_begun) is None
    assert (await settle(store, settled(begun, delivered(), None))).fenced == frozenset()


async def test_old_owner_of_a_key_that_came_back_is_fenced(store: Store, bus_dsn: str) -> None:
    """Entries of keys are deleted with their last row; epochs must not begin again."""
    await take_in(store, arrival(0))
    (mine,) = await claim(store)
    expire(bus_dsn, store)
    await store.expire_leases(QUEUE, "other", 0.0)
    (theirs,) = await claim(store, "other")
    await settle(store, settled(theirs, delivered(), None), owner="other")
    await take_in(store, arrival(1))
    await claim(store, "me")

    assert (await settle(store, settled(mine, delivered(), None))).fenced == {mine.epoch}
    assert await intend(store, mine) is None


async def test_settling_again_after_a_lost_answer_goes_on_with_the_next_row(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0), arrival(1))
    (row,) = await claim(store)
    turn = settled(row, delivered(), None)
    await settle(store, turn, going_on=True)

    again = await settle(store, turn, going_on=True)

    assert again.fenced == {row.epoch}
    assert ids(list(again.next.values())) == [1]
    assert len(outcomes(bus_dsn, store.connection)) == 1
    assert len(history(bus_dsn, store.connection)) == 1


async def test_what_a_dead_worker_was_sending_is_unknown(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0, "s:1"), arrival(1, "s:1"))
    await take_in(store, arrival(2, "s:2"))
    sending, prepared = await claim(store)
    await intend(store, sending)
    expire(bus_dsn, store)

    assert await store.expire_leases(QUEUE, "other", 0.0) == 2

    found = look(bus_dsn, store.connection, "SELECT event_offset, state, code FROM rows ORDER BY id")
    assert [(one["event_offset"], one["state"]) for one in found] == [(0, "unknown"), (1, "ready"), (2, "ready")]
    assert found[0]["code"] == "lease_expired"
    assert_sound(bus_dsn, store.connection)
    again = {row.offset: row for row in await claim(store, "other")}
    assert (again[0].state, again[0].intent) == (State.UNKNOWN, intent_of(sending))
    assert again[2].state is State.READY
    (outcome,) = outcomes(bus_dsn, store.connection)
    assert (outcome.offset, outcome.state, outcome.code) == (0, "unknown", "lease_expired")
    assert prepared.offset == 2


async def test_doubt_settles_before_it_is_looked_into(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0))
    (row,) = await claim(store)
    await intend(store, row)
    expire(bus_dsn, store)
    await store.expire_leases(QUEUE, "other", 50.0)

    assert await claim(store) == []
    due_s = await store.due_in(QUEUE)
    assert due_s is not None
    assert 40 < due_s <= 50
    assert_sound(bus_dsn, store.connection)


async def test_live_leases_are_left_alone_and_can_be_renewed(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0, "s:1"))
    await take_in(store, arrival(1, "s:2"))
    kept, lost = await claim(store)
    expire(bus_dsn, store)

    assert await store.renew(QUEUE, "me", [kept], 60.0) == {kept.epoch}
    assert await store.expire_leases(QUEUE, "other", 0.0) == 1
    assert await store.renew(QUEUE, "me", [kept, lost], 60.0) == {kept.epoch}
    assert await store.renew(QUEUE, "other", [kept], 60.0) == frozenset()


async def test_clean_stop_gives_everything_back_at_once(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0, "s:1"))
    await take_in(store, arrival(1, "s:2"))
    await take_in(store, arrival(2, "s:3"))
    sending, _ = await claim(store, limit=2)
    await claim(store, "other")
    await intend(store, sending)

    assert await store.release_all(QUEUE, "me", 0.0) == 2

    assert [(row.offset, row.state) for row in await claim(store, "third")] == [
        (0, State.UNKNOWN),
        (1, State.READY),
    ]
    assert_sound(bus_dsn, store.connection)


async def test_rows_claimed_and_not_tried_are_given_back(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0))
    (row,) = await claim(store)

    await store.release(QUEUE, "other", [row])
    assert await claim(store, "other") == []
    await store.release(QUEUE, "me", [row])

    assert ids(await claim(store, "other")) == [0]
    assert outcomes(bus_dsn, store.connection) == []


async def test_row_in_backoff_blocks_its_key_and_no_other(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0, "s:1"), arrival(1, "s:1"))
    await take_in(store, arrival(2, "s:2"))
    first, _ = await claim(store)
    await intend(store, first)

    answer = await settle(
        store,
        after(RetryableError("busy", "", retry=3), Step.DELIVER, first, intent_of(first), PACE, 0.5),
        going_on=True,
    )

    assert (answer.fenced, answer.next) == (frozenset(), {})
    assert await claim(store) == []
    (found,) = look(bus_dsn, store.connection, "SELECT * FROM rows WHERE event_offset = 0")
    assert (found["state"], found["cause"], found["attempts"], found["intent"]) == ("parked", "backoff", 1, None)
    assert (found["code"], found["code_values"], found["document_number"]) == ("busy", {"retry": "3"}, "ORD1")
    assert_sound(bus_dsn, store.connection)


async def test_waiting_on_for_the_same_reason_is_said_once(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0))
    for _ in range(3):
        (row,) = await claim(store)
        pace = Pace(first_backoff_s=0.0)
        await settle(store, after(RetryableError("busy", ""), Step.PREPARE, row, None, pace, 0.5))
    (row,) = await claim(store)
    assert (row.state, row.cause, row.attempts) == (State.PARKED, ParkedFor.BACKOFF, 3)
    await settle(store, after(DependencyError("customer:s:C1", ""), Step.PREPARE, row, None, PACE, 0.5))

    said = [(one.state, one.cause, one.code) for one in outcomes(bus_dsn, store.connection)]
    assert said == [("parked", "backoff", "busy"), ("parked", "dependency", "dependency")]
    (waiting,) = look(bus_dsn, store.connection, "SELECT code_values FROM rows")
    assert waiting["code_values"] == {"waits_for": "customer:s:C1"}


async def test_refused_row_is_a_dead_letter_with_its_bytes_and_its_key_waits(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0, payload=b"\x00\x01"), arrival(1))
    (row,) = await claim(store)
    intent = await intend(store, row)

    refused = RefusedError("gp.unknown_item", "", number=4628)
    answer = await settle(store, after(refused, Step.DELIVER, row, intent, PACE, 0.5), going_on=True)

    assert answer.next == {}
    said = await store.outbox_batch(10)
    assert [one.what.value for one in said] == ["outcome", "dead_letter"]
    letter = said[1].value
    assert isinstance(letter, DeadLetter)
    assert (letter.value, letter.key, letter.code, letter.values) == (
        b"\x00\x01",
        b"clarity-main:1001",
        "gp.unknown_item",
        {"number": "4628"},
    )
    assert letter.headers["towpath-root"] == row.root.encode()
    assert await claim(store) == []
    assert_sound(bus_dsn, store.connection)


async def test_row_for_a_person_is_nobodys_until_then(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0), arrival(1))
    (row,) = await claim(store)
    intent = await intend(store, row)

    await settle(store, for_a_person(row, intent, "several", {"documents": "A, B"}), going_on=True)

    assert await claim(store) == []
    assert await store.due_in(QUEUE) is None
    assert_sound(bus_dsn, store.connection)


async def test_row_still_unknown_keeps_its_intent(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0))
    (row,) = await claim(store)
    intent = await intend(store, row)
    await settle(store, still_unknown(row, intent, "timed_out", {}, PACE, 0.5))

    (again,) = await claim(store)
    assert (again.state, again.intent, again.attempts) == (State.UNKNOWN, intent, 1)
    assert await intend(store, again) is not None, "absent: the same intent is sent again"
    assert_sound(bus_dsn, store.connection)


async def test_batch_of_turns_is_settled_row_by_row(store: Store, bus_dsn: str) -> None:
    for offset in range(30):
        await take_in(store, arrival(offset, f"s:{offset:02}"))
    rows = await claim(store, limit=30)
    expired = rows[3]
    change(bus_dsn, store.connection, "UPDATE keys SET epoch = nextval('epochs') WHERE root_key = %s", expired.root_key)
    turns = [
        settled(row, delivered(), None)
        if row.offset % 2
        else after(RetryableError("busy", ""), Step.PREPARE, row, None, PACE, 0.5)
        for row in rows
    ]

    answer = await store.settle(QUEUE, "me", turns, [])

    assert answer.fenced == {expired.epoch}
    counts = await store.counts()
    assert {(one.state, one.count) for one in counts.open_rows} == {(State.PARKED, 15), (State.READY, 1)}
    assert [one.count for one in counts.open_events] == [16]
    assert counts.outbox == 29


async def test_claims_of_many_workers_never_overlap(store: Store, bus_dsn: str) -> None:
    for offset in range(0, 200, 20):
        await take_in(store, *(arrival(offset + n, f"s:{offset + n}") for n in range(20)))
    claimed: list[int] = []

    async def worker(owner: str) -> None:
        while rows := await claim(store, owner, 7):
            claimed.extend(ids(rows))

    await asyncio.gather(*(worker(f"w{number}") for number in range(5)))

    assert sorted(claimed) == list(range(200))


async def test_settled_while_more_of_the_key_is_taken_in_loses_neither(store: Store, bus_dsn: str) -> None:
    """The next row is looked for in a snapshot of its own, after the key is locked."""
    await take_in(store, arrival(0))

    async def taking_in() -> None:
        for offset in range(1, 60):
            await take_in(store, arrival(offset))

    async def settling() -> int:
        count = 0
        while count < 60:
            for row in await claim(store):
                await settle(store, settled(row, delivered(), None))
                count += 1
        return count

    await asyncio.gather(taking_in(), settling())

    assert [one["event_offset"] for one in history(bus_dsn, store.connection)] == list(range(60))
    assert look(bus_dsn, store.connection, "SELECT * FROM keys") == []


async def test_worker_that_holds_a_row_twice_writes_once(store: Store, bus_dsn: str) -> None:
    """It stood still, its own sweep took the lease from it, and it claimed the key again."""
    await take_in(store, arrival(0), arrival(1))
    (old,) = await claim(store)
    expire(bus_dsn, store)
    await store.expire_leases(QUEUE, "me", 0.0)
    (new,) = await claim(store)

    intended = [Intended(row=row, intent=intent_of(row)) for row in (old, new)]
    assert await store.intend(QUEUE, "me", intended) == {new.epoch}
    turns = [settled(row, delivered(), None) for row in (old, new)]
    answer = await store.settle(QUEUE, "me", turns, [old.epoch, new.epoch])

    assert answer.fenced == {old.epoch}
    assert {epoch: row.offset for epoch, row in answer.next.items()} == {new.epoch: 1}
    assert len(outcomes(bus_dsn, store.connection)) == 1
