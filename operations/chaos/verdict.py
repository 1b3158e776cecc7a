"""What a run of chaos is judged by beside the row by row comparison: order at the targets, silence. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby, zip_longest

import msgspec

from delivery.states import ENDS
from operations.demo.facts import Placed
from operations.demo.latency import CONSUMERS, DELIVERED
from operations.demo.reconcile import Difference, key_of, name_of
from operations.demo.states import STORE_STATUS
from operations.demo.topic_facts import OnTopics, Written
from schemas import topics
from schemas.bus.outcome import Outcome

#: The store's actions on an order to the status it shows after them.
STATUS_AFTER = {
    "Confirm": "Confirmed",
    "CreatePickTicket": "Processing",
    "Backorder": "Backordered",
    "Ship": "Shipped",
    "Void": "Void",
}
ACTION_ROUTE = "/Ordering/SalesOrder/"
CREATE, UPDATE, CANCEL = "create", "update", "cancel"


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the store's own journal of what API clients wrote."""

    id: int
    method: str
    route: str
    succeeded: bool


def order_violations(
    placed: Sequence[Placed],
    seen: OnTopics,
    writes: Iterable[Write],
    steps: Mapping[str, Sequence[str]],
    store: str,
) -> tuple[Difference, ...]:
    """Keys on which something older took effect after something newer, as the targets themselves tell it.

    Args:
        placed: The orders of the run.
        seen: The topics.
        writes: The store's journal, in its order.
        steps: Reference of our receipts in GP to their operations, in the order they were written.
        store: The store's connection.
    """
    statuses = _by_key(seen.canonical.get(topics.ORDER_STATUSES.name, ()))
    actions = _actions(writes)
    found: list[Difference] = []
    for order in placed:
        key = key_of(order, store)
        found += _steps_in_order(name_of(order), steps.get(key, ()))
        accepted = [STORE_STATUS.get(each.record.status, "") for each in statuses.get(key, ())]
        found += _actions_in_order(name_of(order), actions.get(order.order_id, []), accepted)
    return (*found, *_falling_deliveries(seen.outcomes))


def longest_silence_s(placed: Sequence[Placed], seen: OnTopics) -> float:
    """The longest time nothing ended while something was open.

    Open is an order from its placing to its first end at GP, and any event from its taking in to its end.
    """
    ends = [each for each in seen.outcomes if each.state in ENDS]
    first: dict[str, datetime] = {}
    for each in ends:
        if each.stage == CONSUMERS and each.record == "order":
            first.setdefault(each.root_key.rpartition(":")[2], each.at)
    spans = [(each.at, first[str(each.order_id)]) for each in placed if each.at and str(each.order_id) in first]
    spans += [(each.taken_in_at, each.at) for each in ends if each.taken_in_at is not None]
    return silence_s(spans, [each.at for each in ends])


def silence_s(spans: Iterable[tuple[datetime, datetime]], moments: Iterable[datetime]) -> float:
    """The longest time between two moments at which a span was open, in seconds."""
    open_until = sorted(((until, since) for since, until in spans), reverse=True)
    latest_first = sorted(set(moments), reverse=True)
    longest, began, at = timedelta(), datetime.max.replace(tzinfo=UTC), 0
    for after, before in zip_longest(latest_first, latest_first[1:]):
        # what is open up to this moment, and since when
        while at < len(open_until) and open_until[at][0] >= after:
            began = min(began, open_until[at][1])
            at += 1
        longest = max(longest, after - max(began, before or began))
    return round(longest / timedelta(seconds=1), 1)


def is_subsequence(told: Sequence[str], accepted: Sequence[str]) -> bool:
    """Whether everything told comes in the order it was accepted; what was superseded may be left out."""
    rest = iter(accepted)
    return all(each in rest for each in told)


def _by_key(records: Iterable[Written]) -> dict[str, list[Written]]:
    """Records by key in the order their source made them; what a restart wrote twice comes once."""
    found: dict[str, dict[int, Written]] = defaultdict(dict)
    for each in records:
        found[each.key].setdefault(each.record.source_version, each)
    return {key: [versions[each] for each in sorted(versions)] for key, versions in found.items()}


def _actions(writes: Iterable[Write]) -> dict[int, list[str]]:
    """Order to the statuses the bus gave it, in order; a repeat straight after itself is the same effect."""
    found: dict[int, list[str]] = defaultdict(list)
    for each in writes:
        action, _, order_id = each.route.removeprefix(ACTION_ROUTE).partition("/")
        if each.succeeded and each.method == "PATCH" and action in STATUS_AFTER and order_id.isdecimal():
            found[int(order_id)].append(STATUS_AFTER[action])
    return {order_id: [status for status, _ in groupby(told)] for order_id, told in found.items()}


def _actions_in_order(subject: str, told: Sequence[str], accepted: Sequence[str]) -> Iterator[Difference]:
    if not is_subsequence(told, accepted):
        yield Difference(
            subject=subject, field="order of statuses", store=" → ".join(told), topics=" → ".join(accepted)
        )


def _steps_in_order(subject: str, operations: Sequence[str]) -> Iterator[Difference]:
    """The document is made first, its versions rise, and nothing follows its end."""
    kinds = [each.partition(":")[0] for each in operations]
    versions = [int(each.split(":")[1]) for each in operations if each.startswith(f"{UPDATE}:")]
    right = kinds == [CREATE] * min(1, len(kinds)) + [UPDATE] * len(versions) + [CANCEL] * (CANCEL in kinds)
    if not right or versions != sorted(versions):
        yield Difference(subject=subject, field="order of steps", gp=" → ".join(operations))


def _falling_deliveries(outcomes: Iterable[Outcome]) -> Iterator[Difference]:
    """A delivery of a version older than one already delivered; what is told twice counts once."""
    told: set[tuple[str, str, int, int]] = set()
    newest: dict[tuple[str, str, str], int] = {}
    for each in outcomes:
        event = (each.connection, each.topic_id, each.partition, each.offset)
        if each.stage != CONSUMERS or each.state != DELIVERED or event in told:
            continue
        told.add(event)
        line = (each.connection, each.record, each.message_key)
        before = newest.get(line, each.source_version)
        if each.source_version < before:
            yield Difference(
                subject=each.message_key,
                field="order of deliveries",
                topics=f"{each.connection}: version {each.source_version} after {before}",
            )
        newest[line] = max(each.source_version, before)
