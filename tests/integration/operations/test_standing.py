"""What stands still, told from a real store and a real projection; and in time, whatever is away."""

import asyncio
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import psycopg
import pytest
from prometheus_client import Gauge

from bus import metrics
from bus.events import Advance
from bus.secret import Secret
from bus.settings import Connection, Gateway, Pair, Settings
from delivery.acts import Acts
from delivery.announcements import What, decoded
from delivery.decide import Pace, Step, after
from delivery.incarnation import Incarnation
from delivery.migrate import migrate as migrate_store
from delivery.ports import Arrival
from delivery.states import Kind
from delivery.store import Store
from errors import BusError, DependencyError, NotFoundError, RefusedError, RetryableError
from mapping.port import Lookups
from operations import status as status_of
from operations import unread
from operations.explain import Explanation, explain
from operations.findings import Finding, Severity
from operations.gauges import Shown, measure
from operations.projection import letters, migrate, queues, standing, tables
from operations.projection.project import Means, Observed, project
from operations.stack.addresses import Addresses
from operations.status import Status, status
from schemas import topics
from schemas.bus.command import Act, Command
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.outcome import Outcome

NOW = datetime.now(UTC)
TOPIC = topics.ORDERS.name
#: Nobody's: its events are those of these tests.
TOPIC_ID = "Jm2tQxYzT4-aB0cD1eF2gA"
KEY = "shop:1001"
UNREACHABLE = "postgresql://nobody@127.0.0.1:1/none"


def settings_of(root: Path, dsn: str, **addresses: str) -> Settings:
    """A store and an ERP, in a checkout of its own where nothing runs."""
    given = {"kafka": "127.0.0.1:1", "registry": "http://127.0.0.1:1", "connect": "http://127.0.0.1:1"} | addresses
    return Settings(
        root=root,
        deployment="test",
        folder=root,
        time_zone="UTC",
        projection_dsn=Secret(dsn),
        gateway=Gateway(),
        connections={
            "shop": Connection(name="shop", system="clarity", store_dsn=Secret(dsn)),
            "gp": Connection(name="gp", system="dynamics-gp", store_dsn=Secret(dsn)),
        },
        pairs=(),
        lookups=Lookups({}),
        code_version="0",
        kafka=given["kafka"],
        registry=given["registry"],
        connect=given["connect"],
    )


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests have no Kafka: a second tells that as well as four."""
    monkeypatch.setattr(unread, "PING_WITHIN_S", 1.0)


@pytest.fixture
def dsn(stack: Addresses) -> Iterator[str]:
    """A database with a projection and the stores of both connections."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(stack.sandbox_dsn, autocommit=True) as wire:
        wire.execute(f"CREATE DATABASE {name}")
        made = psycopg.conninfo.make_conninfo(stack.sandbox_dsn, dbname=name)
        try:
            migrate.migrate(made)
            for connection in ("shop", "gp"):
                migrate_store(made, connection)
            yield made
        finally:
            wire.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Books:
    """Writes records into the projection as the projector does."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._offset = 0

    def tell(self, means: Means, record: msgspec.Struct | None = None, **more: object) -> None:
        given = {
            "topic": f"test.{means.value}",
            "means": means,
            "topic_id": f"id of {means.value}",
            "partition": 0,
            "offset": self._offset,
            "timestamp_ms": int(NOW.timestamp() * 1000),
            "key": KEY,
            "headers": {},
            "value": record,
        } | more
        self._offset += 1
        with migrate.connect(self._dsn) as wire:
            tables.prepare(wire)
            tables.write(wire, project([Observed(**given)]), {}, {})  # type: ignore[arg-type]  # as given

    def outcome(self, **fields: object) -> None:
        given = {"at": NOW, "stage": "consumers", "state": "parked", "code": "gp.90023", "connection": "gp"} | {
            "topic_id": TOPIC_ID,
            "partition": 0,
            "offset": 1,
            "root_key": KEY,
        }
        self.tell(Means.OUTCOMES, Outcome(**(given | fields)))  # type: ignore[arg-type]  # as given

    def letter(self, id_: str, **fields: object) -> None:
        given = {"id": id_, "at": NOW, "stage": "streams", "code": "mapping", "key": b"", "value": b""} | fields
        self.tell(Means.DEAD_LETTERS, DeadLetter(**given))  # type: ignore[arg-type]  # as given


def arrival(offset: int) -> Arrival:
    return Arrival(
        topic=TOPIC,
        topic_id=TOPIC_ID,
        partition=0,
        offset=offset,
        root=f"source/0/{offset}",
        root_key=KEY,
        message_key=KEY,
        record="order",
        kind=Kind.DOCUMENT,
        replaces_with=None,
        source_version=0,
        payload=b"payload",
        payload_digest="digest",
        amount=Decimal("12.50"),
        currency="USD",
    )


async def _refuse(dsn: str, error: BusError) -> None:
    store = Store(dsn, "gp", code_version="0")
    await store.open()
    try:
        await store.take_in("consumers", TOPIC, TOPIC_ID, [Advance(0, None, 3)], [arrival(1), arrival(2)])
        (row,) = await store.claim("consumers", "worker", 1, 20.0)
        pace = Pace(settling_delay_s=5.0, longest_backoff_s=600.0)
        await store.settle("consumers", "worker", [after(error, Step.PREPARE, row, None, pace, 0.5)], ())
    finally:
        await store.close()


def refused(dsn: str) -> DeadLetter:
    """The key's first event is refused, a second one waits behind it; its dead letter, as it is announced."""
    asyncio.run(_refuse(dsn, RefusedError("gp.90023", "an item is unknown")))
    with psycopg.connect(dsn) as wire:
        found = wire.execute("SELECT value FROM store_gp.outbox WHERE what = 'dead_letter'").fetchone()
    assert found is not None
    letter = decoded(What.DEAD_LETTER, bytes(found[0]))
    assert isinstance(letter, DeadLetter)
    return letter


