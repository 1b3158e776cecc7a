"""The daily statement: to the cent, one order once, and yesterday's end is today's beginning."""

import io
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import msgspec
import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import ConfigurationError
from operations.projection.day import OrderEvent, Told
from operations.readers import Routed
from operations.statement import AtTheStore, Figure, Statement, Where, bounds, drawn_up, total
from operations.statement_page import as_pdf, as_text, page

DAY = date(2026, 11, 21)
START = datetime(2026, 11, 21, tzinfo=UTC)
WAY = Routed(topic="canonical.orders.v1", record="order", owner="shop", target="erp")
LISTED = AtTheStore(listed=3)


def event(
    offset: int, key: str = "shop:1", hours: float = 1, amount: str = "10.00", currency: str = "USD"
) -> OrderEvent:
    return OrderEvent(
        root_key=key,
        topic_id="orders-id",
        partition=0,
        event_offset=offset,
        at=START + timedelta(hours=hours),
        amount=Decimal(amount),
        currency=currency,
    )


def told(offset: int, state: str, hours: float = 2, cause: str = "", code: str = "created", number: str = "") -> Told:
    return Told(
        source_topic_id="orders-id",
        source_partition=0,
        source_offset=offset,
        at=START + timedelta(hours=hours),
        state=state,
        cause=cause,
        code=code,
        code_values={},
        document_number=number,
    )


def of_day(events: Iterable[OrderEvent], outcomes: Iterable[Told], days: int = 0, limit: int = 50) -> Statement:
    since = START + timedelta(days=days)
    return drawn_up(
        events,
        outcomes,
        WAY,
        of=DAY + timedelta(days=days),
        time_zone="UTC",
        since=since,
        until=since + timedelta(days=1),
        at_the_store=LISTED,
        limit=limit,
    )


def test_orders_of_a_day_stand_where_they_ended_with_their_totals_by_currency() -> None:
    events = [
        event(0, "shop:1", amount="10.10"),
        event(1, "shop:2", amount="20.20"),
        event(2, "shop:3", amount="5.00", currency="EUR"),
        event(3, "shop:4", amount="7.07"),
        event(4, "shop:5", amount="1.00"),
        event(5, "shop:6", amount="2.00"),
    ]
    outcomes = [
        told(0, "delivered", number="ORD1"),
        told(1, "parked", cause="refused", code="gp.90023"),
        told(2, "parked", cause="dependency", code="waits"),
        told(4, "delivered", code="voided"),
        told(5, "dead", code="skipped"),
    ]

    found = of_day(events, outcomes)

    assert found.came_in == Figure(orders=6, money={"EUR": Decimal("5.00"), "USD": Decimal("40.37")})
    assert found.ended[Where.DOCUMENT] == Figure(orders=1, money={"USD": Decimal("10.10")})
    assert found.ended[Where.CANCELLED].orders == 1
    assert found.ended[Where.GIVEN_UP].orders == 1
    assert found.closing[Where.REFUSED].money == {"USD": Decimal("20.20")}
    assert found.closing[Where.HELD].money == {"EUR": Decimal("5.00")}
    assert found.closing[Where.IN_FLIGHT].money == {"USD": Decimal("7.07")}
    assert [each.document_number for each in found.appendix[Where.DOCUMENT].entries] == ["ORD1"]
    assert found.balanced


def test_order_of_several_versions_counts_once_with_its_newest_total() -> None:
    events = [event(0, hours=-3, amount="10.00"), event(1, hours=2, amount="12.50")]
    outcomes = [told(0, "delivered", hours=1, number="ORD1"), told(1, "delivered", hours=3, code="updated")]

    found = of_day(events, outcomes)

    assert (found.opening, found.changed) == (
        Figure(orders=1, money={"USD": Decimal("10.00")}),
        Figure(money={"USD": Decimal("2.50")}),
    )
    assert found.ended[Where.DOCUMENT] == Figure(orders=1, money={"USD": Decimal("12.50")})
    assert found.appendix[Where.DOCUMENT].entries[0].document_number == "ORD1"


def test_given_up_order_that_is_tried_again_opens_again() -> None:
    events = [event(0, hours=-30)]
    outcomes = [told(0, "dead", hours=-20, code="skipped"), told(0, "delivered", hours=5, number="ORD1")]

    found = of_day(events, outcomes)

    assert (found.opening.orders, found.opened_again.orders, found.ended[Where.DOCUMENT].orders) == (0, 1, 1)
    assert found.balanced


