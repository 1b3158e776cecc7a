"""How fast is delivery, what do its promises cost, and does a million parked rows slow it down?

python -m benchmarks.delivery [--quick] [--repeats 5] [--rows 1000000] [--parked 1000000]

Starts a PostgreSQL of its own. Contenders run in turn, each in a process of its own, round after round; what counts are
the ratios, as the machine is never alone. Writes benchmarks/results/delivery.json.
"""

import argparse
import os
import platform
import shlex
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import psycopg

from benchmarks.delivering import runs, stores
from benchmarks.delivering.runs import Contender, Figures, Kind, percentile
from tests.integration.delivery.cluster import Cluster

T = TypeVar("T")

RESULT: Final = Path(__file__).parent / "results" / "delivery.json"
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


class Spread(msgspec.Struct, frozen=True):
    """Of the runs."""

    min: float
    median: float
    max: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The file."""

    environment: dict[str, Any]
    contenders: dict[str, dict[str, Spread]]
    ratios: dict[str, float]
    #: Ratio to what is wanted; negative: at most.
    wanted: dict[str, float]
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few minutes: smaller runs, fewer rows, two rounds")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--rows", type=int, help="that go through the store whose size is watched")
    parser.add_argument("--parked", type=int, help="rows in the full store")
    parser.add_argument("--only", default="", help="contenders whose names begin so, and nothing else; writes nothing")
    given = parser.parse_args()
    repeats = given.repeats or (2 if given.quick else 5)
    parked = given.parked or (100_000 if given.quick else 1_000_000)
    rows = given.rows or (60_000 if given.quick else 1_000_000)
    names = contenders(4 if given.quick else 10)
    started = datetime.now(UTC)
    cluster = Cluster()
    try:
        if given.only:
            stores.make(cluster.dsn, PLAIN)
            stores.make(cluster.dsn, FULL_OF_PARKED, parked=parked)
            chosen = {name: each for name, each in names.items() if name.startswith(given.only)}
            _rounds(cluster, chosen, repeats)
            return 0
        result = _whole(cluster, names, repeats, parked, rows, started)
    finally:
        cluster.remove()
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
    return _told(result)


def _whole(
    cluster: Cluster, names: Mapping[str, Contender], repeats: int, parked: int, rows: int, started: datetime
) -> Result:
    _say(f"a PostgreSQL with {parked} parked rows in one store …")
    stores.make(cluster.dsn, PLAIN)
    stores.make(cluster.dsn, FULL_OF_PARKED, parked=parked)
    stores.make(cluster.dsn, GROWING)
    found = _rounds(cluster, names, repeats)
    _say("the same calls on both stores …")
    calls = _alone(runs.alternate, cluster.dsn, [PLAIN, FULL_OF_PARKED], 30 * repeats)
    _say(f"{rows} rows through one store …")
    sizes = _alone(runs.go_through, cluster.dsn, GROWING, rows)
    return Result(
        environment=_environment(cluster, started, repeats, parked, rows),
        contenders={name: _spreads(each) for name, each in found.items()},
        ratios=_ratios(found) | _of_calls(calls) | {"hot table, end / after 10 000 rows": sizes.hot[-1] / sizes.hot[0]},
        wanted=dict(WANTED),
        order_violations=sum(run.order_violations for each in found.values() for run in each),
        repeated=sum(run.repeated for each in found.values() for run in each),
        hot_table=sizes,
    )


def _rounds(cluster: Cluster, names: Mapping[str, Contender], repeats: int) -> dict[str, list[Figures]]:
    """Every contender once a round, each round beginning with another one."""
    found: dict[str, list[Figures]] = {name: [] for name in names}
    order = list(names)
    for round_ in range(repeats):
        for name in order[round_ % len(order) :] + order[: round_ % len(order)]:
            figures = _alone(runs.measure, names[name], cluster.dsn, cluster.pid)
            found[name].append(figures)
            _say(
                f"{round_ + 1}/{repeats}  {name:18} {figures.events_per_s:8.0f}/s  CPU/event: "
                f"{figures.cpu_us_per_event:4.0f} us here, {figures.server_cpu_us_per_event:4.0f} us PostgreSQL"
            )
    return found


def _alone(do: Callable[..., T], *arguments: object) -> T:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        return processes.submit(do, *arguments).result()


def _spreads(figures: Sequence[Figures]) -> dict[str, Spread]:
    return {
        field: Spread(min(values), statistics.median(values), max(values))
        for field in ("events_per_s", "cpu_us_per_event", "server_cpu_us_per_event", "peak_memory_mb")
        for values in [[getattr(each, field) for each in figures]]
    }


def _ratios(found: Mapping[str, Sequence[Figures]]) -> dict[str, float]:
    """Of each round; told is the median."""

    def ratio(name: str, to: str, field: str = "events_per_s") -> float:
        pairs = zip(found[name], found[to], strict=True)
        each: list[float] = [getattr(mine, field) / getattr(theirs, field) for mine, theirs in pairs]
        return statistics.median(each)

    return {
        "50ms / physical limit": statistics.median(each.events_per_s for each in found["50ms"]) / PHYSICAL_PER_S,
        "50ms / serial": ratio("50ms", "50ms, serial"),
        "1ms / serial": ratio("1ms", "1ms, serial"),
        "1ms, 20 keys / serial": ratio("1ms, 20 keys", "1ms, serial"),
        "take-in / copy": ratio("take-in", "copy"),
        "50ms, parked / none": ratio("50ms, parked", "50ms"),
        "1ms, parked / none": ratio("1ms, parked", "1ms"),
        "take-in, parked / none": ratio("take-in, parked", "take-in"),
        "memory, parked / none": ratio("1ms, parked", "1ms", "peak_memory_mb"),
        "once / without": ratio("1ms", "1ms, without once"),
        "CPU once / without": ratio("1ms", "1ms, without once", "cpu_us_per_event"),
        "PostgreSQL CPU once / without": ratio("1ms", "1ms, without once", "server_cpu_us_per_event"),
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


def _environment(cluster: Cluster, started: datetime, repeats: int, parked: int, rows: int) -> dict[str, Any]:
    with psycopg.connect(cluster.dsn) as wire:
        version = wire.execute("SHOW server_version").fetchone()
    return {
        "command": shlex.join(["python", "-m", "benchmarks.delivery", *sys.argv[1:]]),
        "commit": _git("rev-parse", "--short=12", "HEAD") + (" with changes" if _git("status", "--porcelain") else ""),
        "at": started.isoformat(timespec="seconds"),
        "took_s": round((datetime.now(UTC) - started).total_seconds()),
        "python": platform.python_version(),
        "postgresql": version[0] if version else "",
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()} {platform.release()}",
        "load_at_end": [round(load, 1) for load in os.getloadavg()],
        "settings": "synchronous_commit on, 600 bytes of payload, target and deliverer in one process, uvloop",
        "repeats": repeats,
        "parked_rows": parked,
        "rows_through": rows,
    }


def _git(*arguments: str) -> str:
    try:
        told = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)  # noqa: S603, S607 - ours
        return told.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _told(result: Result) -> int:
    for name, each in result.contenders.items():
        here, server = each["cpu_us_per_event"].median, each["server_cpu_us_per_event"].median
        rate = each["events_per_s"].median
        _say(
            f"{name:18} {rate:8.0f}/s  CPU/event: {here + server:5.0f} us, {here:.0f} here and {server:.0f} PostgreSQL"
        )
    missed = 0
    for name, value in result.ratios.items():
        wanted = result.wanted.get(name)
        met = wanted is None or (value <= -wanted if wanted < 0 else value >= wanted)
        missed += not met
        goal = "" if wanted is None else f"{'at most' if wanted < 0 else 'at least'} {abs(wanted):g}"
        _say(f"{name:36} {value:8.2f}  {goal:14} {'' if met else 'MISSED'}")
    _say(f"order violations {result.order_violations}, second effects {result.repeated}; {RESULT.name} written")
    return 1 if missed or result.order_violations or result.repeated else 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