def paused(dsn: str) -> None:
    async def pause() -> None:
        store = Store(dsn, "gp", code_version="0")
        await store.open()
        try:
            for queue in ("fetchers", "consumers"):
                command = Command(id="c-1", at=NOW, who="mara", why="month-end", connection="gp", act=Act.PAUSE)
                await Acts(store, queue, topics.COMMANDS.name).carry_out(command)
        finally:
            await store.close()

    asyncio.run(pause())


def about(found: Status, name: str) -> list[Finding]:
    return [each for each in found.findings if each.about == name]


def moves(found: Explanation) -> list[str]:
    return [move.command for move in found.keys[0].moves]


def test_everything_is_away_and_status_says_so_in_time(tmp_path: Path) -> None:
    began = time.monotonic()
    found = status(settings_of(tmp_path, UNREACHABLE))

    assert time.monotonic() - began < 10
    assert [(each.about, each.severity) for each in found.findings[:3]] == [
        ("Kafka", Severity.ALARM),
        ("PostgreSQL", Severity.ALARM),
        ("schema registry", Severity.ALARM),
    ]
    assert found.alarmed
    assert {each.what for each in found.not_asked} >= {"what is unread", "ledger"}


def test_servers_that_take_calls_and_never_answer_are_away_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        began = time.monotonic()
        found = status(
            settings_of(
                tmp_path,
                f"postgresql://nobody@{address}/none",
                kafka=address,
                registry=f"http://{address}",
                connect=f"http://{address}",
            )
        )

        assert time.monotonic() - began < 10
    assert {each.about for each in found.findings} >= {"Kafka", "PostgreSQL", "schema registry"}


