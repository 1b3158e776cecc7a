"""What an agent writes of an event that goes no further: the outcome telling of it, and a refused one's dead letter.

Times are the event's own, so that a repeat is byte for byte the same.
"""

from collections.abc import Mapping

import msgspec

from bus.codec import Codecs
from bus.dead_letters import dead_letter, outcome, root_of_event, values_of
from bus.events import Incoming, Outgoing
from bus.headers import descended, from_headers
from errors import RejectedError
from schemas import topics
from schemas.topics import Topic
from schemas.types import RootKey, connection_of

DEAD = "dead"
FILTERED = "filtered"
MERGED = "merged"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What an event said of itself once it was decoded."""

    connection: str = ""
    source_version: int = 0
    body_digest: str = ""


UNREAD = Source()


class Burial:
    """Makes dead letters and outcomes of one agent."""

    def __init__(
        self,
        codecs: Codecs,
        *,
        stage: str,
        route: str,
        record: str,
        connection: str = "",
        mapping: str = "",
        code_version: str = "",
    ) -> None:
        """Build.

        Args:
            codecs: Of the two topics written.
            stage: `streams`, `router`, `fetchers`, `consumers`.
            route: Name of the agent's route, the same in every process and for good: it is part of event ids.
            record: What the route makes.
            connection: The one the agent works for; empty where the event says which.
            mapping: Stamp of the mapping at work, if one is.
            code_version: Of the running code.
        """
        self._letters = codecs.of(topics.DEAD_LETTERS)
        self._outcomes = codecs.of(topics.OUTCOMES)
        self._stage = stage
        self._route = route
        self._record = record
        self._connection = connection
        self._mapping = mapping
        self._code_version = code_version

    def __call__(self, event: Incoming, error: RejectedError) -> list[Outgoing]:
        """The dead letter with the original bytes, then the outcome."""
        letter = dead_letter(
            event,
            error,
            stage=self._stage,
            at=event.at,
            record=self._record,
            connection=self._connection_of(event, UNREAD),
            mapping=self._mapping,
            code_version=self._code_version,
        )
        value = self._letters.encode(letter)
        return [
            self._outgoing(event, UNREAD, topics.DEAD_LETTERS, "dead-letter", value),
            self.told(event, state=DEAD, code=error.code, values=values_of(error)),
        ]

    def merged(self, event: Incoming, *, into: Incoming) -> Outgoing:
        """The outcome of an event for which another one stands."""
        return self.told(event, state=MERGED, code="merged", merged_into=root_of_event(into))

    def filtered(self, event: Incoming, code: str, source: Source = UNREAD) -> Outgoing:
        """The outcome of an event that a rule leaves out."""
        return self.told(event, source, state=FILTERED, code=code)

    def told(
        self,
        event: Incoming,
        source: Source = UNREAD,
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
            at=event.at,
            values=values,
            record=self._record,
            connection=self._connection_of(event, source),
            mapping=self._mapping,
            source_version=source.source_version,
            merged_into=merged_into,
        )
        return self._outgoing(event, source, topics.OUTCOMES, state, self._outcomes.encode(made))

    def _connection_of(self, event: Incoming, source: Source) -> str:
        said = self._connection or source.connection
        return said or (connection_of(RootKey(event.root_key)) if event.root_key else "")

    def _outgoing(self, event: Incoming, source: Source, topic: Topic, what: str, value: bytes) -> Outgoing:
        connection = self._connection_of(event, source)
        headers = descended(
            from_headers(event.headers),
            root=event.root,
            route=f"{self._route}/{what}",
            ordinal=0,
            ce_type=f"towpath.{topic.name}",
            at=event.at,
            mapping=self._mapping,
            origin=connection,
            # several records of one root may end here; each is told of
            body_digest=event.root,
        )
        key = event.root_key or connection or event.topic
        return Outgoing(topic=topic, key=key, value=value, headers=headers)
