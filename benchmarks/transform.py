"""How many orders a second go from one topic to another: ours beside a bare loop and what people would use instead.

python -m benchmarks.transform [--quick] [--repeats 5] [--only ours]

Bytes in, record, mapping, record, bytes out, offsets committed once the broker has confirmed the outputs (`acks=all`).
All read the same topic of twelve partitions and are watched from outside; some outputs of each run are held against
what must have come out. A contender's name alone is orders of 330 bytes, Avro to Avro, one worker.
"""

import sys
from collections.abc import Mapping
from functools import cache, partial
from subprocess import CalledProcessError
from typing import Any, Final

import msgspec

from benchmarks.harness import peers, question
from benchmarks.harness.result import CPU_US_PER_EVENT, Found, Result, ratio, spreads, tell
from benchmarks.harness.rounds import Run, rounds, say
from benchmarks.harness.topics import Topics, topics_on
from benchmarks.transforming.contenders import contenders
from benchmarks.transforming.job import Job
from benchmarks.transforming.run import Limit, Source, fill_source, measured
from errors import BusError
from operations.stack.lock import KAFKA

MAIN_ONES: Final = ("floor", "ours", "quixstreams", "kafka-streams")


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One way to ask: what the orders are like, and how many workers there are."""

    name: str
    form: str
    lines: int
    events: int
    workers: int = 1
    contenders: tuple[str, ...] = MAIN_ONES


CELLS: Final = (
    Cell(
        name="",
        form="avro",
        lines=3,
        events=80_000,
        contenders=(*MAIN_ONES, "faststream-batched", "faust-stock", "faststream-one-by-one"),
    ),
    # so many that the second has joined long before the end
    Cell(name="2 workers", form="avro", lines=3, events=200_000, workers=2),
    Cell(name="3 KB", form="avro", lines=26, events=8_000),
    Cell(name="30 KB", form="avro", lines=260, events=1_000),
    Cell(name="JSON 330 B", form="json", lines=3, events=60_000),
    Cell(name="JSON 3 KB", form="json", lines=26, events=8_000),
    Cell(name="JSON 30 KB", form="json", lines=260, events=1_000),
)
NOWHERE: Final = Job(kafka="", source="", target="", form="avro", group="", folder="")
LIMIT: Final = Limit(cpu_s=12, wall_s=30)
QUICK: Final = Limit(cpu_s=4, wall_s=5)
#: Ratio to what is wanted of it; negative: at most.
WANTED: Final[Mapping[str, float]] = {
    "ours/floor": 0.55,
    "ours/quixstreams": 0.9,
    "ours/faust-stock": 3.0,
}


def main() -> int:
    """Measure, print, write; 1 where a ratio is not what is wanted."""
    asked = question.ask(__doc__)
    cells = CELLS[:1] if asked.quick else CELLS
    skipped: dict[str, str] = {}
    with topics_on(question.stack().kafka) as topics:
        found = rounds(_runs(topics, cells, asked, skipped), asked.repeats)
    result = Result(
        environment=_environment(asked),
        contenders=spreads(found),
        ratios=_ratios(found),
        wanted={} if asked.quick else dict(WANTED),
        skipped=skipped,
    )
    return tell("transform", result, kept=asked.kept)


def _runs(topics: Topics, cells: tuple[Cell, ...], asked: question.Asked, skipped: dict[str, str]) -> dict[str, Run]:
    known = contenders(cache(peers.python))
    for name in dict.fromkeys(name for cell in cells for name in cell.contenders if asked.wants(name)):
        try:
            known[name](NOWHERE, 1)  # fetches and compiles what is missing
        except (BusError, OSError, CalledProcessError) as error:
            skipped[name] = str(error)
    sources: dict[tuple[str, int, int], Source] = {}
    runs: dict[str, Run] = {}
    for cell in cells:
        events = cell.events // 4 if asked.quick else cell.events
        for name in cell.contenders:
            full_name = f"{name}, {cell.name}" if cell.name else name
            if not asked.wants(full_name) or name in skipped:
                continue
            place = (cell.form, cell.lines, events)
            if place not in sources:
                say(f"{events:,} orders of {cell.lines} lines, {cell.form} …")
                sources[place] = fill_source(topics, events=events, lines=cell.lines, form=cell.form)
            runs[full_name] = partial(
                measured, topics, sources[place], known[name], cell.workers, QUICK if asked.quick else LIMIT
            )
    return runs


def _ratios(found: Found) -> dict[str, float]:
    """Ours to each of the others in the same cell: events a second, and processor time an event."""
    made: dict[str, float] = {}
    for name in found:
        other, _, cell = name.partition(", ")
        ours = f"ours, {cell}" if cell else "ours"
        if other == "ours" or ours not in found:
            continue
        label = f"ours/{other}" + (f", {cell}" if cell else "")
        made[label] = ratio(found, ours, name)
        made[f"CPU {label}"] = ratio(found, ours, name, CPU_US_PER_EVENT)
    return made


def _environment(asked: question.Asked) -> dict[str, Any]:
    return question.environment(
        "transform",
        asked,
        *("faust-streaming", "aiokafka", "confluent-kafka", "fastavro"),
        peers=peers.locked("quixstreams", "faststream", "confluent-kafka", "fastavro"),
        kafka_streams=KAFKA,
        settings="acks=all, 12 partitions, at least once, committed every second or 2 000 events",
    )


if __name__ == "__main__":
    sys.exit(main())
