"""The Faust code of the stage: one agent for each route, its events mapped, filtered or buried."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from bus import headers, metrics
from bus.codec import Codecs
from bus.dead_letters import dead_letter, outcome, values_of
from bus.events import Headers, Incoming, Outgoing
from bus.faust_app import BusApp
from bus.headers import Lineage
from bus.pipe import attach_pipe
from errors import RejectedError
from mapping.port import Lookups, stamp
from schemas import topics
from schemas.bus.fetched import Fetched
from schemas.systems.captured import Captured
from schemas.topics import Topic
from schemas.types import RootKey, connection_of
from streams.routes import Route

log = structlog.get_logger(__name__)

STAGE = "streams"
FILTERED = "filtered"
DEAD = "dead"
#: Codes of what is left out before a rule is asked.
TOMBSTONE = "tombstone"
NOTHING_TO_TELL = "nothing_to_tell"


def attach(app: BusApp, route: Route, codecs: Codecs, lookups: Lookups, code_version: str) -> None:
    """Give the app the agent of a route; it is named after the route's mapping."""
    way = Way(route, codecs, lookups, code_version)
    attach_pipe(app, route.mapping.id, route.source.name, way.go, way.bury)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What can be told of an event, decoded or not."""

    event: Incoming
    lineage: Lineage
    #: When the event arrived; the time of whatever is made of it, so that a repeat makes the same.
    at: datetime
    connection: str = ""
    source_version: int = 0
    body_digest: str = ""


class Way:
    """A route at work: from what lies on its source topic to what is written because of it."""

    def __init__(self, route: Route, codecs: Codecs, lookups: Lookups, code_version: str) -> None:
        self._route = route
        self._lookups = lookups
        self._code_version = code_version
        self._mapping = stamp(route.mapping, lookups)
        self._decode = (
            codecs.of(route.source).decode
            if route.row_type is None
            else codecs.captured(route.source, route.row_type).decode
        )
        self._target = codecs.of(route.target)
        self._outcomes = codecs.of(topics.OUTCOMES)
        self._dead_letters = codecs.of(topics.DEAD_LETTERS)

    def go(self, event: Incoming) -> list[Outgoing]:
        """The records of an event, or the outcome that says why there are none.

        Raises:
            RejectedError: the event will never pass.
            RetryableError: its schema was never seen before and the registry is away.
        """
        if event.value is None:
            return [self._filtered(_known(event), TOMBSTONE)]
        source: Any = self._decode(event.value)
        known = _known(event, source)
        parts = self._route.split(self._route.read(source))
        made: list[Outgoing] = []
        left_out: list[str] = []
        for ordinal, part in enumerate(parts):
            code = self._route.leave_out(part)
            if code is None:
                made.append(self._made(known, part, ordinal))
            else:
                left_out.append(code)
        return made or [self._filtered(known, left_out[0] if left_out else NOTHING_TO_TELL)]

    def bury(self, event: Incoming, error: RejectedError) -> list[Outgoing]:
        """The dead letter of an event, and the outcome that tells of it."""
        known = _known(event)
        letter = dead_letter(
            event,
            error,
            stage=STAGE,
            at=known.at,
            record=self._route.record,
            connection=known.connection,
            mapping=self._mapping,
            code_version=self._code_version,
        )
        return [
            Outgoing(
                topic=topics.DEAD_LETTERS,
                key=_key(known),
                value=self._dead_letters.encode(letter),
                headers=self._headers(known, topics.DEAD_LETTERS, "/dead-letter", 0),
            ),
            self._outcome(known, DEAD, error.code, values_of(error)),
        ]

    def _made(self, known: Known, part: Any, ordinal: int) -> Outgoing:
        record = self._route.mapping(part, self._lookups, known.at)
        return Outgoing(
            topic=self._route.target,
            key=self._route.message_key(record),
            value=self._target.encode(record),
            headers=self._headers(known, self._route.target, "", ordinal),
        )

    def _filtered(self, known: Known, code: str) -> Outgoing:
        metrics.FILTERED.labels(agent=self._route.mapping.id, code=code).inc()
        return self._outcome(known, FILTERED, code, {})

    def _outcome(self, known: Known, state: str, code: str, values: dict[str, str]) -> Outgoing:
        told = outcome(
            known.event,
            stage=STAGE,
            state=state,
            code=code,
            at=known.at,
            values=values,
            record=self._route.record,
            connection=known.connection,
            mapping=self._mapping,
            source_version=known.source_version,
        )
        return Outgoing(
            topic=topics.OUTCOMES,
            key=_key(known),
            value=self._outcomes.encode(told),
            headers=self._headers(known, topics.OUTCOMES, f"/{state}", 0),
        )

    def _headers(self, known: Known, topic: Topic, what: str, ordinal: int) -> Headers:
        return headers.to_headers(
            headers.descend(
                known.lineage,
                root=known.event.root,
                route=self._route.mapping.id + what,
                ordinal=ordinal,
                ce_type=f"towpath.{topic.name}",
                at=known.at,
                mapping=self._mapping,
                origin=known.connection,
                body_digest=known.body_digest,
            )
        )


def _known(event: Incoming, source: Fetched | Captured[Any] | None = None) -> Known:
    lineage = headers.from_headers(event.headers)
    at = datetime.fromtimestamp(event.timestamp_ms / 1000, UTC)
    match source:
        case Fetched():
            return Known(
                event=event,
                lineage=lineage,
                at=at,
                connection=source.connection,
                source_version=source.source_version,
                body_digest=hashlib.sha256(source.body).hexdigest(),
            )
        case Captured():
            return Known(event=event, lineage=lineage, at=at, connection=source.connection, source_version=source.ts_us)
        case None:
            connection = connection_of(RootKey(event.root_key)) if event.root_key else ""
            return Known(event=event, lineage=lineage, at=at, connection=connection)


def _key(known: Known) -> str:
    return known.event.root_key or known.connection or known.event.topic
