"""The accounts of the books, kept batch by batch, equal a count of the rows, whatever order things are told in."""

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from delivery.states import ENDS
from operations.projection import books, day, migrate, tables
from operations.projection.books import Books
from operations.projection.project import Means, Observed, hour_of, place, project
from operations.readers import Routed
from operations.stack.addresses import Addresses
from schemas.bus.outcome import Outcome
from schemas.canonical.order import Order

HOUR = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOURS = 3
ORDERS, CHANGES = "canonical.orders.v1", "clarity.changes.v1"
ALL = {("orders-id", 0): 10_000, ("orders-id", 1): 10_000, ("changes-id", 0): 10_000}
WAYS = [Routed(topic=ORDERS, record="order", owner="shop", target=target) for target in ("erp", "depot")]


@pytest.fixture(scope="module")
def projection(stack: Addresses) -> Iterator[migrate.Wire]:
    schema = f"test_{uuid.uuid4().hex[:8]}"
    migrate.migrate(stack.bus_dsn, schema)
    with migrate.connect(stack.bus_dsn, schema) as wire:
        tables.prepare(wire)
        yield wire
        wire.rollback()
        wire.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def empty(projection: migrate.Wire) -> migrate.Wire:
    forget(projection)
    return projection


def forget(wire: migrate.Wire) -> None:
    for table in (*migrate.REBUILT, "closed_hours", "closed_delivery_hours"):
        wire.execute(f"DELETE FROM {table}")  # of a few rows faster than TRUNCATE
    wire.commit()


def seen(means: Means, topic: str, offset: int, value: object = None, **more: object) -> Observed:
    named = {"partition": 0, "key": "shop:1", "headers": {}, "timestamp_ms": ms(HOUR)} | more
    return Observed(means=means, topic=topic, topic_id=topic_id(topic), offset=offset, value=value, **named)  # type: ignore[arg-type]  # each test gives what it needs


def topic_id(topic: str) -> str:
    return f"{topic.split('.')[1]}-id"


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def order(offset: int, at: datetime = HOUR, partition: int = 0, owner: str = "shop", root: int = 0) -> Observed:
    return seen(
        *(Means.CANONICAL, ORDERS, offset),
        partition=partition,
        key=f"{owner}:{offset}",
        timestamp_ms=ms(at),
        headers={"towpath-root": f"changes-id/0/{root}".encode()},
    )


def told(
    state: str, offset: int, target: str = "erp", minute: int = 0, partition: int = 0, replay: str = ""
) -> Observed:
    value = Outcome(
        at=HOUR + timedelta(minutes=minute),
        stage="consumers",
        state=state,
        code=state,
        connection=target,
        topic=ORDERS,
        topic_id="orders-id",
        partition=partition,
        offset=offset,
        root="none",
        root_key=f"shop:{offset}",
        replay=replay,
    )
    return seen(Means.OUTCOMES, "bus.outcomes.v1", 0, value)


def change(offset: int, at: datetime = HOUR) -> Observed:
    return seen(Means.CHANGES, CHANGES, offset, timestamp_ms=ms(at))


def ended(state: str, offset: int) -> Observed:
    value = Outcome(at=HOUR, stage="fetchers", state=state, code=state, root=f"changes-id/0/{offset}")
    return seen(Means.OUTCOMES, "bus.outcomes.v1", 0, value)


def write(wire: migrate.Wire, *batch: Observed) -> None:
    """One batch, each told outcome at a position of its own, without the projector's own positions."""
    (row,) = wire.execute("SELECT coalesce(max(event_offset), -1) + 1 FROM outcomes").fetchall()
    wire.commit()
    placed = [
        msgspec.structs.replace(each, offset=row[0] + number) if each.means is Means.OUTCOMES else each
        for number, each in enumerate(batch)
    ]
    tables.write(wire, project(placed), {}, {})


def read(wire: migrate.Wire, cuts: Mapping[tuple[str, int], int] = ALL) -> Books:
    return books.read(wire, cuts, WAYS, HOUR, HOUR + timedelta(hours=HOURS), [])


def by_state(found: Books, target: str = "erp") -> dict[str, int]:
    return {each.state: each.count for each in found.deliveries if each.target == target}


