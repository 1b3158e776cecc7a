"""Webhooks kept as dead letters, on an operator's command: read again, ended, answered."""

from datetime import UTC, datetime

import msgspec
import pytest

from bus.codec import Codecs
from bus.registry import MemoryRegistry
from delivery.acts import Answered
from errors import NotFoundError
from producers.gateway import written
from producers.gateway.letters import GatewayLetters
from producers.gateway.signatures import Verified
from producers.gateway.sources import Notice
from producers.gateway.written import Written
from schemas import topics
from schemas.bus.change import Change
from schemas.bus.command import Act, Command
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.outcome import Outcome
from tests.doubles.webhooks import BODY

NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)
VERIFIED = Verified(delivery_id="msg_1", signed_at_s=1_772_459_000, secret=0)
NOTICE = Notice(
    event="order.created", record="order", id="1001", changed_at=datetime(2026, 3, 2, 13, 59, 59, tzinfo=UTC)
)
COMMAND = Command(
    id="c-1",
    at=NOW,
    who="mara",
    why="the code reads it now",
    connection="clarity-main",
    queue="gateway",
    act=Act.REDRIVE,
    topic_id="letters",
    partition=3,
    offset=9,
)


class Bench:
    """One letter whose body is what a webhook could not be read as."""

    def __init__(self, body: bytes, connection: str = "clarity-main") -> None:
        self.written: list[Written] = []
        codec = Codecs(MemoryRegistry()).of(topics.DEAD_LETTERS)
        letter, _ = written.unreadable(connection, body, "application/json", VERIFIED, NOW, "no JSON", "1.2.3")
        assert isinstance(letter.record, DeadLetter)
        self.value = codec.encode(letter.record)
        self.letters = GatewayLetters("clarity", codec, self._read, self._write, lambda: NOW, lambda size: b"r" * size)

    def _read(self, topic_id: str, partition: int, offset: int) -> bytes:
        if (topic_id, partition, offset) != ("letters", 3, 9):
            raise NotFoundError("dead_letters.gone", "gone")
        return self.value

    async def _write(self, each: Written) -> None:
        self.written.append(each)

    async def ask(self, **changed: object) -> Answered:
        return await self.letters(msgspec.structs.replace(COMMAND, **changed))


async def test_webhook_that_can_be_read_now_goes_its_way_under_its_own_id() -> None:
    bench = Bench(BODY)

    answered = await bench.ask()

    (change,) = bench.written
    assert (change.topic, change.key) == (topics.CLARITY_CHANGES, "clarity-main:1001")
    assert isinstance(change.record, Change)
    assert change.record.delivery_id == "msg_1"
    again = written.change(
        "clarity-main",
        topics.CLARITY_CHANGES,
        NOTICE,
        VERIFIED,
        NOW,
        "trace",
    )
    assert dict(change.headers)["ce_id"] == dict(again.headers)["ce_id"], "a repeat of the webhook is the same event"
    (outcome,) = answered.outcomes
    assert (answered.code, answered.rows) == ("command.done", 1)
    assert (outcome.state, outcome.code, outcome.reference, outcome.who, outcome.why) == (
        "delivered",
        "gateway.read_after_all",
        "msg_1",
        "mara",
        "the code reads it now",
    )


async def test_event_nobody_completes_is_told_as_such() -> None:
    bench = Bench(BODY.replace(b"order.created", b"newsletter.sent"))

    assert (await bench.ask()).code == "command.done"

    (told,) = bench.written
    assert isinstance(told.record, Outcome)
    assert told.record.code == "gateway.unknown_event"


async def test_letter_that_cannot_be_read_itself_is_answered_and_stops_nobody() -> None:
    bench = Bench(BODY)
    bench.value = b"not a record of ours"

    answered = await bench.ask()

    assert (answered.code, answered.outcomes, bench.written) == ("command.failed_again", (), [])


@pytest.mark.parametrize("body", [b"{", b"[" * 100, b'{"type":1}'])
async def test_webhook_that_cannot_be_read_even_now_stays(body: bytes) -> None:
    bench = Bench(body)

    answered = await bench.ask()

    assert (answered.code, answered.rows, answered.outcomes) == ("command.failed_again", 0, ())
    assert bench.written == []


async def test_discarded_webhook_is_told_and_not_written() -> None:
    bench = Bench(b"{")

    answered = await bench.ask(act=Act.DISCARD)

    assert [(each.state, each.reference) for each in answered.outcomes] == [("discarded", "msg_1")]
    assert bench.written == []


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"offset": 10}, "dead_letters.gone"),
        ({"connection": "clarity-two"}, "command.nothing"),
        ({"act": Act.RELEASE}, "command.unknown"),
    ],
)
async def test_command_about_something_else_writes_nothing(changed: dict[str, object], code: str) -> None:
    bench = Bench(BODY)

    assert (await bench.ask(**changed)).code == code
    assert bench.written == []
