"""From the outbox to Kafka: nothing lost, the order of a key kept, by any number of relays."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable
from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import pytest

from bus.events import Headers
from bus.headers import from_headers
from delivery.announcements import Announcement, What
from delivery.decide import Pace, Step, Turn, after, settled
from delivery.edges import CursorLease, Edges
from delivery.ports import Publication, Row
from delivery.relay import TURN, Relay, headers_of
from delivery.store import Intended, Store
from errors import FatalError, RefusedError, RejectedError, RetryableError
from schemas.bus.fetched import Fetched
from schemas.bus.outcome import Outcome
from tests.integration.delivery.rows import QUEUE, arrival, delivered, intent_of, look, take_in
from tests.integration.delivery.running import until


class Broker:
    """Keeps what is written; refuses, fails or hangs as it is told."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str, msgspec.Struct | None, Headers]] = []
        self.offsets: dict[str, list[int]] = defaultdict(list)
        self.failing: dict[int, Exception] = {}
        self.answering = asyncio.Event()
        self.answering.set()

    def publish(
        self, topic_name: str, key: str, value: msgspec.Struct | None, headers: Headers = ()
    ) -> Awaitable[object]:
        async def send() -> None:
            offset = value.offset if isinstance(value, Outcome) else -1
            if offset in self.failing:
                error = self.failing.pop(offset)
                await asyncio.sleep(0)
                raise error
            self.records.append((topic_name, key, value, headers))
            self.offsets[key].append(offset)
            await self.answering.wait()

        return send()


def relay(store: Store, broker: Broker, owner: str = "relay", *, send_within_s: float = 4.0) -> Relay:
    return Relay(store, broker, headers_of(store.connection), owner, send_within_s=send_within_s)


async def settle_all(store: Store, count: int, keys: int = 3) -> None:
    """Rows delivered, their outcomes in the outbox."""
    await take_in(store, *(arrival(offset, f"s:{offset % keys}") for offset in range(count)))
    while rows := await store.claim(QUEUE, "me", keys, 60):
        await store.settle(QUEUE, "me", [settled(row, delivered(), None) for row in rows], [])


async def unsent(store: Store) -> int:
    return (await store.counts()).outbox


async def until_sent(store: Store) -> None:
    async with asyncio.timeout(30):
        while await unsent(store):
            await asyncio.sleep(0.02)


