"""Dead letters of events nobody could read at take-in, on an operator's command: read again by today's code, or ended.

They never became rows and hold no key. One that can be read now goes behind what is open of its key, as any event that
comes late: what is older than what is known ends at once.
"""

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from bus.codec import Codec
from bus.dead_letters import NoLetter, ReadLetter, letter_of, original_of, values_of
from bus.events import Incoming
from delivery.acts import CODES, ENDS_OF, Answered
from delivery.ports import Arrival
from errors import RejectedError
from schemas.bus.command import Act, Command
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.outcome import Outcome

#: As take-in reads an event of a topic.
Read = Callable[[Incoming], Arrival | None]


class BuriedLetters:
    """The letters of one queue; commands name each by where it lies itself."""

    def __init__(self, queue: str, codec: Codec[DeadLetter], read: ReadLetter, readers: Mapping[str, Read]) -> None:
        """Build.

        Args:
            queue: Whose.
            codec: Of dead letters.
            read: Gets a letter's bytes. NotFoundError: they are gone; RetryableError: ask again.
            readers: By topic.
        """
        self._queue = queue
        self._codec = codec
        self._read = read
        self._readers = readers

    async def __call__(self, command: Command) -> Answered:
        """What is to be done about a letter; nothing is written yet.

        Raises:
            RetryableError: Kafka does not answer.
        """
        letter = await asyncio.to_thread(letter_of, command, self._codec, self._read)
        if isinstance(letter, NoLetter):
            return Answered(code=letter.code, values=letter.values)
        if (letter.stage, letter.connection) != (self._queue, command.connection):
            return Answered(code="command.nothing")
        if command.act == Act.REDRIVE:
            return self._read_again(command, letter)
        return Answered(code="command.done", rows=1, outcomes=(_ended(command, letter),))

    def _read_again(self, command: Command, letter: DeadLetter) -> Answered:
        event, read = original_of(letter), self._readers.get(letter.topic)
        if read is None:
            return Answered(code="command.unknown")
        if not event.root_key:
            return Answered(code="command.failed_again", values={"why": "no_root_key"})
        try:
            arrival = read(event)
        except RejectedError as error:
            return Answered(code="command.failed_again", values={"why": error.code, **values_of(error)})
        if arrival is None:
            return Answered(code="command.nothing")
        return Answered(code="command.done", arrival=msgspec.structs.replace(arrival, command_id=command.id))


def _ended(command: Command, letter: DeadLetter) -> Outcome:
    state = ENDS_OF[command.act]
    assert state is not None, "what is tried again has no end"
    return Outcome(
        at=command.at,
        stage=letter.stage,
        state=state,
        code=CODES[command.act],
        values={"was": letter.code},
        connection=letter.connection,
        topic=letter.topic,
        topic_id=letter.topic_id,
        partition=letter.partition,
        offset=letter.offset,
        root=letter.root,
        root_key=letter.root_key,
        record=letter.record,
        command_id=command.id,
        who=command.who,
        why=command.why,
    )
