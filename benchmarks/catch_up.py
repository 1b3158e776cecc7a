"""How fast is a million waiting events worked off, and does memory grow meanwhile?

python -m benchmarks.catch_up [--quick] [--repeats 5] [--events 1000000]

Rows of stock lie on the topic of change data capture; the streams worker, started as `towpath run streams` starts it,
turns them into canonical records. First through all of them, its resident memory read meanwhile; then round by round
through a fifth, in turn with the floor: a bare loop of confluent-kafka and fastavro with the same bytes in and out.
Rates count from the first record written to the last, so that starting and joining the group are told apart.
"""

import contextlib
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, TopicPartition

from benchmarks.apart.bus import Apart, bus_apart
from benchmarks.apart.names import named
from benchmarks.catching_up import stock
from benchmarks.harness.processes import Started, started
from benchmarks.harness.question import Asked, asked, environment, parser_of, stack
from benchmarks.harness.result import CPU_US_PER_EVENT, EVENTS_PER_S, Figures, Result, ratio, spreads, tell
from benchmarks.harness.rounds import rounds, say
from benchmarks.harness.topics import Topics, fill, topics_on
from bus.registry import Registry
from operations.readers import STREAMS_GROUP
from schemas import topics
from schemas.topics import PARTITIONS

MEMORY: Final = "memory, last tenth / second tenth"
FLOOR: Final = "ours/floor"
WANTED: Final = {FLOOR: 0.55, MEMORY: -1.10}
SLICE: Final = 5
LOOK_EVERY_S: Final = 0.25
#: Nothing written for so long: it will not come.
STUCK_S: Final = 60.0
COMPARED: Final = 200


class Memory(msgspec.Struct, kw_only=True):
    """Resident, read again and again."""

    events: list[int] = []
    mb: list[float] = []


class CatchUp(Result, frozen=True, kw_only=True):
    """The answer with memory over the events."""

    memory: Memory


class Look(msgspec.Struct, frozen=True):
    """When, and what the worker had used by then."""

    at_s: float
    cpu_s: float


class Waiting:
    """What lies on the topic, and who works it off."""

    def __init__(self, apart: Apart, on_kafka: Topics, events: int) -> None:
        self._apart = apart
        self._topics = on_kafka
        self._source = apart.topic(topics.GP_IV00102)
        with contextlib.closing(Registry(apart.stack.registry)) as registry:
            source_id = registry.register(f"{self._source}-value", stock.ENVELOPE)
            target = apart.topic(topics.INVENTORY_LEVELS)
            self._target_id = registry.register(f"{target}-value", stock.LEVEL)
        self._ours_target = target
        fill(apart.stack.kafka, self._source, stock.records(events, stock.header(source_id)))

    def ours(self, events: int, memory: Memory | None = None) -> Figures:
        """The streams worker."""
        process = partial(self._apart.process, "streams")
        return self._worked_off(process, self._ours_target, named(STREAMS_GROUP), events, memory)

    def floor(self, events: int) -> Figures:
        """The loop."""
        target = self._topics.make("catch-up")
        group = "benchmark.floor"
        program = "benchmarks.catching_up.floor"
        words = [self._apart.stack.kafka, self._source, target, group, str(self._target_id)]
        figures = self._worked_off(lambda: started([sys.executable, "-m", program, *words]), target, group, events)
        self._require_equal(target)
        self._topics.drop(target)
        return figures

    def _worked_off(
        self,
        process: Callable[[], contextlib.AbstractContextManager[Started]],
        target: str,
        group: str,
        events: int,
        memory: Memory | None = None,
    ) -> Figures:
        """From the beginning of the topic, until so many records are written."""
        self._topics.forget_group(group)
        before = self._topics.count(target)
        began = time.perf_counter()
        with process() as worker:
            _, idle = self._until(worker, target, before, 1)
            started_s = time.perf_counter() - began
            written, _ = self._until(worker, target, before, events, memory)
            seconds, spent_s = time.perf_counter() - idle.at_s, worker.cpu_s() - idle.cpu_s
            mb = worker.memory_mb()
            worker.stop()
        return {
            EVENTS_PER_S: written / seconds,
            CPU_US_PER_EVENT: spent_s / written * 1e6,
            "starts_in_s": started_s,
            "memory_mb": mb,
        }

    def _until(
        self, worker: Started, target: str, before: int, events: int, memory: Memory | None = None
    ) -> tuple[int, "Look"]:
        """Until at least so many are written; how many are, and the last look at which they were not."""
        written, since = 0, time.monotonic()
        look = Look(time.perf_counter(), worker.cpu_s())
        while True:
            looks = Look(time.perf_counter(), worker.cpu_s())
            now = self._topics.count(target) - before
            if memory is not None:
                memory.events.append(now)
                memory.mb.append(round(worker.memory_mb(), 1))
            if now >= events:
                return now, look
            look = looks
            worker.require_alive()
            if now > written:
                written, since = now, time.monotonic()
            elif time.monotonic() - since > STUCK_S:
                raise TimeoutError(f"{now} of {events} written, and no more: {worker.said()[-1000:]}")
            time.sleep(LOOK_EVERY_S)

    def _require_equal(self, target: str) -> None:
        """Both write the same, byte for byte, in the same places."""
        theirs = self._first(target, range(PARTITIONS), COMPARED)
        ours: dict[tuple[int, int], object] = {}
        for partition in {partition for partition, _ in theirs}:
            last = max(offset for each, offset in theirs if each == partition)
            ours |= self._first(self._ours_target, [partition], last + 1)
        if not theirs or any(ours[place] != record for place, record in theirs.items()):
            raise RuntimeError("what the floor writes is not what the streams worker writes")

    def _first(self, topic: str, partitions: Iterable[int], count: int) -> dict[tuple[int, int], object]:
        """Key and value by partition and offset."""
        consumer = Consumer({"bootstrap.servers": self._apart.stack.kafka, "group.id": "benchmark-look"})
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        found: dict[tuple[int, int], object] = {}
        until = time.monotonic() + STUCK_S
        while len(found) < count and time.monotonic() < until:
            for each in consumer.consume(count - len(found), 1.0):
                found[each.partition() or 0, each.offset() or 0] = each.key(), each.value()
        consumer.close()
        return found


