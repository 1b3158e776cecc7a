"""Rows of lookup tables set while processes run, on real Kafka and registry: at work everywhere, without a restart."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from confluent_kafka.cimpl import NewTopic

from bus import live_lookups, lookup_topic, metrics
from bus.codec import Codecs
from bus.headers import from_headers
from bus.live_lookups import LiveLookups, lookups_now
from bus.registry import MemoryRegistry, Registry
from bus.settings import Settings
from errors import ConfigurationError, MappingError, NotFoundError, RetryableError
from mapping.port import Lookups, Renamed, Unfit
from operations import lookups, topics
from operations.acting import By
from operations.offsets import admin_of
from schemas.topics import LOOKUPS, Topic
from streams.agents import Way
from tests.unit.streams.test_agents import decoded, event, route

TABLE = "numbers"
MOST_TESTS = 16
MARA = By(who="mara", why="the shop has a new number", at=datetime.now(UTC))


@pytest.fixture(scope="module")
def some_topics(without_books: Settings) -> Iterator[list[Topic]]:
    """Made and taken away all at once: one by one costs the broker more than most tests."""
    mark = uuid.uuid4().hex[:8]
    made = [msgspec.structs.replace(LOOKUPS, name=f"test-{mark}-{number}.lookups.v1") for number in range(MOST_TESTS)]
    admin = admin_of(without_books.kafka)
    topics.create(admin, [NewTopic(each.name, 1, 1, config=topics.settings_of(each, 1)) for each in made])
    try:
        yield list(made)
    finally:
        for future in admin.delete_topics([each.name for each in made]).values():
            future.result()


@pytest.fixture
def topic(without_books: Settings, some_topics: list[Topic], monkeypatch: pytest.MonkeyPatch) -> Topic:
    """One of the test's own for what is laid over."""
    topic = some_topics.pop()
    monkeypatch.setattr(lookup_topic, "LOOKUPS", topic)
    monkeypatch.setattr(lookups, "LOOKUPS", topic)
    # files are looked at so often that nobody waits for it; how often is no promise
    monkeypatch.setattr(live_lookups, "FILES_EVERY_S", 0.05)
    with closing(Registry(without_books.registry)) as registry:
        topics._register(registry, topic)
    return topic


@pytest.fixture
def given(without_books: Settings, topic: Topic, tmp_path: Path) -> Settings:
    """A deployment with a table."""
    (tmp_path / "lookups").mkdir()
    (tmp_path / "lookups" / f"{TABLE}.csv").write_text("key,value,note\n1002,A-1002,the second\n")
    return msgspec.structs.replace(without_books, folder=tmp_path)


@asynccontextmanager
async def followed(given: Settings) -> AsyncIterator[LiveLookups]:
    """As a process that maps has them."""
    with closing(Registry(given.registry)) as registry, LiveLookups(given, Codecs(registry)) as live:
        following = asyncio.create_task(live.follow())
        try:
            yield live
        finally:
            live.stop()
            await following


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)


def lay_over(given: Settings, key: str, value: str | None, until: datetime | None = None) -> None:
    lookups.lay_over(given, [lookups.row_by(TABLE, key, value, MARA, until)])


def taken_off(given: Settings, table: str, key: str) -> lookups.Drop:
    row = lookups.to_drop(given, table, key)
    lookups.drop(given, row)
    return row


async def test_a_row_that_is_set_is_at_work_everywhere_and_goes_into_its_file(given: Settings) -> None:
    codecs = Codecs(MemoryRegistry())
    async with AsyncExitStack() as stack:
        streams, consumers = [await stack.enter_async_context(followed(given)) for _ in range(2)]
        way, sink = Way(route(), codecs, streams, "1.2.3"), Renamed(consumers, TABLE, known_as="target")
        with pytest.raises(MappingError) as refused:
            way.go(event(codecs))
        assert (refused.value.facts["table"], refused.value.facts["key"]) == (TABLE, "1001")

        await asyncio.to_thread(lay_over, given, "1001", "A-1001")
        await eventually(lambda: streams.current().find(TABLE, "1001") is not None)
        await eventually(lambda: sink.current().find("target", "1001") is not None)

        (made,) = way.go(event(codecs))
        assert decoded(codecs, made).number == "A-1001"
        assert from_headers(made.headers).mapping.endswith(f".{consumers.current().digest}")
        (row,) = lookups.shown(given, TABLE, "1001")
        assert (row.value, row.file_says, row.who, row.why) == ("A-1001", None, "mara", MARA.why)
        before = streams.current()

        found = lookups.exported(given, TABLE)
        assert found.text == f"key,value,note\n1002,A-1002,the second\n1001,A-1001,{MARA.why}\n"
        lookups.write(given.folder / "lookups" / f"{TABLE}.csv", found.text)
        assert await asyncio.to_thread(lookups.settle, given, TABLE) == ("1001",)
        assert lookups.laid_over_now(given) == {}
        await streams.catch_up()
        # the file took over before the row was gone
        assert streams.current() is before
        assert (lookups_now(given).digest, way.go(event(codecs))) == (before.digest, [made])


