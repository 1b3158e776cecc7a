"""What records on topics tell the projection."""

from datetime import UTC, datetime, timedelta

import pytest

from operations.projection.project import Fact, Means, Observed, parse_root, place, project
from schemas.bus.change import Change
from schemas.bus.cross_reference import CrossReference
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.outcome import Outcome

NOW = datetime(2026, 11, 21, 12, 34, 56, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
ROOT = ("source-id", 3, 17)
ROOT_TEXT = "source-id/3/17"


def observed(means: Means, value: object = None, *, root: str = "", key: str = "shop:1", offset: int = 5) -> Observed:
    return Observed(
        topic=f"a.{means.value}.v1",
        means=means,
        topic_id="own-id",
        partition=2,
        offset=offset,
        timestamp_ms=NOW_MS,
        key=key,
        headers={"towpath-root": root.encode()} if root else {},
        value=value,  # type: ignore[arg-type]  # each test gives what its topic holds
    )


def change(**fields: object) -> Change:
    return Change(connection="shop", record="order", id="1", noticed_at=NOW, **fields)  # type: ignore[arg-type]  # as given


def outcome(**fields: object) -> Outcome:
    given = {"at": NOW, "stage": "fetchers", "state": "merged", "code": "merged", "root": ROOT_TEXT} | fields
    return Outcome(**given)  # type: ignore[arg-type]  # as given


def test_change_without_a_root_is_born_there() -> None:
    rows = project([observed(Means.CHANGES, change(cause="webhook", source_version=7))])

    root = rows.roots["own-id", 2, 5]
    assert (root.root_key, root.connection, root.cause, root.source_version) == ("shop:1", "shop", "webhook", 7)
    assert root.arrived_at == NOW
    assert rows.records == []


def test_change_that_names_itself_as_root_is_born_there() -> None:
    rows = project([observed(Means.CHANGES, change(), root="own-id/2/5")])

    assert rows.roots["own-id", 2, 5].arrived_at == NOW


def test_routed_change_carries_its_captured_row_and_is_no_root() -> None:
    rows = project([observed(Means.CHANGES, change(cause="cdc"), root=ROOT_TEXT)])

    assert rows.roots.keys() == {ROOT}
    assert rows.roots[ROOT].facts == Fact.ROUTED
    assert rows.roots[ROOT].arrived_at is None
    assert [row[5] for row in rows.records] == [ROOT_TEXT]


def test_canonical_record_tells_that_its_root_is_mapped() -> None:
    rows = project([observed(Means.CANONICAL, root=ROOT_TEXT, key="shop:1/SHP-1")])

    assert rows.roots[ROOT].facts == Fact.MAPPED
    assert rows.records[0][6:8] == ("shop:1", "shop:1/SHP-1")


@pytest.mark.parametrize(
    ("fields", "fact"),
    [
        ({"state": "merged"}, Fact.MERGED),
        ({"state": "filtered", "stage": "streams"}, Fact.FILTERED),
        ({"state": "suppressed"}, Fact.SUPPRESSED),
        ({"state": "superseded"}, Fact.MERGED),
        ({"state": "dead", "stage": "streams"}, Fact.DEAD),
        ({"state": "discarded"}, Fact.DEAD),
        ({"state": "parked", "cause": "refused"}, Fact.DEAD),
        ({"state": "delivered"}, Fact.READ),
    ],
)
def test_outcome_before_the_consumers_is_a_fact_of_its_root(fields: dict[str, object], fact: Fact) -> None:
    rows = project([observed(Means.OUTCOMES, outcome(**fields))])

    assert rows.roots[ROOT].facts == fact


@pytest.mark.parametrize(
    "fields", [{"stage": "consumers", "state": "dead"}, {"state": "parked", "cause": "backoff"}, {"state": "unknown"}]
)
def test_other_outcomes_end_no_root(fields: dict[str, object]) -> None:
    assert project([observed(Means.OUTCOMES, outcome(**fields))]).roots == {}


def test_last_outcome_of_an_event_at_a_connection_counts() -> None:
    about = {"stage": "consumers", "connection": "erp", "topic_id": "orders-id", "partition": 1, "offset": 9}
    rows = project(
        [
            observed(Means.OUTCOMES, outcome(state="parked", cause="backoff", **about), offset=5),
            observed(Means.OUTCOMES, outcome(state="delivered", **about), offset=6),
        ]
    )

    assert {key: row[1] for key, row in rows.deliveries.items()} == {("orders-id", 1, 9, "erp", ""): "delivered"}
    assert len(rows.outcomes) == 2


@pytest.mark.parametrize(
    ("told", "stands"),
    [
        # a parking told again behind its end
        ([("delivered", 2), ("parked", 1)], "delivered"),
        # even where the clock of whoever parked it is ahead
        ([("delivered", 1), ("parked", 2)], "delivered"),
        # tried again by an operator
        ([("dead", 1), ("parked", 2), ("delivered", 3)], "delivered"),
        ([("delivered", 3), ("dead", 1)], "delivered"),
        ([("parked", 2), ("unknown", 1)], "parked"),
        ([("parked", 1), ("unknown", 2)], "unknown"),
        ([("parked", 1), ("unknown", 1)], "unknown"),
    ],
)
def test_end_is_replaced_by_a_later_end_only(told: list[tuple[str, int]], stands: str) -> None:
    about = {"stage": "consumers", "connection": "erp", "topic_id": "orders-id", "partition": 1, "offset": 9}

    rows = project(
        observed(Means.OUTCOMES, outcome(state=state, at=NOW + timedelta(minutes=minute), **about))
        for state, minute in told
    )

    assert [row[1] for row in rows.deliveries.values()] == [stands]


def test_dead_letter_before_the_consumers_ends_its_root() -> None:
    letter = DeadLetter(id="l-1", at=NOW, stage="streams", code="mapping", root=ROOT_TEXT, value=b"12345")

    rows = project([observed(Means.DEAD_LETTERS, letter)])

    assert rows.roots[ROOT].facts == Fact.DEAD
    assert b"12345" not in [cell for row in rows.dead_letters.values() for cell in row]


def test_tombstone_of_a_cross_reference_takes_it_away() -> None:
    reference = CrossReference(
        canonical_id="shop:1", connection="erp", record="sales_order", id_there="ORD1", since=NOW
    )
    rows = project(
        [
            observed(Means.CROSS_REFERENCES, reference, key="shop:1/erp/sales_order/ORD1"),
            observed(Means.CROSS_REFERENCES, None, key="shop:1/erp/sales_order/ORD1", offset=6),
        ]
    )

    assert rows.cross_references == {("shop:1", "erp", "sales_order", "ORD1"): None}


def test_arrivals_are_counted_by_the_hour() -> None:
    rows = project([observed(Means.CAPTURED, offset=offset) for offset in range(4)])

    assert rows.arrivals == {("a.captured.v1", "own-id", 2, NOW.replace(minute=0, second=0)): 4}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (Fact.MAPPED | Fact.DEAD | Fact.FILTERED, Fact.MAPPED),
        (Fact.DEAD | Fact.MERGED, Fact.DEAD),
        (Fact.MERGED | Fact.SUPPRESSED, Fact.MERGED),
        (Fact.SUPPRESSED | Fact.FILTERED | Fact.READ, Fact.SUPPRESSED),
        (Fact.READ | Fact.ROUTED, None),
        (0, None),
    ],
)
def test_a_root_is_placed_once(facts: int, expected: Fact | None) -> None:
    assert place(facts) is expected


def test_facts_do_not_depend_on_the_order_of_topics() -> None:
    told = [
        observed(Means.FETCHED, root=ROOT_TEXT),
        observed(Means.CANONICAL, root=ROOT_TEXT),
        observed(Means.OUTCOMES, outcome(state="filtered", stage="streams")),
    ]

    assert project(told).roots == project(reversed(told)).roots


@pytest.mark.parametrize("text", ["", "no root", "id/1", "id/x/1", "/1/2", "id/²/1"])
def test_what_is_no_root_is_ignored(text: str) -> None:
    assert parse_root(text) is None
