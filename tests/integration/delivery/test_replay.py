"""Events of the past taken once more into one queue: on real Kafka and PostgreSQL, whatever is killed meanwhile."""

import asyncio
import contextlib
import subprocess
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from bus.partitioner import partition_of
from bus.read_range import RangeReader
from bus.secret import Secret
from bus.settings import Connection
from delivery.acts import Acts
from delivery.decide import Pace, Step, after
from delivery.ports import Intent, Row, Settlement, Sink
from delivery.replay_reading import Reading
from delivery.replaying import Replayer
from delivery.replays import RUNNING, Replays
from delivery.states import Kind
from delivery.store import Store
from errors import LostPartitionError, RefusedError
from operations.projection import open_work
from operations.stack.addresses import Addresses
from schemas.bus.command import Act
from schemas.bus.outcome import Outcome
from schemas.topics import COMMANDS
from tests.integration.delivery.history import NOON_MS, PARTITIONS, Past, Shelf, only
from tests.integration.delivery.rows import QUEUE, assert_sound, change, command, history, look, outcomes
from tests.integration.delivery.running import deliverer, running, until, until_done

NOON = datetime.fromtimestamp(NOON_MS / 1000, UTC)
KEYS = [f"shop:{number}" for number in range(20)]


@pytest.fixture
def past(stack: Addresses) -> Iterator[Past]:
    made = Past.make(stack.kafka)
    yield made
    made.remove()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def acts(store: Store, past: Past, kind: Kind = Kind.DOCUMENT) -> Acts:
    return Acts(store, QUEUE, COMMANDS.name, {}, only(past.origin(kind)))


async def ask(store: Store, past: Past, *, id_: str = "r-1", act: str = Act.REPLAY, **selection: Any) -> None:
    await acts(store, past).carry_out(command(act, id_=id_, **selection))


@contextlib.asynccontextmanager
async def replaying(store: Store, past: Past, sink: Sink, *, owner: str = "replayer") -> AsyncIterator[Replayer]:
    one = Replayer(store, QUEUE, past.kafka, only(past.origin()), {"order": sink}, owner, in_flight=16, lease_s=2.0)
    async with asyncio.TaskGroup() as group:
        group.create_task(one.run())
        try:
            yield one
        finally:
            one.stop()


async def delivered(store: Store, past: Past, shelf: Shelf, *events: tuple[str, int]) -> None:
    """Everything of it stands on the shelf."""
    past.write(*events)
    assert await past.take_in(store) == len(events)
    async with running(deliverer(store, {"order": shelf})):
        await until_done(store)
    shelf.writes.clear()


async def carried_out(store: Store, dsn: str, past: Past, shelf: Shelf, id_: str = "r-1") -> dict[str, str]:
    """The facts it ended with."""
    async with running(deliverer(store, {"order": shelf})), replaying(store, past, shelf):
        await until(lambda: told(dsn, store.connection, id_)[-1].code.startswith("replay.done"), within_s=30)
    return told(dsn, store.connection, id_)[-1].values


def told(dsn: str, connection: str, id_: str = "r-1") -> list[Outcome]:
    return [one for one in outcomes(dsn, connection) if one.command_id == id_ and one.state in {"replay", "answered"}]


def facts(values: dict[str, str], *names: str) -> tuple[int, ...]:
    return tuple(int(values[name]) for name in names)


async def test_lost_documents_are_created_once_and_everything_twice_changes_nothing(
    store: Store, bus_dsn: str, past: Past, shelf: Shelf
) -> None:
    await delivered(store, past, shelf, *((key, version) for version in (1, 2) for key in KEYS))
    whole = dict(shelf.documents)
    positions = await store.positions(QUEUE, past.topic_id)
    shelf.lose(KEYS[:5])

    await ask(store, past)
    first = await carried_out(store, bus_dsn, past, shelf)
    await ask(store, past, id_="r-2")
    second = await carried_out(store, bus_dsn, past, shelf, "r-2")

    names = ("taken_in", "delivered", "suppressed", "superseded", "dead", "parked", "in_flight", "left", "gone")
    assert facts(first, *names) == (40, 5, 15, 20, 0, 0, 0, 0, 0)
    assert facts(second, *names) == (40, 0, 20, 20, 0, 0, 0, 0, 0)
    assert (sorted(shelf.writes), shelf.documents) == (sorted(KEYS[:5]), whole)
    assert await store.positions(QUEUE, past.topic_id) == positions
    replayed = [one for one in outcomes(bus_dsn, store.connection) if one.replay == "r-1"]
    assert Counter(one.code for one in replayed) == {"created": 5, "equal": 15, "older": 20}
    accepted, *_ = told(bus_dsn, store.connection)
    assert (accepted.code, accepted.who, accepted.why) == ("replay.accepted", "mara", "because")
    assert_sound(bus_dsn, store.connection)


