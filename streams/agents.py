"""The Faust code of the stage: one agent for each route, its events mapped, filtered or buried."""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from bus import headers, metrics
from bus.burial import UNREAD, Burial, Source
from bus.codec import Codecs
from bus.events import Incoming, Outgoing
from bus.faust_app import BusApp
from bus.pipe import attach_pipe
from errors import DecodeError, RejectedError
from mapping.port import Lookups, Tables, stamp
from schemas.bus.fetched import Fetched
from schemas.systems.captured import Captured
from schemas.topics import Topic
from streams.routes import Route, record_of

STAGE = "streams"
#: Codes of what is left out before a rule is asked.
TOMBSTONE = "tombstone"
NOTHING_TO_TELL = "nothing_to_tell"


def attach(app: BusApp, route: Route, codecs: Codecs, lookups: Tables, code_version: str) -> "Way":
    """Give the app the agent of a route; it is named after the route."""
    way = Way(route, codecs, lookups, code_version)
    attach_pipe(app, route.name, route.source.name, way.go, way.bury)
    return way


class Way:
    """A route at work: from what lies on its source topic to what is written because of it."""

    def __init__(self, route: Route, codecs: Codecs, lookups: Tables, code_version: str) -> None:
        self._route = route
        self._codecs = codecs
        self._tables = lookups
        self._code_version = code_version
        self._decode = codecs.decoder(route.source, route.row_type)
        self._target = codecs.of(route.target)
        self._take(lookups.current())

    def bury(self, event: Incoming, error: RejectedError) -> list[Outgoing]:
        """The dead letter and the outcome of what will never pass, with the tables it was refused by."""
        return self._burial(event, error)

    @property
    def stamp(self) -> str:
        """Of the mapping at work, with the tables of now."""
        self._keep_up()
        return self._mapping

    def go(self, event: Incoming, because: str = "") -> list[Outgoing]:
        """The records of an event, or the outcome that says why there are none.

        Args:
            event: As it lay on the source topic.
            because: Of a command that has it mapped once more: what is made is another event than before.

        Raises:
            RejectedError: the event will never pass.
            RetryableError: its schema was never seen before and the registry is away.
        """
        # once for all of an event: its records and their stamps are of the same tables
        self._keep_up()
        if event.value is None:
            return [self._filtered(event, TOMBSTONE, UNREAD)]
        source, parts = self._parts(event, because)
        at = event.at
        made: list[Outgoing] = []
        left_out: list[str] = []
        for ordinal, part in enumerate(parts):
            code = self._route.leave_out(part)
            if code is None:
                record = self._route.mapping(part, self._lookups, at)
                made.append(self._outgoing(event, at, source, record, ordinal))
            else:
                left_out.append(code)
        return made or [self._filtered(event, left_out[0] if left_out else NOTHING_TO_TELL, source)]

    def again(self, event: Incoming, because: str, message_key: str) -> Outgoing:
        """One record of an event, mapped once more because of a command; what else is in the event stays as it is.

        Raises:
            NotFoundError: nothing of the event becomes that record any more.
            RejectedError: it is refused, or what is refused may be it.
            RetryableError: as `go`.
        """
        self._keep_up()
        source, parts = self._parts(event, because)
        ordinal, record = record_of(self._route, parts, self._lookups, event.at, message_key)
        return self._outgoing(event, event.at, source, record, ordinal)

    @property
    def target(self) -> Topic:
        """Where records are written."""
        return self._route.target

    def newest(self, written: Iterable[Incoming]) -> int:
        """The newest source version among records of the target; 0: there is none. What is none of ours is passed over.

        Raises:
            RetryableError: as `go`.
        """
        found = 0
        for each in written:
            with suppress(RejectedError):
                found = max(found, self._target.decode(each.value).source_version)
        return found

    def _parts(self, event: Incoming, because: str) -> tuple[Source, tuple[Any, ...]]:
        decoded: Any = self._decode(event.value)
        source = _source(event, decoded)
        if because:
            source = msgspec.structs.replace(source, body_digest=f"{source.body_digest}/{because}")
        return source, self._route.split(self._route.read(decoded))

    def _keep_up(self) -> None:
        lookups = self._tables.current()
        if lookups is not self._lookups:
            self._take(lookups)

    def _take(self, lookups: Lookups) -> None:
        self._lookups = lookups
        self._mapping = stamp(self._route.mapping, lookups)
        self._burial = Burial(
            self._codecs,
            stage=STAGE,
            route=self._route.name,
            record=self._route.record,
            mapping=self._mapping,
            code_version=self._code_version,
        )

    def _outgoing(self, event: Incoming, at: datetime, source: Source, record: Any, ordinal: int) -> Outgoing:
        return Outgoing(
            topic=self._route.target,
            key=self._route.message_key(record),
            value=self._target.encode(record),
            headers=headers.descended(
                headers.from_headers(event.headers),
                root=event.root,
                route=self._route.name,
                ordinal=ordinal,
                ce_type=f"towpath.{self._route.target.name}",
                at=at,
                mapping=self._mapping,
                origin=source.connection,
                body_digest=source.body_digest,
            ),
        )

    def _filtered(self, event: Incoming, code: str, source: Source) -> Outgoing:
        metrics.FILTERED.labels(agent=self._route.name, code=code).inc()
        return self._burial.filtered(event, code, source)


def _source(event: Incoming, decoded: Any) -> Source:
    match decoded:
        case Fetched():
            return Source(
                connection=decoded.connection,
                source_version=decoded.source_version,
                body_digest=hashlib.sha256(decoded.body).hexdigest(),
            )
        case Captured():
            return Source(connection=decoded.connection, source_version=event.timestamp_ms * 1000)
        case _ if _says_where_from(decoded.__class__):
            return Source(connection=decoded.connection, source_version=decoded.source_version)
        case _:
            raise DecodeError(f"a {type(decoded).__name__} says no connection and source_version")


@cache
def _says_where_from(record: type[msgspec.Struct]) -> bool:
    """Asked of a type once: a protocol asked of each record costs as much as mapping it."""
    return {"connection", "source_version"} <= set(record.__struct_fields__)
