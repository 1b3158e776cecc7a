"""One measured run of a contender, in a process of its own; answers figures."""

import asyncio
import logging
import random
import resource
import time
import uuid
from collections.abc import Callable, Collection, Coroutine, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec
import structlog
import uvloop

from benchmarks.delivering import stores
from benchmarks.delivering.stores import QUEUE
from benchmarks.delivering.target import DONE, Target
from bus.events import Advance
from delivery import engine, statements
from delivery.acts import Acts
from delivery.decide import Pace, Step, after, settled
from delivery.engine import Deliverer, Limits
from delivery.ports import Arrival, Row
from delivery.states import ParkedFor
from delivery.store import Intended, Store
from errors import RefusedError
from schemas.bus.command import Act, Command

T = TypeVar("T")

#: Tries that fail are repeated soon, so that a short run ends with its events and not with the last pause.
PACE: Final = Pace(first_backoff_s=0.1)
COLUMNS: Final = """event_offset, root, root_key, message_key, record, kind, source_version, payload_digest,
    mapping_in, origin, hops, traceparent, command_id, amount, currency, payload"""
TYPES: Final = ("int8", *["text"] * 5, "int8", *["text"] * 3, "int4", "text", "text", "numeric", "text", "bytea")


class Kind(StrEnum):
    """What is measured."""

    DELIVER = "deliver"
    TAKE_IN = "take in"
    COPY = "copy"


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """What runs against the others."""

    kind: Kind
    connection: str
    keys: int = 1000
    of_each_key: int
    answer_s: float = 0.0
    in_flight: int = 200
    fails_one_in: int = 0
    once: bool = True

    @property
    def events(self) -> int:
        """Of a run."""
        return self.keys * self.of_each_key


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one run came to."""

    events_per_s: float
    cpu_us_per_event: float
    server_cpu_us_per_event: float
    peak_memory_mb: float
    order_violations: int = 0
    repeated: int = 0


class TrustingStore(Store):
    """The same queue without its promise: no intent before a send, no epoch at settling. For comparison only."""

    async def intend(self, queue: str, owner: str, intended: Sequence[Intended]) -> frozenset[int]:  # noqa: ARG002
        """Nothing is written down."""
        return frozenset(one.row.epoch for one in intended)


def trust() -> None:
    """Whoever settles is believed, in this process."""
    for lock in ("AND epoch = c.epoch AND lease_owner = %(owner)s", "FOR UPDATE"):
        assert lock in statements.SETTLE, "it is written otherwise now"
        statements.SETTLE = statements.SETTLE.replace(lock, "")


def measure(contender: Contender, dsn: str, server: int) -> Figures:
    """One run; for a process of its own, so that processor time and memory are its own."""
    stores.sweep(dsn, contender.connection)
    return _run(lambda: _measured(contender, dsn, server))


async def _measured(contender: Contender, dsn: str, server: int) -> Figures:
    store = (Store if contender.once else TrustingStore)(dsn, contender.connection)
    if not contender.once:
        trust()
    await store.open()
    taking = stores.batches(uuid.uuid4().hex, 0, contender.of_each_key, contender.keys)
    target = Target(
        answer_s=contender.answer_s, events=contender.events, fails_one_in=contender.fails_one_in, once=contender.once
    )
    if contender.kind is Kind.DELIVER:
        await stores.take_in(store, taking)
    started, cpu, server_cpu = time.perf_counter(), time.process_time(), stores.server_cpu_s(server)
    match contender.kind:
        case Kind.DELIVER:
            await _deliver(store, contender, target)
        case Kind.TAKE_IN:
            await stores.take_in(store, taking)
        case Kind.COPY:
            await _copy(store, taking)
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    server_cpu = stores.server_cpu_s(server) - server_cpu
    if contender.kind is Kind.TAKE_IN:
        await store.execute("DELETE FROM rows WHERE state = 'ready'", {})
        await store.execute("DELETE FROM keys WHERE state = 'ready'", {})
    await store.close()
    return Figures(
        events_per_s=contender.events / took,
        cpu_us_per_event=cpu / contender.events * 1e6,
        server_cpu_us_per_event=server_cpu / contender.events * 1e6,
        peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        order_violations=target.order_violations,
        repeated=target.repeated,
    )


async def _deliver(store: Store, contender: Contender, target: Target) -> None:
    """Until everything is settled; who has one call at a time is a serial consumer, with one row in hand."""
    if contender.in_flight == 1:
        engine.AHEAD = 0
    limits = Limits(in_flight=contender.in_flight)
    chance = random.Random(1).random
    deliverer = Deliverer(store, QUEUE, {"order": target}, uuid.uuid4().hex, random=chance, limits=limits, pace=PACE)
    running = asyncio.create_task(deliverer.run())
    done = asyncio.create_task(target.done.wait())
    await asyncio.wait([running, done], return_when=asyncio.FIRST_COMPLETED)
    deliverer.stop()
    await running


async def _copy(store: Store, partitions: Sequence[Sequence[Sequence[Arrival]]]) -> None:
    """The same values into a table without keys and indexes; each batch committed, as it has to be acknowledged."""
    await store.execute(f"CREATE TABLE bare AS SELECT {COLUMNS} FROM rows WHERE false", {})  # noqa: S608 - constants

    async def of_partition(batches: Sequence[Sequence[Arrival]]) -> None:
        for batch in batches:
            async with (
                store.transaction() as wire,
                wire.cursor() as cursor,
                cursor.copy(f"COPY bare ({COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy,
            ):
                copy.set_types(TYPES)
                for one in batch:
                    await copy.write_row(_values(one))

    async with asyncio.TaskGroup() as group:
        for batches in partitions:
            group.create_task(of_partition(batches))
    await store.execute("DROP TABLE bare", {})


def _values(one: Arrival) -> tuple[object, ...]:
    """In the order of `COLUMNS`."""
    return (
        *(one.offset, one.root, one.root_key, one.message_key, one.record, one.kind.value, one.source_version),
        *(one.payload_digest, one.mapping_in, one.origin, one.hops, one.traceparent, one.command_id, one.amount),
        *(one.currency, one.payload),
    )


# ---- what parked rows cost each call


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of each call, by the call's name."""

    times: dict[str, list[float]]