async def test_portion_goes_in_once_whoever_tries_again(store: Store, bus_dsn: str, past: Past, shelf: Shelf) -> None:
    await delivered(store, past, shelf, *((key, 1) for key in KEYS))
    await ask(store, past)
    replays = Replays(store, QUEUE)
    stalled = await replays.lease(RUNNING, "stalled", 0.0)
    assert stalled is not None
    with RangeReader(past.kafka) as reader:
        reading = Reading(replays, stalled, reader, past.kafka, only(past.origin()))
        place, portion = reading.place, await reading.portion(100)
    assert place is not None
    await replays.put(stalled, place, portion, 0.0)

    with pytest.raises(LostPartitionError):  # the same portion of the same worker: it is in
        await replays.put(stalled, place, portion, 0.0)
    other = await replays.lease(RUNNING, "other", 10.0)
    assert other is not None
    moved = msgspec.structs.replace(place, next=portion.next)
    with pytest.raises(LostPartitionError):  # somebody else goes on
        await replays.put(stalled, moved, msgspec.structs.replace(portion, arrivals=()), 10.0)

    taken = look(bus_dsn, store.connection, "SELECT partition, event_offset FROM rows WHERE replay = 'r-1'")
    assert len(taken) == len(portion.arrivals) == len({(one["partition"], one["event_offset"]) for one in taken})
    assert await replays.lease(RUNNING, "third", 10.0) is None


async def fed(store: Store, past: Past, kind: Kind = Kind.DOCUMENT) -> list[str]:
    """All of the oldest replay goes in at once; keys of its events."""
    replays = Replays(store, QUEUE)
    replay = await replays.lease(RUNNING, "feeder", 10.0)
    assert replay is not None
    await replays.know(replay)
    keys: list[str] = []
    with RangeReader(past.kafka) as reader:
        reading = Reading(replays, replay, reader, past.kafka, only(past.origin(kind)))
        while reading.place is not None:
            portion = await reading.portion(1000)
            await replays.put(replay, reading.place, portion, 10.0)
            reading.passed(portion)
            keys += [one.message_key for one in portion.arrivals]
    return sorted(keys)


async def test_live_event_in_the_middle_is_never_overtaken(
    store: Store, bus_dsn: str, past: Past, shelf: Shelf
) -> None:
    """A newer state replaces the queued replay; one that came before it makes the replay needless."""
    past.write(("shop:1", 1), ("shop:2", 1), ("shop:3", 1))
    await past.take_in(store, Kind.STATE)
    async with running(deliverer(store, {"order": shelf})):
        await until_done(store)
    past.write(("shop:2", 2))
    await past.take_in(store, Kind.STATE)  # waits in the queue
    await acts(store, past, Kind.STATE).carry_out(command(Act.REPLAY, id_="r-1"))

    assert await fed(store, past, Kind.STATE) == ["shop:1", "shop:2", "shop:2", "shop:3"]
    past.write(("shop:1", 2))
    await past.take_in(store, Kind.STATE)
    shelf.lose(["shop:1", "shop:2", "shop:3"])
    shelf.writes.clear()
    assert_sound(bus_dsn, store.connection)
    async with running(deliverer(store, {"order": shelf})):
        await until_done(store)

    versions = {key: msgspec.json.decode(value)["version"] for key, value in shelf.documents.items()}
    assert versions == {"shop:1": 2, "shop:2": 2, "shop:3": 1}
    assert sorted(shelf.writes) == ["shop:1", "shop:2", "shop:3"]
    ended = [(one["message_key"], one["code"]) for one in history(bus_dsn, store.connection) if one["replay"]]
    assert sorted(ended) == [
        ("shop:1", "superseded"),
        ("shop:2", "already_queued"),
        ("shop:2", "older"),
        ("shop:3", "created"),
    ]


