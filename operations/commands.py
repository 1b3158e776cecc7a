"""Operators' commands: written to their topic, and answered by the workers of the connection through outcomes."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from datetime import UTC

import msgspec

from bus.codec import Codecs
from bus.headers import Lineage, to_headers
from bus.producer import BusProducer, Publisher
from bus.registry import Registry
from bus.settings import Settings
from delivery.preflight import QUESTIONS
from errors import BusError
from operations.lag import behind
from operations.offsets import admin_of, describe, ends, starts
from operations.projection import books, migrate
from operations.projection.migrate import Wire
from operations.readers import readers
from operations.sentences import sentence
from schemas.bus.command import Act, Command
from schemas.topics import COMMANDS, DEAD_LETTERS, OUTCOMES

LOOK_EVERY_S = 0.2
STATE = "answered"
#: Answers for its own dead letters; it has no store.
STREAMS = "streams"
#: Takes no commands: the fetchers of the connection answer for its dead letters.
GATEWAY = "gateway"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended at one queue."""

    command_id: str
    connection: str
    queue: str
    code: str
    values: dict[str, str]
    says: str


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, and who has answered so far."""

    #: Commands written to the topic; they are carried out even if nobody waits.
    asked: tuple[str, ...]
    answers: tuple[Answer, ...]
    #: Processes that have not answered in time, as `consumers@gp-two`.
    silent: tuple[str, ...]
    #: How long they were waited for.
    waited_s: float = 0.0
    #: Only questions were asked: nothing is left to be carried out.
    question: bool = False
    #: Outcomes the projector has not read, where somebody is silent: the answer may be among them.
    unread: int = 0

    @property
    def rows(self) -> int:
        """Rows touched, by all commands at all queues."""
        return sum(int(each.values.get("rows", "0")) for each in self.answers)


def new_id() -> str:
    """Of a command."""
    return str(uuid.uuid4())


def queues_of(settings: Settings, connection: str) -> tuple[str, ...]:
    """The queues of a connection's store that somebody works on."""
    found = [each.queue for each in readers(settings) if each.connection == connection and each.queue]
    return tuple(dict.fromkeys(found))


def ask(settings: Settings, commands: Sequence[Command], wait_s: float) -> Answers:
    """Write commands to their topic and wait for the answers.

    Raises:
        NotFoundError: no connection of that name.
        RetryableError: Kafka or the projection does not answer.
    """
    expected = [
        (command.id, queue, command.connection) for command in commands for queue in _answering(settings, command)
    ]
    asyncio.run(_write(settings, commands))
    deadline = time.monotonic() + wait_s
    with migrate.opened(settings.projection_dsn.reveal()) as wire:
        while True:
            found = _answers(wire, [command.id for command in commands])
            known = {(each.command_id, each.queue, each.connection) for each in found}
            silent = [each for each in expected if each not in known]
            if not silent or time.monotonic() > deadline:
                break
            time.sleep(LOOK_EVERY_S)
        unread = _unread(settings, wire) if silent and wait_s else 0
    return Answers(
        asked=tuple(command.id for command in commands),
        answers=tuple(found),
        silent=tuple(dict.fromkeys(_process(queue, connection) for _, queue, connection in silent)),
        waited_s=wait_s,
        question=all(command.act in QUESTIONS or command.plan for command in commands),
        unread=unread,
    )


def _process(queue: str, connection: str) -> str:
    """As `towpath run` knows it."""
    return queue if queue == STREAMS else f"{queue}@{connection}"


def _unread(settings: Settings, wire: Wire) -> int:
    """Outcomes the projector has before it; 0 where that cannot be told: it only explains a silence."""
    try:
        admin = admin_of(settings.kafka)
        places = describe(admin, [OUTCOMES.name])
        begin, end = starts(admin, places), ends(admin, places)
        stands = books.positions(wire)
    except BusError:
        return 0
    return sum(behind(begin[place], end[place], stands.get((places[place[0]].topic_id, place[1]), 0)) for place in end)


def _answering(settings: Settings, command: Command) -> tuple[str, ...]:
    if command.queue == STREAMS:
        return (STREAMS,)
    if command.queue == GATEWAY:
        return ("fetchers",)
    queues = queues_of(settings, settings.connection(command.connection).name)
    return tuple(queue for queue in queues if command.queue in {"", queue})


def paced(commands: Iterable[Command]) -> list[tuple[float, Command]]:
    """Commands in the order they are written, with the seconds until then; pure.

    Workers let rows of a queue go at the rate a command says. A letter without a row is a command of its own, carried
    out at once, and so is the recall of a record: those of a queue are written at that rate.
    """
    before: Counter[tuple[str, str]] = Counter()
    found = []
    for command in commands:
        wait_s = 0.0
        if command.per_minute and (command.topic == DEAD_LETTERS.name or command.act == Act.RECALL):
            wait_s = before[command.connection, command.queue] * 60 / command.per_minute
            before[command.connection, command.queue] += 1
        found.append((wait_s, command))
    return sorted(found, key=lambda each: each[0])


async def _write(settings: Settings, commands: Iterable[Command]) -> None:
    begun = time.monotonic()
    with closing(Registry(settings.registry)) as registry:
        async with BusProducer(settings.kafka) as producer:
            publisher = Publisher(producer, Codecs(registry))
            for wait_s, command in paced(commands):
                await asyncio.sleep(begun + wait_s - time.monotonic())
                await publisher.publish(COMMANDS.name, f"{command.connection}:commands", command, _headers(command))


def _headers(command: Command) -> list[tuple[str, bytes]]:
    return to_headers(
        Lineage(
            ce_id=command.id,
            ce_source="/operators",
            ce_type=f"towpath.{COMMANDS.name}",
            ce_time=command.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        )
    )


def _answers(wire: Wire, ids: Collection[str]) -> list[Answer]:
    with wire.transaction():
        found = wire.execute(
            "SELECT command_id, connection, stage, code, code_values FROM outcomes"
            " WHERE command_id = ANY(%s) AND state = %s ORDER BY at",
            [list(ids), STATE],
        ).fetchall()
    # told twice, it is one answer
    told = {(id_, connection, queue): (code, values) for id_, connection, queue, code, values in found}
    return [
        Answer(
            command_id=id_,
            connection=connection,
            queue=queue,
            code=code,
            values=values,
            says=str(sentence(code, {**values, "connection": connection})),
        )
        for (id_, connection, queue), (code, values) in told.items()
    ]