async def test_what_was_set_before_a_command_is_at_work_when_it_is_carried_out(given: Settings) -> None:
    with closing(Registry(given.registry)) as registry, LiveLookups(given, Codecs(registry)) as live:
        for number in range(3):
            await asyncio.to_thread(lay_over, given, "1001", f"A-{number}")
        assert live.current().find(TABLE, "1001") is None
        (given.folder / "lookups" / "sites.csv").write_text("key,value\nnorth,NORTH\n")

        await live.catch_up()

        assert live.current().find(TABLE, "1001") == "A-2"
        assert live.current().find("sites", "north") == "NORTH"


class Patchy:
    """A registry that has our schema under another id than it is written with, and is away now and then."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.away = False

    def id_of(self, _subject: str, _schema: str) -> int:
        return 2**31 - 1

    def schema_of(self, schema_id: int) -> str | None:
        if self.away:
            raise RetryableError("registry_away", "it is away", retry_after_s=0.1)
        return self._registry.schema_of(schema_id)


@pytest.mark.parametrize("follows", [False, True])
async def test_a_row_that_cannot_be_read_while_the_registry_is_away_is_waited_for(
    given: Settings, follows: bool
) -> None:
    with closing(Registry(given.registry)) as registry, LiveLookups(given, Codecs(patchy := Patchy(registry))) as live:
        patchy.away = True
        following = asyncio.create_task(live.follow()) if follows else None
        await asyncio.to_thread(lay_over, given, "1001", "A-1001")
        await asyncio.to_thread(lay_over, given, "1001", "B-1001")
        for _ in range(2):
            with pytest.raises(RetryableError, match="it is away"):
                await live.catch_up()
        assert live.current().rows()[TABLE] == {"1002": "A-1002"}

        patchy.away = False
        if following is None:
            await live.catch_up()
        await eventually(lambda: live.current().find(TABLE, "1001") == "B-1001")

        if following is not None:
            live.stop()
            await following


async def test_a_file_that_is_being_written_is_not_taken_by_half(
    given: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # it must not rest for so long before the other half is there
    monkeypatch.setattr(live_lookups, "FILES_EVERY_S", 1.0)
    path = given.folder / "lookups" / f"{TABLE}.csv"
    with closing(Registry(given.registry)) as registry, LiveLookups(given, Codecs(registry)) as live:
        path.write_text("key,value\n1003,A")
        await asyncio.to_thread(lay_over, given, "1001", "A-1001")
        catching_up = asyncio.create_task(live.catch_up())
        await eventually(lambda: live.current().find(TABLE, "1001") is not None)
        assert live.current().find(TABLE, "1003") is None
        path.write_text("key,value\n1003,A-1003\n")

        await catching_up

        assert live.current().rows()[TABLE] == {"1001": "A-1001", "1003": "A-1003"}


async def test_a_row_for_a_time_ends_by_itself_and_one_taken_away_hides_the_files(given: Settings) -> None:
    async with followed(given) as live:
        ends = datetime.now(UTC) + timedelta(seconds=0.5)
        await asyncio.to_thread(lay_over, given, "1002", None, ends)
        await live.catch_up()
        assert live.current().find(TABLE, "1002") is None or datetime.now(UTC) > ends
        assert lookups.exported(given, TABLE).left_out in {("1002",), ()}

        await eventually(lambda: live.current().find(TABLE, "1002") == "A-1002")


async def test_a_bad_file_and_a_strangers_record_change_nothing_that_runs(given: Settings, topic: Topic) -> None:
    async with followed(given) as live:
        before = live.current()
        (given.folder / "lookups" / f"{TABLE}.csv").write_text("key;value\n1002;X\n")
        producer = Producer({"bootstrap.servers": given.kafka})
        producer.produce(topic.name, b"no Avro", f"{TABLE}/1002".encode())
        assert await asyncio.to_thread(producer.flush, 30) == 0
        await live.catch_up()

        assert live.current() is before
        with pytest.raises(ConfigurationError, match="columns are divided by commas"):
            lookups_now(given)

        (given.folder / "lookups" / f"{TABLE}.csv").write_text("key,value\n1002,mended\n")
        await eventually(lambda: live.current().find(TABLE, "1002") == "mended")


async def test_rows_nobody_can_map_by_are_put_aside_by_what_starts_and_what_runs(given: Settings, topic: Topic) -> None:
    def no_twins(tables: Lookups) -> list[Unfit]:
        keys = tables.keys_of(TABLE, "A-1002")
        return [Unfit(places=tuple((TABLE, key) for key in keys), why="twins")] if len(keys) > 1 else []

    def told(live: LiveLookups) -> list[tuple[str, str]]:
        return [(each.table, each.key) for each in live.aside]

    with closing(Registry(given.registry)) as registry:
        codecs = Codecs(registry)
        with LiveLookups(given, codecs, no_twins) as runs:
            await asyncio.to_thread(lay_over, given, "1001", "A-1001")
            await asyncio.to_thread(lay_over, given, "1001", "A-1002")
            claims = lookups.row_by(TABLE, "1003", "A-1003", MARA)
            producer = Producer({"bootstrap.servers": given.kafka})
            for key, value in (
                (f"{TABLE}/1004", b"no Avro"),
                ("connection:gp-two/site", codecs.of(topic).encode(claims)),
            ):
                producer.produce(topic.name, value, key.encode())
            assert await asyncio.to_thread(producer.flush, 30) == 0
            await runs.catch_up()

            with LiveLookups(given, codecs, no_twins) as starts:
                for live in (runs, starts):
                    assert live.current().rows()[TABLE] == {"1001": "A-1001", "1002": "A-1002"}
                    assert told(live) == [(TABLE, "1004"), ("connection:gp-two", "site"), (TABLE, "1001")]
            assert metrics.LOOKUP_ROWS_ASIDE.labels(table=TABLE)._value.get() == 2

            dropped = await asyncio.to_thread(taken_off, given, "connection:gp-two", "site")
            assert dropped.aside.why.startswith("it says it is row '1003'")
            await asyncio.to_thread(lay_over, given, "1004", "A-1004")
            await asyncio.to_thread(lay_over, given, "1001", "A-1009")
            await runs.catch_up()
            assert (told(runs), metrics.LOOKUP_ROWS_ASIDE.labels(table=TABLE)._value.get()) == ([], 0)
            assert runs.current().find(TABLE, "1001") == "A-1009"

            # what stood before a row that is dropped stands on, and not the file's
            producer.produce(topic.name, b"no Avro", f"{TABLE}/1001".encode())
            assert await asyncio.to_thread(producer.flush, 30) == 0
            await asyncio.to_thread(taken_off, given, TABLE, "1001")
            await runs.catch_up()
            assert (told(runs), runs.current().find(TABLE, "1001")) == ([], "A-1009")

            # a stranger's key need not be made as ours are
            producer.produce(topic.name, b"no Avro", b"1001")
            assert await asyncio.to_thread(producer.flush, 30) == 0
            await runs.catch_up()
            assert told(runs) == [("1001", "")]
            await asyncio.to_thread(taken_off, given, "1001", "")
            await runs.catch_up()
            assert told(runs) == []
    with pytest.raises(NotFoundError, match="there are: none"):
        await asyncio.to_thread(taken_off, given, TABLE, "1001")


def test_whoever_only_looks_says_nothing_of_his_own(given: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert lookups_now(given).find(TABLE, "1002") == "A-1002"

    # what a command prints may be JSON
    assert capsys.readouterr().out == ""
