"""What an outage, a limit or one bad key of a target costs, on the real store."""

import asyncio
import itertools
import random
import time
from collections import Counter
from datetime import timedelta

import msgspec
import pytest
from structlog.testing import capture_logs

from bus import metrics
from delivery.circuit import Rules
from delivery.decide import Pace
from delivery.engine import Deliverer, Limits, begun
from delivery.ports import CannotTell, Finding, Intent, Row, Settlement
from delivery.store import Store
from errors import RefusedError, RetryableError, UnknownOutcomeError
from tests.integration.delivery.rows import QUEUE, arrival, history, look, outcomes, take_in
from tests.integration.delivery.running import PACE, running, until, until_done
from tests.integration.delivery.target import Target

IN_FLIGHT = 16
LIMITS = Limits(in_flight=IN_FLIGHT, lease_s=5.0, poll_s=0.2, stop_within_s=10.0)
RULES = Rules(first_delay_s=0.1, longest_delay_s=0.4)


class Breakable(Target):
    """A target that can be taken away and brought back, and is asked by `probe`."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.probes = 0
        self.refuses_after_s = 0.0
        #: Calls while it was away, and when each was.
        self.calls: list[float] = []
        #: The most calls at once since it came back, after each call.
        self.at_once: list[int] = []
        self._under_way = 0

    async def probe(self) -> None:
        self.probes += 1
        if self.away:
            raise RetryableError("it.away", "away")

    async def prepare(self, row: Row) -> Intent | Settlement:
        await self._refuse_while_away()
        return await super().prepare(row)

    async def deliver(self, intent: Intent) -> Settlement:
        await self._refuse_while_away()
        self._under_way += 1
        self.at_once.append(self._under_way)
        try:
            await asyncio.sleep(0.002)
            return await super().deliver(intent)
        finally:
            self._under_way -= 1

    async def find(self, intent: Intent) -> Finding:
        if self.away:
            self.calls.append(time.monotonic())
            return CannotTell(reason="it.away")
        return await super().find(intent)

    async def _refuse_while_away(self) -> None:
        if self.away:
            self.calls.append(time.monotonic())
            if self.refuses_after_s:
                await asyncio.sleep(self.refuses_after_s)
            raise RetryableError("it.away", "away")


class Sending(Breakable):
    """What prepares without asking, so that it is away for what is sent and looked for."""

    async def _refuse_while_away(self) -> None:
        pass


_owners = itertools.count(1)


def deliverer(
    store: Store, target: Breakable, *, limits: Limits = LIMITS, pace: Pace = PACE, rules: Rules = RULES
) -> Deliverer:
    owner = f"circuit-{next(_owners)}"
    return Deliverer(
        store,
        QUEUE,
        {"order": target},
        owner,
        random=random.Random(0).random,
        limits=limits,
        pace=pace,
        rules=rules,
        probe=target.probe,
    )


def told(dsn: str, connection: str) -> list[str]:
    return [one.code for one in outcomes(dsn, connection) if one.code.startswith("circuit.")]


def shown_by_the_metric(store: Store) -> list[float]:
    labels = {"connection": store.connection, "queue": QUEUE}
    return [each.value for metric in metrics.CIRCUIT.collect() for each in metric.samples if each.labels == labels]


@pytest.mark.parametrize(
    ("answers_after_s", "calls"),
    # Refused at once, what was claimed with the failing ones is given back untried; else it is under way with them, or
    # begun and waits for its call, and whoever fails before the last one that is needed may make room for one more.
    [(0.0, RULES.keys), (0.02, begun(IN_FLIGHT) + RULES.keys - 1)],
)
async def test_outage_costs_few_calls_and_no_tries(
    store: Store, bus_dsn: str, monkeypatch: pytest.MonkeyPatch, answers_after_s: float, calls: int
) -> None:
    claims, claim = itertools.count(), store.claim

    async def claiming(queue: str, owner: str, limit: int, lease_s: float) -> list[Row]:
        next(claims)
        return await claim(queue, owner, limit, lease_s)

    monkeypatch.setattr(store, "claim", claiming)
    target, keys, rows = Breakable(), 200, 400
    target.refuses_after_s = answers_after_s
    await take_in(store, *(arrival(offset, f"s:{offset % keys}") for offset in range(rows)))
    target.away = True

    with capture_logs() as lines:
        async with running(deliverer(store, target)):
            await until(lambda: target.probes >= 5)
            tried, claimed, shown = len(target.calls), next(claims), shown_by_the_metric(store)
            await until(lambda: target.probes >= 8)
            assert (len(target.calls), next(claims)) == (tried, claimed + 1), "while it is away it is only probed"
            target.away = False
            await until_done(store)

    assert tried <= calls
    assert target.effects == {f"s:{key}": [key, key + keys] for key in range(keys)}
    assert target.repeated == []
    counted = Counter(one["attempts"] for one in history(bus_dsn, store.connection))
    # Of the failures only those count that had to come before it could be told from the keys' own trouble.
    assert counted.keys() <= {1, 2}
    assert counted[2] < RULES.keys
    assert told(bus_dsn, store.connection) == ["circuit.opened", "circuit.probing", "circuit.closed"]
    states = [line["state"] for line in lines if line["event"] == "delivery.circuit"]
    assert states == ["open", "half_open", "ramp", "closed"]
    assert (shown, shown_by_the_metric(store)) == ([3.0], [0.0])


async def test_it_comes_back_by_one_row_then_two(store: Store) -> None:
    target = Breakable()
    await take_in(store, *(arrival(offset, f"s:{offset}") for offset in range(60)))
    target.away = True

    async with running(deliverer(store, target)):
        await until(lambda: target.probes >= 2)
        target.away = False
        await until_done(store)

    for passed, at_once in enumerate(target.at_once):
        allowed = next(step for step in (1, 2, 4, 8, 16) if passed < 2 * step - 1 or step == IN_FLIGHT)
        assert at_once <= allowed, f"call {passed}"


async def test_row_let_through_to_a_target_that_only_reads_is_no_try(store: Store, bus_dsn: str) -> None:
    class ReadOnly(Breakable):
        async def probe(self) -> None:
            self.probes += 1

    target = ReadOnly()
    target.away = True
    await take_in(store, *(arrival(offset, f"s:{offset}") for offset in range(40)))

    async with running(deliverer(store, target)):
        await until(lambda: target.probes >= 6)
        assert len(target.calls) <= 2 * IN_FLIGHT + target.probes, "one row for each probe"
        target.away = False
        await until_done(store)

    assert sum(one["attempts"] - 1 for one in history(bus_dsn, store.connection)) < RULES.keys


async def test_probe_that_is_refused_is_an_answer(store: Store) -> None:
    class Strict(Breakable):
        async def probe(self) -> None:
            self.probes += 1
            raise RefusedError("it.refused", "nobody may ask this")

    target = Strict()
    target.away = True
    await take_in(store, *(arrival(offset, f"s:{offset}") for offset in range(20)))

    async with running(deliverer(store, target)):
        await until(lambda: target.probes)
        target.away = False
        await until_done(store)


async def test_unknown_rows_of_an_outage_are_found_after_their_delay_and_not_sent_again(
    store: Store, bus_dsn: str
) -> None:
    class LosesAnswers(Sending):
        async def deliver(self, intent: Intent) -> Settlement:
            if self.away:
                self.apply(intent)
                self.calls.append(time.monotonic())
                raise UnknownOutcomeError("it.lost", "the answer")
            return await super().deliver(intent)

        async def find(self, intent: Intent) -> Finding:
            looked_at.append(time.monotonic())
            return await super().find(intent)

    target, looked_at = LosesAnswers(), list[float]()
    target.away = True
    await take_in(store, *(arrival(offset, f"s:{offset}") for offset in range(40)))
    pace = msgspec.structs.replace(PACE, settling_delay_s=1.5)

    async with running(deliverer(store, target, pace=pace)):
        await until(lambda: target.probes >= 1)
        sending = "SELECT 1 FROM rows WHERE state = 'sending'"
        await until(lambda: not look(bus_dsn, store.connection, sending))
        states = {
            one["state"] for one in look(bus_dsn, store.connection, "SELECT state FROM rows WHERE code <> 'not_sent'")
        }
        assert states == {"ready", "unknown"}
        target.away = False
        await until_done(store)

    assert (len(target.effects), target.repeated) == (40, [])
    assert min(looked_at) - target.calls[0] >= 1.5


async def test_look_that_cannot_tell_speaks_against_the_target(store: Store) -> None:
    class OnlyReads(Sending):
        async def probe(self) -> None:
            self.probes += 1

        async def deliver(self, intent: Intent) -> Settlement:
            if self.away:
                await asyncio.sleep(0.02)
                raise UnknownOutcomeError("it.lost", "on the way")
            return await super().deliver(intent)

    target = OnlyReads()
    target.away = True
    await take_in(store, *(arrival(offset, f"s:{offset}") for offset in range(IN_FLIGHT)))

    async with running(deliverer(store, target)):
        await until(lambda: target.probes >= 6)
        assert len(target.calls) <= target.probes, "one look for each probe"
        target.away = False
        await until_done(store)


async def test_key_failing_alone_leaves_the_others_their_rate(store: Store, bus_dsn: str) -> None:
    class OneBad(Breakable):
        tries = 0

        async def deliver(self, intent: Intent) -> Settlement:
            if intent.reference.business == "s:bad":
                self.tries += 1
                raise RetryableError("it.away", "says this one")
            return await super().deliver(intent)

    target = OneBad()
    await take_in(store, arrival(0, "s:bad"), *(arrival(offset, f"s:{offset}") for offset in range(1, 400)))

    with capture_logs() as lines:
        async with running(deliverer(store, target)):
            await until(lambda: len(target.effects) == 399)
            await until(lambda: target.tries >= 8)

    assert [line for line in lines if line["event"] == "delivery.circuit"] == []
    assert (target.probes, told(bus_dsn, store.connection)) == (0, [])
    assert max(target.at_once) == IN_FLIGHT
    (bad,) = look(bus_dsn, store.connection, "SELECT attempts, cause FROM rows")
    assert (bad["attempts"], bad["cause"]) >= (8, "backoff")


async def test_first_throttled_answer_holds_everybody(store: Store, bus_dsn: str) -> None:
    class Throttling(Breakable):
        refused_at = 0.0
        #: When others were asked after it.
        later: list[float]

        async def deliver(self, intent: Intent) -> Settlement:
            if not self.refused_at:
                self.refused_at = time.monotonic()
                raise RetryableError("it.throttled", "slow down", retry_after_s=1.0)
            self.later.append(time.monotonic())
            return await super().deliver(intent)

    target = Throttling()
    target.later = []
    limits = Limits(in_flight=4, lease_s=5.0, poll_s=0.2)
    await take_in(store, *(arrival(offset, f"s:{offset}") for offset in range(100)))

    async with running(deliverer(store, target, limits=limits)):
        await until_done(store)

    held = [at for at in target.later if at < target.refused_at + 1.0]
    assert len(held) < 4, "only what was under way"
    assert (target.probes, told(bus_dsn, store.connection)) == (0, [])
    assert {one["attempts"] for one in history(bus_dsn, store.connection)} == {1}


async def test_wait_is_never_longer_than_we_allow(store: Store) -> None:
    class Greedy(Breakable):
        refused = False

        async def deliver(self, intent: Intent) -> Settlement:
            if not self.refused:
                self.refused = True
                raise RetryableError("it.throttled", "tomorrow", retry_after_s=86_400.0)
            return await super().deliver(intent)

    target = Greedy()
    await take_in(store, arrival(0), arrival(1, "s:2"))

    async with running(deliverer(store, target, rules=Rules(longest_wait_s=0.2))):
        await until_done(store, within_s=20)


async def test_telling_that_fails_stops_nothing(store: Store, bus_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_arguments: object) -> None:
        raise RetryableError("store_unavailable", "PostgreSQL did not answer")

    target = Breakable()
    target.away = True
    monkeypatch.setattr(store, "tell", away)
    await take_in(store, *(arrival(offset, f"s:{offset}") for offset in range(20)))

    async with running(deliverer(store, target)):
        await until(lambda: target.probes >= 2)
        target.away = False
        await until_done(store)

    assert told(bus_dsn, store.connection) == []


async def test_absent_effect_is_sent_once_it_is_back(store: Store) -> None:
    class Lossy(Sending):
        async def deliver(self, intent: Intent) -> Settlement:
            if self.away:
                raise UnknownOutcomeError("it.lost", "on the way")
            return await super().deliver(intent)

    target = Lossy()
    target.away = True
    await take_in(store, *(arrival(offset, f"s:{offset}") for offset in range(20)))

    async with running(deliverer(store, target)):
        await until(lambda: target.probes >= 3)
        target.away = False
        await until_done(store)

    assert len(target.effects) == 20
    assert target.repeated == []


async def test_nothing_is_started_in_a_maintenance_window(store: Store, bus_dsn: str) -> None:
    target, closed = Target(), [True]
    await take_in(store, *(arrival(offset, f"s:{offset}") for offset in range(5)))
    worker = Deliverer(
        store,
        QUEUE,
        {"order": target},
        "worker-in-maintenance",
        random=random.Random(0).random,
        limits=LIMITS,
        pace=PACE,
        closed_until=lambda at: at + timedelta(seconds=0.05) if closed[0] else None,
    )

    def told() -> list[str]:
        return [one.code for one in outcomes(bus_dsn, store.connection) if one.state == "maintenance"]

    async with running(worker):
        await until(lambda: told() == ["maintenance.begun"])
        assert target.prepared == []
        closed[0] = False
        await until(lambda: len(target.effects) == 5 and told() == ["maintenance.begun", "maintenance.ended"])


async def test_window_that_opens_stops_a_key_between_two_rows(store: Store, bus_dsn: str) -> None:
    closed = [False]

    class Closing(Target):
        async def deliver(self, intent: Intent) -> Settlement:
            closed[0] = intent.body == b"1"
            return await super().deliver(intent)

    target = Closing()
    await take_in(store, *(arrival(offset, "s:1") for offset in range(4)))
    worker = Deliverer(
        store,
        QUEUE,
        {"order": target},
        "worker-before-maintenance",
        random=random.Random(0).random,
        limits=LIMITS,
        pace=PACE,
        closed_until=lambda at: at + timedelta(seconds=0.05) if closed[0] else None,
    )

    async with running(worker):
        await until(lambda: [one.state for one in outcomes(bus_dsn, store.connection)].count("delivered") == 2)
        assert target.prepared == [0, 1]
        closed[0] = False
        await until(lambda: target.effects["s:1"] == [0, 1, 2, 3])
