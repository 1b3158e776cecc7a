"""Rows of lookup tables that a target cannot be served by."""

from datetime import UTC, datetime

from bus.laid_over import fitting
from bus.settings import demo
from consumers.clarity.order_status_sink import ACTIONS, KEYS
from consumers.tables import unfit
from schemas.bus.lookup_row import LookupRow

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def row(table: str, key: str, value: str | None) -> LookupRow:
    return LookupRow(table=table, key=key, value=value, who="a stranger", at=NOON)


def put_aside(*rows: LookupRow) -> list[tuple[str, str, str]]:
    given = demo()
    _, aside = fitting(
        given.lookups.rows(),
        {each.place: each for each in rows},
        {},
        NOON,
        lambda tables: unfit(given, given.connections.values(), tables),
    )
    return [(each.table, each.key, each.why) for each in aside]


def test_an_action_or_status_the_store_has_not_is_put_aside() -> None:
    dance, gone = put_aside(row(ACTIONS, "shipped", "Dance"), row(KEYS, "cancelled", "Gone"))

    assert (dance[:2], gone[:2]) == ((ACTIONS, "shipped"), (KEYS, "cancelled"))
    assert "'Dance' is no action of the store's" in dance[2]
    assert "'Gone' is no such status" in gone[2]


def test_half_a_status_is_put_aside_and_a_whole_one_is_not() -> None:
    assert [each[:2] for each in put_aside(row(KEYS, "shipped", None))] == [(KEYS, "shipped")]
    assert [each[:2] for each in put_aside(row(ACTIONS, "unknown", "Confirm"))] == [(ACTIONS, "unknown")]
    assert put_aside(row(ACTIONS, "unknown", "Confirm"), row(KEYS, "unknown", "Confirmed")) == []