def test_money_is_shown_while_kafka_is_away(tmp_path: Path, dsn: str) -> None:
    books = Books(dsn)
    books.outcome(cause="refused", amount=Decimal("12.50"), currency="USD", at=NOW - timedelta(hours=2))
    books.outcome(cause="refused", amount=Decimal(7), currency="EUR", offset=2)
    books.outcome(state="unknown", code="timed_out", offset=3, at=NOW - timedelta(minutes=2))
    books.outcome(cause="backoff", code="gp.away", offset=4)
    books.letter("a", root_key="shop:7")
    paused(dsn)

    found = status(settings_of(tmp_path, dsn), with_ledger=False)

    assert about(found, "Kafka")
    refused_ones, unknown, pause = about(found, "gp")
    assert [each.headline[:25] for each in about(found, "streams")] == ["1 dead letter at streams:"]
    assert refused_ones.money == {"USD": Decimal("12.50"), "EUR": Decimal(7)}
    assert (refused_ones.severity, refused_ones.count, refused_ones.since) == (
        Severity.ALARM,
        2,
        NOW - timedelta(hours=2),
    )
    assert (unknown.severity, unknown.count) == (Severity.WARNING, 1)
    assert pause.headline == 'gp was paused by mara until resumed (consumers, fetchers): "month-end".'


def test_what_stands_still_is_a_metric_too(tmp_path: Path, dsn: str) -> None:
    refused(dsn)
    Books(dsn).outcome(cause="refused")

    settings = settings_of(tmp_path, dsn)
    away = msgspec.structs.replace(settings.connections["shop"], store_dsn=Secret(UNREACHABLE))

    # the one store that is away hides nothing of the other
    Shown().show(measure(msgspec.structs.replace(settings, connections={**settings.connections, "shop": away})))

    assert valued(metrics.OPEN) == {
        ("gp", "consumers", "parked", "refused"): 1,
        ("gp", "consumers", "in_flight", ""): 1,
    }
    told_of = {what for (what,) in valued(metrics.MEASURED_SECONDS)}
    assert ("store of gp" in told_of, "store of shop" in told_of) == (True, False)
    assert 0 < valued(metrics.OLDEST_OPEN_SECONDS)["gp", "consumers"] < 60
    assert valued(metrics.FINDINGS)["alarm", "server", "Kafka"] == 1
    assert valued(metrics.FINDINGS_EVENTS)["alarm", "dead letters", "gp"] == 1
    # without Kafka there is no ledger: no number is made up
    assert ("ledger",) not in valued(metrics.MEASURED_SECONDS)


def test_open_events_are_counted_without_reading_them(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True, options="-c search_path=store_gp") as wire:
        wire.execute(
            """INSERT INTO rows (queue, topic, topic_id, partition, event_offset, root, root_key, message_key, record,
                   kind, source_version, state, cause, due, payload, payload_digest, mapping_in, command_id, origin,
                   hops, traceparent, amount, currency)
               SELECT 'consumers', 't', 'i', 0, n, 'r', 's:' || n, 'm', 'order', 'document', 0,
                   CASE WHEN n % 10 = 0 THEN 'ready' ELSE 'parked' END, CASE WHEN n % 10 > 0 THEN 'refused' END,
                   now(), convert_to(repeat('x', 500), 'UTF8'), '', '', '', '', 0, '', 0, ''
               FROM generate_series(1, 20000) n"""
        )
        wire.execute("VACUUM ANALYZE rows")
        plans = [str(wire.execute(f"EXPLAIN {each}").fetchall()) for each in (queues.OPEN, queues.OPEN_PARKED)]

    counted = queues.open_work(Connection(name="gp", system="dynamics-gp", store_dsn=Secret(dsn)))

    assert [(each.state, each.cause, each.count) for each in counted.counts] == [
        ("parked", "refused", 18_000),
        ("in_flight", "", 2000),
    ]
    for plan, index in zip(plans, ("rows_in_order", "rows_with_cause"), strict=True):
        assert f"Index Only Scan using {index}" in plan
        assert "Seq Scan" not in plan


def valued(gauge: Gauge) -> dict[tuple[str, ...], float]:
    return {tuple(each.labels.values()): each.value for told in gauge.collect() for each in told.samples}


