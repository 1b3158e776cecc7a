"""How fast is delivery, what do its promises cost, and does a million parked rows slow it down?

python -m benchmarks.delivery [--quick] [--repeats 5] [--rows 1000000] [--parked 1000000]

Starts a PostgreSQL of its own. Contenders run in turn, each in a process of its own, round after round; what counts are
the ratios, as the machine is never alone. The whole run writes benchmarks/results/delivery.json.
"""

import statistics
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec
import psycopg

from benchmarks.delivering import runs, stores
from benchmarks.delivering.runs import Contender, Kind
from benchmarks.harness import question
from benchmarks.harness.result import Figures, Found, Result, percentile, ratio, spreads, tell
from benchmarks.harness.rounds import alone, rounds, say
from tests.integration.delivery.cluster import Cluster

FIGURES: Final = ("events_per_s", "cpu_us_per_event", "server_cpu_us_per_event", "peak_memory_mb")
PLAIN, FULL_OF_PARKED, GROWING = "benchmark", "benchmark-parked", "benchmark-growing"
IN_FLIGHT: Final = 200
#: What the target of 50 ms lets through at most.
PHYSICAL_PER_S: Final = IN_FLIGHT / 0.050
#: Ratio to what is wanted of it; negative: at most.
WANTED: Final[Mapping[str, float]] = {
    "50ms / physical limit": 0.70,
    "50ms / serial": 100,
    "1ms / serial": 20,
    "1ms, 20 keys / serial": 8,
    "take-in / copy": 0.50,
    "50ms, parked / none": 0.80,
    "1ms, parked / none": 0.80,
    "take-in, parked / none": 0.80,
    "memory, parked / none": -1.10,
    "claim p99, parked / none": -1.50,
    "take-in call, parked / none": -1.20,
    "settle call, parked / none": -1.20,
    "skip of one key, parked / none": -1.20,
    "release of one key, parked / none": -1.20,
    "hot table, end / after 10 000 rows": -2.0,
}


class Delivered(Result, frozen=True, kw_only=True):
    """The file."""

    order_violations: int
    repeated: int
    hot_table: runs.Sizes


def contenders(size: int) -> dict[str, Contender]:
    """By name, in the order of a first round; `size` 10 is the whole thing."""

    def delivering(**more: Any) -> Contender:
        given: dict[str, Any] = {"kind": Kind.DELIVER, "connection": PLAIN, "of_each_key": 2 * size}
        return Contender(**(given | more))

    slow = {"answer_s": 0.050, "fails_one_in": 100}
    return {
        "50ms": delivering(**slow),
        "50ms, parked": delivering(**slow, connection=FULL_OF_PARKED),
        "50ms, serial": delivering(answer_s=0.050, keys=12, of_each_key=size, in_flight=1),
        "1ms": delivering(answer_s=0.001),
        "1ms, parked": delivering(answer_s=0.001, connection=FULL_OF_PARKED),
        "1ms, 20 keys": delivering(answer_s=0.001, keys=20, of_each_key=20 * size),
        "1ms, serial": delivering(answer_s=0.001, keys=12, of_each_key=3 * size, in_flight=1),
        "1ms, without once": delivering(answer_s=0.001, once=False),
        "take-in": Contender(kind=Kind.TAKE_IN, connection=PLAIN, of_each_key=2 * size),
        "take-in, parked": Contender(kind=Kind.TAKE_IN, connection=FULL_OF_PARKED, of_each_key=2 * size),
        "copy": Contender(kind=Kind.COPY, connection=PLAIN, of_each_key=2 * size),
    }


def main() -> int:
    """Measure, print, write; 1 where a ratio is not what is wanted."""
    parser = question.parser_of(__doc__)
    parser.add_argument("--rows", type=int, help="that go through the store whose size is watched")
    parser.add_argument("--parked", type=int, help="rows in the full store")
    given = parser.parse_args()
    asked = question.asked(given)
    parked = given.parked or (50_000 if asked.quick else 1_000_000)
    rows = given.rows or (20_000 if asked.quick else 1_000_000)
    names = {name: each for name, each in contenders(2 if asked.quick else 10).items() if asked.wants(name)}
    cluster = Cluster()
    try:
        say(f"a PostgreSQL with {parked} parked rows in one store …")
        stores.make(cluster.dsn, PLAIN)
        stores.make(cluster.dsn, FULL_OF_PARKED, parked=parked)
        if asked.only:
            _rounds(cluster, names, asked.repeats)
            return 0
        result = _whole(cluster, names, asked, parked, rows)
    finally:
        cluster.remove()
    code = tell("delivery", result, kept=asked.kept)
    say(f"order violations {result.order_violations}, second effects {result.repeated}")
    return 1 if code or result.order_violations or result.repeated else 0


