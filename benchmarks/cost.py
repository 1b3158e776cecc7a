"""How many processor seconds do a million events cost, by stage?

python -m benchmarks.cost [--quick] [--repeats 5] [--only streams]

`streams` and `consumers`: the stage alone, driven as hard as it goes: what it uses itself, and what it has PostgreSQL
use; the broker's own work is not in it. Orders are those of `benchmarks.transform`, deliveries those of
`benchmarks.delivery`. `order`: an order's whole way through the running bus, webhook to document and its number back to
the store, at a steady 10/s, by process and server: little is gathered at that rate, so that each costs most.
"""

import sys
from functools import partial
from typing import Any, Final

import msgspec

from benchmarks.delivering import runs as deliveries
from benchmarks.delivering import stores
from benchmarks.delivering.runs import Contender, Kind
from benchmarks.harness import question
from benchmarks.harness.result import CPU_US_PER_EVENT, EVENTS_PER_S, Figures, Result, spreads, tell
from benchmarks.harness.rounds import Run, alone, rounds, say
from benchmarks.harness.topics import Topics, topics_on
from benchmarks.transforming.contenders import contenders
from benchmarks.transforming.run import Limit, fill_source, measured
from benchmarks.whole.bus import whole_bus
from benchmarks.whole.flows import Followed
from benchmarks.whole.observer import Observer
from benchmarks.whole.runs import READ, Runs
from tests.integration.delivery.cluster import Cluster

CONNECTION: Final = "benchmark"
LIMIT: Final = Limit(cpu_s=20, wall_s=40)
#: Of the whole way.
ORDERS_PER_S: Final = 10


def main() -> int:
    """Measure, print, write."""
    asked = question.ask(__doc__)
    cluster = Cluster()
    try:
        stores.make(cluster.dsn, CONNECTION)
        with topics_on(question.stack().kafka) as topics:
            stages = _streams(topics, asked) | _consumers(cluster, asked)
            found = rounds(stages, asked.repeats)
        if asked.wants("order"):
            found |= _whole_way(asked)
    finally:
        cluster.remove()
    result = Result(
        environment=question.environment("cost", asked, "faust-streaming", "aiokafka", "psycopg"),
        contenders=spreads(found),
        ratios={},
    )
    return tell("cost", result, kept=asked.kept)


def _streams(topics: Topics, asked: question.Asked) -> dict[str, Run]:
    events = 10_000 if asked.quick else 60_000
    made: dict[str, Run] = {}
    for name, form in (("streams, Avro to Avro", "avro"), ("streams, JSON to Avro", "json")):
        if asked.wants(name):
            say(f"{events:,} orders, {form} …")
            source = fill_source(topics, events=events, lines=3, form=form)
            made[name] = partial(_of_stream, topics, source)
    return made


def _of_stream(topics: Topics, source: Any) -> Figures:
    found = measured(topics, source, contenders()["ours"], 1, LIMIT)
    return _cost(found[EVENTS_PER_S], found[CPU_US_PER_EVENT], 0.0)


def _consumers(cluster: Cluster, asked: question.Asked) -> dict[str, Run]:
    size = 2 if asked.quick else 20
    stages = {
        "consumers, take-in": Contender(kind=Kind.TAKE_IN, connection=CONNECTION, of_each_key=size),
        "consumers, delivery": Contender(kind=Kind.DELIVER, connection=CONNECTION, of_each_key=size, answer_s=0.001),
    }
    return {name: partial(_of_delivery, cluster, contender) for name, contender in stages.items() if asked.wants(name)}


def _of_delivery(cluster: Cluster, contender: Contender) -> Figures:
    found: dict[str, Any] = msgspec.structs.asdict(alone(deliveries.measure, contender, cluster.dsn, cluster.pid))
    return _cost(found[EVENTS_PER_S], found[CPU_US_PER_EVENT], found["server_cpu_us_per_event"])


def _whole_way(asked: question.Asked) -> dict[str, list[Figures]]:
    """By process and server, the stores' own among them."""
    say("the whole bus …")
    with whole_bus() as whole, Observer(whole.settings.kafka, *READ) as observer:
        followed = Followed(whole)
        runs = Runs(whole, observer, followed)
        run = partial(runs.orders, ORDERS_PER_S, 4.0 if asked.quick else 10.0)
        run()
        runs.by_process.clear()
        (whole_runs,) = rounds({"order": run}, asked.repeats).values()
        followed.close()
    (shares,) = runs.by_process.values()
    pairs = list(zip(whole_runs, shares, strict=True))
    return {
        f"order, {name}": [
            {EVENTS_PER_S: figures[EVENTS_PER_S], CPU_US_PER_EVENT: us, "cpu_s_per_million": us}
            for figures, share in pairs
            for us in (share.get(name, 0.0),)
        ]
        for name in sorted(shares[0], key=lambda name: -shares[0][name])
    }


def _cost(events_per_s: float, own_us: float, server_us: float) -> Figures:
    """A microsecond an event is a second a million."""
    return {
        EVENTS_PER_S: events_per_s,
        CPU_US_PER_EVENT: own_us,
        "postgresql_cpu_us_per_event": server_us,
        "cpu_s_per_million": own_us + server_us,
    }


if __name__ == "__main__":
    sys.exit(main())