@pytest.mark.parametrize("goes_on", [True, False])
def test_store_that_announces_while_status_looks_is_not_taken_for_a_restored_one(
    tmp_path: Path, dsn: str, monkeypatch: pytest.MonkeyPatch, goes_on: bool
) -> None:
    looked = threading.Event()
    look = queues.standing

    def look_and_announce(connection: Connection) -> queues.StoreStanding:
        found = look(connection)
        if connection.name == "gp" and not looked.is_set():
            if goes_on:
                with psycopg.connect(dsn) as wire:
                    wire.execute("UPDATE store_gp.incarnation SET counter = counter + 1")
            looked.set()
        return found

    def read_marks(_: Settings) -> dict[str, Incarnation]:
        assert looked.wait(4)
        with psycopg.connect(dsn) as wire:
            found = wire.execute("SELECT store_id FROM store_gp.incarnation").fetchone()
        assert found is not None
        return {"gp": Incarnation(store_id=found[0], counter=1)}

    monkeypatch.setattr(queues, "standing", look_and_announce)
    monkeypatch.setattr(status_of, "_marks", read_marks)

    found = status(settings_of(tmp_path, dsn), with_ledger=False)

    assert [each.kind for each in about(found, "gp")] == ([] if goes_on else ["store"])


def test_real_servers_are_looked_at(tmp_path: Path, dsn: str, stack: Addresses) -> None:
    given = settings_of(tmp_path, dsn, kafka=stack.kafka, registry=stack.registry, connect=stack.connect)

    found = status(given, with_ledger=False)

    assert set(found.looked_at) >= {"Kafka", "schema registry", "Kafka Connect", "projection", "store of gp"}
    # these are told by topics that a new stack may not have yet
    by_topics = {"whether a store was restored", "rows of lookup tables that are put aside"}
    assert {each.what for each in found.not_asked} - by_topics == {"ledger", "census of shop"}
    assert "ledger of the last 24 h" not in found.looked_at
    with_ledger = status(given)
    unasked = {each.what for each in with_ledger.not_asked}
    # on a shared stack there may be records the empty projection has not read: then it says so
    assert ("ledger of the last 24 h" in with_ledger.looked_at) != ("ledger" in unasked)


def test_circuit_is_open_until_it_is_told_closed_or_something_is_delivered(dsn: str) -> None:
    books = Books(dsn)
    nothing = {"topic_id": "", "offset": -1, "root_key": "", "state": "circuit"}
    opened = NOW - timedelta(hours=1)
    books.outcome(**nothing, code="circuit.opened", values={"why": "gp.away"}, at=opened)
    books.outcome(**nothing, code="circuit.closed", at=opened - timedelta(hours=1))
    books.outcome(**nothing, code="circuit.probing", values={"why": "gp.away"}, at=opened + timedelta(minutes=2))
    books.outcome(**nothing, code="circuit.opened", connection="shop", at=opened)
    books.outcome(**nothing, code="circuit.closed", connection="shop", at=NOW)

    with migrate.opened(dsn) as wire:
        before = standing.open_circuits(wire)
        books.outcome(state="delivered", code="created", at=opened + timedelta(minutes=2, seconds=2))
        under_way = standing.open_circuits(wire)
        books.outcome(state="delivered", code="created", at=NOW, offset=9)
        after_all = standing.open_circuits(wire)

    assert [(each.connection, each.at, each.values) for each in before] == [("gp", opened, {"why": "gp.away"})]
    assert under_way == before
    assert after_all == ()


def test_dead_letter_is_no_more_when_its_document_was_mapped_since(dsn: str) -> None:
    books = Books(dsn)
    earlier = NOW - timedelta(hours=1)
    books.letter("a", root_key="shop:1", at=earlier, mapping="orders/from_clarity@1+d")
    books.letter("b", root_key=KEY, at=earlier, mapping="orders/from_clarity@1+d")
    books.letter("c", root_key=KEY, at=earlier, mapping="shipments/from_gp@1+d")
    books.letter("d", root_key="shop:2", at=NOW + timedelta(seconds=1), mapping="orders/from_clarity@1+d")
    for key in (KEY, "shop:2"):
        headers = {"towpath-root": b"s/0/1", "towpath-mapping": b"orders/from_clarity@2+e"}
        books.tell(Means.CANONICAL, topic=TOPIC, key=key, headers=headers)

    with migrate.opened(dsn) as wire:
        found = letters.unheld(wire)
        of_key = letters.unheld_of(wire, KEY)
        of_later = letters.unheld_of(wire, "shop:2")

    assert sum(each.count for each in found) == 3
    assert [each.id for each in of_key] == ["c"]
    assert [each.id for each in of_later] == ["d"]


