"""Commands to the stage: dead letters mapped again from the kept bytes or ended for good, records recalled; answered.

A letter of streams holds no key, so that nothing waits for it: what it makes now goes its way like any record, and the
take-in of each target drops it where a newer version was there before. So does a record that is recalled: its source
event is read where it lies and mapped once more, unless a newer record lies on the topic by then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec

from bus.burial import Burial
from bus.codec import Codecs
from bus.dead_letters import NoLetter, ReadLetter, letter_of, original_of, values_of
from bus.events import Incoming, Outgoing
from bus.faust_app import BusApp
from bus.headers import descended, from_headers
from bus.pipe import attach_pipe
from errors import NotFoundError, RejectedError
from mapping.port import is_of
from schemas import topics
from schemas.bus.command import Act, Command
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.outcome import Outcome
from schemas.topics import Topic
from streams.agents import STAGE, Way

ANSWERED = "answered"
DISCARDED = "discarded"
DONE = {"rows": "1"}

#: Topic, its id, partition and offset to the event there. NotFoundError: it is gone.
ReadEvent = Callable[[str, str, int, int], Incoming]
#: Topic, message key and offset of its partition to what was written of that key from there on.
ReadSince = Callable[[Topic, str, int], Iterable[Incoming]]


class Redrive:
    """Carries out commands about dead letters; what they cause is written like what any event causes."""

    def __init__(
        self,
        ways: Mapping[str, Way],
        codecs: Codecs,
        read: ReadLetter,
        catch_up: Callable[[], Awaitable[None]],
        read_event: ReadEvent,
        read_since: ReadSince,
    ) -> None:
        """Build.

        Args:
            ways: By record and source topic: `order|clarity.orders.v1`.
            codecs: Of commands, dead letters and outcomes.
            read: Gets a dead letter's bytes. NotFoundError: they are gone; RetryableError: ask again.
            catch_up: Ends once rows of lookup tables set before the command are at work. RetryableError: ask again.
            read_event: Gets the source event of a record that is recalled. RetryableError: ask again.
            read_since: Gets what was written of its key since it was chosen. RetryableError: ask again.
        """
        self._ways = ways
        self._commands = codecs.of(topics.COMMANDS)
        self._letters = codecs.of(topics.DEAD_LETTERS)
        self._outcomes = codecs.of(topics.OUTCOMES)
        self._read = read
        self._catch_up = catch_up
        self._read_event = read_event
        self._read_since = read_since
        self._found: dict[str, DeadLetter | NoLetter | Incoming] = {}

    async def look_up(self, events: Sequence[Incoming]) -> None:
        """Read the letters a batch of commands is about.

        Raises:
            RetryableError: Kafka does not answer.
        """
        self._found.clear()
        commands = [command for event in events if (command := self._concerning(event)) is not None]
        if commands:
            await self._catch_up()
        for command in commands:
            self._found[command.id] = await asyncio.to_thread(self._look_up, command)
        # last, and for all of them: what comes after this look lies before the older record on the topic
        await asyncio.to_thread(self._leave_newer, commands)

    def _look_up(self, command: Command) -> DeadLetter | NoLetter | Incoming:
        if command.act != Act.RECALL:
            return letter_of(command, self._letters, self._read)
        try:
            return self._read_event(command.topic, command.topic_id, command.partition, command.offset)
        except NotFoundError as error:
            return NoLetter(code=error.code)

    def _leave_newer(self, commands: Iterable[Command]) -> None:
        for command in commands:
            way = self._way(command)
            if way is None or not command.message_key or isinstance(self._found[command.id], NoLetter):
                continue
            newest = way.newest(self._read_since(way.target, command.message_key, command.first))
            if newest > command.source_version:
                said = {"key": command.message_key, "record": command.record}
                self._found[command.id] = NoLetter(code="recall.newer", values=said)

    def transform(self, event: Incoming) -> list[Outgoing]:
        """What a command causes; nothing where it is for somebody else."""
        command = self._concerning(event)
        if command is None:
            return []
        letter = self._found[command.id]
        if isinstance(letter, NoLetter):
            return [self._answer(event, command, letter.code, letter.values)]
        if isinstance(letter, Incoming):
            return self._recalled(event, command, letter)
        match command.act:
            case Act.REDRIVE:
                original = original_of(letter)
                way = self._ways.get(f"{letter.record}|{original.topic}")
                return self._mapped_again(event, command, way, original, lambda at_work: at_work.go(original))
            case Act.DISCARD | Act.SKIP:
                return [self._discarded(event, command, letter), self._answer(event, command, "command.done", DONE)]
        return [self._answer(event, command, "command.unknown")]

    def _concerning(self, event: Incoming) -> Command | None:
        """The command if it is for this stage; one that cannot be read is buried by the workers of stores."""
        try:
            command = self._commands.decode(event.value)
        except RejectedError:
            return None
        return command if command.queue == STAGE else None

    def _recalled(self, event: Incoming, command: Command, source: Incoming) -> list[Outgoing]:
        """Once more, unless the very mapping is at work still that it was made by: that would change nothing."""
        way, key = self._way(command), command.message_key
        if way is not None and is_of(way.stamp, command.mapping):
            return [self._answer(event, command, "recall.same_mapping", {"mapping": way.stamp})]
        return self._mapped_again(
            event,
            command,
            way,
            source,
            lambda at_work: [at_work.again(source, command.id, key)] if key else at_work.go(source, command.id),
        )

    def _way(self, command: Command) -> Way | None:
        """The one a record is recalled by; None also for commands about letters."""
        return self._ways.get(f"{command.record}|{command.topic}") if command.act == Act.RECALL else None

    def _mapped_again(
        self,
        event: Incoming,
        command: Command,
        way: Way | None,
        original: Incoming,
        mapped: Callable[[Way], list[Outgoing]],
    ) -> list[Outgoing]:
        if way is None:
            return [self._answer(event, command, "command.unknown")]
        try:
            made = mapped(way)
        except NotFoundError as error:
            return [self._answer(event, command, error.code, {"key": command.message_key})]
        except RejectedError as error:
            why = {"why": error.code, **values_of(error)}
            if command.act == Act.RECALL:
                # what was written stands; a letter of the event would be redriven into all that is in it
                return [self._answer(event, command, "recall.refused", why)]
            return [*way.bury(original, error), self._answer(event, command, "command.failed_again", why)]
        return [*made, self._answer(event, command, "command.done", DONE)]

    def _discarded(self, event: Incoming, command: Command, letter: DeadLetter) -> Outgoing:
        outcome = msgspec.structs.replace(
            self._outcome(event, command, DISCARDED, {"was": letter.code}),
            state=DISCARDED,
            topic=letter.topic,
            topic_id=letter.topic_id,
            partition=letter.partition,
            offset=letter.offset,
            root=letter.root,
            root_key=letter.root_key,
            record=letter.record,
            connection=letter.connection,
        )
        return self._outgoing(event, outcome, letter.root_key or letter.connection or letter.topic, ordinal=0)

    def _answer(
        self, event: Incoming, command: Command, code: str, values: Mapping[str, str] | None = None
    ) -> Outgoing:
        outcome = self._outcome(event, command, code, {"act": command.act, "rows": "0", **(values or {})})
        return self._outgoing(event, outcome, command.connection, ordinal=1)

    def _outcome(self, event: Incoming, command: Command, code: str, values: Mapping[str, str]) -> Outcome:
        return Outcome(
            at=event.at,
            stage=STAGE,
            state=ANSWERED,
            code=code,
            values=dict(values),
            connection=command.connection,
            command_id=command.id,
            who=command.who,
            why=command.why,
        )

    def _outgoing(self, event: Incoming, outcome: Outcome, key: str, *, ordinal: int) -> Outgoing:
        headers = descended(
            from_headers(()),
            root=event.root,
            route=f"{STAGE}/commands",
            ordinal=ordinal,
            ce_type=f"towpath.{topics.OUTCOMES.name}",
            at=event.at,
        )
        return Outgoing(topic=topics.OUTCOMES, key=key, value=self._outcomes.encode(outcome), headers=headers)


def attach_redrive(app: BusApp, redrive: Redrive, codecs: Codecs, code_version: str) -> None:
    """Give the app the agent that reads commands."""
    burial = Burial(codecs, stage=STAGE, route=f"{STAGE}/commands", record="command", code_version=code_version)
    attach_pipe(app, f"{STAGE}.commands", topics.COMMANDS.name, redrive.transform, burial, look_up=redrive.look_up)
