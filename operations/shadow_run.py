"""Runs a new version of a mapping over recorded events, beside the live one; nothing is written.

Events are read where they lie and mapped by both with the same tables and the same moment, so that what differs is the
mapping's doing. Long stretches are shared among processes.
"""

import atexit
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from types import FunctionType
from typing import Any, Self

import msgspec
from confluent_kafka import Message

from bus.codec import Codecs
from bus.registry import Registry
from bus.settings import Settings, of_connection
from consumers.dynamics_gp.target import TARGET
from consumers.routes import Route as Delivery
from errors import ConfigurationError, RejectedError
from mapping.data import DataMapping
from mapping.extend import base_of
from mapping.port import Lookups
from mapping.port import Mapping as AnyMapping
from operations import read_topics
from operations.at_work import at_work, those_there_are
from operations.mapping_files import named
from operations.offsets import admin_of, describe
from operations.read_topics import Span
from operations.shadow import Sample, Shadow, Tally, fields_told, refusals_told
from schemas.topics import Topic
from streams.routes import Route

#: Offsets of a partition that are one piece of work.
PIECE = 4000
#: Fewer are read here: another process takes longer to start.
ALONE = 3 * PIECE

Progress = Callable[[int, int], None]
#: A record as a mapping reads it, the tables it is mapped with, and whose it is.
Part = tuple[str, Any, Lookups]


