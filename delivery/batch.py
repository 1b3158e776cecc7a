"""What the events of one take-in batch mean to each other and to what is known: queued, ended at once, replacing."""

from collections.abc import Mapping, Sequence

import msgspec

from delivery.ports import Arrival
from delivery.states import State


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """An arrival that never becomes a row."""

    arrival: Arrival
    state: State
    code: str
    merged_into: str


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Arrivals of a batch, sorted out."""

    queued: list[Arrival]
    ended: list[Ended]
    #: By message key and record: the newest one that makes open older rows needless.
    replacing: dict[tuple[str, str], Arrival]
    #: By message key and record: version and offset of the newest one that is not older than what is known.
    versions: dict[tuple[str, str], tuple[int, int]]


def sorted_out(arrivals: Sequence[Arrival], known: Mapping[tuple[str, str], int]) -> Batch:
    """What is queued and what ends at once, given the versions known before."""
    versions = dict(known)
    latest: dict[tuple[str, str], tuple[int, int]] = {}
    kept: dict[int, Arrival] = {}
    ended: list[Ended] = []
    replaced: dict[int, State] = {}
    replacing: dict[tuple[str, str], Arrival] = {}
    of_record: dict[tuple[str, str], list[int]] = {}
    for place, arrival in enumerate(arrivals):
        record = (arrival.message_key, arrival.record)
        if 0 < arrival.source_version < versions.get(record, 0):
            ended.append(Ended(arrival=arrival, state=State.SUPERSEDED, code="older", merged_into=""))
            continue
        if arrival.source_version > 0:
            versions[record] = arrival.source_version
            latest[record] = (arrival.source_version, arrival.offset)
        if arrival.replaces_with is not None:
            replacing[record] = arrival
            for older in of_record.pop(record, []):
                replaced[older] = arrival.replaces_with
        of_record.setdefault(record, []).append(place)
        kept[place] = arrival
    for place, state in replaced.items():
        arrival = kept.pop(place)
        # All of them are made needless by the last one, which is the one that will be delivered.
        newest = replacing[arrival.message_key, arrival.record]
        ended.append(Ended(arrival=arrival, state=state, code=state.value, merged_into=newest.root))
    return Batch(
        queued=list(kept.values()),
        ended=ended,
        replacing=replacing,
        versions=latest,
    )
