"""What a poller announces, when its cursor moves, and what it does when something is away."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from bus.events import Headers
from bus.headers import from_headers
from bus.topic_ends import TopicEnds
from delivery.edges import CursorLease
from errors import DecodeError, FatalError, RetryableError
from producers.pollers import rounds
from producers.pollers.pace import keep_polling, pause_after, until_possible
from producers.pollers.rounds import Beat, Listed, Poller, Reading
from schemas import topics
from schemas.bus.change import Change

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Shop:
    """Orders with the moment of their last change."""

    def __init__(self) -> None:
        self.orders: dict[str, float] = {}
        self.asked: list[datetime] = []
        self.breaks_after: int | None = None

    async def changed_since(self, moment: datetime) -> AsyncIterator[Listed]:
        self.asked.append(moment)
        changed = sorted((seconds, number) for number, seconds in self.orders.items() if at(seconds) >= moment)
        for count, (seconds, number) in enumerate(changed):
            if count == self.breaks_after:
                raise RetryableError("clarity.away", "away")
            yield Listed(id=number, changed_at=at(seconds), source_version=int(seconds * 10))


class Kafka:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.headers: list[Headers] = []
        self.keys: list[str] = []
        self.away = False

    async def publish(self, topic_name: str, key: str, value: msgspec.Struct | None, headers: Headers = ()) -> object:
        assert topic_name == "clarity.changes.v1"
        assert isinstance(value, Change)
        if self.away:
            raise RetryableError("broker_away", "away")
        self.changes.append(value)
        self.keys.append(key)
        self.headers.append(headers)
        return None

    @property
    def ids(self) -> list[str]:
        return [change.id for change in self.changes]


class Topic:
    """Where the changes lie; partition 0 holds all of them."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.topic_id = "first"
        self.begins_at = 0
        self.taken = 0

    async def look(self) -> TopicEnds:
        end = len(self.kafka.changes) - self.begins_at
        return TopicEnds(topic_id=self.topic_id, ends={0: end} if end else {})

    async def taken_in(self, topic_id: str) -> Mapping[int, int]:
        return {0: self.taken} if topic_id == self.topic_id and self.taken else {}

    def take_in(self) -> None:
        self.taken = len(self.kafka.changes) - self.begins_at

    def make_anew(self) -> None:
        self.topic_id, self.taken, self.begins_at = "second", 0, len(self.kafka.changes)


class Cursor:
    """One cursor, leased to one owner at a time."""

    def __init__(self) -> None:
        self.value = ""
        self.owner: str | None = None
        self.epoch = 0

    async def lease_cursor(self, name: str, owner: str, lease_s: float) -> CursorLease | None:  # noqa: ARG002 - a port
        if self.owner not in {None, owner}:
            return None
        self.owner, self.epoch = owner, self.epoch + 1
        return CursorLease(name=name, owner=owner, epoch=self.epoch, cursor=self.value)

    async def advance_cursor(self, lease: CursorLease, cursor: str, lease_s: float) -> bool:  # noqa: ARG002 - a port
        if (lease.owner, lease.epoch) != (self.owner, self.epoch):
            return False
        self.value = cursor
        return True

    async def release_cursor(self, lease: CursorLease) -> None:
        if lease.owner == self.owner:
            self.owner = None


class Read:
    """What the fetchers have read."""

    def __init__(self) -> None:
        self.by_key: dict[str, int] = {}

    async def versions(self, record: str, keys: Sequence[str]) -> Mapping[str, int]:
        assert record == "order"
        return {key: version for key, version in self.by_key.items() if key in keys}


class Bench:
    """A shop, a broker, a cursor, and pollers over them."""

    def __init__(self) -> None:
        self.shop, self.kafka, self.cursor = Shop(), Kafka(), Cursor()
        self.topic = Topic(self.kafka)
        self.read = Read()
        self.now = at(1000)

    @property
    def reached(self) -> datetime:
        return msgspec.json.decode(self.cursor.value, type=Reading).reached

    def poller(self, owner: str = "one") -> Poller:
        beat = Beat(
            connection="clarity-main",
            record="order",
            target=topics.CLARITY_CHANGES,
            overlap=timedelta(seconds=60),
            start=at(-100),
            lease_s=30,
        )
        return Poller(
            beat,
            self.shop,
            self.kafka,
            self.cursor,
            self.topic,
            self.read,
            owner=owner,
            clock=lambda: self.now,
            randomness=lambda n: b"\1" * n,
        )


