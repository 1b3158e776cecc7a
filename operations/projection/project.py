"""What one record on a topic tells the projection: rows to add, facts to note; pure, so that a rebuild tells the same.

A *root* is a source event. Its facts are bits that are only ever added; where it ended is decided by their order of
weight, so that it does not matter which topic is read first.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import IntFlag, StrEnum
from typing import Any

import msgspec

from delivery.states import ENDS, ParkedFor, State
from operations.causes import VERSION as CAUSE_VERSION
from operations.causes import cause_of
from schemas.bus.change import Change
from schemas.bus.cross_reference import CrossReference
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.fetched import Fetched
from schemas.bus.outcome import Outcome
from schemas.canonical.order import Order
from schemas.types import connection_of, root_at, root_of

CONSUMERS = "consumers"
GATEWAY = "gateway"
#: Code of what a person left dead, and may take back.
SKIPPED = "skipped"
#: Stages whose events are rows of a connection's queue.
QUEUES = frozenset({"fetchers", CONSUMERS})
NO_MONEY = (Decimal(0), "")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Fact(IntFlag):
    """What is known of a root, as bits of `roots.facts`; the migration's index knows the ends as the first five."""

    MAPPED = 1
    DEAD = 2
    MERGED = 4
    SUPPRESSED = 8
    FILTERED = 16
    #: Its document was read; what came of that is told by streams.
    READ = 32
    #: Something else on a source topic carries it on.
    ROUTED = 64


#: From the heaviest: a root that was mapped once is mapped, whatever else became of parts of it.
WEIGHT = (Fact.MAPPED, Fact.DEAD, Fact.MERGED, Fact.SUPPRESSED, Fact.FILTERED)

#: What an outcome of gateway, streams or fetchers says about its root.
FACT_OF_STATE: Mapping[str, Fact] = {
    State.DEAD: Fact.DEAD,
    # an operator ended it: it is no more, and never became a record
    State.DISCARDED: Fact.DEAD,
    State.MERGED: Fact.MERGED,
    # a newer reading covers it
    State.SUPERSEDED: Fact.MERGED,
    State.SUPPRESSED: Fact.SUPPRESSED,
    State.FILTERED: Fact.FILTERED,
    State.DELIVERED: Fact.READ,
}


class Means(StrEnum):
    """What a topic is to the projection."""

    CHANGES = "changes"
    CAPTURED = "captured"
    FETCHED = "fetched"
    CANONICAL = "canonical"
    OUTCOMES = "outcomes"
    DEAD_LETTERS = "dead letters"
    CROSS_REFERENCES = "cross references"


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """One record as it was read; `value` is decoded only where the projection needs what is in it."""

    topic: str
    means: Means
    topic_id: str
    partition: int
    offset: int
    timestamp_ms: int
    key: str
    headers: Mapping[str, bytes]
    value: Change | Fetched | Order | Outcome | DeadLetter | CrossReference | None = None
    size_bytes: int = 0


#: Topic id, partition, offset.
Position = tuple[str, int, int]


class RootRow(msgspec.Struct, kw_only=True):
    """What this batch adds to a root; empty fields add nothing."""

    topic: str = ""
    arrived_at: datetime | None = None
    root_key: str = ""
    connection: str = ""
    record: str = ""
    cause: str = ""
    source_version: int = 0
    delivery_id: str = ""
    facts: int = 0
    merged_into: str = ""


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a batch of records adds, folded so that each row is touched once."""

    #: (topic, topic id, partition, hour) to number of records.
    arrivals: dict[tuple[str, str, int, datetime], int] = msgspec.field(default_factory=dict)
    roots: dict[Position, RootRow] = msgspec.field(default_factory=dict)
    records: list[tuple[Any, ...]] = msgspec.field(default_factory=list)
    outcomes: list[tuple[Any, ...]] = msgspec.field(default_factory=list)
    #: (topic id, partition, offset, connection, replay) to the outcome that stands there; live ones have no replay.
    deliveries: dict[tuple[str, int, int, str, str], tuple[Any, ...]] = msgspec.field(default_factory=dict)
    #: Canonical records that are added or told of: their accounts change.
    touched: set[Position] = msgspec.field(default_factory=set)
    dead_letters: dict[str, tuple[Any, ...]] = msgspec.field(default_factory=dict)
    #: A tombstone (None) takes the row away.
    cross_references: dict[tuple[str, str, str, str], tuple[Any, ...] | None] = msgspec.field(default_factory=dict)


def project(observed: Iterable[Observed]) -> Rows:
    """The rows of a batch; records of one partition must be in order, partitions may be mixed."""
    rows = Rows()
    for each in observed:
        _arrival(rows, each)
        _PROJECTIONS[each.means](rows, each)
    return rows


def place(facts: int) -> Fact | None:
    """The one place a root ended in, or None while it is open."""
    return next((fact for fact in WEIGHT if facts & fact), None)


def parse_root(root: str) -> Position | None:
    """Topic id, partition and offset of a root's text; None for what is none."""
    parts = root.rsplit("/", 2)
    if len(parts) != 3 or not parts[0] or not (parts[1].isdecimal() and parts[2].isdecimal()):
        return None
    return parts[0], int(parts[1]), int(parts[2])


