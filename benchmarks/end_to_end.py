"""How long is an event on its way through the whole bus, at 5, 50 and 200 a second?

python -m benchmarks.end_to_end [--quick] [--repeats 5]

Open loop: every event has its moment, whatever became of those before, and its time counts from that moment. `orders`:
a signed webhook to the gateway until the document is committed in the ERP's tables, as the deliverer tells it. `stock`:
a row changed in the ERP's tables until the store has it; between them Debezium, the canonical record, the deliverer.
Processor time is that of every process of the bus, the servers and the simulators; of all of them together for each
event, the idle share included. Where the machine does not carry a rate, `events_per_s` is what arrived,
`behind` how many were still on their way when the last one was sent.

It starts the bus of this checkout as `towpath demo` does, and stops it.
"""

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from benchmarks.harness.question import Asked, ask, environment
from benchmarks.harness.result import EVENTS_PER_S, Figures, Result, spreads, tell
from benchmarks.harness.rounds import rounds, say
from benchmarks.whole.bus import Whole, spent, whole_bus
from benchmarks.whole.flows import Followed
from benchmarks.whole.observer import Observer
from benchmarks.whole.runs import QUIET_S, READ, Runs

#: Events a second, and for how many seconds: what is far beyond the machine is waited for long.
RATES: Final[Mapping[int, float]] = {5: 20.0, 50: 20.0, 200: 6.0}
QUICK: Final[Mapping[int, float]] = {50: 6.0}
WARM_S, QUICK_WARM_S = 10.0, 3.0
#: Milliseconds that are wanted on two cores, as the 99th percentile at 50/s.
ORDER_MS, CANONICAL_MS = 250.0, 500.0
WANTED: Final = {"orders at 50/s, p99 / 250 ms": -1.0, "stock at 50/s, commit to canonical p99 / 500 ms": -1.0}


class EndToEnd(Result, frozen=True, kw_only=True):
    """The answer with each process's share."""

    #: By contender: microseconds for each event, the median of the rounds.
    cpu_us_by_process: dict[str, dict[str, float]]


def main() -> int:
    """Measure, print, write; 1 where a latency is not what is wanted."""
    asked = ask(__doc__)
    rates = QUICK if asked.quick else RATES
    with whole_bus() as whole, Observer(whole.settings.kafka, *READ) as observer:
        followed = Followed(whole)
        runs = Runs(whole, observer, followed)
        wanted = {f"orders {rate}/s": partial(runs.orders, rate, seconds) for rate, seconds in rates.items()} | {
            f"stock {rate}/s": partial(runs.stock, rate, seconds) for rate, seconds in rates.items()
        }
        say("once before it counts")
        warm_s = QUICK_WARM_S if asked.quick else WARM_S
        runs.orders(20, warm_s)
        runs.stock(20, warm_s)
        runs.by_process.clear()
        idle = _idle(whole, QUIET_S if asked.quick else 3 * QUIET_S)
        found = rounds({name: run for name, run in wanted.items() if asked.wants(name)}, asked.repeats)
        followed.close()
    return tell("end_to_end", _result(asked, found, runs, rates, idle), kept=asked.kept)


def _result(
    asked: Asked, found: Mapping[str, Sequence[Figures]], runs: Runs, rates: Mapping[int, float], idle: float
) -> EndToEnd:
    def median(name: str, figure: str) -> float:
        return statistics.median(each[figure] for each in found[name])

    ratios = {}
    if "orders 50/s" in found:
        ratios["orders at 50/s, p99 / 250 ms"] = median("orders 50/s", "p99_ms") / ORDER_MS
    if "stock 50/s" in found:
        ratio = median("stock 50/s", "commit_to_canonical_p99_ms") / CANONICAL_MS
        ratios["stock at 50/s, commit to canonical p99 / 500 ms"] = ratio
    for name in found:
        ratios[f"{name}, arrived / sent a second"] = median(name, EVENTS_PER_S) / float(name.split()[1][:-2])
    return EndToEnd(
        environment=_environment(asked, rates, idle),
        contenders=spreads(found),
        ratios=ratios,
        wanted={name: most for name, most in WANTED.items() if name in ratios},
        cpu_us_by_process={name: _medians(each) for name, each in runs.by_process.items()},
    )


def _environment(asked: Asked, rates: Mapping[int, float], idle: float) -> dict[str, Any]:
    return environment(
        "end_to_end",
        asked,
        "confluent-kafka",
        "faust-streaming",
        seconds_a_run=", ".join(f"{each:g}" for each in rates.values()),
        cores_when_idle=round(idle, 3),
    )


def _idle(whole: Whole, seconds: float) -> float:
    """Cores the bus takes when nothing happens."""
    time.sleep(QUIET_S)
    before, began = whole.cpu_s(), time.monotonic()
    time.sleep(seconds)
    return sum(spent(before, whole.cpu_s()).values()) / (time.monotonic() - began)


def _medians(shares: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = {name for each in shares for name in each}
    medians = {name: statistics.median(each.get(name, 0.0) for each in shares) for name in names}
    return dict(sorted(medians.items(), key=lambda each: -each[1]))


if __name__ == "__main__":
    sys.exit(main())
