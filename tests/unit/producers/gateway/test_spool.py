"""While Kafka is away webhooks are taken all the same, and reach it in their order when it is back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from bus.events import Headers
from errors import FatalError, RejectedError, RetryableError
from producers.gateway import spool as spool_module
from producers.gateway.spool import Spool, Spooling
from producers.gateway.spool_file import SpoolFile
from schemas.bus.change import Change
from tests.doubles.webhooks import Bench as WebhookBench
from tests.doubles.webhooks import FakeKafka
from tests.unit.producers.gateway.test_spool_file import change

MOST_BYTES = 100_000


class Bench:
    """A spool before a Kafka that can go away."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.kafka = FakeKafka()
        self.spool = Spool(SpoolFile(folder, "clarity-main"), "clarity-main", most_bytes)
        self.gateway = Spooling(self.kafka, {"clarity-main": self.spool})

    async def take(self, number: int, document: int = 1001) -> object:
        record = change(number, document)
        return await self.gateway.publish(record.topic, record.key, record.value, record.headers)

    @property
    def arrived(self) -> list[str]:
        return [each.delivery_id for each in self.kafka.changes]

    @contextlib.asynccontextmanager
    async def draining(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.spool.drain(self.kafka))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until_empty(self) -> None:
        async with asyncio.timeout(10):
            while not self.spool.is_empty:
                await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "PATIENCE_S", 0.05)
    monkeypatch.setattr(spool_module, "FIRST_PAUSE_S", 0.01)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.spool.close()


async def test_what_came_while_kafka_was_away_arrives_in_order_before_what_came_later(bench: Bench) -> None:
    await bench.take(0)
    bench.kafka.go_away()
    for number in range(1, 6):
        await bench.take(number)
    assert not bench.spool.is_empty

    bench.kafka.fails_with = None
    # Kafka is back, and the spool not empty: it goes behind
    await bench.take(6)
    assert bench.arrived == ["msg_0"]
    async with bench.draining():
        await bench.until_empty()
    await bench.take(7)

    assert bench.arrived == [f"msg_{number}" for number in range(8)]
    assert bench.kafka.published[3][3] == {"ce_id": b"ce-3"}


async def test_kafka_that_only_is_slow_is_not_waited_for(bench: Bench) -> None:
    bench.kafka.gate.clear()

    async with asyncio.timeout(2):
        await bench.take(1)

    assert not bench.spool.is_empty


async def test_many_at_once_are_kept_in_the_order_they_came(bench: Bench) -> None:
    bench.kafka.go_away()
    await bench.take(0)
    await asyncio.gather(*(bench.take(number) for number in range(1, 200)))
    bench.kafka.fails_with = None
    async with bench.draining():
        await bench.until_empty()

    assert bench.arrived == [f"msg_{number}" for number in range(200)]


async def test_key_that_fails_holds_back_its_own_and_no_other(bench: Bench) -> None:
    bench.kafka.go_away()
    for number in range(6):
        await bench.take(number, document=number % 2)
    real = bench.kafka.publish

    async def fails_once(topic: str, key: str, value: msgspec.Struct | None, headers: Headers = ()) -> object:
        if isinstance(value, Change) and value.delivery_id == "msg_2" and not failed:
            failed.append(value.delivery_id)
            raise RetryableError("broker_away", "no answer")
        return await real(topic, key, value, headers)

    failed: list[str] = []
    bench.kafka.fails_with = None
    bench.kafka.publish = fails_once  # type: ignore[assignment,method-assign]
    async with bench.draining():
        await bench.until_empty()

    assert [each for each in bench.arrived if int(each[4:]) % 2 == 0] == ["msg_0", "msg_2", "msg_4"]
    assert [each for each in bench.arrived if int(each[4:]) % 2 == 1] == ["msg_1", "msg_3", "msg_5"]
    assert failed == ["msg_2"]


