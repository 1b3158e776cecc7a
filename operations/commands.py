"""Operators' commands: written to their topic, and answered by the workers of the connection through outcomes."""

import asyncio
import time
import uuid
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from datetime import UTC

import msgspec

from bus.codec import Codecs
from bus.headers import Lineage, to_headers
from bus.producer import BusProducer, Publisher
from bus.registry import Registry
from bus.settings import Settings
from operations.projection import migrate
from operations.projection.migrate import Wire
from operations.readers import readers
from operations.sentences import sentence
from schemas.bus.command import Command
from schemas.topics import COMMANDS

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
    #: Queues that have not answered in time, as `consumers@gp-two`.
    silent: tuple[str, ...]

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
    return Answers(
        asked=tuple(command.id for command in commands),
        answers=tuple(found),
        silent=tuple(dict.fromkeys(f"{queue}@{connection}" for _, queue, connection in silent)),
    )


def _answering(settings: Settings, command: Command) -> tuple[str, ...]:
    if command.queue == STREAMS:
        return (STREAMS,)
    if command.queue == GATEWAY:
        return ("fetchers",)
    queues = queues_of(settings, settings.connection(command.connection).name)
    return tuple(queue for queue in queues if command.queue in {"", queue})


async def _write(settings: Settings, commands: Iterable[Command]) -> None:
    with closing(Registry(settings.registry)) as registry:
        async with BusProducer(settings.kafka) as producer:
            publisher = Publisher(producer, Codecs(registry))
            for command in commands:
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
