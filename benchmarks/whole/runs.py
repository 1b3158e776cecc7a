"""Orders and stock through the running bus at a steady rate, and whose processor time that took."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from benchmarks.harness.result import CPU_US_PER_EVENT, EVENTS_PER_S
from benchmarks.whole import flows
from benchmarks.whole.bus import Whole, spent
from benchmarks.whole.flows import Followed, Way, nearest, took_ms
from benchmarks.whole.observer import Observer
from schemas import topics

#: What the observer reads for it.
READ: Final = (topics.ORDERS.name, topics.INVENTORY_LEVELS.name, topics.OUTCOMES.name)
#: Nothing new for so long: nothing is on its way any more, or nothing moves.
QUIET_S, STUCK_S = 2.0, 60.0
#: What is not through by then is told as behind.
MOST_S: Final = 180.0
LOOK_EVERY_S: Final = 0.5


class Runs:
    """The bus at work, and whose processor time the runs so far took."""

    def __init__(self, whole: Whole, observer: Observer, followed: Followed) -> None:
        self._whole = whole
        self._observer = observer
        self._followed = followed
        self._run = 0
        self.by_process: dict[str, list[dict[str, float]]] = {}

    def orders(self, per_second: int, seconds: float) -> dict[str, float]:
        """Webhook to document."""
        ways, end, shares = self._go(flows.orders, self._followed.orders, per_second, seconds)
        return self._figures(f"orders {per_second}/s", ways, end, shares) | _spread(
            "canonical_to_document", took_ms(ways, lambda way: way.visible, lambda way: way.canonical)
        )

    def stock(self, per_second: int, seconds: float) -> dict[str, float]:
        """Row to store."""
        ways, end, shares = self._go(flows.stock, self._followed.stock, per_second, seconds)
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
        seconds: float,
    ) -> tuple[list[Way], float, dict[str, float]]:
        """The ways, when the last was sent, and the processor seconds by process."""
        self._run += 1
        self._come_to_rest()
        seen = len(self._observer.seen)
        cpu = self._whole.cpu_s()
        count = round(per_second * seconds)
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


def _spread(what: str, values: Sequence[float], *percents: int) -> dict[str, float]:
    name = f"{what}_" if what else ""
    return {f"{name}p{percent}_ms": nearest(values, percent) for percent in percents or (50, 99)}
