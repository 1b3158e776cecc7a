"""Dead letters of the stage on command: tried again, ended, answered."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from bus.codec import Codecs
from bus.events import Incoming, Outgoing
from bus.headers import from_headers
from bus.registry import MemoryRegistry
from errors import NotFoundError, RejectedError
from mapping.port import Lookups
from schemas import topics
from schemas.bus.command import Act, Command
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.outcome import Outcome
from schemas.canonical.order import Order
from streams.agents import Way
from streams.redrive import Redrive
from tests.unit.streams.test_agents import BODY, event, route

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
COMMAND = Command(
    id="c-1",
    at=NOON,
    who="mara",
    why="the row is there",
    connection="shop",
    queue="streams",
    act=Act.REDRIVE,
    topic_id="letters",
    partition=3,
    offset=9,
)


class Stage:
    """The stage with one dead letter, whose cause is a missing lookup row."""

    def __init__(self) -> None:
        self.codecs = Codecs(MemoryRegistry())
        self.caught_up = 0
        self.letter = self._die(Way(route(), self.codecs, Lookups({"numbers": {}}), "1.2.3"))

    def _die(self, way: Way) -> bytes:
        died = event(self.codecs)
        with pytest.raises(RejectedError) as refused:
            way.go(died)
        (letter,) = [made for made in way.bury(died, refused.value) if made.topic is topics.DEAD_LETTERS]
        assert letter.value is not None
        return letter.value

    def command(
        self,
        command: Command,
        numbers: dict[str, str],
        read: Any = None,
        body: bytes = BODY,
        since: Sequence[Incoming] = (),
    ) -> list[Outgoing]:
        """What a command causes once the lookup table has these rows; `since`: on the canonical topic, for a recall."""
        self.body, self.since = body, since
        way = Way(route(), self.codecs, Lookups({"numbers": numbers}), "1.2.3")
        redrive = Redrive(
            {"order|clarity.orders.v1": way},
            self.codecs,
            read or self._read,
            self._catch_up,
            self._event,
            self._written_since,
        )
        incoming = Incoming(
            topic=topics.COMMANDS.name,
            topic_id="commands",
            partition=0,
            offset=4,
            timestamp_ms=int(NOON.timestamp() * 1000),
            key=b"shop:commands",
            value=self.codecs.of(topics.COMMANDS).encode(command),
        )
        asyncio.run(redrive.look_up([incoming]))
        return redrive.transform(incoming)

    def _read(self, topic_id: str, partition: int, offset: int) -> bytes:
        assert (topic_id, partition, offset) == ("letters", 3, 9)
        return self.letter

    def _event(self, topic: str, topic_id: str, partition: int, offset: int) -> Incoming:
        if offset != 17:
            raise NotFoundError("recall.gone", "gone")
        assert (topic, topic_id, partition) == ("clarity.orders.v1", "topic-id", 2)
        return event(self.codecs, self.body)

    def _written_since(self, topic: topics.Topic, key: str, first: int) -> Sequence[Incoming]:
        assert (topic, first) == (topics.ORDERS, 40)
        return [each for each in self.since if each.key_text == key]

    async def _catch_up(self) -> None:
        self.caught_up += 1

    def decoded(self, made: Outgoing) -> Any:
        return self.codecs.of(made.topic).decode(made.value)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_cured_letter_goes_the_way_of_its_event(stage: Stage) -> None:
    way = Way(route(), stage.codecs, Lookups({"numbers": {"1001": "A-1"}}), "1.2.3")

    *made, answer = stage.command(COMMAND, {"1001": "A-1"})

    assert made == way.go(event(stage.codecs))
    outcome: Outcome = stage.decoded(answer)
    assert (outcome.state, outcome.code, outcome.command_id, outcome.who) == ("answered", "command.done", "c-1", "mara")
    assert (answer.key, outcome.values["rows"], outcome.stage) == ("shop", "1", "streams")


def test_rows_that_were_set_before_the_command_are_waited_for(stage: Stage) -> None:
    stage.command(COMMAND, {"1001": "A-1"})
    stage.command(msgspec.structs.replace(COMMAND, queue="consumers"), {})

    assert stage.caught_up == 1


def test_letter_that_is_not_cured_is_told_again_under_its_own_id(stage: Stage) -> None:
    *buried, answer = stage.command(COMMAND, {})

    again: DeadLetter = stage.decoded(buried[0])
    assert again == stage.codecs.of(topics.DEAD_LETTERS).decode(stage.letter)
    outcome: Outcome = stage.decoded(answer)
    assert (outcome.code, outcome.values["why"], outcome.values["key"]) == ("command.failed_again", "mapping", "1001")


def test_discarded_letter_is_told_in_its_place(stage: Stage) -> None:
    discarded, answer = stage.command(msgspec.structs.replace(COMMAND, act=Act.DISCARD), {})

    outcome: Outcome = stage.decoded(discarded)
    assert (outcome.state, outcome.topic_id, outcome.partition, outcome.offset) == ("discarded", "topic-id", 2, 17)
    assert (outcome.root_key, outcome.connection, outcome.why) == ("shop:1001", "shop", "the row is there")
    assert stage.decoded(answer).code == "command.done"


def test_letter_whose_bytes_are_gone_is_answered(stage: Stage) -> None:
    def gone(*_: object) -> bytes:
        raise NotFoundError("dead_letters.gone", "gone")

    (answer,) = stage.command(COMMAND, {}, read=gone)

    assert stage.decoded(answer).code == "dead_letters.gone"


@pytest.mark.parametrize("act", [Act.REDRIVE, Act.DISCARD])
def test_letter_that_cannot_be_read_itself_is_answered_and_stops_nobody(stage: Stage, act: Act) -> None:
    stage.letter = b"not a record of ours"

    (answer,) = stage.command(msgspec.structs.replace(COMMAND, act=act), {})

    outcome: Outcome = stage.decoded(answer)
    assert (outcome.code, outcome.values["why"]) == ("command.failed_again", "undecodable")
    assert (outcome.command_id, outcome.values["rows"]) == ("c-1", "0")


@pytest.mark.parametrize("queue", ["consumers", ""])
def test_command_to_somebody_else_causes_nothing(stage: Stage, queue: str) -> None:
    assert stage.command(msgspec.structs.replace(COMMAND, queue=queue), {}) == []


def test_repeat_causes_the_same(stage: Stage) -> None:
    assert stage.command(COMMAND, {"1001": "A-1"}) == stage.command(COMMAND, {"1001": "A-1"})


RECALL = msgspec.structs.replace(
    COMMAND,
    act=Act.RECALL,
    record="order",
    topic="clarity.orders.v1",
    topic_id="topic-id",
    partition=2,
    offset=17,
    mapping="streams/test/from_text@2",
    message_key="shop:1001",
    source_version=5,
    first=40,
)


def test_recalled_record_is_mapped_once_more_as_another_event(stage: Stage) -> None:
    way = Way(route(), stage.codecs, Lookups({"numbers": {"1001": "A-1"}}), "1.2.3")
    (before,) = way.go(event(stage.codecs))

    made, answer = stage.command(RECALL, {"1001": "A-1"})
    (other, _) = stage.command(msgspec.structs.replace(RECALL, id="c-2"), {"1001": "A-1"})

    assert (made.key, made.value) == (before.key, before.value)
    ids = [from_headers(each.headers).ce_id for each in (before, made, other)]
    assert len(set(ids)) == 3
    assert from_headers(made.headers).root == from_headers(before.headers).root
    assert stage.decoded(answer).code == "command.done"


def test_recall_of_the_mapping_at_work_changes_nothing_and_says_so(stage: Stage) -> None:
    recall = msgspec.structs.replace(RECALL, mapping="streams/test/from_text@3")

    (answer,) = stage.command(recall, {"1001": "A-1"})

    assert stage.decoded(answer).code == "recall.same_mapping"


def test_recalled_record_whose_source_is_gone_is_answered(stage: Stage) -> None:
    (answer,) = stage.command(msgspec.structs.replace(RECALL, offset=18), {})

    assert stage.decoded(answer).code == "recall.gone"


@pytest.mark.parametrize("key", ["shop:1001", ""])
def test_recalled_record_that_is_refused_now_is_told_and_nothing_is_buried(stage: Stage, key: str) -> None:
    (answer,) = stage.command(msgspec.structs.replace(RECALL, message_key=key), {})

    outcome: Outcome = stage.decoded(answer)
    assert (outcome.code, outcome.values["why"]) == ("recall.refused", "mapping")


def written(stage: Stage, source_version: int, value: bytes | None = None) -> Incoming:
    """A record of the key on the canonical topic."""
    record = Order(id="shop:1001", source_version=source_version, ordered_at=NOON, updated_at=NOON)
    return msgspec.structs.replace(
        event(stage.codecs), topic=topics.ORDERS.name, value=value or stage.codecs.of(topics.ORDERS).encode(record)
    )


def test_recalled_record_of_which_a_newer_one_came_is_left_alone(stage: Stage) -> None:
    newer = [written(stage, 6), written(stage, 4)]

    (answer,) = stage.command(RECALL, {"1001": "A-1"}, since=newer)

    outcome: Outcome = stage.decoded(answer)
    assert (outcome.code, outcome.values["key"], outcome.values["rows"]) == ("recall.newer", "shop:1001", "0")


def test_what_is_as_old_and_what_nobody_can_read_hinders_no_recall(stage: Stage) -> None:
    made, _ = stage.command(RECALL, {"1001": "A-1"}, since=[written(stage, 5), written(stage, 0, b"no record of ours")])

    assert made.key == "shop:1001"


def test_only_the_recalled_part_of_an_event_is_made_anew(stage: Stage) -> None:
    body, numbers = b"1002,impossible,1001,1003", {"1001": "A-1", "1002": "A-2"}
    before = Way(route(), stage.codecs, Lookups({"numbers": numbers}), "1.2.3")
    first, _second = before.go(event(stage.codecs, b"1002,1001"))

    made, answer = stage.command(RECALL, numbers, body=body)
    one, _ = stage.command(msgspec.structs.replace(RECALL, message_key="shop:1002"), numbers, body=b"1002,1001")

    assert (made.key, stage.decoded(answer).code) == ("shop:1001", "command.done")
    assert (one.key, one.value) == (first.key, first.value)


def test_recalled_record_the_mapping_makes_no_more_is_told(stage: Stage) -> None:
    (answer,) = stage.command(msgspec.structs.replace(RECALL, message_key="shop:1009"), {"1001": "A-1"})

    assert stage.decoded(answer).code == "recall.not_made"


def test_recall_as_releases_before_asked_for_it_makes_all_parts_anew(stage: Stage) -> None:
    *made, _ = stage.command(
        msgspec.structs.replace(RECALL, message_key=""), {"1001": "A-1", "1002": "A-2"}, body=b"1001,1002"
    )

    assert [each.key for each in made] == ["shop:1001", "shop:1002"]
