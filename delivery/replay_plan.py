"""What a replay would come to, told beforehand: all of its events are read, some hundreds asked of the live target.

Nothing is changed: neither there nor in the store, and no document number is used up where the sink can foresee.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from bus.clock import now
from bus.read_range import RangeReader
from delivery.ports import Arrival, Requests, Row, Sink
from delivery.preflight import Told, Verdict, ask_target
from delivery.replay_reading import Origin, Reading
from delivery.replay_rules import sorted_out
from delivery.replays import Replay, Replays
from delivery.states import State

#: Exact up to so many records; of more a sample is asked.
MOST: Final = 300
#: Asked of the target at once.
AT_ONCE: Final = 4
ASK_ALL_WITHIN_S: Final = 90.0
READ_WITHIN_S: Final = 300.0
#: Reasons of refusals that are told.
REASONS: Final = 5

#: A command with such a value wants each of those asked told by its key, too.
EACH: Final = "each"

PLACE_OF: Final[Mapping[Verdict, str]] = {
    Verdict.APPLIED: "equal",
    Verdict.FAILS: "refused",
    Verdict.BLOCKED: "blocked",
    Verdict.CANNOT_TELL: "cannot_tell",
}


class Scan(msgspec.Struct, kw_only=True):
    """What was read; of what is to be asked, a sample."""

    events: int = 0
    read: int = 0
    unreadable: int = 0
    gone: int = 0
    superseded: int = 0
    suppressed: int = 0
    #: Records that would be queued, and the offsets nobody had the time to read.
    candidates: int = 0
    left: int = 0
    keys: set[int] = msgspec.field(default_factory=set)
    sample: list[Arrival] = msgspec.field(default_factory=list)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the target said of one."""

    told: Told
    record: str
    took_s: float
    #: Message key of the record.
    key: str = ""


class Planner:
    """Answers what replays into one queue would come to."""

    def __init__(
        self,
        replays: Replays,
        kafka: str,
        origins: Mapping[str, Origin],
        sinks: Mapping[str, Sink],
        *,
        in_flight: int,
        requests_per_minute: float,
    ) -> None:
        """As `Replayer`."""
        self._replays = replays
        self._kafka = kafka
        self._origins = origins
        self._sinks = sinks
        self._at_once = max(1, in_flight // 4)
        self._requests_per_minute = requests_per_minute

    async def answer(self, replay: Replay, reader: RangeReader) -> dict[str, str]:
        """The values of the answer.

        Raises:
            RetryableError: Kafka, the registry or the store is away.
        """
        scan = await self._scan(replay, reader)
        known = await self._replays.know(replay)
        if known is not None:
            scan.gone = max(0, known - scan.events)
        asked = await self._ask(scan.sample)
        said = told(scan, asked, self.costs(), replay.command.per_minute)
        return said | listed(asked) if EACH in replay.command.values else said

    def costs(self) -> "Costs":
        """What the target's limits make of it."""
        requests = {record: getattr(sink, "requests", Requests()) for record, sink in self._sinks.items()}
        return Costs(requests=requests, at_once=self._at_once, requests_per_minute=self._requests_per_minute)

    async def _scan(self, replay: Replay, reader: RangeReader) -> Scan:
        scan, chance = Scan(), random.Random(replay.id)  # noqa: S311 - a sample, no secret
        reading = Reading(self._replays, replay, reader, self._kafka, self._origins)
        deadline = time.monotonic() + READ_WITHIN_S
        while reading.place is not None and time.monotonic() < deadline:
            portion = await reading.portion(2**31)
            sorted_ = sorted_out(portion.arrivals, await self._replays.standing(portion.arrivals))
            scan.events += len(portion.arrivals)
            scan.read += portion.read
            scan.unreadable += portion.unreadable
            scan.gone += portion.gone
            states = Counter(end.state for end in sorted_.ended)
            scan.superseded += states[State.SUPERSEDED]
            scan.suppressed += states[State.SUPPRESSED]
            for one in sorted_.queued:
                scan.candidates += 1
                scan.keys.add(hash(one.root_key))
                if len(scan.sample) < MOST:
                    scan.sample.append(one)
                elif (at := chance.randrange(scan.candidates)) < MOST:
                    scan.sample[at] = one
            reading.passed(portion)
        scan.left = reading.left
        return scan

    async def _ask(self, sample: Sequence[Arrival]) -> list[Asked]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def ask(one: Arrival) -> Asked:
            async with gate:
                began = time.monotonic()
                said = await ask_target(row_of(one, self._replays.queue), self._sinks.get(one.record))
                return Asked(told=said, record=one.record, took_s=time.monotonic() - began, key=one.message_key)

        asking = [asyncio.create_task(ask(one)) for one in sample]
        try:
            if asking:
                await asyncio.wait(asking, timeout=ASK_ALL_WITHIN_S)
            return [task.result() for task in asking if task.done()]
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What the target asks for, and what it allows."""

    requests: Mapping[str, Requests]
    at_once: int
    requests_per_minute: float


def told(scan: Scan, asked: Sequence[Asked], costs: Costs, per_minute: int) -> dict[str, str]:
    """A plan as values of an outcome; pure. Counts of a sample are of the sample, requests and minutes of all."""
    places = Counter(_place(each.told) for each in asked)
    reasons = Counter(_reason(each.told) for each in asked if _place(each.told) in {"refused", "blocked"})
    scale = scan.candidates / len(asked) if asked else 0.0
    requests = seconds = 0.0
    for each in asked:
        cost = costs.requests.get(each.record, Requests())
        writes = _place(each.told) in {"creates", "updates"}
        requests += scale * (cost.look + cost.write * writes)
        seconds += scale * each.took_s * (1 + cost.write / cost.look * writes)
    minutes = [
        seconds / 60 / costs.at_once,
        requests / costs.requests_per_minute if costs.requests_per_minute else 0.0,
        scan.candidates / per_minute if per_minute else 0.0,
    ]
    counts = {
        "events": scan.events,
        "keys": len(scan.keys),
        "records": scan.candidates,
        "asked": len(asked),
        **{name: places[name] for name in ("creates", "updates", "equal", "refused", "blocked", "cannot_tell")},
        "superseded": scan.superseded,
        "already_queued": scan.suppressed,
        "unreadable": scan.unreadable,
        "read": scan.read,
        "left": scan.left,
        "gone": scan.gone,
        "requests": round(requests),
    }
    said = {name: str(count) for name, count in counts.items()}
    why = ", ".join(f"{reason} x{count}" for reason, count in reasons.most_common(REASONS))
    return said | {"minutes": f"{max(minutes):.1f}", "why": why}


def listed(asked: Sequence[Asked]) -> dict[str, str]:
    """Each of those asked: key, what it comes to, why; as JSON in one value of an outcome; pure."""
    each = [(one.key, _place(one.told), _reason(one.told)) for one in asked]
    return {EACH: msgspec.json.encode(each).decode()}


def row_of(one: Arrival, queue: str) -> Row:
    """The row an event would be."""
    shared = {name: getattr(one, name) for name in Arrival.__struct_fields__ if name in Row.__struct_fields__}
    return Row(
        id=0,
        queue=queue,
        state=State.READY,
        cause=None,
        attempts=0,
        due=None,
        lease_owner=None,
        epoch=0,
        intent=None,
        reference=None,
        document_number=None,
        mapping_out="",
        taken_in_at=now(),
        **shared,
    )


def _place(said: Told) -> str:
    return PLACE_OF.get(said.verdict) or ("creates" if said.creates else "updates")


def _reason(said: Told) -> str:
    return said.values.get("waits_for") or said.values.get("why", "")