class Arrow(msgspec.Struct, frozen=True, kw_only=True):
    """Where a mapping is at work."""

    live: AnyMapping[Any, Any]
    source: Topic
    row_type: type[msgspec.Struct] | None
    #: Key and decoded event to what is mapped of it.
    parts: Callable[[str, Any], Iterable[Part]]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What every process of a run is told."""

    settings: Settings
    #: Of a file, or an id.
    new: str
    samples: int
    until: datetime
    #: Where the events lie, where it is another than the mapping's own.
    topic: str


def shadow(
    settings: Settings,
    new: str,
    since: datetime,
    progress: Progress,
    *,
    until: datetime | None = None,
    expected: Sequence[str] = (),
    samples: int = 3,
    processes: int = 0,
    topic: str = "",
) -> Shadow:
    """Compare.

    Args:
        settings: The deployment, its tables as they stand now.
        new: The new version: a file, or the id of a mapping of ours.
        since: From when events are taken, by their topic's stamps.
        progress: Told how many offsets were read, and of how many.
        until: Up to when; None: up to now.
        expected: Fields that may differ.
        samples: At most so many records of each difference.
        processes: That share the work; 0: as many as there are processors.
        topic: A copy of the topic the mapping reads; empty: that itself.

    Raises:
        ConfigurationError: there is no such file, or nothing is at work in its place.
        BrokenMappingError: it cannot be run.
        RetryableError: Kafka or the registry does not answer.
    """
    until = until or datetime.now(UTC)
    job = Job(settings=settings, new=new, samples=samples, until=until, topic=topic)
    with Comparison(job) as worker:
        return _compared(job, worker, since, expected, progress, processes)


def _compared(
    job: Job, worker: "Comparison", since: datetime, expected: Sequence[str], progress: Progress, processes: int
) -> Shadow:
    settings = job.settings
    source = job.topic or worker.arrow.source.name
    places = describe(admin_of(settings.kafka), [source])
    if source not in places:
        raise ConfigurationError(f"topic {source}", "does not exist: run `towpath topics apply`")
    span = read_topics.span(settings.kafka, places[source], since)
    pieces = list(pieces_of(span))
    tally = Tally(job.samples)
    done = 0
    progress(0, span.records)
    for piece, found in _found(job, worker, pieces, span.records, processes):
        tally.merge(found)
        done += piece.records
        progress(done, span.records)
    return _told(worker, tally, since, expected)


class Comparison:
    """Both versions, and what reads events for them; one for each process."""

    def __init__(self, job: Job) -> None:
        self._kafka = job.settings.kafka
        self._until = job.until
        self._samples = job.samples
        self.new = named(job.new, job.settings).mapping
        self.arrow = arrow_of(job.settings, self.new)
        # said now, and not with the first record
        self.new.require_runnable()
        share(self.new, self.arrow.live)
        with ExitStack() as opened:
            registry = opened.enter_context(closing(Registry(job.settings.registry)))
            self._decode = Codecs(registry).decoder(self.arrow.source, self.arrow.row_type)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self._opened.close()

    def read(self, piece: Span) -> Tally:
        """Compare a stretch of the topic."""
        tally = Tally(self._samples)
        for batch in read_topics.read(self._kafka, self.arrow.source, piece):
            for message in batch:
                self._event(message, tally)
        return tally

    def _event(self, message: Message, tally: Tally) -> None:
        at = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
        if at >= self._until:
            return
        key = (message.key() or b"").decode("utf-8", "backslashreplace")
        position = f"{message.topic()}/{message.partition()}/{message.offset()}"
        compare(self.arrow, self.new, self._decode, message.value(), at, Sample(key=key, position=position), tally)


class Once:
    """A rule that both versions call with the very same arguments: the second time it says what it said."""

    def __init__(self, rule: Callable[..., Any]) -> None:
        self._rule = rule
        self._given: tuple[Any, ...] | None = None
        self._said: Any = None

    def __call__(self, *given: Any) -> Any:
        """As the rule; its errors are not kept."""
        last = self._given
        if last is None or len(last) != len(given) or any(a is not b for a, b in zip(last, given, strict=True)):
            # first, so that an error leaves nothing half
            self._said, self._given = self._rule(*given), given
        return self._said


def share(*mappings: AnyMapping[Any, Any]) -> None:
    """Let versions share what their rules say of a record: decoding a document takes longer than mapping it."""
    listed = [each for each in mappings if isinstance(each, DataMapping)]
    once = {rule: Once(rule) for each in listed for rule in each.rules.values()}
    for each in listed:
        space = each.compiled.function.__globals__
        for name, value in list(space.items()):
            if isinstance(value, FunctionType) and value in once:
                space[name] = once[value]


def compare(
    arrow: Arrow,
    new: AnyMapping[Any, Any],
    decode: Callable[[bytes], Any],
    value: bytes | None,
    at: datetime,
    sample: Sample,
    tally: Tally,
) -> None:
    """One event, with all its parts."""
    tally.event(at)
    if value is None:
        tally.left_out += 1
        return
    try:
        parts = list(arrow.parts(sample.key, decode(value)))
    except RejectedError:
        tally.unreadable += 1
        return
    tally.left_out += not parts
    for whose, part, lookups in parts:
        live, made = _mapped(arrow.live, part, lookups, at), _mapped(new, part, lookups, at)
        of = msgspec.structs.replace(sample, key=f"{whose} {sample.key}") if whose else sample
        tally.add(live, made, of)


def arrow_of(settings: Settings, new: DataMapping) -> Arrow:
    """Where the mapping is at work that the new one is a version of.

    Raises:
        ConfigurationError: nowhere; names those there are.
    """
    base = base_of(new.spec)
    id_ = base[0] if base is not None else new.id
    found = at_work(settings)
    if id_ not in found:
        raise ConfigurationError(new.id, f"no mapping of that id is at work: {those_there_are(id_, found)}")
    work = found[id_]
    if work.inbound is not None:
        return _inbound(work.inbound, settings.lookups)
    if work.outbound is None:
        raise ValueError(f"{id_} is at no arrow")
    return _outbound(work.outbound, settings)


def pieces_of(span: Span) -> Iterator[Span]:
    """A span in pieces of a partition each, so that processes can share it; pure."""
    for number, first in span.first.items():
        for begin in range(first, span.until[number], PIECE):
            end = min(begin + PIECE, span.until[number])
            yield Span(topic=span.topic, first={number: begin}, until={number: end})


def _inbound(route: Route, lookups: Lookups) -> Arrow:
    def parts(_key: str, decoded: Any) -> Iterator[Part]:
        for part in route.split(route.read(decoded)):
            if route.leave_out(part) is None:
                yield "", part, lookups

    return Arrow(live=route.mapping, source=route.source, row_type=route.row_type, parts=parts)


def _outbound(way: Delivery, settings: Settings) -> Arrow:
    tables = {
        each.name: settings.lookups.also(of_connection(each.name), known_as=TARGET)
        for each in settings.of_system(way.system)
    }

    def parts(key: str, record: Any) -> Iterator[Part]:
        for connection in way.to(key, settings.pairs):
            if connection in tables:
                yield connection, record, tables[connection]

    return Arrow(live=way.mapping, source=way.source, row_type=None, parts=parts)


def _mapped(mapping: AnyMapping[Any, Any], part: Any, lookups: Lookups, at: datetime) -> Any:
    try:
        return mapping(part, lookups, at)
    except RejectedError as error:
        return error


def _found(
    job: Job, worker: Comparison, pieces: Sequence[Span], records: int, processes: int
) -> Iterator[tuple[Span, Tally]]:
    """Each piece with what came of it, as they come."""
    at_once = min(processes or os.cpu_count() or 1, len(pieces))
    if at_once <= 1 or records <= ALONE:
        for piece in pieces:
            yield piece, worker.read(piece)
        return
    # not forked: the client of Kafka has threads
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(at_once, mp_context=context, initializer=_begin, initargs=(job,)) as pool:
        asked = {pool.submit(_read, piece): piece for piece in pieces}
        try:
            for future in as_completed(asked):
                yield asked[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_HERE: dict[str, Comparison] = {}
_OPENED = ExitStack()


def _begin(job: Job) -> None:
    _HERE["comparison"] = _OPENED.enter_context(Comparison(job))
    # a process of the pool ends with its last piece, wherever it was
    atexit.register(_OPENED.close)


def _read(piece: Span) -> Tally:
    return _HERE["comparison"].read(piece)


def _told(worker: Comparison, tally: Tally, since: datetime, expected: Iterable[str]) -> Shadow:
    live, new = worker.arrow.live, worker.new
    return Shadow(
        live=f"{live.id}@{live.version}+{live.digest}",
        new=f"{new.id}@{new.version}+{new.digest}",
        topic=worker.arrow.source.name,
        since=since,
        first=tally.first,
        last=tally.last,
        events=tally.events,
        unreadable=tally.unreadable,
        left_out=tally.left_out,
        compared=tally.compared,
        same=tally.same,
        differ=tally.differ,
        differences=fields_told(tally, expected),
        new_refusals=refusals_told(tally.refused),
        refused_no_more=refusals_told(tally.passed),
        refused_by_both=tally.refused_by_both,
    )
