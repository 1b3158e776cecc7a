"""Who has not read what, told from ends and positions."""

import msgspec
import pytest

from operations.offsets import TopicPlaces
from operations.projection.queues import StoreStanding
from operations.projection.standing import Event
from operations.readers import Reader, Routed
from operations.unread import Log, lost, not_read, unread

STREAMS = Reader(process="streams", topic="shop.orders.v1", group="towpath.streams")
SINK = Reader(process="consumers@gp-two", topic="canonical.orders.v1", connection="gp-two", queue="consumers")
FETCHER = Reader(process="fetchers@shop", topic="shop.changes.v1", connection="shop", queue="fetchers")
LOG = Log(
    places={
        name: TopicPlaces(name=name, topic_id=f"id of {name}", partitions=2) for name in (STREAMS.topic, SINK.topic)
    },
    starts={(name, number): 3 for name in (STREAMS.topic, SINK.topic) for number in (0, 1)},
    ends={(name, number): 10 for name in (STREAMS.topic, SINK.topic) for number in (0, 1)},
    committed={"towpath.streams": {("shop.orders.v1", 0): 10, ("shop.orders.v1", 1): 6}},
)
STORE = StoreStanding(connection="gp-two", positions={("consumers", "id of canonical.orders.v1", 0): 9}, pauses=())
WAY = Routed(topic="canonical.orders.v1", record="order", owner="shop", target="gp-two")


def event(topic: str, offset: int, *, partition: int = 0, connection: str = "") -> Event:
    return Event(
        topic=topic,
        topic_id=f"id of {topic}",
        partition=partition,
        offset=offset,
        root_key="shop:1",
        connection=connection,
    )


def test_what_is_unread_is_counted_from_where_each_goes_on() -> None:
    found = unread([STREAMS, SINK, FETCHER], LOG, {"gp-two": STORE})

    assert [(each.process, each.count, dict(each.following)) for each in found] == [
        ("streams", 4, {("id of shop.orders.v1", 1): 6}),
        # never read there: it begins at the first that is kept
        ("consumers@gp-two", 8, {("id of canonical.orders.v1", 0): 9, ("id of canonical.orders.v1", 1): 3}),
    ]


def test_reader_whose_store_is_silent_is_left_out() -> None:
    assert [each.process for each in unread([STREAMS, SINK], LOG, {})] == ["streams"]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (event("canonical.orders.v1", 8), []),
        (event("canonical.orders.v1", 9), [("consumers@gp-two", 0)]),
        (event("canonical.orders.v1", 5, partition=1), [("consumers@gp-two", 5)]),
        (event("shop.orders.v1", 8, partition=1), [("streams", 2)]),
        (event("shop.changes.v1", 4, connection="shop"), [("fetchers@shop", 4)]),
        (event("shop.changes.v1", 4, connection="shop-two"), []),
    ],
)
def test_event_is_not_read_by_those_who_stand_before_it(told: Event, expected: list[tuple[str, int]]) -> None:
    stores = {"gp-two": STORE, "shop": StoreStanding(connection="shop", positions={}, pauses=())}

    found = not_read([told], [STREAMS, SINK, FETCHER], [WAY], LOG.committed, stores)

    assert [(each.process, each.before) for each in found] == expected


def test_record_that_goes_elsewhere_is_nobodys_to_read() -> None:
    elsewhere = Routed(topic=WAY.topic, record=WAY.record, owner="shop", target="another")

    assert not_read([event(SINK.topic, 9)], [SINK], [elsewhere], {}, {"gp-two": STORE}) == ()


def test_events_deleted_before_they_were_read_are_lost_to_who_had_begun() -> None:
    log = msgspec.structs.replace(LOG, starts={**LOG.starts, ("shop.orders.v1", 1): 8, ("canonical.orders.v1", 0): 10})

    found = lost([STREAMS, SINK, FETCHER], log, {"gp-two": STORE})

    # gp-two never read partition 1, whose first record is at 3: it lost nothing
    assert [(each.process, each.topic, each.partition, each.offset, each.count) for each in found] == [
        ("streams", "shop.orders.v1", 1, 6, 2),
        ("consumers@gp-two", "canonical.orders.v1", 0, 9, 1),
    ]