moments = st.integers(0, HOURS * 60 - 1).map(lambda minutes: HOUR + timedelta(minutes=minutes))
placed_orders = st.builds(
    order,
    # of two stretches, so that events of one hour lie in both
    offset=st.sampled_from([0, 1, 2, 1023, 1024, 1500]),
    at=moments,
    partition=st.integers(0, 1),
    owner=st.sampled_from(["shop", "mart"]),
    root=st.integers(0, 4),
)
told_orders = st.builds(
    told,
    state=st.sampled_from(["delivered", "parked", "dead", "unknown", "discarded", "superseded"]),
    offset=st.sampled_from([0, 1, 2, 1023, 1024, 1500]),
    target=st.sampled_from(["erp", "depot"]),
    minute=st.integers(0, 600),
    partition=st.integers(0, 1),
    replay=st.sampled_from(["", "", "r-1"]),
)
changes = st.builds(change, offset=st.integers(0, 4), at=moments)
ends = st.builds(ended, state=st.sampled_from(["merged", "dead", "filtered", "suppressed"]), offset=st.integers(0, 4))
batches = st.lists(st.lists(st.one_of(placed_orders, told_orders, changes, ends), max_size=6), max_size=8)


@given(batches=batches, cut=st.sampled_from([0, 2, 1024, 10_000]))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_accounts_equal_a_count_of_the_rows(projection: migrate.Wire, batches: list[list[Observed]], cut: int) -> None:
    forget(projection)
    born: set[tuple[str, int, int]] = set()
    for batch in batches:
        # a position holds one record for good
        fresh = []
        for each in batch:
            position = (each.topic, each.partition, each.offset)
            if each.means is Means.OUTCOMES or position not in born:
                fresh.append(each)
                born.add(position)
        write(projection, *fresh)

    cuts = ALL | {("orders-id", 0): cut, ("changes-id", 0): min(cut, 2)}
    found = read(projection, cuts)

    roots = projection.execute("SELECT event_offset, arrived_at, facts FROM roots WHERE topic <> ''").fetchall()
    counted = Counter((hour_of(at), place(facts)) for offset, at, facts in roots if offset < cuts["changes-id", 0])
    assert {each.hour: each.accepted for each in found.intake} == Counter(
        {hour: sum(n for (h, _), n in counted.items() if h == hour) for hour, _ in counted}
    )
    assert sum(each.open for each in found.intake) == len(found.open_roots)
    assert len(found.open_roots) == sum(n for (_, ended_in), n in counted.items() if ended_in is None)
    for name in ("mapped", "dead", "merged", "suppressed", "filtered"):
        by_place = sum(n for (_, fact), n in counted.items() if fact is not None and str(fact.name).lower() == name)
        assert sum(getattr(each, name) for each in found.intake) == by_place
    records = projection.execute("SELECT partition, event_offset, at, root_key FROM records").fetchall()
    states = {
        (partition, offset, target): state
        for partition, offset, target, state in projection.execute(
            "SELECT partition, event_offset, connection, state FROM deliveries WHERE replay = ''"
        )
    }
    deliveries: Counter[tuple[str, datetime, str]] = Counter()
    open_: set[tuple[str, int, int]] = set()
    for partition, offset, at, root_key in records:
        if not root_key.startswith("shop:") or offset >= cuts["orders-id", partition]:
            continue
        for target in ("erp", "depot"):
            state = states.get((partition, offset, target), "")
            deliveries[target, hour_of(at), state] += 1
            if state not in ENDS:
                open_.add((target, partition, offset))
    assert {(each.target, each.hour, each.state): each.count for each in found.deliveries} == deliveries
    assert {(each.target, *each.event[1:]) for each in found.open_deliveries} == open_
    assert len(found.open_deliveries) == len(open_)


def test_batch_reads_no_table_whole_however_large_the_projection_is(empty: migrate.Wire) -> None:
    empty.execute(
        """
        INSERT INTO records SELECT 'orders-id', 0, n, 'canonical.orders.v1', now(), '', 'shop:1', '', '', '', 0
        FROM generate_series(2000, 20000) n;
        INSERT INTO deliveries (topic_id, partition, event_offset, connection, stage, state, cause, code, at)
        SELECT 'orders-id', 0, n, 'erp', 'consumers', 'delivered', '', '', now() FROM generate_series(2000, 20000) n;
        INSERT INTO roots (topic_id, partition, event_offset, topic, arrived_at, facts)
        SELECT 'changes-id', 0, n, 'clarity.changes.v1', now(), 1 FROM generate_series(2000, 20000) n;
        """
    )
    empty.commit()
    empty.execute("ANALYZE records, deliveries, roots")

    with empty.transaction():
        before = scans(empty)
        tables.write(empty, project([change(1), order(1), told("delivered", 5000)]), {}, {})
        during = scans(empty) - before

    assert during.keys() & {"records", "deliveries", "roots", "outcomes"} == set()


def scans(wire: migrate.Wire) -> Counter[str]:
    """Reads of whole tables that the session has not handed in yet: those of what emptied them may be among them."""
    found = wire.execute("SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE seq_scan > 0").fetchall()
    return Counter(dict(found))