async def test_the_first_round_begins_at_the_start_and_announces_thin_changes() -> None:
    bench = Bench()
    bench.shop.orders = {"1": -150.0, "2": -200.0, "3": 5.5}

    assert await bench.poller().round() == 2
    assert bench.shop.asked == [at(-190)]
    assert bench.kafka.ids == ["1", "3"]
    assert bench.kafka.keys == ["clarity-main:1", "clarity-main:3"]
    change = bench.kafka.changes[1]
    assert (change.cause, change.source_version, change.changed_at) == ("poll", 55, at(5.5))
    assert from_headers(bench.kafka.headers[1]).ce_source == "/pollers/clarity-main"


async def test_the_cursor_is_the_latest_change_and_the_next_round_looks_back_behind_it() -> None:
    bench = Bench()
    bench.shop.orders = {"1": 10, "2": 20}
    poller = bench.poller()
    await poller.round()

    assert bench.reached == at(20)
    await poller.round()
    assert bench.shop.asked[-1] == at(14), "the overlap was looked at just now"
    bench.now += timedelta(seconds=15)
    await poller.round()
    assert bench.shop.asked[-1] == at(-70)
    bench.now -= timedelta(hours=1)
    await poller.round()
    assert bench.shop.asked[-1] == at(-70), "a clock that was set back does not end whole looks"


async def test_what_was_read_as_it_is_listed_is_not_announced() -> None:
    bench = Bench()
    bench.shop.orders = {"1": 10.0001, "2": 20.0001, "3": 30, "4": 40.5}
    bench.read.by_key = {"clarity-main:1": 100, "clarity-main:2": 199, "clarity-main:4": 405, "clarity-main:9": 300}

    assert await bench.poller().round() == 3
    assert bench.kafka.ids == ["2", "3", "4"], "of two changes in one millisecond one was read"
    assert bench.reached == at(40.5)


async def test_another_poller_that_takes_over_looks_at_all_of_the_overlap() -> None:
    bench = Bench()
    bench.shop.orders = {"1": 10}
    first, second = bench.poller("one"), bench.poller("two")
    await first.round()
    bench.cursor.owner = "two"
    assert await first.round() is None
    await second.round()
    bench.cursor.owner = "one"

    await first.round()

    assert bench.shop.asked[1:] == [at(-80), at(-80)]


async def test_what_was_announced_is_not_announced_again_unless_it_changed() -> None:
    bench = Bench()
    bench.shop.orders = {"1": 10, "2": 20}
    poller = bench.poller()
    await poller.round()
    bench.shop.orders["1"] = 30

    assert await poller.round() == 1
    assert await poller.round() == 0
    assert bench.kafka.ids == ["1", "2", "1"]


async def test_a_change_committed_later_than_it_is_stamped_is_found_by_the_next_whole_look() -> None:
    bench = Bench()
    bench.shop.orders = {"2": 100}
    poller = bench.poller()
    await poller.round()
    bench.shop.orders["1"] = 55

    found = []
    for _ in range(4):
        bench.now += timedelta(seconds=5)
        found.append(await poller.round())

    assert found == [0, 0, 1, 0]


async def test_the_same_change_has_the_same_identity_whoever_announces_it() -> None:
    bench = Bench()
    bench.shop.orders = {"1": 10}
    first = bench.poller("one")
    await first.round()
    await first.leave()
    await bench.poller("two").round()

    assert len({from_headers(headers).ce_id for headers in bench.kafka.headers}) == 1


async def test_the_cursor_stays_while_the_broker_is_away() -> None:
    bench = Bench()
    bench.shop.orders = {"1": 10}
    bench.kafka.away = True
    poller = bench.poller()

    with pytest.raises(RetryableError):
        await poller.round()

    assert bench.cursor.value == ""
    bench.kafka.away = False
    assert await poller.round() == 1


async def test_a_store_that_goes_away_in_the_middle_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "BATCH", 2)
    bench = Bench()
    bench.shop.orders = {str(number): float(number) for number in range(7)}
    bench.shop.breaks_after = 5
    poller = bench.poller()
    with pytest.raises(RetryableError):
        await poller.round()
    assert bench.reached == at(3)
    bench.shop.breaks_after = None

    await poller.round()

    assert sorted(bench.kafka.ids) == [str(number) for number in range(7)]


async def test_two_pollers_do_not_both_poll() -> None:
    bench = Bench()
    one, two = bench.poller("one"), bench.poller("two")
    await one.round()

    assert await two.round() is None
    assert len(bench.shop.asked) == 1
    await one.leave()
    assert await two.round() == 0


