"""What an agent writes of an event it refuses: its dead letter and the outcome that tells of it; for every agent."""

from collections.abc import Mapping

from bus.clock import Clock
from bus.codec import Codecs
from bus.dead_letters import dead_letter, outcome, root_of_event, values_of
from bus.events import Incoming, Outgoing
from bus.headers import Lineage, from_headers, to_headers
from errors import RejectedError
from schemas import topics
from schemas.types import root_of


class Burial:
    """Makes dead letters and outcomes of one agent."""

    def __init__(
        self, codecs: Codecs, clock: Clock, *, stage: str, record: str, connection: str = "", code_version: str = ""
    ) -> None:
        self._letters = codecs.of(topics.DEAD_LETTERS)
        self._outcomes = codecs.of(topics.OUTCOMES)
        self._clock = clock
        self._stage = stage
        self._record = record
        self._connection = connection
        self._code_version = code_version

    def __call__(self, event: Incoming, error: RejectedError) -> list[Outgoing]:
        """The dead letter with the original bytes, then the outcome."""
        letter = dead_letter(
            event,
            error,
            stage=self._stage,
            at=self._clock(),
            record=self._record,
            connection=self._connection,
            code_version=self._code_version,
        )
        return [
            self._outgoing(event, topics.DEAD_LETTERS, self._letters.encode(letter)),
            self.told(event, state="dead", code=error.code, values=values_of(error)),
        ]

    def merged(self, event: Incoming, *, into: Incoming) -> Outgoing:
        """The outcome of an event for which another one of its batch stands."""
        return self.told(event, state="merged", code="merged", merged_into=root_of_event(into))

    def told(
        self,
        event: Incoming,
        *,
        state: str,
        code: str,
        values: Mapping[str, str] | None = None,
        merged_into: str = "",
    ) -> Outgoing:
        """The outcome of an event that goes no further here."""
        made = outcome(
            event,
            stage=self._stage,
            state=state,
            code=code,
            at=self._clock(),
            values=values,
            record=self._record,
            connection=self._connection,
            merged_into=merged_into,
        )
        return self._outgoing(event, topics.OUTCOMES, self._outcomes.encode(made))

    def _outgoing(self, event: Incoming, topic: topics.Topic, value: bytes) -> Outgoing:
        came_with = from_headers(event.headers)
        lineage = Lineage(
            root=came_with.root or event.root,
            origin=came_with.origin,
            mapping=came_with.mapping,
            hops=came_with.hops,
            traceparent=came_with.traceparent,
        )
        key = event.key_text or self._connection or event.topic
        return Outgoing(
            topic=topic,
            key=key if topic is topics.DEAD_LETTERS else root_of(key),
            value=value,
            headers=to_headers(lineage),
        )
