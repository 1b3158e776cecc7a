"""How long is it from `kill -9` to the first event after it, and from a start on a million keys?

python -m benchmarks.recovery [--quick] [--repeats 5] [--keys 1000000]

`gateway`, `streams`, `consumers`: processes of the whole running bus, started again by its supervisor, while webhooks
and rows keep coming. `streams alone` and `faust-stock`: our worker and a stock Faust worker on the same topic,
each started again at once by whoever killed it; what they wait for is the group to give up the dead one. `cold start`:
a consumers worker that finds a store of no keys and one of a million. The state of the bus lies in PostgreSQL, not in
the process, so this is the store a worker would have to get through if it loaded anything. The rate is that of the
first event alone, the processor time what the new process took until then.

It starts the bus of this checkout as `towpath demo` does, and stops it.
"""

import sys
from contextlib import closing
from functools import partial
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.apart.bus import bus_apart
from benchmarks.harness.question import Asked, asked, environment, parser_of, stack
from benchmarks.harness.result import Figures, Result, ratio, spreads, tell
from benchmarks.harness.rounds import Run, rounds, say
from benchmarks.harness.topics import topics_on
from benchmarks.recovering import cold, victims
from benchmarks.recovering.first import SECONDS
from benchmarks.recovering.peers import Peers
from benchmarks.recovering.victims import Victims
from benchmarks.whole.bus import whole_bus
from benchmarks.whole.observer import Observer
from bus.codec import Codecs
from bus.registry import Registry
from bus.settings import Connection
from operations.demo.run import pair
from operations.info import info

COLD: Final = "cold start"
OF_THE_BUS: Final = ("streams", "consumers", "gateway")
ALONE, STOCK = PEERS = ("streams alone", "faust-stock")


def main() -> int:
    """Measure, print, write."""
    parser = parser_of(__doc__)
    parser.add_argument("--keys", type=int, help="in the store of a cold start")
    given = parser.parse_args()
    how = asked(given)
    keys = given.keys or (20_000 if how.quick else 1_000_000)
    found: dict[str, list[Figures]] = {}
    if any(map(how.wants, (*OF_THE_BUS, COLD))):
        found |= _of_the_bus(how, keys)
    if not how.quick and any(map(how.wants, PEERS)):
        found |= _alone(how)
    pairs = ((f"{COLD}, {keys} keys", f"{COLD}, none"), (ALONE, STOCK))
    result = Result(
        environment=environment("recovery", how, "faust-streaming", "aiokafka", keys=keys),
        contenders=spreads(found),
        ratios={
            f"{one} / {other}": ratio(found, one, other, SECONDS) for one, other in pairs if {one, other} <= set(found)
        },
    )
    return tell("recovery", result, kept=how.kept)


def _of_the_bus(how: Asked, keys: int) -> dict[str, list[Figures]]:
    with (
        whole_bus() as whole,
        closing(Registry(whole.settings.registry)) as registry,
        Observer(whole.settings.kafka, *victims.READ) as observer,
    ):
        hit = Victims(whole, observer, Codecs(registry), 0.0 if how.quick else victims.LIVED_S)
        runs: dict[str, Run] = dict(zip(OF_THE_BUS, (hit.streams, hit.consumers, hit.gateway), strict=True))
        found = rounds({name: run for name, run in runs.items() if how.wants(name)}, how.repeats)
        if how.wants(COLD):
            store, _ = pair(whole.settings)
            found |= _cold(
                how, keys, info(whole.settings).sandbox["clarity"].control_url, whole.settings.connection(store)
            )
        return found


def _cold(how: Asked, keys: int, control: str, store: Connection) -> dict[str, list[Figures]]:
    found: dict[str, list[Figures]] = {}
    more = {"TOWPATH_BENCHMARK_STORE": store.url, "TOWPATH_BENCHMARK_PASSWORD": store.password.reveal()}
    with bus_apart(stack(), **more) as apart:
        for name, filled in ((f"{COLD}, none", 0), (f"{COLD}, {keys} keys", keys)):
            if filled:
                say(f"a store of {filled} keys …")
                cold.fill_store(apart, filled)
            found |= rounds({name: partial(cold.started, apart, control)}, how.repeats)
    return found


def _alone(how: Asked) -> dict[str, list[Figures]]:
    with bus_apart(stack()) as apart, topics_on(apart.stack.kafka) as topics, TemporaryDirectory() as folder:
        peers = Peers(apart, topics, folder)
        runs: dict[str, Run] = {ALONE: peers.ours, STOCK: peers.stock_faust}
        return rounds({name: run for name, run in runs.items() if how.wants(name)}, how.repeats)


if __name__ == "__main__":
    sys.exit(main())