def alternate(dsn: str, connections: Sequence[str], rounds: int) -> dict[str, Calls]:
    """The same calls on each store in turn, by connection."""

    async def both() -> dict[str, Calls]:
        found = {connection: Calls(times={}) for connection in connections}
        opened = {connection: Store(dsn, connection) for connection in connections}
        for connection, store in opened.items():
            await store.open()
            for at in range(rounds):
                await _park(store, [f"clarity-main:stuck-{at}-skip", f"clarity-main:stuck-{at}-release"])
            stores.sweep(dsn, connection)
        for at in range(rounds):
            for connection in random.Random(at).sample(connections, len(connections)):
                await _round(opened[connection], at, found[connection].times)
        for store in opened.values():
            await store.close()
        return found

    return _run(both)


#: Rows of a claim: small, so that a round has many and the slowest of a hundred is no single accident.
CLAIMED: Final = 10


async def _round(store: Store, at: int, times: dict[str, list[float]]) -> None:
    async def timed(name: str, call: Coroutine[Any, Any, Any]) -> Any:
        started = time.perf_counter()
        answer = await call
        times.setdefault(name, []).append((time.perf_counter() - started) * 1000)
        return answer

    keys = 100
    for batch in stores.batches("calls", at, 1, keys):
        await timed("take_in", stores.take_in(store, [batch]))
    rows: list[Row] = []
    for _ in range(keys // CLAIMED):
        rows += await timed("claim", store.claim(QUEUE, "worker", CLAIMED, 60.0))
    turns = [settled(row, DONE, None) for row in rows]
    await timed("settle", store.settle(QUEUE, "worker", turns, ()))
    acts = Acts(store, QUEUE, "bus.commands.v1")
    for act in (Act.SKIP, Act.RELEASE):
        command = Command(
            id=uuid.uuid4().hex,
            at=datetime.now(UTC),
            who="benchmark",
            why="to measure it",
            connection=store.connection,
            act=act,
            root_key=f"clarity-main:stuck-{at}-{act.value}",
        )
        await timed(act.value, acts.carry_out(command))
    released = await store.claim(QUEUE, "worker", keys, 60.0)
    await store.settle(QUEUE, "worker", [settled(row, DONE, None) for row in released], ())


async def _park(store: Store, root_keys: Collection[str]) -> None:
    topic_id = uuid.uuid4().hex
    template = stores.arrivals(topic_id, 0, 0, 1, 1)[0]
    for offset, root_key in enumerate(root_keys):
        arrival = msgspec.structs.replace(template, root_key=root_key, message_key=root_key, offset=offset)
        await store.take_in(
            QUEUE,
            stores.TOPIC,
            topic_id,
            [Advance(0, offset or None, offset + 1)],
            [arrival],
        )
    for row in await store.claim(QUEUE, "worker", len(root_keys), 60.0):
        # a release is about what waits for a person, a skip about any
        turn = after(RefusedError("gp.refused", "no"), Step.DELIVER, row, None, PACE, 0.5)
        if row.root_key.endswith("release"):
            turn = msgspec.structs.replace(turn, cause=ParkedFor.PERSON)
        await store.settle(QUEUE, "worker", [turn], ())


# ---- what a great many rows leave behind


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of rows and keys with their indexes, and of the outbox, after so many rows went through."""

    rows: list[int] = []
    hot: list[int] = []
    outbox: list[int] = []


def go_through(dsn: str, connection: str, rows: int, told: Callable[[int], None] | None = None) -> Sizes:
    """Let so many rows go through a store, in portions of ten thousand, a relay beside the deliverer."""

    async def through() -> Sizes:
        store, sizes = Store(dsn, connection), Sizes()
        await store.open()
        topic_id, keys, of_each_key = uuid.uuid4().hex, 1000, 10
        for portion in range(rows // (keys * of_each_key)):
            taking = stores.batches(topic_id, portion * of_each_key, of_each_key, keys)
            await stores.take_in(store, taking)
            contender = Contender(kind=Kind.DELIVER, connection=connection, keys=keys, of_each_key=of_each_key)
            relay = asyncio.create_task(_relay(store))
            await _deliver(store, contender, Target(answer_s=0.0, events=contender.events, fails_one_in=100))
            relay.cancel()
            sizes.rows.append((portion + 1) * keys * of_each_key)
            sizes.hot.append(await asyncio.to_thread(stores.number, dsn, connection, stores.SIZE))
            sizes.outbox.append(await asyncio.to_thread(stores.number, dsn, connection, stores.OUTBOX_SIZE))
            if told is not None:
                told(sizes.rows[-1])
        await store.close()
        return sizes

    return _run(through)


async def _relay(store: Store) -> None:
    """Takes what is announced, as the broker would."""
    while True:
        batch = await store.outbox_batch(500)
        if batch:
            await store.outbox_sent([one.id for one in batch])
        else:
            await store.wait_for_announcements(0.2)


def _run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """On the loop of the workers, with their log level raised: its lines would be measured, too."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