async def test_a_poller_whose_cursor_was_taken_stops_its_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "BATCH", 1)
    bench = Bench()
    bench.shop.orders = {"1": 1, "2": 2}
    poller = bench.poller()
    taken = bench.kafka.publish

    async def publish_and_lose(
        topic_name: str, key: str, value: msgspec.Struct | None, headers: Headers = ()
    ) -> object:
        bench.cursor.owner, bench.cursor.epoch = "two", 99
        return await taken(topic_name, key, value, headers)

    monkeypatch.setattr(bench.kafka, "publish", publish_and_lose)

    assert await poller.round() is None
    assert bench.kafka.ids == ["1"]


async def test_an_order_stamped_in_the_future_does_not_carry_the_cursor_there() -> None:
    bench = Bench()
    bench.shop.orders = {"1": 10, "2": 10**6}
    poller = bench.poller()
    await poller.round()
    bench.shop.orders["3"] = 1005
    bench.now = at(1010)

    assert await poller.round() == 1
    assert bench.kafka.ids == ["1", "2", "3"]


async def test_what_a_topic_made_anew_held_and_nobody_took_in_is_announced_again_and_no_more() -> None:
    bench = Bench()
    poller = bench.poller()
    bench.shop.orders = {"0": 5, "1": 100}
    await poller.round()
    bench.topic.take_in()
    bench.shop.orders["2"] = 300
    await poller.round()
    # nobody takes in what comes from here on
    for number, seconds in (("3", 500.0), ("4", 700.0), ("5", 900.0)):
        bench.shop.orders[number] = seconds
        await poller.round()

    bench.topic.make_anew()

    assert await poller.round() == 5
    # the overlap behind what was taken in reaches the first one of it
    assert bench.kafka.ids[6:] == ["1", "2", "3", "4", "5"]
    assert await poller.round() == 0


async def test_topic_made_anew_while_no_poller_ran_is_noticed_by_the_next() -> None:
    bench = Bench()
    first = bench.poller("one")
    bench.shop.orders = {"1": 100, "2": 900}
    await first.round()
    await first.leave()
    bench.topic.make_anew()

    assert await bench.poller("two").round() == 2


async def test_cursor_of_before_is_read_on_from() -> None:
    bench = Bench()
    bench.shop.orders = {"1": 100, "2": 900}
    bench.cursor.value = at(800).isoformat()

    assert await bench.poller().round() == 1


async def test_nothing_is_announced_where_no_topic_is() -> None:
    bench = Bench()
    bench.shop.orders = {"1": 100}

    async def gone() -> TopicEnds:
        raise RetryableError("broker_away", "no such topic")

    bench.topic.look = gone  # type: ignore[method-assign]

    with pytest.raises(RetryableError):
        await bench.poller().round()
    assert (bench.shop.asked, bench.cursor.value) == ([], "")


# Pace


class Script:
    """Rounds that end as written; tells to stop after the last."""

    def __init__(self, stop: asyncio.Event, *ends: int | Exception | None) -> None:
        self.ends = list(ends)
        self.stop = stop
        self.left = False

    async def round(self) -> int | None:
        end = self.ends.pop(0)
        if not self.ends:
            self.stop.set()
        if isinstance(end, Exception):
            raise end
        return end

    async def leave(self) -> None:
        self.left = True


async def test_a_store_that_is_away_or_unreadable_is_asked_again() -> None:
    stop = asyncio.Event()
    script = Script(stop, RetryableError("clarity.away", ""), DecodeError("odd"), None, 3)

    await keep_polling(script, "clarity-main", 0.001, stop)

    assert script.ends == []
    assert script.left


async def test_credentials_nobody_accepts_end_the_poller() -> None:
    stop = asyncio.Event()

    with pytest.raises(FatalError):
        await keep_polling(Script(stop, FatalError("clarity.credentials", ""), 1), "clarity-main", 0.001, stop)


async def test_a_round_that_hangs_is_cut_off_when_told_to_stop() -> None:
    stop = asyncio.Event()

    class Hangs(Script):
        async def round(self) -> int | None:
            self.stop.set()
            await asyncio.Event().wait()
            return None

    script = Hangs(stop, 1)
    await asyncio.wait_for(keep_polling(script, "clarity-main", 0.001, stop), 5)

    assert script.left


def test_pauses_grow_with_failures_and_honour_what_the_store_asks_for() -> None:
    assert [pause_after(failures, 5, None) for failures in (1, 2, 3, 4, 9)] == [10, 20, 40, 60, 60]
    assert pause_after(1, 5, 90.0) == 90
    assert pause_after(3, 300, None) == 300


async def test_what_is_not_possible_yet_is_tried_again_until_told_to_stop() -> None:
    stop = asyncio.Event()
    tries: list[int] = []

    async def away() -> None:
        tries.append(1)
        stop.set()
        raise RetryableError("broker_away", "")

    assert not await until_possible(away, stop, "topics")
    assert tries == [1]