def never_looks_by_itself(store: Store, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """The store's relay waits until it is woken; set once it does."""
    idle, real = asyncio.Event(), store.wait_for_announcements

    async def wait_for_ever(_timeout_s: float) -> None:
        idle.set()
        await real(60)

    monkeypatch.setattr(store, "wait_for_announcements", wait_for_ever)
    return idle


def listeners(dsn: str, store: Store) -> int:
    """How many processes hear the store's notices."""
    listening = "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND query LIKE 'LISTEN%%'"
    return len(look(dsn, store.connection, listening, f"towpath {store.connection} listener"))


async def test_outbox_is_emptied_in_the_order_of_keys(store: Store) -> None:
    broker, one = Broker(), None
    await settle_all(store, 30)
    one = relay(store, broker)
    running = asyncio.create_task(one.run())
    await until_sent(store)
    one.stop()
    await running

    assert broker.offsets == {f"s:{key}": list(range(key, 30, 3)) for key in range(3)}


async def test_settling_wakes_the_relay_of_the_same_process(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()

    idle = never_looks_by_itself(store, monkeypatch)
    one = relay(store, broker)
    running = asyncio.create_task(one.run())
    await idle.wait()
    await settle_all(store, 3)
    await until(lambda: len(broker.records) == 3, within_s=10)
    one.stop()
    await running


async def test_settling_wakes_the_relay_of_another_process(
    bus_dsn: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Store(bus_dsn, store.connection)
    await other.open()
    broker = Broker()
    await until(lambda: listeners(bus_dsn, store) == 2)

    idle = never_looks_by_itself(store, monkeypatch)
    one = relay(store, broker)
    running = asyncio.create_task(one.run())
    await idle.wait()
    await settle_all(other, 3)
    await until(lambda: len(broker.records) == 3, within_s=10)
    one.stop()
    await running
    await other.close()


async def test_what_is_told_of_a_dead_worker_wakes_the_relay(
    bus_dsn: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await take_in(store, arrival(0))
    (row,) = await store.claim(QUEUE, "dead", 1, 2.0)
    broker = Broker()
    await until(lambda: listeners(bus_dsn, store) == 1)

    assert await store.intend(QUEUE, "dead", [Intended(row=row, intent=intent_of(row))])
    idle = never_looks_by_itself(store, monkeypatch)
    one = relay(store, broker)
    running = asyncio.create_task(one.run())
    await idle.wait()
    while not await store.expire_leases(QUEUE, "other", 5.0):
        await asyncio.sleep(0.01)
    await until(lambda: broker.records, within_s=10)
    one.stop()
    await running


async def test_nothing_leaves_the_outbox_before_the_broker_has_it(store: Store) -> None:
    broker = Broker()
    broker.answering.clear()
    await settle_all(store, 3)
    killed = asyncio.create_task(relay(store, broker, "killed", send_within_s=0.3).run())
    await until(lambda: len(broker.records) == 3)
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    assert await unsent(store) == 3

    broker.answering.set()
    other = relay(store, broker, "other", send_within_s=0.3)
    running = asyncio.create_task(other.run())
    await until_sent(store)
    other.stop()
    await running

    assert len(broker.records) == 6
    first, again = broker.records[:3], broker.records[3:]
    assert first == again, "said again, byte for byte and with the same ce_id"


async def test_failed_record_is_not_overtaken_within_its_key(store: Store) -> None:
    broker = Broker()
    broker.failing = {3: RetryableError("broker_away", "later")}
    await settle_all(store, 9)
    one = relay(store, broker)
    running = asyncio.create_task(one.run())
    await until_sent(store)
    one.stop()
    await running

    assert broker.offsets["s:0"][-2:] == [3, 6]
    assert {offset for offsets in broker.offsets.values() for offset in offsets} == set(range(9))


async def test_record_its_topic_never_takes_is_kept_aside_and_counted(store: Store) -> None:
    broker = Broker()
    broker.failing = {1: RejectedError("too_large", "9 MB")}
    await settle_all(store, 3)
    one = relay(store, broker)
    running = asyncio.create_task(one.run())
    await until_sent(store)
    one.stop()
    await running

    counts = await store.counts()
    assert (counts.outbox, counts.outbox_refused, len(broker.records)) == (0, 1, 2)


async def test_broker_that_takes_nothing_stops_the_worker(store: Store) -> None:
    broker = Broker()
    broker.failing = {0: FatalError("denied", "no")}
    await settle_all(store, 3)

    with pytest.raises(FatalError):
        await relay(store, broker).run()
    assert await unsent(store) == 1


async def test_several_relays_speak_one_at_a_time(bus_dsn: str, store: Store) -> None:
    broker = Broker()
    other = Store(bus_dsn, store.connection)
    await other.open()
    relays = [relay(store, broker, "a"), relay(other, broker, "b")]
    running = [asyncio.create_task(one.run()) for one in relays]
    await settle_all(store, 60, keys=5)
    await until_sent(store)
    for one in relays:
        one.stop()
    await asyncio.gather(*running)
    await other.close()

    assert broker.offsets == {f"s:{key}": list(range(key, 60, 5)) for key in range(5)}


class AwayBroker:
    """Takes what it is given and never answers; after a while the producer gives up, as the real one does."""

    def __init__(self, spoken: list[tuple[str, float, float]], name: str, send_within_s: float) -> None:
        self._spoken = spoken
        self._name = name
        self._send_within_s = send_within_s

    async def publish(self, *_: object) -> None:
        began = time.monotonic()
        await asyncio.sleep(self._send_within_s)
        self._spoken.append((self._name, began, time.monotonic()))
        raise RetryableError("broker_away", "later")


async def test_relays_do_not_overlap_while_the_broker_is_away(bus_dsn: str, store: Store) -> None:
    spoken: list[tuple[str, float, float]] = []
    other = Store(bus_dsn, store.connection)
    await other.open()
    await settle_all(store, 2)
    relays = [
        Relay(one, AwayBroker(spoken, name, 1.5), headers_of(one.connection), name, send_within_s=1.5)
        for one, name in ((store, "a"), (other, "b"))
    ]
    running = [asyncio.create_task(one.run()) for one in relays]
    await until(lambda: {name for name, _, _ in spoken} == {"a", "b"}, within_s=60)
    for one in relays:
        one.stop()
    await asyncio.gather(*running)
    await other.close()

    by_start = sorted(spoken, key=lambda each: each[1])
    overlaps = [
        (before, after) for before, after in pairwise(by_start) if before[0] != after[0] and after[1] < before[2]
    ]
    assert overlaps == []


async def test_relay_stands_by_while_another_one_speaks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    broker, asked = Broker(), 0
    edges = Edges(store)
    lease = await edges.lease_cursor(TURN, "somebody", 60)
    assert lease is not None
    await settle_all(store, 3)
    real = Edges.lease_cursor

    async def counted(self: Edges, name: str, owner: str, lease_s: float) -> CursorLease | None:
        nonlocal asked
        asked += 1
        return await real(self, name, owner, lease_s)

    monkeypatch.setattr(Edges, "lease_cursor", counted)
    one = relay(store, broker, send_within_s=0.2)
    running = asyncio.create_task(one.run())
    await until(lambda: asked > 2)
    assert broker.records == []

    await edges.release_cursor(lease)
    await until_sent(store)
    one.stop()
    await running


async def test_headers_name_where_it_comes_from(store: Store) -> None:
    broker = Broker()

    def turn(row: Row) -> Turn:
        if row.offset == 1:
            return after(RefusedError("no", "no"), Step.PREPARE, row, None, Pace(), 0.5)
        fetched = Fetched(connection="c", id="1", read_at=row.taken_in_at, source_version=1)
        publication = Publication(topic="clarity.orders.v1", key=row.root_key, document=fetched, body_digest="b1")
        return settled(row, delivered(publications=(publication,), mapping="m@1+d"), None)

    await take_in(store, arrival(0, "s:1"), arrival(1, "s:2"))
    rows = await store.claim(QUEUE, "me", 2, 60)
    await store.settle(QUEUE, "me", [turn(row) for row in rows], [])
    one = relay(store, broker)
    running = asyncio.create_task(one.run())
    await until_sent(store)
    one.stop()
    await running

    assert [record[0] for record in broker.records] == [
        "bus.outcomes.v1",
        "clarity.orders.v1",
        "bus.outcomes.v1",
        "bus.dead-letters.v1",
    ]
    lineages = [from_headers(headers) for _, _, _, headers in broker.records]
    assert len({lineage.ce_id for lineage in lineages}) == 4
    published = lineages[1]
    assert (published.root, published.origin, published.mapping, published.hops) == (
        arrival(0).root,
        "clarity-main",
        "m@1+d",
        1,
    )
    assert published.traceparent == arrival(0).traceparent


def test_two_readings_are_two_events_and_a_repeat_is_one() -> None:
    def said(id_: int, digest: str) -> Announcement:
        value = Fetched(connection="c", id="1", read_at=datetime(2026, 5, 1, tzinfo=UTC), source_version=1)
        return Announcement(
            id=id_,
            what=What.PUBLICATION,
            topic="t",
            key="k",
            value=value,
            digest=digest,
            root="r/0/1",
            origin="",
            mapping="",
            hops=0,
            traceparent="",
        )

    headers = headers_of("clarity-main")
    ids = [from_headers(headers(one)).ce_id for one in (said(1, "a"), said(2, "a"), said(3, "b"))]
    assert ids[0] == ids[1]
    assert ids[1] != ids[2]