async def test_events_are_selected_by_time_key_place_and_mapping(
    store: Store, bus_dsn: str, past: Past, shelf: Shelf
) -> None:
    for minute, key in ((0, "shop:a"), (5, "shop:b"), (10, "shop:c")):
        past.write((key, 1), minute=minute)
    await past.take_in(store)
    async with running(deliverer(store, {"order": shelf})):
        await until_done(store)
    past.write(("shop:c", 2), minute=11)
    shelf.mapping = "m@2+e"
    await past.take_in(store)
    async with running(deliverer(store, {"order": shelf})):
        await until_done(store)
    partition = partition_of("shop:b", PARTITIONS)
    past.write(("shop:d", 1))  # nobody has taken it in: it comes by itself

    selections: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["shop:a", "shop:b", "shop:c", "shop:c"]),
        ({"since": NOON + timedelta(minutes=5), "until": NOON + timedelta(minutes=10)}, ["shop:b"]),
        ({"since": NOON + timedelta(minutes=10)}, ["shop:c", "shop:c"]),
        ({"since": NOON + timedelta(hours=1)}, []),
        ({"root_key": "shop:b"}, ["shop:b"]),
        ({"topic": past.topic, "partition": partition, "first": 0, "last": 1}, ["shop:b"]),
        ({"mapping": "m@1"}, ["shop:a", "shop:b"]),
        ({"mapping": "m@2"}, ["shop:c"]),
        ({"mapping": "m@3"}, []),
    ]
    for number, (selection, keys) in enumerate(selections):
        id_ = f"r-{number}"
        await ask(store, past, id_=id_, **selection)
        assert await fed(store, past) == keys, selection
        async with running(deliverer(store, {"order": shelf})):
            await until_done(store)
        replays = Replays(store, QUEUE)
        replay = await replays.lease(RUNNING, "feeder", 10.0)
        assert replay is not None
        assert await replays.finish(replay)
        assert told(bus_dsn, store.connection, id_)[-1].code == "replay.done"
    await ask(store, past, id_="nobody", record="shipment")
    assert [one.code for one in told(bus_dsn, store.connection, "nobody")] == ["replay.nothing"]


async def test_what_is_no_longer_in_the_topic_is_said(store: Store, bus_dsn: str, past: Past, shelf: Shelf) -> None:
    key = KEYS[0]
    await delivered(store, past, shelf, (key, 1), (key, 2), (key, 3))
    past.drop_before(partition_of(key, PARTITIONS), 2)

    for id_, selection in (("r-1", {}), ("r-2", {"root_key": key})):
        await ask(store, past, id_=id_, **selection)
        ended = await carried_out(store, bus_dsn, past, shelf, id_)
        assert told(bus_dsn, store.connection, id_)[-1].code == "replay.done_with_gaps"
        assert facts(ended, "taken_in", "gone") == (1, 2)


class Refusing(Shelf):
    """Takes no key that ends in 7; the rest it may be asked about first."""

    async def prepare(self, row: Row) -> Intent | Settlement:
        if row.message_key.endswith("7"):
            raise RefusedError("gp.90023", "no", item="SKU-77")
        return await super().prepare(row)


async def test_plan_tells_what_it_would_come_to_and_changes_nothing(
    store: Store, bus_dsn: str, past: Past, shelf: Shelf
) -> None:
    await delivered(store, past, shelf, *((key, version) for version in (1, 2) for key in KEYS))
    shelf.lose(KEYS[:3])
    shelf.documents[KEYS[4]] = b"changed there"
    refusing = Refusing()
    refusing.documents = dict(shelf.documents)
    before = look(bus_dsn, store.connection, "SELECT * FROM history ORDER BY id")

    await ask(store, past, id_="p-1", plan=True)
    async with replaying(store, past, refusing):
        await until(lambda: told(bus_dsn, store.connection, "p-1"))

    (plan,) = told(bus_dsn, store.connection, "p-1")
    names = ("events", "keys", "creates", "updates", "equal", "refused", "superseded", "gone", "asked", "requests")
    assert (plan.code, plan.state) == ("replay.planned", "answered")
    assert facts(plan.values, *names) == (40, 20, 3, 1, 14, 2, 20, 0, 20, 24)
    assert plan.values["why"] == "gp.90023 x2"
    assert refusing.writes == []
    assert look(bus_dsn, store.connection, "SELECT * FROM history ORDER BY id") == before
    assert look(bus_dsn, store.connection, "SELECT * FROM rows") == []
    assert look(bus_dsn, store.connection, "SELECT * FROM replays") == []