def main() -> int:
    """Measure, print, write; 1 where a ratio is not what is wanted."""
    parser = parser_of(__doc__)
    parser.add_argument("--events", type=int, help="that wait")
    given = parser.parse_args()
    asked_ = asked(given)
    events = given.events or (40_000 if asked_.quick else 1_000_000)
    memory = Memory()
    with bus_apart(stack()) as apart, topics_on(apart.stack.kafka) as on_kafka:
        say(f"{events} rows of stock, waiting …")
        waiting = Waiting(apart, on_kafka, events)
        say("all of them …")
        whole = waiting.ours(events, memory)
        contenders = {"ours": partial(waiting.ours, events // SLICE), "floor": partial(waiting.floor, events // SLICE)}
        found = rounds({name: run for name, run in contenders.items() if asked_.wants(name)}, asked_.repeats)
    ratios = {MEMORY: _growth(memory, events)}
    if not asked_.only:
        ratios |= {
            FLOOR: ratio(found, "ours", "floor"),
            "CPU ours/floor": ratio(found, "ours", "floor", CPU_US_PER_EVENT),
        }
    result = CatchUp(
        environment=_environment(asked_, events),
        contenders=spreads({"ours, all of them": [whole], **found}),
        ratios=ratios,
        wanted={name: wanted for name, wanted in WANTED.items() if name in ratios},
        memory=memory,
    )
    return tell("catch_up", result, kept=asked_.kept)


def _growth(memory: Memory, events: int) -> float:
    """How much more there is at the end than when all is warm."""

    def between(least: float, most: float) -> Sequence[float]:
        at = zip(memory.events, memory.mb, strict=True)
        return [mb for done, mb in at if least * events <= done <= most * events] or memory.mb[-1:]

    return statistics.median(between(0.9, 1.0)) / statistics.median(between(0.1, 0.2))


def _environment(asked_: Asked, events: int) -> dict[str, Any]:
    libraries = ("confluent-kafka", "fastavro", "faust-streaming", "aiokafka")
    return environment("catch_up", asked_, *libraries, events=events, keys=stock.KEYS, partitions=PARTITIONS)


if __name__ == "__main__":
    sys.exit(main())
