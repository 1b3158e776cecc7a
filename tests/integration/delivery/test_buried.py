"""Dead letters of events that nobody could read at take-in: read again on command, or ended."""

import msgspec
import pytest

from bus.codec import Codecs
from bus.dead_letters import dead_letter
from bus.events import Incoming
from bus.registry import MemoryRegistry
from delivery.acts import Acts
from delivery.buried import BuriedLetters
from delivery.ports import Arrival
from delivery.store import Store
from errors import DecodeError, NotFoundError
from schemas.bus.command import Act, Command
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.outcome import Outcome
from schemas.topics import COMMANDS, DEAD_LETTERS
from tests.integration.delivery.rows import (
    QUEUE,
    TOPIC,
    TOPIC_ID,
    arrival,
    assert_sound,
    command,
    history,
    look,
    outcomes,
    take_in,
)

CODEC = Codecs(MemoryRegistry()).of(DEAD_LETTERS)


class Desk:
    """One letter where it lies, and a take-in that can read its event by now, or not."""

    def __init__(self, store: Store, key: bytes = b"s:1") -> None:
        event = Incoming(topic=TOPIC, topic_id=TOPIC_ID, partition=0, offset=1, timestamp_ms=0, key=key, value=b"avro")
        error = DecodeError("not an order")
        said = {"stage": QUEUE, "at": event.at, "record": "order", "connection": store.connection}
        self.letter: DeadLetter = dead_letter(event, error, **said)  # type: ignore[arg-type]  # as given
        self.reads: Arrival | None = arrival(1, "s:1")
        self.letters = BuriedLetters(QUEUE, CODEC, self._letter, {TOPIC: self._event})
        self.acts = Acts(store, QUEUE, COMMANDS.name, buried=self.letters)

    def _letter(self, topic_id: str, partition: int, offset: int) -> bytes:
        if (topic_id, partition, offset) != ("letters", 3, 9):
            raise NotFoundError("dead_letters.gone", "gone")
        return CODEC.encode(self.letter)

    def _event(self, event: Incoming) -> Arrival | None:
        assert (event.key, event.value, event.offset) == (self.letter.key, b"avro", 1)
        if self.reads is None:
            raise DecodeError("still not an order")
        return self.reads

    async def ask(self, act: Act, store: Store, *, id_: str = "c-1", **more: object) -> None:
        named = {"topic": DEAD_LETTERS.name, "topic_id": "letters", "partition": 3, "offset": 9, "cause": "refused"}
        asked: Command = command(act, id_=id_, **(named | more))
        await self.acts.carry_out(msgspec.structs.replace(asked, connection=store.connection))


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


def answers(dsn: str, store: Store) -> list[tuple[str, str]]:
    return [(one.code, one.values["rows"]) for one in outcomes(dsn, store.connection) if one.state == "answered"]


def about(dsn: str, store: Store) -> list[Outcome]:
    return [one for one in outcomes(dsn, store.connection) if one.topic_id == TOPIC_ID]


async def test_event_that_can_be_read_now_goes_behind_what_is_open_of_its_key(
    store: Store, desk: Desk, bus_dsn: str
) -> None:
    await take_in(store, arrival(0, "s:1"), arrival(2, "s:1"))

    await desk.ask(Act.REDRIVE, store)
    await desk.ask(Act.REDRIVE, store, id_="c-2")  # nobody saw the first answer

    assert answers(bus_dsn, store) == [("command.done", "1"), ("command.nothing", "0")]
    (told,) = about(bus_dsn, store)
    assert (told.state, told.code, told.offset, told.command_id) == ("ready", "redriven", 1, "c-1")
    assert (told.who, told.why) == ("mara", "because")
    queued = look(bus_dsn, store.connection, "SELECT event_offset FROM rows ORDER BY id")
    assert [row["event_offset"] for row in queued] == [0, 2, 1]
    assert_sound(bus_dsn, store.connection)


async def test_event_that_is_older_by_now_ends_at_once(store: Store, desk: Desk, bus_dsn: str) -> None:
    await take_in(store, arrival(2, "s:1", source_version=7))
    desk.reads = arrival(1, "s:1", source_version=5)

    await desk.ask(Act.REDRIVE, store)

    assert [(one.offset, one.state, one.code) for one in about(bus_dsn, store)] == [(1, "superseded", "older")]
    assert answers(bus_dsn, store) == [("command.done", "1")]


async def test_what_cannot_be_read_even_now_says_why(store: Store, desk: Desk, bus_dsn: str) -> None:
    desk.reads = None
    await desk.ask(Act.REDRIVE, store)
    await Desk(store, key=b"no key of ours").ask(Act.REDRIVE, store, id_="c-2")
    await desk.ask(Act.REDRIVE, store, id_="c-3", offset=8)

    assert [code for code, _ in answers(bus_dsn, store)] == [
        "command.failed_again",
        "command.failed_again",
        "dead_letters.gone",
    ]
    assert await store.claim(QUEUE, "me", 1, 60) == []


async def test_discarded_event_is_over_for_good(store: Store, desk: Desk, bus_dsn: str) -> None:
    await desk.ask(Act.DISCARD, store)

    (told,) = about(bus_dsn, store)
    assert (told.state, told.code, told.offset, told.who) == ("discarded", "discarded", 1, "mara")
    assert told.values == {"was": "undecodable"}
    assert history(bus_dsn, store.connection) == []
