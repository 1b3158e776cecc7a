"""How long each flow took, from the topics' own times. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from operations.demo.topic_facts import OnTopics
from schemas.bus.outcome import Outcome

MILLISECOND = timedelta(milliseconds=1)
DELIVERED = "delivered"
CONSUMERS = "consumers"
#: Flow to the record whose deliveries it is; all three begin with a commit in GP.
FROM_GP = {"shipments": "shipment", "order_statuses": "order_status", "inventory_levels": "inventory_level"}


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Of one flow, in milliseconds; None where nothing flowed."""

    p50: float | None
    p99: float | None
    count: int


def latencies(seen: OnTopics, store: str) -> dict[str, Latency]:
    """By flow: orders from their webhook's arrival to their document, the others from GP's commit to the store.

    Args:
        seen: The topics.
        store: The connection the three other flows end at.
    """
    flows = {"orders": order_durations(seen)}
    for flow, record in FROM_GP.items():
        delivered = (each for each in seen.outcomes if is_delivery(each, record) and each.connection == store)
        flows[flow] = list(durations(delivered, seen.commits))
    return {flow: summary(found) for flow, found in flows.items()}


def order_durations(seen: OnTopics) -> list[timedelta]:
    """From the first the bus heard of an order to its document."""
    first = {key: min(each.at for each in arrivals) for key, arrivals in seen.arrivals.items()}
    created = {
        each.root_key: each.at for each in seen.outcomes if is_delivery(each, "order") and each.code == "created"
    }
    return [at - first[key] for key, at in created.items() if key in first]


def durations(delivered: Iterable[Outcome], began: Mapping[str, datetime]) -> Iterable[timedelta]:
    """From where an outcome's root began to the outcome; what began before the run is left out."""
    return (each.at - began[each.root] for each in delivered if each.root in began)


def is_delivery(outcome: Outcome, record: str) -> bool:
    """Whether a consumer says that it wrote such a record to its target."""
    return outcome.stage == CONSUMERS and outcome.state == DELIVERED and outcome.record == record


def summary(found: Sequence[timedelta]) -> Latency:
    """Median and 99th percentile."""
    milliseconds = sorted(each / MILLISECOND for each in found)
    return Latency(p50=percentile(milliseconds, 50), p99=percentile(milliseconds, 99), count=len(milliseconds))


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """The smallest value that so many percent do not exceed (nearest rank); None of nothing."""
    if not ordered:
        return None
    rank = max(1, math.ceil(len(ordered) * percent / 100))
    return round(ordered[rank - 1], 1)