async def test_stopped_replay_sends_nothing_more_and_says_who_stopped_it(
    store: Store, bus_dsn: str, past: Past, shelf: Shelf
) -> None:
    await delivered(store, past, shelf, *((key, 1) for key in KEYS))
    shelf.lose(KEYS)
    await ask(store, past)
    replays = Replays(store, QUEUE)
    await fed(store, past)
    (in_hand,) = await store.claim(QUEUE, "me", 1, 60)
    (open_,) = open_work.read(Connection(name=store.connection, system="any", store_dsn=Secret(bus_dsn))).replays
    assert (open_.id, open_.taken_in, len(open_.rows), open_.announced) == ("r-1", 20, 20, frozenset())
    assert sum(open_.following.values()) == 20
    stuck = await store.claim(QUEUE, "me", 2, 60)
    refused = [after(RefusedError("no", "no"), Step.PREPARE, row, None, Pace(), 0.5) for row in stuck]
    await store.settle(QUEUE, "me", refused, [])

    await ask(store, past, id_="s-1", act=Act.STOP, replay="r-1")

    assert await replays.lease(RUNNING, "feeder", 10.0) is None
    left = look(bus_dsn, store.connection, "SELECT root_key FROM rows")
    assert [one["root_key"] for one in left] == [in_hand.root_key]
    (answer,) = told(bus_dsn, store.connection, "s-1")
    assert (answer.code, answer.values["rows"]) == ("replay.stopped", str(len(KEYS) - 1))
    ended = told(bus_dsn, store.connection)[-1]
    assert (ended.code, ended.values["by"]) == ("replay.stopped", "mara")
    assert facts(ended.values, "taken_in", "discarded", "in_flight") == (20, 19, 1)
    await ask(store, past, id_="s-2", act=Act.STOP, replay="r-1")
    assert told(bus_dsn, store.connection, "s-2")[-1].code == "replay.not_running"


async def test_paused_connection_holds_it_and_it_goes_on_afterwards(
    store: Store, bus_dsn: str, past: Past, shelf: Shelf
) -> None:
    await delivered(store, past, shelf, *((key, 1) for key in KEYS))
    await ask(store, past, id_="pause", act=Act.PAUSE)
    await ask(store, past)

    async with running(deliverer(store, {"order": shelf})), replaying(store, past, shelf):
        await until(lambda: told(bus_dsn, store.connection)[-1].values.get("holds") == "replay.paused")
        assert look(bus_dsn, store.connection, "SELECT * FROM rows") == []
        await ask(store, past, id_="resume", act=Act.RESUME)
        await until(lambda: told(bus_dsn, store.connection)[-1].code == "replay.done")


async def test_workers_killed_in_the_middle_are_followed_and_write_nothing_twice(
    store: Store, bus_dsn: str, past: Past, shelf: Shelf
) -> None:
    """Two at a time; each is killed once it has written something, until all of it is there."""
    keys = [f"shop:{number}" for number in range(80)]
    await delivered(store, past, shelf, *((key, 1) for key in keys))
    change(bus_dsn, store.connection, "CREATE TABLE shelf (key text PRIMARY KEY, body bytea, writes int NOT NULL)")
    positions = await store.positions(QUEUE, past.topic_id)
    await ask(store, past)
    workers: deque[subprocess.Popen[bytes]] = deque()
    killed, seen = 0, 0
    try:
        while not told(bus_dsn, store.connection)[-1].code.startswith("replay.done"):
            while len(workers) < 2:
                workers.append(killable(bus_dsn, store.connection, past))
            await asyncio.sleep(0.1)
            (found,) = look(bus_dsn, store.connection, "SELECT count(*)::int AS count FROM shelf")
            if found["count"] >= seen + 20:
                seen = found["count"]
                workers[0].kill()
                workers.popleft().wait()
                killed += 1
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()

    assert killed >= 2
    writes = look(bus_dsn, store.connection, "SELECT key, writes FROM shelf")
    assert {one["key"]: one["writes"] for one in writes} == dict.fromkeys(keys, 1)
    ended = [one for one in history(bus_dsn, store.connection) if one["replay"] == "r-1"]
    assert len(ended) == len({(one["partition"], one["event_offset"]) for one in ended}) == len(keys)
    assert facts(told(bus_dsn, store.connection)[-1].values, "taken_in", "delivered", "left") == (80, 80, 0)
    assert await store.positions(QUEUE, past.topic_id) == positions
    assert_sound(bus_dsn, store.connection)


def killable(dsn: str, connection: str, past: Past) -> subprocess.Popen[bytes]:
    told = (dsn, connection, past.kafka, past.topic, past.topic_id)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.delivery.killed_replayer", *told], stdout=subprocess.DEVNULL
    )
