"""What becomes of throughput with more keys, more parked rows, more partitions?

python -m benchmarks.growth [--quick] [--repeats 5] [--only keys]

Keys and partitions: our streams agent over the same number of orders, of few keys and of keys spread over a million, on
topics of few partitions and of many; it keeps nothing by key, a store does. Parked rows: delivery to a target of 1 ms
from stores that hold none and up to a million, each of a key of its own.
"""

import sys
from collections.abc import Mapping
from functools import cache, partial
from typing import Any, Final

import msgspec

from benchmarks.delivering import runs, stores
from benchmarks.delivering.runs import Contender, Kind
from benchmarks.harness import question
from benchmarks.harness.result import Figures, Found, Result, ratio, spreads, tell
from benchmarks.harness.rounds import Run, alone, rounds, say
from benchmarks.harness.topics import Topics, topics_on
from benchmarks.transforming.contenders import contenders
from benchmarks.transforming.run import Limit, Source, fill_source, measured
from tests.integration.delivery.cluster import Cluster

KEYS: Final = (1_000, 10_000, 100_000, 1_000_000)
PARTITIONS: Final = (1, 12, 48)
PARKED: Final = (0, 10_000, 100_000, 1_000_000)
#: Of a million keys as many come as there are events, spread over all of them.
EVENTS: Final = 60_000
LIMIT: Final = Limit(cpu_s=20, wall_s=40)
#: Throughput with a thousand times the keys, and beside a million parked rows.
WANTED: Final[Mapping[str, float]] = {
    "keys 1,000,000 / keys 1,000": 0.8,
    "parked 1,000,000 / parked 0": 0.8,
}


def main() -> int:
    """Measure, print, write; 1 where a ratio is not what is wanted."""
    asked = question.ask(__doc__)
    cluster = Cluster()
    try:
        with topics_on(question.stack().kafka) as topics:
            runs_ = _of_topics(topics, asked) | _of_stores(cluster, asked)
            found = rounds({name: run for name, run in runs_.items() if asked.wants(name)}, asked.repeats)
    finally:
        cluster.remove()
    result = Result(
        environment=question.environment("growth", asked, "faust-streaming", "aiokafka", "psycopg"),
        contenders=spreads(found),
        ratios=_ratios(found),
        wanted={} if asked.quick else dict(WANTED),
    )
    return tell("growth", result, kept=asked.kept)


def _of_topics(topics: Topics, asked: question.Asked) -> dict[str, Run]:
    events = EVENTS // 6 if asked.quick else EVENTS

    @cache
    def source(keys: int, partitions: int) -> Source:
        say(f"{events:,} orders of {keys:,} keys on {partitions} partitions …")
        return fill_source(topics, events=events, lines=3, form="avro", keys=keys, partitions=partitions)

    def run(keys: int, partitions: int) -> Figures:
        return measured(topics, source(keys, partitions), contenders()["ours"], 1, LIMIT)

    asked_keys = (KEYS[0], KEYS[-1]) if asked.quick else KEYS
    asked_partitions = (1, 12) if asked.quick else PARTITIONS
    made: dict[str, Run] = {f"keys {keys:,}": partial(run, keys, 12) for keys in asked_keys}
    return made | {f"partitions {number}": partial(run, KEYS[-1], number) for number in asked_partitions}


def _of_stores(cluster: Cluster, asked: question.Asked) -> dict[str, Run]:
    @cache
    def store(parked: int) -> Contender:
        say(f"a store of {parked:,} parked rows …")
        connection = f"benchmark-{parked}"
        stores.make(cluster.dsn, connection, parked=parked)
        return Contender(kind=Kind.DELIVER, connection=connection, of_each_key=3 if asked.quick else 20, answer_s=0.001)

    def run(parked: int) -> Figures:
        found: dict[str, Any] = msgspec.structs.asdict(alone(runs.measure, store(parked), cluster.dsn, cluster.pid))
        return {name: found[name] for name in ("events_per_s", "cpu_us_per_event", "server_cpu_us_per_event")}

    asked_parked = (PARKED[0], 50_000) if asked.quick else PARKED
    return {f"parked {parked:,}": partial(run, parked) for parked in asked_parked}


def _ratios(found: Found) -> dict[str, float]:
    """Each to the first of its kind."""
    made: dict[str, float] = {}
    for kind in ("keys", "partitions", "parked"):
        first, *others = [name for name in found if name.startswith(kind)] or [""]
        made |= {f"{name} / {first}": ratio(found, name, first) for name in others}
    return made


if __name__ == "__main__":
    sys.exit(main())