def test_outcome_read_before_its_record_is_counted_with_it(empty: migrate.Wire) -> None:
    write(empty, told("delivered", 7))
    write(empty, order(7))

    assert by_state(read(empty)) == {"delivered": 1}


def test_closed_hour_opens_again_by_a_late_outcome_and_closes_anew(empty: migrate.Wire) -> None:
    far = HOUR + timedelta(hours=HOURS)
    write(empty, change(0), ended("dead", 0), order(1), told("dead", 1), told("delivered", 1, "depot"))
    first = tables.close_hours(empty, HOUR, far, far)
    # the letter was tried again, and mapped after all; a second order of the hour came late
    write(empty, order(2), told("delivered", 1, minute=5))

    assert first
    assert by_state(read(empty)) == {"delivered": 1, "": 1}
    assert [each.mapped for each in read(empty).intake] == [1]
    assert [each.event[2] for each in read(empty).open_deliveries if each.target == "erp"] == [2]

    write(empty, told("delivered", 2), told("delivered", 2, "depot"))
    assert tables.close_hours(empty, HOUR, far, far)
    assert tables.close_hours(empty, HOUR, far, far) == 0
    kept = empty.execute("SELECT target, state, events FROM closed_delivery_hours ORDER BY 1, 2").fetchall()
    assert kept == [("depot", "delivered", 2), ("erp", "delivered", 2)]


def test_hour_is_told_as_it_was_kept_where_a_rebuild_finds_only_part_of_it(empty: migrate.Wire) -> None:
    far = HOUR + timedelta(hours=HOURS)
    orders = [order(offset) for offset in range(3)]
    outcomes = [told("delivered", offset, target) for offset in range(3) for target in ("erp", "depot")]
    write(empty, *orders, *outcomes)
    tables.close_hours(empty, HOUR, far, far)
    empty.execute(f"TRUNCATE {', '.join(migrate.REBUILT)}")
    empty.commit()

    # compaction has taken the first two
    write(empty, orders[2], *outcomes)
    tables.close_hours(empty, HOUR, far, far)

    assert by_state(read(empty)) == {"delivered": 3}
    assert read(empty).open_deliveries == ()


def test_records_that_have_not_come_to_an_end_outlive_the_rest(empty: migrate.Wire) -> None:
    old = datetime.now(UTC) - timedelta(days=tables.ROOTS_DAYS + 5)
    write(empty, *(order(offset, old) for offset in range(4)))
    at = int((old - HOUR) / timedelta(minutes=1))
    write(empty, told("delivered", 0, minute=at), told("parked", 1, minute=at), told("parked", 2, minute=at))
    write(empty, told("delivered", 2, "depot", minute=at))

    tables.prune(empty)

    assert empty.execute("SELECT event_offset FROM records ORDER BY 1").fetchall() == [(1,), (2,), (3,)]
    empty.commit()
    counted = books.read(empty, ALL, WAYS, hour_of(old), hour_of(old) + timedelta(hours=1), [])
    assert by_state(counted) == {"delivered": 1, "parked": 2, "": 1}
    assert sorted(each.event[2] for each in counted.open_deliveries if each.target == "erp") == [1, 2, 3]


def amounting(each: Observed, total: str) -> Observed:
    value = Order(id=each.key, source_version=1, ordered_at=HOUR, updated_at=HOUR, total=Decimal(total), currency="USD")
    return msgspec.structs.replace(each, value=value)


def test_day_knows_what_came_in_it_what_was_told_in_it_and_what_was_open_before(empty: migrate.Wire) -> None:
    before = HOUR - timedelta(days=2)
    write(
        empty,
        *(amounting(order(offset, before), "1.00") for offset in range(4)),
        amounting(order(4), "12.34"),
        order(5, owner="mart"),
    )
    # 0 ended long ago, 1 ends today, 2 was parked, nobody told of 3; a replay tells nothing of the live order
    write(empty, told("delivered", 0, minute=-2000), told("delivered", 1, minute=5), told("parked", 2, minute=-2000))
    write(empty, told("delivered", 4, minute=5, replay="r-1"))
    tables.begin(empty, ORDERS, {("orders-id", 0): 10})

    since = HOUR - timedelta(hours=1)
    found = day.read(empty, WAYS[0], since, since + timedelta(days=1))

    assert sorted(each.event_offset for each in found.events) == [1, 2, 3, 4]
    assert {each.event_offset: each.amount for each in found.events}[4] == Decimal("12.34")
    assert sorted((each.source_offset, each.state) for each in found.told) == [(1, "delivered"), (2, "parked")]
