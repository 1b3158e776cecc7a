"""One measured run of a transforming contender: started, watched from outside while it works, checked, ended."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
from confluent_kafka import Consumer, TopicPartition

from benchmarks.harness.processes import NotInTimeError, Started, started
from benchmarks.harness.result import Figures
from benchmarks.harness.topics import Topics, fill
from benchmarks.transforming import by_hand, orders
from benchmarks.transforming.job import Job
from operations.stack.settings import REPOSITORY_ROOT

#: How long a program may take to its first output.
READY_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.05
#: Outputs of a run that are held against what must have come out.
COMPARED: Final = 200


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A filled source topic, the same for all contenders."""

    topic: str
    events: int
    lines: int
    #: `avro` or `json`.
    form: str


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """When a run that is not through with its source is ended: by what it has used, or by the clock."""

    cpu_s: float
    wall_s: float


class Sample(msgspec.Struct, frozen=True):
    """One look from outside."""

    at_s: float
    outputs: int
    cpu_s: float


#: Orders of 30 KB come in batches.
WIDE: Final = {"max.message.bytes": str(4 * 1024 * 1024)}

#: The commands of a contender's programs for a job and a number of workers.
Commands = Callable[[Job, int], Sequence[Sequence[str]]]


class WrongOutputError(Exception):
    """A contender wrote something else than the others, or committed what it had not written."""


def fill_source(
    topics: Topics, *, events: int, lines: int, form: str, keys: int | None = None, partitions: int = 12
) -> Source:
    """A source topic of so many orders; of fewer keys, where that is said."""
    topic = topics.make(f"orders-{form}-{lines}", partitions, config=WIDE)
    fill(topics.kafka, topic, orders.records(events, lines, form, keys or events))
    return Source(topic=topic, events=events, lines=lines, form=form)


def measured(topics: Topics, source: Source, commands: Commands, workers: int, limit: Limit) -> Figures:
    """Rate and processor time of one run.

    Raises:
        DiedError, NotInTimeError: the contender does not work.
        WrongOutputError: it does other work than the others.
    """
    target = topics.make("placed", config=WIDE)
    group = f"benchmark-{uuid.uuid4().hex[:8]}"
    with _running(topics.kafka, source, target, group, commands, workers) as programs:
        first, last = _watched(topics, target, source.events, programs, limit)
        memory = sum(each.memory_mb() for each in programs)
        for each in programs:
            each.stop()
    _check(topics, source, target, group)
    topics.drop(target)
    topics.forget_group(group)
    events = last.outputs - first.outputs
    return {
        "events_per_s": events / (last.at_s - first.at_s),
        "cpu_us_per_event": (last.cpu_s - first.cpu_s) / events * 1e6,
        "memory_mb": memory,
    }


@contextmanager
def _running(
    kafka: str, source: Source, target: str, group: str, commands: Commands, workers: int
) -> Iterator[list[Started]]:
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True))
        job = Job(kafka=kafka, source=source.topic, target=target, form=source.form, group=group, folder=folder)
        environ = {"PYTHONPATH": str(REPOSITORY_ROOT)}
        yield [stack.enter_context(started(command, environ)) for command in commands(job, workers)]


def _watched(
    topics: Topics, target: str, events: int, programs: Sequence[Started], limit: Limit
) -> tuple[Sample, Sample]:
    """The last look before the first output, and the first that finds all done.

    It is the whole way of the events, as contenders differ in how far ahead they read. Time is taken to when the last
    output was seen for the first time.
    """

    def sample() -> Sample:
        for each in programs:
            each.require_alive()
        # asked in this order, no look has outputs whose processor time it lacks
        outputs, at_s = topics.count(target), time.perf_counter()
        return Sample(at_s, outputs, sum(each.cpu_s() for each in programs))

    first = last = sample()
    begun = first.at_s
    while last.outputs < events:
        time.sleep(LOOK_EVERY_S)
        last = sample()
        if last.outputs == 0:
            first = last
            if last.at_s - begun > READY_WITHIN_S:
                raise NotInTimeError(f"a first output: {programs[0].said()[-1000:]}")
        elif last.cpu_s - first.cpu_s > limit.cpu_s or last.at_s - first.at_s > limit.wall_s:
            break
    return first, last


def _check(topics: Topics, source: Source, target: str, group: str) -> None:
    """Hold some of what came out against what must come out, and the commits against all that came out."""
    written, committed = topics.count(target), topics.committed(group)
    if committed > written:
        raise WrongOutputError(f"{committed} events committed, {written} written")
    seen: set[int] = set()
    for key, value in _outputs(topics, target):
        number = orders.number_of(key)
        expected = by_hand.decoded(by_hand.from_avro(orders.value_of(number, source.lines, "avro")))
        if (found := by_hand.decoded(value)) != expected:
            raise WrongOutputError(f"order {number} came out as {found}, and should have as {expected}")
        seen.add(number)
    if not seen:
        raise WrongOutputError("nothing came out")


def _outputs(topics: Topics, target: str) -> Iterator[tuple[bytes, bytes]]:
    """The first of each partition."""
    consumer = Consumer({"bootstrap.servers": topics.kafka, "group.id": "none", "enable.auto.commit": False})
    try:
        partitions = range(len(consumer.list_topics(target, timeout=10).topics[target].partitions))
        consumer.assign([TopicPartition(target, partition, 0) for partition in partitions])
        for message in consumer.consume(COMPARED, timeout=3.0):
            yield message.key() or b"", message.value() or b""
    finally:
        consumer.close()
