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

import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from benchmarks.harness.question import Asked, ask, environment
from benchmarks.harness.result import CPU_US_PER_EVENT, EVENTS_PER_S, Figures, Result, spreads, tell
from benchmarks.harness.rounds import rounds, say
from benchmarks.whole import flows
from benchmarks.whole.bus import Whole, spent, whole_bus
from benchmarks.whole.flows import Followed, Way, nearest, took_ms
from benchmarks.whole.observer import Observer
from schemas import topics

RATES: Final = (5, 50, 200)
#: Milliseconds that are wanted on two cores, as the 99th percentile at 50/s.
ORDER_MS, CANONICAL_MS = 250.0, 500.0
WANTED: Final = {"orders at 50/s, p99 / 250 ms": -1.0, "stock at 50/s, commit to canonical p99 / 500 ms": -1.0}
READ: Final = (topics.ORDERS.name, topics.INVENTORY_LEVELS.name, topics.OUTCOMES.name)
#: Nothing new for so long: nothing is on its way any more, or nothing moves.
QUIET_S, STUCK_S = 2.0, 60.0
#: What is not through by then is told as behind.
MOST_S: Final = 180.0
LOOK_EVERY_S: Final = 0.5


class EndToEnd(Result, frozen=True, kw_only=True):
    """The answer with each process's share."""

    #: By contender: microseconds for each event, the median of the rounds.
    cpu_us_by_process: dict[str, dict[str, float]]


class Runs:
    """The bus at work, and whose processor time the runs so far took."""

    def __init__(self, whole: Whole, observer: Observer, followed: Followed, seconds: float) -> None:
        self._whole = whole
        self._observer = observer
        self._followed = followed
        self._seconds = seconds
        self._run = 0
        self.by_process: dict[str, list[dict[str, float]]] = {}

    def orders(self, per_second: int) -> dict[str, float]:
        """Webhook to document."""
        ways, end, shares = self._go(flows.orders, self._followed.orders, per_second)
        return self._figures(f"orders {per_second}/s", ways, end, shares) | _spread(
            "canonical_to_document", took_ms(ways, lambda way: way.visible, lambda way: way.canonical)
        )

    def stock(self, per_second: int) -> dict[str, float]:
        """Row to store."""
        ways, end, shares = self._go(flows.stock, self._followed.stock, per_second)
        return (
            self._figures(f"stock {per_second}/s", ways, end, shares)
            | _spread("commit_to_canonical", took_ms(ways, lambda way: way.canonical, lambda way: way.accepted))
            | _spread("canonical_to_store", took_ms(ways, lambda way: way.visible, lambda way: way.canonical))
        )

    def _go(
        self,
        feed: Callable[[Whole, float, int, int], Any],
        follow: Callable[[Sequence[Way], Sequence[Any]], int],
        per_second: int,
    ) -> tuple[list[Way], float, dict[str, float]]:
        """The ways, when the last was sent, and the processor seconds by process."""
        self._run += 1
        self._come_to_rest()
        seen = len(self._observer.seen)
        cpu = self._whole.cpu_s()
        count = round(per_second * self._seconds)
        ways: list[Way] = asyncio.run(feed(self._whole, per_second, count, self._run * 1_000_000))
        end = time.time()
        self._until_through(lambda: follow(ways, self._observer.seen[seen:]), count)
        return ways, end, spent(cpu, self._whole.cpu_s())

    def _come_to_rest(self) -> None:
        """What the last run set going may still be coming back."""
        known, since = -1, time.monotonic()
        while time.monotonic() - since < QUIET_S:
            if len(self._observer.seen) != known:
                known, since = len(self._observer.seen), time.monotonic()
            time.sleep(LOOK_EVERY_S / 5)

    def _until_through(self, through: Callable[[], int], count: int) -> None:
        most = time.monotonic() + MOST_S
        known, since = -1, time.monotonic()
        while time.monotonic() < most and time.monotonic() - since < STUCK_S:
            if through() == count:
                return
            if len(self._observer.seen) != known:
                known, since = len(self._observer.seen), time.monotonic()
            time.sleep(LOOK_EVERY_S)

    def _figures(self, name: str, ways: Sequence[Way], end: float, shares: Mapping[str, float]) -> dict[str, float]:
        arrived = [way.visible for way in ways if way.visible is not None]
        if not arrived:
            raise RuntimeError(f"{name}: nothing arrived")
        self.by_process.setdefault(name, []).append({each: s / len(arrived) * 1e6 for each, s in shares.items()})
        return {
            EVENTS_PER_S: len(arrived) / (max(arrived) - ways[0].due),
            CPU_US_PER_EVENT: sum(shares.values()) / len(arrived) * 1e6,
            **_spread("", took_ms(ways, lambda way: way.visible, lambda way: way.due), 50, 90, 99),
            **_spread("accepted", took_ms(ways, lambda way: way.accepted, lambda way: way.due)),
            **_spread("canonical", took_ms(ways, lambda way: way.canonical, lambda way: way.due), 50, 90, 99),
            "behind": float(sum(at > end for at in arrived) + len(ways) - len(arrived)),
            "not_through": float(len(ways) - len(arrived)),
        }


def main() -> int:
    """Measure, print, write; 1 where a latency is not what is wanted."""
    asked = ask(__doc__)
    rates = (50,) if asked.quick else RATES
    seconds = 6.0 if asked.quick else 20.0
    with whole_bus() as whole, Observer(whole.settings.kafka, *READ) as observer:
        followed = Followed(whole)
        runs = Runs(whole, observer, followed, seconds)
        wanted = {f"orders {rate}/s": partial(runs.orders, rate) for rate in rates} | {
            f"stock {rate}/s": partial(runs.stock, rate) for rate in rates
        }
        say("once before it counts")
        runs.orders(20)
        runs.stock(20)
        runs.by_process.clear()
        idle = _idle(whole)
        found = rounds({name: run for name, run in wanted.items() if asked.wants(name)}, asked.repeats)
        followed.close()
    return tell("end_to_end", _result(asked, found, runs, seconds, idle), kept=asked.kept)


def _result(asked: Asked, found: Mapping[str, Sequence[Figures]], runs: Runs, seconds: float, idle: float) -> EndToEnd:
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
        environment=_environment(asked, seconds, idle),
        contenders=spreads(found),
        ratios=ratios,
        wanted={name: most for name, most in WANTED.items() if name in ratios},
        cpu_us_by_process={name: _medians(each) for name, each in runs.by_process.items()},
    )


def _environment(asked: Asked, seconds: float, idle: float) -> dict[str, Any]:
    return environment(
        "end_to_end", asked, "confluent-kafka", "faust-streaming", seconds_a_run=seconds, cores_when_idle=round(idle, 3)
    )


def _idle(whole: Whole) -> float:
    """Cores the bus takes when nothing happens."""
    time.sleep(QUIET_S)
    before, began = whole.cpu_s(), time.monotonic()
    time.sleep(3 * QUIET_S)
    return sum(spent(before, whole.cpu_s()).values()) / (time.monotonic() - began)


def _spread(what: str, values: Sequence[float], *percents: int) -> dict[str, float]:
    name = f"{what}_" if what else ""
    return {f"{name}p{percent}_ms": nearest(values, percent) for percent in percents or (50, 99)}


def _medians(shares: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = {name for each in shares for name in each}
    medians = {name: statistics.median(each.get(name, 0.0) for each in shares) for name in names}
    return dict(sorted(medians.items(), key=lambda each: -each[1]))


if __name__ == "__main__":
    sys.exit(main())