async def test_next_process_goes_on_with_what_the_last_one_kept(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    first.kafka.go_away()
    await first.take(1)
    await first.spool.close()

    second = Bench(tmp_path)
    await second.take(2)
    assert second.arrived == []
    async with second.draining():
        await second.until_empty()

    assert second.arrived == ["msg_1", "msg_2"]
    await second.spool.close()


async def test_full_spool_takes_no_more_until_it_has_drained(tmp_path: Path) -> None:
    bench = Bench(tmp_path, most_bytes=1000)
    bench.kafka.go_away()
    taken = await asyncio.gather(*(bench.take(number) for number in range(100)), return_exceptions=True)
    refused = [each for each in taken if isinstance(each, RetryableError)]
    assert 0 < len(refused) < 100
    assert {each.code for each in refused} == {"gateway.spool_full"}
    assert not bench.gateway.takes(["clarity-main", "without"])

    bench.kafka.fails_with = None
    async with bench.draining():
        await bench.until_empty()
    await bench.take(100)

    assert bench.arrived[-1] == "msg_100"
    assert len(bench.arrived) == 101 - len(refused)
    await bench.spool.close()


async def test_what_can_never_be_sent_is_set_aside_and_stops_nobody(bench: Bench) -> None:
    bench.kafka.go_away()
    await bench.take(1)
    await bench.take(2)
    bench.kafka.fails_with = RejectedError("too_large", "too large")
    async with bench.draining():
        await bench.until_empty()

    bench.kafka.fails_with = None
    await bench.take(3)

    assert bench.arrived == ["msg_3"]


async def test_what_nothing_can_mend_ends_the_drain_and_loses_nothing(bench: Bench) -> None:
    bench.kafka.go_away()
    await bench.take(1)
    bench.kafka.fails_with = FatalError("cannot_produce", "fenced")

    with pytest.raises(FatalError):
        await asyncio.wait_for(bench.spool.drain(bench.kafka), 5)

    assert not bench.spool.is_empty


async def test_what_the_disk_did_not_take_does_not_wait_even_where_its_sender_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise RetryableError("gateway.spool_away", "no room")

    monkeypatch.setattr(SpoolFile, "append", no_room)
    bench.kafka.go_away()
    with pytest.raises(RetryableError, match="no room"):
        await bench.take(1)
    leaving = asyncio.create_task(bench.take(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    async with asyncio.timeout(10):
        while not bench.spool.is_empty:
            await asyncio.sleep(0.005)

    bench.kafka.fails_with = None
    await bench.take(3)
    assert bench.arrived == ["msg_3"]


async def test_without_a_spool_kafka_alone_answers(bench: Bench) -> None:
    gateway = Spooling(bench.kafka, {})
    bench.kafka.go_away()
    record = change(1)

    with pytest.raises(RetryableError):
        await gateway.publish(record.topic, record.key, record.value, record.headers)
    assert not gateway.takes(["clarity-main"])


async def test_sender_is_told_202_from_the_disk_and_its_repeat_is_known(tmp_path: Path) -> None:
    spool = Spool(SpoolFile(tmp_path, "clarity-main"), "clarity-main", MOST_BYTES)
    bench = WebhookBench(before=lambda kafka: Spooling(kafka, {"clarity-main": spool}))
    bench.kafka.go_away()

    first = await bench.post()
    repeat = await bench.post()
    unreadable = await bench.post(b"{", delivery_id="msg_2")

    assert (first.status_code, first.json()) == (202, {"status": "accepted"})
    assert (repeat.status_code, repeat.json()) == (202, {"status": "duplicate"})
    assert unreadable.status_code == 400
    bench.kafka.fails_with = None
    draining = asyncio.create_task(spool.drain(bench.kafka))
    async with asyncio.timeout(10):
        while not spool.is_empty:
            await asyncio.sleep(0.005)
    draining.cancel()
    assert [each.delivery_id for each in bench.kafka.changes] == ["msg_1"]
    assert [each.code for each in bench.kafka.dead_letters] == ["gateway.malformed"]
    assert len(bench.kafka.outcomes) == 1
    await spool.close()
    await bench.http.aclose()