def _whole(
    cluster: Cluster, names: Mapping[str, Contender], asked: question.Asked, parked: int, rows: int
) -> Delivered:
    stores.make(cluster.dsn, GROWING)
    found = _rounds(cluster, names, asked.repeats)
    say("the same calls on both stores …")
    calls = alone(runs.alternate, cluster.dsn, [PLAIN, FULL_OF_PARKED], 30 * asked.repeats)
    say(f"{rows} rows through one store …")
    sizes = alone(runs.go_through, cluster.dsn, GROWING, rows)
    figures = {name: [{figure: run[figure] for figure in FIGURES} for run in each] for name, each in found.items()}
    return Delivered(
        environment=question.environment(
            "delivery",
            asked,
            "psycopg",
            postgresql=_version_of(cluster),
            settings="synchronous_commit on, 600 bytes of payload, target and deliverer in one process, uvloop",
            parked_rows=parked,
            rows_through=rows,
        ),
        contenders=spreads(figures),
        ratios=_ratios(found) | _of_calls(calls) | {"hot table, end / after 10 000 rows": sizes.hot[-1] / sizes.hot[0]},
        wanted=dict(WANTED),
        order_violations=round(sum(run["order_violations"] for each in found.values() for run in each)),
        repeated=round(sum(run["repeated"] for each in found.values() for run in each)),
        hot_table=sizes,
    )


def _rounds(cluster: Cluster, names: Mapping[str, Contender], repeats: int) -> Found:
    return rounds({name: partial(_run, cluster, contender) for name, contender in names.items()}, repeats)


def _run(cluster: Cluster, contender: Contender) -> Figures:
    figures: Figures = msgspec.structs.asdict(alone(runs.measure, contender, cluster.dsn, cluster.pid))
    return figures


def _ratios(found: Found) -> dict[str, float]:
    return {
        "50ms / physical limit": statistics.median(each["events_per_s"] for each in found["50ms"]) / PHYSICAL_PER_S,
        "50ms / serial": ratio(found, "50ms", "50ms, serial"),
        "1ms / serial": ratio(found, "1ms", "1ms, serial"),
        "1ms, 20 keys / serial": ratio(found, "1ms, 20 keys", "1ms, serial"),
        "take-in / copy": ratio(found, "take-in", "copy"),
        "50ms, parked / none": ratio(found, "50ms, parked", "50ms"),
        "1ms, parked / none": ratio(found, "1ms, parked", "1ms"),
        "take-in, parked / none": ratio(found, "take-in, parked", "take-in"),
        "memory, parked / none": ratio(found, "1ms, parked", "1ms", "peak_memory_mb"),
        "once / without": ratio(found, "1ms", "1ms, without once"),
        "CPU once / without": ratio(found, "1ms", "1ms, without once", "cpu_us_per_event"),
        "PostgreSQL CPU once / without": ratio(found, "1ms", "1ms, without once", "server_cpu_us_per_event"),
    }


def _of_calls(calls: Mapping[str, runs.Calls]) -> dict[str, float]:
    none, parked = calls[PLAIN].times, calls[FULL_OF_PARKED].times

    def medians(name: str) -> float:
        return statistics.median(parked[name]) / statistics.median(none[name])

    return {
        "claim p99, parked / none": percentile(parked["claim"], 99) / percentile(none["claim"], 99),
        "claim call, parked / none": medians("claim"),
        "take-in call, parked / none": medians("take_in"),
        "settle call, parked / none": medians("settle"),
        "skip of one key, parked / none": medians("skip"),
        "release of one key, parked / none": medians("release"),
    }


def _version_of(cluster: Cluster) -> str:
    with psycopg.connect(cluster.dsn) as wire:
        version = wire.execute("SHOW server_version").fetchone()
    return str(version[0]) if version else ""


if __name__ == "__main__":
    sys.exit(main())
