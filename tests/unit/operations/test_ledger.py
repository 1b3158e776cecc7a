"""The ledger's arithmetic: everything without an end is where somebody knows of it, or it is the remainder."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from bus.secret import Secret
from bus.settings import Connection
from errors import ConfigurationError, RetryableError
from operations.ledger import (
    Ledger,
    Standing,
    balance,
    has_account,
    ledger,
    spooled,
    wait_for_projector,
    whole_hours,
)
from operations.projection.books import Books, DeliveryAccount, IntakeAccount, OpenDelivery, OpenRoot
from operations.projection.open_work import OpenReplay
from producers.gateway.spool_file import Record, SpoolFile
from schemas.bus.change import Change
from tests.doubles.deployment import deployment

HOUR = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOBODY = Standing(unread_from={}, open_roots=frozenset(), open_rows={}, announced=frozenset())
TOPIC = "clarity.changes.v1"


def root(offset: int, *, connection: str = "shop", carried_by: tuple[tuple[str, int, int], ...] = ()) -> OpenRoot:
    return OpenRoot(
        event=("changes-id", 0, offset),
        topic=TOPIC,
        hour=HOUR,
        root_key="shop:1",
        connection=connection,
        carried_by=carried_by,
    )


def delivery(offset: int) -> OpenDelivery:
    return OpenDelivery(
        event=("orders-id", 0, offset),
        topic="canonical.orders.v1",
        record="order",
        target="erp",
        hour=HOUR,
        root_key="shop:1",
    )


def books(*open_: OpenRoot | OpenDelivery, mapped: int = 0, delivered: int = 0) -> Books:
    roots = tuple(each for each in open_ if isinstance(each, OpenRoot))
    deliveries = tuple(each for each in open_ if isinstance(each, OpenDelivery))
    account = IntakeAccount(
        topic=TOPIC,
        hour=HOUR,
        accepted=mapped + len(roots),
        mapped=mapped,
        dead=0,
        merged=0,
        suppressed=0,
        filtered=0,
    )
    counts = {"delivered": delivered, "": len(deliveries)}
    return Books(
        intake=(account,),
        open_roots=roots,
        deliveries=tuple(
            DeliveryAccount(
                topic="canonical.orders.v1", record="order", target="erp", hour=HOUR, state=state, count=count
            )
            for state, count in counts.items()
        ),
        open_deliveries=deliveries,
        uncounted={},
    )


def balanced(found: Books, standing: Standing) -> Ledger:
    return balance(found, standing, since=HOUR, until=HOUR + timedelta(hours=1), as_of=HOUR)


def test_root_nobody_knows_of_is_the_remainder_and_is_named() -> None:
    ledger = balanced(books(root(7), mapped=3), NOBODY)

    assert not ledger.balanced
    assert (ledger.intake[0].accepted, ledger.intake[0].mapped, ledger.intake[0].remainder) == (4, 3, 1)
    assert [(each.topic, each.offset) for each in ledger.unaccounted] == [(TOPIC, 7)]


@pytest.mark.parametrize(
    "standing",
    [
        pytest.param(
            msgspec.structs.replace(NOBODY, unread_from={("changes-id", 0): [("shop", 7)]}), id="not read yet"
        ),
        pytest.param(msgspec.structs.replace(NOBODY, open_roots=frozenset({"changes-id/0/7"})), id="in a store"),
        pytest.param(
            msgspec.structs.replace(NOBODY, unread_from={("fetched-id", 2): [("", 40)]}), id="read, not mapped yet"
        ),
    ],
)
def test_root_somebody_knows_of_is_in_flight(standing: Standing) -> None:
    ledger = balanced(books(root(7, carried_by=(("fetched-id", 2, 41),))), standing)

    assert ledger.balanced
    assert (ledger.intake[0].in_flight, ledger.intake[0].remainder) == (1, 0)


def test_reader_of_another_connection_does_not_hold_a_root() -> None:
    standing = msgspec.structs.replace(NOBODY, unread_from={("changes-id", 0): [("other-shop", 0), ("shop", 8)]})

    ledger = balanced(books(root(7)), standing)

    assert ledger.intake[0].remainder == 1


@pytest.mark.parametrize(
    ("state", "cause", "column"),
    [
        ("ready", "", "in_flight"),
        ("sending", "", "in_flight"),
        ("unknown", "", "in_flight"),
        ("parked", "backoff", "parked"),
        ("parked", "person", "parked"),
        ("parked", "refused", "dead"),
    ],
)
def test_open_row_is_where_its_store_says(state: str, cause: str, column: str) -> None:
    standing = msgspec.structs.replace(NOBODY, open_rows={("erp", ("orders-id", 0, 9)): (state, cause)})

    ledger = balanced(books(delivery(9), delivered=2), standing)

    assert ledger.balanced
    assert getattr(ledger.delivery[0], column) == 1
    assert (ledger.delivery[0].taken_in, ledger.delivery[0].delivered) == (3, 2)


def test_settled_and_not_yet_announced_is_in_flight() -> None:
    standing = msgspec.structs.replace(NOBODY, announced=frozenset({("erp", ("orders-id", 0, 9))}))

    assert balanced(books(delivery(9)), standing).delivery[0].in_flight == 1


def test_canonical_record_nobody_knows_of_is_the_remainder() -> None:
    standing = msgspec.structs.replace(NOBODY, unread_from={("orders-id", 0): [("erp", 10)]})

    ledger = balanced(books(delivery(9)), standing)

    assert not ledger.balanced
    assert ledger.delivery_total.remainder == 1
    assert ledger.unaccounted[0].target == "erp"


def test_records_nobody_counted_are_an_alarm() -> None:
    ledger = balanced(msgspec.structs.replace(books(mapped=1), uncounted={TOPIC: 2}), NOBODY)

    assert not ledger.balanced


def test_every_line_adds_up() -> None:
    open_ = [root(offset) for offset in range(10)]
    standing = msgspec.structs.replace(NOBODY, unread_from={("changes-id", 0): [("shop", 4)]})

    line = balanced(books(*open_, mapped=90), standing).intake[0]

    ends = line.mapped + line.merged + line.filtered + line.suppressed + line.dead
    assert (line.in_flight, line.remainder) == (6, 4)
    assert line.accepted == ends + line.in_flight + line.remainder


def test_projector_that_is_behind_is_waited_for_and_then_named() -> None:
    reads = iter([{("id", 0): 3}, {("id", 0): 5}])

    wait_for_projector(lambda: next(reads), {("id", 0): 5}, within_s=5)

    with pytest.raises(RetryableError, match="2 records behind"):
        wait_for_projector(lambda: {("id", 0): 3}, {("id", 0): 5}, within_s=0)


@pytest.mark.parametrize("since", [HOUR + timedelta(hours=1), datetime(9000, 1, 1, tzinfo=UTC)])
def test_books_of_no_time_at_all_are_refused(since: datetime) -> None:
    with pytest.raises(ConfigurationError):
        ledger(cast("Any", None), since, HOUR if since.year < 9000 else since + timedelta(hours=1))


@pytest.mark.parametrize(
    ("since", "until", "hours"),
    [
        (HOUR, HOUR + timedelta(hours=1), (HOUR, HOUR + timedelta(hours=1))),
        (HOUR + timedelta(minutes=59), HOUR + timedelta(minutes=61), (HOUR, HOUR + timedelta(hours=2))),
    ],
)
def test_window_is_widened_to_whole_hours(since: datetime, until: datetime, hours: tuple[datetime, datetime]) -> None:
    assert whole_hours(since, until) == hours


def test_webhooks_in_the_gateways_spool_are_counted_as_in_flight(tmp_path: Path) -> None:
    accepted = Change(connection="shop", record="order", id="1", noticed_at=HOUR, cause="webhook")
    file = SpoolFile(tmp_path, "shop")
    file.append([Record(topic=TOPIC, key="shop:1", value=accepted, headers=())] * 3)
    # what can never be sent is not on its way
    file.refuse(file.first(1)[0].id, "too_large")
    file.close()

    lines = spooled(
        deployment(
            Connection(name="shop", system="clarity", store_dsn=Secret(""), spool=str(tmp_path)),
            Connection(name="other", system="clarity", store_dsn=Secret(""), spool=str(tmp_path)),
            Connection(name="none", system="clarity", store_dsn=Secret("")),
        )
    )

    assert [(line.connection, line.here, line.in_flight, line.refused) for line in lines] == [
        ("shop", True, 2, 1),
        # its gateway is elsewhere
        ("other", False, 0, 0),
    ]


def test_replay_whose_events_are_not_remembered_any_more_has_no_account() -> None:
    def begun(days: int) -> OpenReplay:
        return OpenReplay(
            id="r",
            connection="erp",
            begun_at=HOUR - timedelta(days=days),
            taken_in=3,
            following={},
            rows={},
            announced=frozenset(),
        )

    assert [has_account(begun(days), HOUR) for days in (0, 59, 60, 300)] == [True, True, False, False]
