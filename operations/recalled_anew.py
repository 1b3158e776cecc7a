"""Source events mapped once more beside the records that were made of them, for a recall's plan; nothing is written."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from bus.codec import Codecs
from bus.events import Incoming
from bus.read_range import incoming
from bus.settings import Settings
from errors import BusError, NotFoundError
from mapping.differences import Difference, differences
from operations import read_topics
from operations.made_of import document
from operations.offsets import admin_of, describe
from operations.projection.stories import RecordTold
from operations.read_topics import Span
from schemas.topics import Topic
from streams.routes import Route, record_of

#: Topic, its id, partition and offset of what a record was made of.
Source = tuple[str, str, int, int]


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """What a record would become."""

    #: `change`, `equal`, `refused` or `gone`.
    correction: str
    why: str = ""
    differences: tuple[Difference, ...] = ()
    in_target: tuple[Difference, ...] = ()


class Again:
    """Source events mapped once more beside what was made of them, read where they lie."""

    def __init__(self, settings: Settings, codecs: Codecs, route: Route) -> None:
        """RetryableError: Kafka does not answer."""
        self._settings = settings
        self._route = route
        self._made = codecs.of(route.target)
        self._decode = codecs.decoder(route.source, route.row_type)
        places = describe(admin_of(settings.kafka), [route.source.name, route.target.name])
        self._ids = {name: each.topic_id for name, each in places.items()}
        self._events: dict[str, dict[tuple[int, int], Incoming]] = {}

    def read(self, wanted: Sequence[tuple[RecordTold, Source | None]]) -> None:
        """Have these records and what they were made of at hand: each topic in one go, as a place at a time is slow.

        Raises:
            RetryableError: Kafka does not answer.
        """
        made = [(each.topic_id, each.partition, each.event_offset) for each, _ in wanted]
        sources = [place[1:] for _, place in wanted if place is not None]
        self._events = {
            topic.name: read_at(self._settings.kafka, topic, self._ids.get(topic.name, ""), places)
            for topic, places in ((self._route.target, made), (self._route.source, sources))
        }

    def correction(self, record: RecordTold, place: Source | None) -> Correction:
        """Of one record; `place`: what it was made of, None where that is not known."""
        if place is None:
            return Correction(correction="gone", why="what it was made of is not known any more")
        try:
            lies = (record.topic, record.topic_id, record.partition, record.event_offset)
            before = self._made.decode(self._event(*lies).value)
            after = self._mapped(self._event(*place), record.message_key)
        except NotFoundError as error:
            return Correction(correction="gone", why=error.message)
        except BusError as error:
            return Correction(correction="refused", why=error.message)
        found = tuple(differences(before, after))
        return Correction(
            correction="change" if found else "equal",
            differences=found,
            in_target=tuple(self._in_target(record, before, after)) if found else (),
        )

    def _mapped(self, event: Incoming, message_key: str) -> Any:
        """The part of the event that is this record."""
        parts = self._route.split(self._route.read(self._decode(event.value)))
        _, made = record_of(self._route, parts, self._settings.lookups, event.at, message_key)
        return made

    def _in_target(self, record: RecordTold, before: Any, after: Any) -> Iterator[Difference]:
        """In the fields of the document it becomes, as the outbound mapping at work makes it."""
        try:
            yield from differences(document(self._settings, record, before), document(self._settings, record, after))
        except BusError as error:
            yield Difference(field="refused", before=None, after=error.message)

    def _event(self, topic: str, topic_id: str, partition: int, offset: int) -> Incoming:
        event = self._events[topic].get((partition, offset)) if topic_id == self._ids.get(topic) else None
        if event is None:
            raise NotFoundError("recall.gone", f"{topic}/{partition}/{offset} is not there any more")
        return event


def read_at(
    kafka: str, topic: Topic, topic_id: str, places: Iterable[tuple[str, int, int]]
) -> dict[tuple[int, int], Incoming]:
    """The events at places of a topic, by partition and offset; those that are gone are missing.

    Args:
        kafka: Bootstrap servers.
        topic: The topic.
        topic_id: Of it as it is now; places of another are gone.
        places: Topic id, partition and offset of each.

    Raises:
        RetryableError: Kafka does not answer.
    """
    wanted = {(partition, offset) for id_, partition, offset in places if id_ == topic_id}
    partitions = {partition for partition, _ in wanted}
    span = Span(
        topic=topic.name,
        first={each: min(offset for partition, offset in wanted if partition == each) for each in partitions},
        until={each: max(offset for partition, offset in wanted if partition == each) + 1 for each in partitions},
    )
    return {
        (event.partition, event.offset): event
        for batch in read_topics.read(kafka, topic, span)
        for event in (incoming(message, topic_id) for message in batch)
        if (event.partition, event.offset) in wanted
    }
