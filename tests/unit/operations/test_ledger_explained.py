"""What is behind the ledger's numbers: named, oldest first, with what would move it, and limited."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from operations.ledger import Explained, Standing
from operations.ledger_explained import explained
from operations.projection.books import Books, OpenDelivery, OpenRoot
from operations.readers import Reader

HOUR = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOBODY = Standing(unread_from={}, open_roots=frozenset(), open_rows={}, announced=frozenset())
EVENT = ("orders-id", 0, 9)
READERS = [
    Reader(process="streams", topic="clarity.changes.v1", group="towpath.streams"),
    Reader(process="consumers@erp", topic="canonical.orders.v1", connection="erp", queue="consumers"),
]


def delivery(offset: int = 9, code: str = "", minutes: int = 0) -> OpenDelivery:
    return OpenDelivery(
        event=("orders-id", 0, offset),
        topic="canonical.orders.v1",
        record="order",
        target="erp",
        hour=HOUR,
        root_key="shop:1",
        since=HOUR + timedelta(minutes=minutes),
        code=code,
        values={"number": "90023"} if code else {},
    )


def root() -> OpenRoot:
    return OpenRoot(
        event=("changes-id", 0, 7),
        topic="clarity.changes.v1",
        hour=HOUR,
        root_key="shop:1",
        connection="shop",
        carried_by=(),
        arrived_at=HOUR,
    )


def of(*open_: OpenDelivery | OpenRoot, standing: Standing = NOBODY, limit: int = 10) -> tuple[Explained, ...]:
    found = Books(
        intake=(),
        open_roots=tuple(each for each in open_ if isinstance(each, OpenRoot)),
        deliveries=(),
        open_deliveries=tuple(each for each in open_ if isinstance(each, OpenDelivery)),
        uncounted={},
    )
    return explained(found, standing, (), READERS, limit)


@pytest.mark.parametrize(
    ("standing", "code", "column", "stands", "to_do"),
    [
        (NOBODY, "", "remainder", "nobody knows of it", "`towpath trace shop:1` tells what"),
        (
            msgspec.structs.replace(NOBODY, open_rows={("erp", EVENT): ("parked", "refused")}),
            *(
                "gp.90023",
                "dead",
                "parked for refused",
                "`towpath dead-letters list --connection erp --code gp.90023`.",
            ),
        ),
        (
            msgspec.structs.replace(NOBODY, open_rows={("erp", EVENT): ("parked", "dependency")}),
            *("waits", "parked", "parked for dependency", "`towpath explain shop:1`."),
        ),
        (
            msgspec.structs.replace(
                NOBODY, open_rows={("erp", EVENT): ("ready", "")}, held=frozenset({("erp", EVENT)})
            ),
            *("", "in_flight", "ready behind another", "`towpath explain shop:1`."),
        ),
        (
            msgspec.structs.replace(NOBODY, announced=frozenset({("erp", EVENT)})),
            *("", "in_flight", "settled, not announced yet", "Nothing to do."),
        ),
        (
            msgspec.structs.replace(NOBODY, unread_from={("orders-id", 0): [("erp", 9)]}),
            *("", "in_flight", "not read by consumers@erp yet", "Nothing to do if consumers@erp runs"),
        ),
    ],
)
def test_event_says_where_it_stands_and_what_would_move_it(
    standing: Standing, code: str, column: str, stands: str, to_do: str
) -> None:
    (found,) = of(delivery(code=code), standing=standing)

    assert (found.book, found.column, found.of, found.target, found.count) == ("delivery", column, "order", "erp", 1)
    assert found.events[0].stands == stands
    assert to_do in found.events[0].to_do


def test_source_event_names_the_process_that_has_not_read_it() -> None:
    standing = msgspec.structs.replace(NOBODY, unread_from={("changes-id", 0): [("", 0)]})

    (found,) = of(root(), standing=standing)

    assert (found.book, found.column, found.events[0].stands) == ("intake", "in_flight", "not read by streams yet")


def test_oldest_are_named_worst_numbers_first_and_the_rest_is_counted() -> None:
    waiting = [delivery(offset, minutes=-offset) for offset in range(5)]
    standing = msgspec.structs.replace(NOBODY, unread_from={("orders-id", 0): [("erp", 0)]})

    lost, in_flight = of(*waiting, root(), standing=standing, limit=2)

    assert (lost.column, lost.count) == ("remainder", 1)
    assert ([each.offset for each in in_flight.events], in_flight.count, in_flight.more) == ([4, 3], 5, 3)