def at(timestamp_ms: int) -> datetime:
    """A Kafka time stamp as time."""
    return EPOCH + timedelta(milliseconds=timestamp_ms)


def hour_of(moment: datetime) -> datetime:
    """The hour a moment lies in."""
    return moment.replace(minute=0, second=0, microsecond=0)


def _arrival(rows: Rows, observed: Observed) -> None:
    key = (observed.topic, observed.topic_id, observed.partition, hour_of(at(observed.timestamp_ms)))
    rows.arrivals[key] = rows.arrivals.get(key, 0) + 1


def _changes(rows: Rows, observed: Observed) -> None:
    """A change born here is a root; one that carries another's root is that root on its way."""
    own = root_at(observed.topic_id, observed.partition, observed.offset)
    carried = _header(observed, "towpath-root") or own
    if carried != own:
        _note(rows, carried, Fact.ROUTED)
        _record(rows, observed, carried, 0)
        return
    root = _born(rows, observed)
    root.root_key = observed.key
    if isinstance(observed.value, Change):
        change = observed.value
        root.connection, root.record, root.cause = change.connection, change.record, change.cause
        root.source_version, root.delivery_id = change.source_version, change.delivery_id
    else:  # undecodable: whoever reads it buries it; the key still says whose it is
        root.connection = connection_of(root_of(observed.key))


def _captured(rows: Rows, observed: Observed) -> None:
    root = _born(rows, observed)
    root.cause = "cdc"


def _fetched(rows: Rows, observed: Observed) -> None:
    root = _header(observed, "towpath-root")
    _note(rows, root, Fact.READ)
    version = observed.value.source_version if isinstance(observed.value, Fetched) else 0
    _record(rows, observed, root, version)


def _canonical(rows: Rows, observed: Observed) -> None:
    root = _header(observed, "towpath-root")
    _note(rows, root, Fact.MAPPED)
    order = observed.value if isinstance(observed.value, Order) else None
    _record(rows, observed, root, 0, (Decimal(order.total), order.currency) if order is not None else NO_MONEY)
    rows.touched.add((observed.topic_id, observed.partition, observed.offset))


def _outcomes(rows: Rows, observed: Observed) -> None:
    outcome = observed.value
    if not isinstance(outcome, Outcome):
        return
    rows.outcomes.append(_outcome_row(observed, outcome))
    if outcome.stage != CONSUMERS and (fact := _fact(outcome)) is not None:
        _note(rows, outcome.root, fact, outcome.merged_into)
    # an event nobody can read is of no connection; its dead letter can be ended all the same
    if (outcome.connection or outcome.state == State.DISCARDED) and _is_placed(outcome):
        place = (outcome.topic_id or outcome.reference, outcome.partition, outcome.offset)
        key = (*place, outcome.connection, outcome.replay)
        told = (
            outcome.stage,
            outcome.state,
            outcome.cause,
            outcome.code,
            outcome.at,
            outcome.root_key,
            outcome.record,
            outcome.values,
            outcome.attempts,
            Decimal(outcome.amount),
            outcome.currency,
            outcome.document_number,
            outcome.taken_in_at,
        )
        before = rows.deliveries.get(key)
        if before is None or _follows(told, before):
            rows.deliveries[key] = told
        if outcome.stage == CONSUMERS and not outcome.replay:
            rows.touched.add(key[:3])


def _is_placed(outcome: Outcome) -> bool:
    """Whether it tells what became of one event, or of a dead letter that never was one."""
    if outcome.offset >= 0:
        # an operator ends dead letters of stages without a queue, too
        return outcome.stage in QUEUES or outcome.state == State.DISCARDED
    # a webhook that was kept and never lay on a topic is known by its sender's id
    return outcome.stage == GATEWAY and outcome.state in {State.DISCARDED, State.DELIVERED} and outcome.reference != ""