def test_buried_before_it_became_a_row_is_told_by_its_letter_and_a_row_by_its_delivery(dsn: str) -> None:
    books = Books(dsn)
    place = {"stage": "consumers", "connection": "gp", "topic_id": TOPIC_ID, "partition": 0}
    for offset, told in enumerate(
        (
            {"state": "dead", "code": "undecodable"},
            {"state": "dead", "code": "skipped"},
            {"state": "parked", "cause": "refused"},
            {"state": "delivered", "code": "created"},
            {"state": "discarded", "code": "discarded"},
        )
    ):
        books.outcome(**told, offset=offset)
        books.letter(f"letter {offset}", **place, offset=offset, root_key=KEY)

    with migrate.opened(dsn) as wire:
        assert [each.id for each in letters.unheld_of(wire, KEY)] == ["letter 0"]


def test_oldest_tells_what_its_like_wait_for(dsn: str) -> None:
    books = Books(dsn)
    for offset, item in enumerate(("SKU-1", "SKU-2", "SKU-3")):
        moment = NOW - timedelta(minutes=(offset + 1) % 3)
        books.outcome(
            cause="refused", offset=offset, at=moment, values={"item": item}, amount=Decimal(1), currency="USD"
        )

    with migrate.opened(dsn) as wire:
        (stuck,) = standing.read(wire).stuck

    assert (stuck.count, stuck.amount, stuck.since) == (3, Decimal(3), NOW - timedelta(minutes=2))
    assert stuck.values == {"item": "SKU-2"}


def test_first_unread_event_tells_the_age(dsn: str) -> None:
    books = Books(dsn)
    for number in range(3):
        moment = int((NOW + timedelta(seconds=number)).timestamp() * 1000)
        books.tell(Means.CANONICAL, topic=TOPIC, topic_id="t", offset=number, timestamp_ms=moment)

    with migrate.opened(dsn) as wire:
        found = standing.first_unread(wire, {("t", 0): 1, ("t", 1): 0, ("u", 0): 0})

    assert list(found) == [("t", 0)]
    assert abs(found["t", 0] - NOW - timedelta(seconds=1)) < timedelta(milliseconds=1)


def test_store_is_only_read(dsn: str, tmp_path: Path) -> None:
    given = settings_of(tmp_path, dsn).connection("gp")

    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), queues.opened(given) as wire:
        wire.execute("DELETE FROM rows")


def test_refused_head_is_explained_with_its_dead_letter(dsn: str, tmp_path: Path) -> None:
    letter = refused(dsn)
    Books(dsn).outcome(cause="refused", at=NOW - timedelta(hours=2))

    found = explain(settings_of(tmp_path, dsn), "1001")

    (key,) = found.keys
    (head,) = key.waiting
    assert (key.key, head.state, head.cause, head.behind, head.attempts) == (KEY, "parked", "refused", 1, 1)
    assert head.happened == "Dynamics GP refused the document: an item is unknown (90023)."
    assert (head.since, head.told_by, head.money) == (NOW - timedelta(hours=2), "store", {"USD": Decimal("12.50")})
    assert moves(found)[0] == f"towpath dead-letters redrive {letter.id} --why ..."
    assert [each.source for each in found.not_asked] == ["Kafka"]


def test_backoff_says_when_it_is_tried_again(dsn: str, tmp_path: Path) -> None:
    asyncio.run(_refuse(dsn, RetryableError("gp.away", "away")))

    found = explain(settings_of(tmp_path, dsn), KEY)

    (head,) = found.keys[0].waiting
    assert (head.state, head.cause) == ("parked", "backoff")
    assert head.due is not None
    assert f"{head.due:%H:%M:%S}Z" in found.keys[0].moves[0].says


