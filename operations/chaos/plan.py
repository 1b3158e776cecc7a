"""What goes wrong in a run of chaos, when and for how long: all of it decided by one seed. Pure."""

import random
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Any

import msgspec

#: Seconds a process stands still: some longer than the leases of the store's keys.
STANDSTILLS_S = (2.0, 4.0, 8.0, 12.0, 25.0)
#: Parts of the orders placed between which things go wrong: before, all must begin; after, all must come to rest.
FROM, TO = 0.05, 0.95
#: What happens once lies here: with work behind it, and work to come.
ONCE_FROM, ONCE_TO = 0.4, 0.6


class Kind(StrEnum):
    """How a fault is called in the report."""

    KILLED = "killed"
    STOPPED = "stopped"
    LATE = "late"
    LOST_ANSWERS = "lost_answers"
    LOST_REQUESTS = "lost_requests"
    THROTTLED = "throttled"
    REFUSED = "refused"
    AWAY = "away"
    LOST_WEBHOOKS = "lost_webhooks"
    TOPIC_RECREATED = "topic_recreated"
    STORE_RESTORED = "store_restored"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that goes wrong."""

    number: int
    #: Happens once so many orders are placed.
    at_order: int
    kind: Kind
    #: A process, a server, a simulator, a topic or a connection.
    target: str
    hold_s: float = 0.0
    #: What the simulator's control API is told; empty for what is done to processes.
    told: dict[str, Any] = {}


class Victims(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a run can hit, by name."""

    processes: Sequence[str]
    servers: Sequence[str]
    simulators: Sequence[str]
    store: str
    erp: str


#: Dice to what the store's simulator is told.
Telling = Callable[[random.Random], dict[str, Any]]
STORE_FAULTS: tuple[tuple[Kind, Telling], ...] = (
    (Kind.LATE, lambda dice: {"latency_ms": dice.choice((200, 800, 2500))}),
    (Kind.LOST_ANSWERS, lambda dice: {"lost_answers": dice.randint(3, 12)}),
    (
        Kind.LOST_ANSWERS,
        lambda dice: {"fail_next": [{"method": "*", "status": 500, "times": dice.randint(3, 9), "when": "after"}]},
    ),
    (Kind.LOST_REQUESTS, lambda dice: {"lost_requests": dice.randint(3, 12)}),
    (Kind.THROTTLED, lambda dice: {"rate_limit_per_minute": dice.choice((120, 300, 600))}),
    (
        Kind.REFUSED,
        lambda dice: {"error_rate": dice.choice((0.2, 0.5)), "error_status": dice.choice((500, 502, 503))},
    ),
    (Kind.AWAY, lambda _: {"error_rate": 1.0, "error_status": 503}),
    (
        Kind.LOST_WEBHOOKS,
        lambda dice: {
            "webhooks": {"drop_rate": dice.choice((0.2, 0.6)), "duplicate_next": dice.randint(3, 9), "reorder": True}
        },
    ),
)
HEADER = "taSopHdrIvcInsert"
GP_FAULTS: tuple[tuple[Kind, Telling], ...] = (
    (Kind.LATE, lambda dice: {"proxy": {"latency_ms": dice.choice((50, 150, 400))}}),
    (
        Kind.LATE,
        lambda dice: {"procedures": [_calls(HEADER, "wait", dice.randint(3, 9), value=dice.choice((500, 3000)))]},
    ),
    (Kind.LOST_ANSWERS, lambda dice: {"proxy": {"lose_commit_answers": dice.randint(2, 8), "commit_of": HEADER}}),
    (Kind.LOST_ANSWERS, lambda dice: {"proxy": {"crash_at_commits": dice.randint(2, 5), "commit_of": HEADER}}),
    (Kind.LOST_REQUESTS, lambda dice: {"proxy": {"lose_commits": dice.randint(2, 8), "commit_of": HEADER}}),
    (
        Kind.REFUSED,
        lambda dice: {
            "procedures": [_calls(HEADER, dice.choice(("deadlock", "serialization", "terminate")), dice.randint(3, 9))]
        },
    ),
    (Kind.AWAY, lambda dice: {"proxy": {"mode": dice.choice(("refuse", "stall")), "drop_now": True}}),
)


def _calls(procedure: str, kind: str, times: int, **more: object) -> dict[str, object]:
    return {"procedure": procedure, "kind": kind, "times": times, **more}


def schedule(
    seed: int, orders: int, count: int, victims: Victims, once: Sequence[tuple[Kind, str]]
) -> tuple[Fault, ...]:
    """The faults of a run, in the order they happen: the same for the same seed.

    Everything is hit once before anything is hit again, and in every way before it is hit again in the same.

    Args:
        seed: Of all chance in it.
        orders: How many are placed.
        count: How many faults there are, beside those that happen once.
        victims: Whom they can hit.
        once: What happens once, in the middle: kind and target.
    """
    dice = random.Random(seed)  # noqa: S311  what breaks when is no secret
    many = [fault for fault, _ in zip(_endless(dice, victims), range(count), strict=False)]
    places = sorted(dice.uniform(FROM, TO) for _ in many)
    timed = [(place, fault) for place, fault in zip(places, many, strict=True)]
    for kind, target in once:
        fault = Fault(number=0, at_order=0, kind=kind, target=target, hold_s=_hold_s(dice))
        timed.append((dice.uniform(ONCE_FROM, ONCE_TO), fault))
    timed.sort(key=lambda each: each[0])
    return tuple(
        msgspec.structs.replace(fault, number=number, at_order=max(1, round(place * orders)))
        for number, (place, fault) in enumerate(timed, start=1)
    )


def _endless(dice: random.Random, victims: Victims) -> Iterator[Fault]:
    """Shuffled rounds: everything is hit in each, in one way in the first and in the other in the second, and so on."""
    while True:
        first, second = [], []
        for pair in _pairs(dice, victims):
            dice.shuffle(pair)
            first += pair[:1]
            second += pair[1:]
        for deck in (first, second):
            dice.shuffle(deck)
            yield from deck


def _pairs(dice: random.Random, victims: Victims) -> Iterator[list[Fault]]:
    """All that can go wrong, two and two."""
    for target in (*victims.processes, *victims.servers, *victims.simulators):
        stopped = Fault(number=0, at_order=0, kind=Kind.STOPPED, target=target, hold_s=dice.choice(STANDSTILLS_S))
        yield [Fault(number=0, at_order=0, kind=Kind.KILLED, target=target), stopped]
    for target, faults in ((victims.store, STORE_FAULTS), (victims.erp, GP_FAULTS)):
        troubles = [
            Fault(number=0, at_order=0, kind=kind, target=target, hold_s=_hold_s(dice), told=telling(dice))
            for kind, telling in faults
        ]
        for at in range(0, len(troubles), 2):
            yield troubles[at : at + 2]


def _hold_s(dice: random.Random) -> float:
    """How long a simulator makes trouble."""
    return round(dice.uniform(2.0, 12.0), 1)
