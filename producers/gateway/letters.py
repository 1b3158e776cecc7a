"""Webhooks that were signed and could not be read, on an operator's command: read again by today's code, or ended.

For the fetchers of the connection, as the gateway takes no commands. The signature held when the webhook was kept, and
its time is long over: it is not asked for again. What is written carries the webhook's own id, so that one that came
twice is recognised.
"""

import asyncio
from collections.abc import Awaitable, Callable

from bus.clock import Clock
from bus.codec import Codec
from bus.dead_letters import NoLetter, ReadLetter, letter_of
from bus.headers import new_trace
from delivery.acts import Answered
from errors import DecodeError
from producers.gateway import written
from producers.gateway.bodies import check_shape
from producers.gateway.signatures import Verified
from producers.gateway.sources import Read, reader_of
from producers.gateway.written import STAGE, Written
from producers.routes import WEBHOOKS
from schemas.bus.command import Act, Command
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.outcome import Outcome

#: Returns when the broker has it.
Write = Callable[[Written], Awaitable[None]]

REDRIVEN = "gateway.read_after_all"
DISCARDED = "discarded"


class GatewayLetters:
    """Implements `delivery.acts.OtherStage` for one connection."""

    stage = STAGE

    def __init__(
        self,
        system: str,
        codec: Codec[DeadLetter],
        read: ReadLetter,
        write: Write,
        clock: Clock,
        randomness: Callable[[int], bytes],
    ) -> None:
        """Build.

        Args:
            system: Of the connection: how its webhooks are read.
            codec: Of dead letters.
            read: Gets a letter's bytes. NotFoundError: they are gone; RetryableError: ask again.
            write: To Kafka.
            clock: When it is noticed.
            randomness: For the trace.
        """
        self._read_body: Read | None = reader_of(system)
        self._targets = {each.record: each.target for each in WEBHOOKS if each.system == system}
        self._codec = codec
        self._read = read
        self._write = write
        self._clock = clock
        self._randomness = randomness

    async def __call__(self, command: Command) -> Answered:
        """Carry it out; a repeat writes the same once more.

        Raises:
            RetryableError: Kafka does not answer.
        """
        letter = await asyncio.to_thread(letter_of, command, self._codec, self._read)
        if isinstance(letter, NoLetter):
            return Answered(code=letter.code, values=letter.values)
        if letter.stage != STAGE or letter.connection != command.connection:
            return Answered(code="command.nothing")
        match command.act:
            case Act.REDRIVE:
                return await self._redriven(command, letter)
            case Act.DISCARD | Act.SKIP:
                return Answered(
                    code="command.done", rows=1, outcomes=(self._ended(command, letter, DISCARDED, DISCARDED),)
                )
        return Answered(code="command.unknown")

    async def _redriven(self, command: Command, letter: DeadLetter) -> Answered:
        if self._read_body is None:
            return Answered(code="command.unknown")
        try:
            check_shape(letter.value)
            notice = self._read_body(letter.value)
        except DecodeError as error:
            return Answered(code="command.failed_again", values={"why": letter.code, "reason": error.message})
        now, verified = self._clock(), _verified(letter)
        target = self._targets.get(notice.record)
        if target is None:
            await self._write(written.ignored(letter.connection, notice, verified, now))
        else:
            trace = new_trace(self._randomness(16), self._randomness(8))
            await self._write(written.change(letter.connection, target, notice, verified, now, trace))
        return Answered(code="command.done", rows=1, outcomes=(self._ended(command, letter, "delivered", REDRIVEN),))

    def _ended(self, command: Command, letter: DeadLetter, state: str, code: str) -> Outcome:
        """What became of the letter; it never lay on a topic, and is known by its sender's id."""
        return Outcome(
            at=self._clock(),
            stage=STAGE,
            state=state,
            code=code,
            values={"was": letter.code, "connection": letter.connection},
            connection=letter.connection,
            reference=letter.reference,
            origin=letter.connection,
            command_id=command.id,
            who=command.who,
            why=command.why,
        )


def _verified(letter: DeadLetter) -> Verified:
    """As it was when the webhook was kept."""
    signed_at = letter.headers.get("webhook-timestamp", b"")
    return Verified(
        delivery_id=letter.reference,
        signed_at_s=int(signed_at) if signed_at.isdigit() else int(letter.at.timestamp()),
        secret=0,
    )