def test_what_an_owner_said_of_a_missing_thing_is_told_with_who_and_why(dsn: str, tmp_path: Path) -> None:
    asyncio.run(_refuse(dsn, DependencyError("item:SKU-77", "not there")))
    books, waits = Books(dsn), {"waits_for": "item:SKU-77"}
    books.outcome(cause="dependency", code="dependency", values=waits)
    answered = {"stage": "fetchers", "state": "answered", "who": "mara", "why": "a customer rang", "root_key": ""}
    for thing, code, minutes in (("SKU-77", "ask.away", 9), ("SKU-77", "ask.not_there", 3), ("SKU-78", "ask.there", 1)):
        values = {"act": "ask", "thing": f"item:{thing}", "rows": "1"}
        books.outcome(**answered, code=code, values=values, at=NOW - timedelta(minutes=minutes))

    found = explain(settings_of(tmp_path, dsn), KEY)

    (asked,) = found.keys[0].asked
    assert (asked.at, asked.who, asked.why) == (NOW - timedelta(minutes=3), "mara", "a customer rang")
    assert asked.happened == "gp was asked for item:SKU-77: not there."
    assert moves(found)[:2] == [f"towpath parked release {KEY}", "towpath parked ask item:SKU-77 --why ..."]


def test_paused_key_is_moved_by_resuming(dsn: str, tmp_path: Path) -> None:
    asyncio.run(_refuse(dsn, RetryableError("gp.away", "away")))
    paused(dsn)

    assert moves(explain(settings_of(tmp_path, dsn), KEY)) == ["towpath resume gp"]


def test_projection_explains_what_a_silent_store_holds(dsn: str, tmp_path: Path) -> None:
    Books(dsn).outcome(cause="refused")
    given = settings_of(tmp_path, dsn)
    away = {
        name: msgspec.structs.replace(each, store_dsn=Secret(UNREACHABLE)) for name, each in given.connections.items()
    }

    found = explain(msgspec.structs.replace(given, connections=away), KEY)

    (head,) = found.keys[0].waiting
    assert (head.cause, head.told_by, head.behind) == ("refused", "projection", None)
    assert {each.source for each in found.not_asked} == {"Kafka", "store of shop", "store of gp"}


def test_store_explains_what_a_silent_projection_knows(dsn: str, tmp_path: Path) -> None:
    refused(dsn)
    given = msgspec.structs.replace(settings_of(tmp_path, dsn), projection_dsn=Secret(UNREACHABLE))

    found = explain(given, "1001")

    assert [(each.key, each.waiting[0].cause) for each in found.keys] == [(KEY, "refused")]


def test_document_number_leads_to_the_key_and_its_queue(dsn: str, tmp_path: Path) -> None:
    refused(dsn)
    Books(dsn).outcome(state="delivered", code="created", document_number="ORD7", offset=0)

    found = explain(settings_of(tmp_path, dsn), "ORD7")

    assert [(each.key, each.waiting[0].told_by) for each in found.keys] == [(KEY, "store")]
    assert [(each.connection, each.document_number) for each in found.keys[0].delivered] == [("gp", "ORD7")]


def test_key_nobody_knows_is_not_found_and_says_what_was_looked_for(dsn: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="looked for the root keys 77, shop:77, gp:77, and a document"):
        explain(settings_of(tmp_path, dsn), "77")


def test_nothing_can_be_asked(tmp_path: Path) -> None:
    with pytest.raises(RetryableError, match="neither the projection nor a store"):
        explain(settings_of(tmp_path, UNREACHABLE), "77")


def test_document_read_and_not_taken_in_waits_for_its_consumer(dsn: str, tmp_path: Path) -> None:
    Books(dsn).tell(Means.CANONICAL, topic=TOPIC, topic_id=TOPIC_ID, offset=5, headers={"towpath-root": b"s/0/1"})
    given = msgspec.structs.replace(settings_of(tmp_path, dsn), pairs=(Pair(store="shop", erp="gp"),))

    found = explain(given, KEY)

    assert [(each.process, each.offset, each.before) for each in found.keys[0].not_read] == [("consumers@gp", 5, 5)]
    assert moves(found) == ["towpath run consumers@gp --detach"]