def _follows(told: tuple[Any, ...], before: tuple[Any, ...]) -> bool:
    """Whether it stands now; as `tables.MERGE_DELIVERIES` decides between batches."""
    if before[3] == SKIPPED:
        return bool(told[4] > before[4])  # a person wanted it after all
    return _standing(told) >= _standing(before)


def _standing(delivery: tuple[Any, ...]) -> tuple[bool, datetime]:
    """What stands is the last end, before there is one the last parking: what is told again may come behind its end."""
    _, state, _, _, told_at, *_ = delivery
    return state in ENDS, told_at


def _fact(outcome: Outcome) -> Fact | None:
    if outcome.state == State.PARKED and outcome.cause == ParkedFor.REFUSED:
        return Fact.DEAD  # one and the same thing: the head of its parked key, and a dead letter
    return FACT_OF_STATE.get(outcome.state)


def _dead_letters(rows: Rows, observed: Observed) -> None:
    letter = observed.value
    if not isinstance(letter, DeadLetter):
        return
    if letter.stage != CONSUMERS:
        _note(rows, letter.root, Fact.DEAD)
    rows.dead_letters[letter.id] = (
        observed.topic_id,
        observed.partition,
        observed.offset,
        letter.at,
        letter.stage,
        letter.code,
        letter.values,
        letter.connection,
        letter.record,
        letter.topic,
        letter.topic_id or letter.reference,
        letter.partition,
        letter.offset,
        letter.root,
        letter.root_key,
        len(letter.value),
        letter.code_version,
        letter.mapping,
        letter.reference,
        cause_of(letter.code, letter.values),
        letter.replay,
        CAUSE_VERSION,
    )


def _cross_references(rows: Rows, observed: Observed) -> None:
    reference = observed.value
    if isinstance(reference, CrossReference):
        key = (reference.canonical_id, reference.connection, reference.record, reference.id_there)
        rows.cross_references[key] = (reference.since, reference.root, reference.mapping)
        return
    parts = observed.key.rsplit("/", 3)
    if len(parts) == 4:
        canonical_id, connection, record, id_there = parts
        rows.cross_references[canonical_id, connection, record, id_there] = None


_PROJECTIONS = {
    Means.CHANGES: _changes,
    Means.CAPTURED: _captured,
    Means.FETCHED: _fetched,
    Means.CANONICAL: _canonical,
    Means.OUTCOMES: _outcomes,
    Means.DEAD_LETTERS: _dead_letters,
    Means.CROSS_REFERENCES: _cross_references,
}


def _born(rows: Rows, observed: Observed) -> RootRow:
    root = rows.roots.setdefault((observed.topic_id, observed.partition, observed.offset), RootRow())
    root.topic = observed.topic
    root.arrived_at = at(observed.timestamp_ms)
    return root


def _note(rows: Rows, root: str, fact: Fact, merged_into: str = "") -> None:
    position = parse_root(root)
    if position is None:
        return
    row = rows.roots.setdefault(position, RootRow())
    row.facts |= fact
    row.merged_into = merged_into or row.merged_into


def _record(
    rows: Rows, observed: Observed, root: str, source_version: int, money: tuple[Decimal, str] = NO_MONEY
) -> None:
    rows.records.append(
        (
            observed.topic_id,
            observed.partition,
            observed.offset,
            observed.topic,
            at(observed.timestamp_ms),
            root,
            root_of(observed.key),
            observed.key,
            _header(observed, "towpath-mapping"),
            _header(observed, "towpath-origin"),
            source_version,
            *money,
        )
    )


def _outcome_row(observed: Observed, outcome: Outcome) -> tuple[Any, ...]:
    return (
        observed.topic_id,
        observed.partition,
        observed.offset,
        outcome.at,
        outcome.stage,
        outcome.state,
        outcome.code,
        outcome.values,
        outcome.connection,
        outcome.topic,
        outcome.topic_id,
        outcome.partition,
        outcome.offset,
        outcome.root,
        outcome.root_key,
        outcome.message_key,
        outcome.record,
        outcome.cause,
        outcome.attempts,
        outcome.reference,
        outcome.document_number,
        outcome.mapping_in,
        outcome.mapping_out,
        outcome.command_id,
        Decimal(outcome.amount),
        outcome.currency,
        outcome.merged_into,
        outcome.taken_in_at,
        outcome.who,
        outcome.why,
        outcome.replay,
    )


def _header(observed: Observed, name: str) -> str:
    return observed.headers.get(name, b"").decode("utf-8", "replace")