def test_order_that_ended_before_and_was_left_alone_is_not_of_the_day() -> None:
    found = of_day([event(0, hours=-30)], [told(0, "delivered", hours=-20)])

    assert [found.opening.orders, found.opened_again.orders, total(found.ended).orders] == [0, 0, 0]


def test_appendix_is_limited_and_says_how_many_more() -> None:
    found = of_day([event(number, f"shop:{number}") for number in range(5)], [], limit=2)

    listed = found.appendix[Where.IN_FLIGHT]
    assert (len(listed.entries), listed.more) == (2, 3)
    assert "and 3 more: add `--limit 5`" in as_text(page(found))


offsets = st.integers(0, 5)
events_of_days = st.dictionaries(
    offsets,
    st.tuples(st.integers(0, 2), st.floats(-24, 71.9), st.integers(0, 100_000), st.sampled_from(["USD", "EUR"])),
).map(
    lambda drawn: [
        event(offset, f"shop:{key}", hours, str(Decimal(cents) / 100), currency)
        for offset, (key, hours, cents, currency) in drawn.items()
    ]
)
outcomes_of_days = st.lists(
    st.builds(
        told,
        offsets,
        st.sampled_from(["delivered", "parked", "unknown", "dead", "discarded", "superseded", "suppressed"]),
        hours=st.floats(-24, 71.9),
        cause=st.sampled_from(["refused", "backoff", ""]),
        code=st.sampled_from(["created", "voided", "skipped"]),
    ),
    max_size=12,
)


@settings(max_examples=50, deadline=None)
@given(events=events_of_days, outcomes=outcomes_of_days)
def test_consecutive_days_add_up(events: list[OrderEvent], outcomes: list[Told]) -> None:
    days = [of_day(events, outcomes, number) for number in range(3)]

    for one in days:
        assert one.difference.orders == 0
        assert not any(one.difference.money.values())
    for one, following in pairwise(days):
        closing = total(one.closing)
        assert closing.orders == following.opening.orders
        assert _without_zeros(closing) == _without_zeros(following.opening)
    # and what is told of later changes nothing of a day that is over
    known = [each for each in outcomes if each.at < days[0].until]
    first = of_day([each for each in events if each.at < days[0].until], known)
    assert msgspec.structs.replace(first, appendix={}) == msgspec.structs.replace(days[0], appendix={})


def _without_zeros(figure: Figure) -> dict[str, Decimal]:
    return {currency: amount for currency, amount in figure.money.items() if amount}


def test_order_the_store_lists_and_nobody_here_knows_is_said_first() -> None:
    lost = msgspec.structs.replace(of_day([], []), at_the_store=AtTheStore(listed=4, uncaptured=("shop:9",)))

    assert not lost.balanced
    assert "1 orders the store lists as changed are not known here." in as_text(page(lost))


def test_day_begins_where_the_deployments_clock_hangs() -> None:
    assert bounds(date(2026, 10, 25), "Europe/Vienna") == (
        datetime(2026, 10, 24, 22, tzinfo=UTC),
        datetime(2026, 10, 25, 23, tzinfo=UTC),
    )
    with pytest.raises(ConfigurationError, match="no time zone"):
        bounds(DAY, "Vienna")


def test_pdf_says_what_the_text_says_on_several_pages() -> None:
    events = [event(number, f"shop:{number} <b>", amount="1234.50") for number in range(120)]
    found = of_day(events, [told(number, "delivered", number=f"ORD{number}") for number in range(100)], limit=200)

    written = as_pdf(page(found))

    read = pypdf.PdfReader(io.BytesIO(written))
    told_there = "\n".join(each.extract_text() for each in read.pages)
    assert len(read.pages) > 2
    assert f"page {len(read.pages)}" in told_there
    for words in ("Statement of shop and erp", "123,450.00", "148,140.00", "shop:119 <b>", "ORD99", "difference"):
        assert words in told_there
    # every page repeats the columns of the table it goes on with
    assert all("told by" in each.extract_text() or "document" in each.extract_text() for each in read.pages)
    assert as_pdf(page(found)) == written


def test_order_with_a_document_is_told_by_its_number() -> None:
    found = of_day([event(0)], [told(0, "delivered", number="ORD1")])

    assert "ORD1 was created." in as_text(page(found))
