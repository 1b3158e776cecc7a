"""Dead letters as the projection keeps them: one, some, and how many of each cause stand; without loading them all.

A letter of a connection's queue is the head of its parked key: what the queue last told of its event says whether the
letter still stands. Letters of other stages hold no key, and stand until they are answered.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from delivery.states import ENDS, ParkedFor, State
from operations.projection.migrate import Wire
from operations.projection.stories import PUBLIC_NAMES, like, read

#: Where a dead letter itself lies, beside where its original lay.
LETTERS_PLACE = {
    "topic_id": "letter_topic_id",
    "partition": "letter_partition",
    "event_offset": "letter_offset",
    "source_topic_id": "topic_id",
}


class Status(StrEnum):
    """What became of a dead letter since."""

    STANDING = "standing"
    #: A redrive let it go and it has not come to an end.
    TRIED_AGAIN = "tried again"
    #: Its event came to an end after all, or a newer one made it needless.
    CURED = "cured"
    SKIPPED = "skipped"
    DISCARDED = "discarded"


class DeadLetterTold(msgspec.Struct, frozen=True, kw_only=True, rename=PUBLIC_NAMES | LETTERS_PLACE):
    """One dead letter without its bytes."""

    id: str
    at: datetime
    stage: str
    code: str
    code_values: dict[str, str]
    #: `operations/causes.py`.
    cause: str
    status: str
    connection: str
    record: str
    topic: str
    source_topic_id: str
    source_partition: int
    source_offset: int
    root: str
    root_key: str
    #: Of the root document, where it has one.
    amount: Decimal
    currency: str
    size_bytes: int
    code_version: str
    mapping: str
    reference: str
    #: Where it lies on the dead-letter topic.
    topic_id: str
    partition: int
    event_offset: int


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Letters of one cause at one place, in one currency."""

    stage: str
    connection: str
    code: str
    cause: str
    currency: str
    count: int
    amount: Decimal
    oldest: datetime
    newest: datetime
    #: Id of the newest.
    sample: str
    sample_values: dict[str, str]


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters; empty fields are no condition."""

    since: datetime | None = None
    until: datetime | None = None
    filters: Mapping[str, str] = {}


COLUMNS = ", ".join(DeadLetterTold.__struct_fields__)
JOINED = f"""(
    SELECT l.id, l.at, l.stage, l.code, l.code_values, l.cause, l.connection, l.record, l.topic, l.source_topic_id,
        l.source_partition, l.source_offset, l.root, l.root_key, l.size_bytes, l.code_version, l.mapping, l.reference,
        l.topic_id, l.partition, l.event_offset, coalesce(d.amount, 0) AS amount, coalesce(d.currency, '') AS currency,
        CASE
            -- a stage without a queue holds no key: the document's next version carries everything
            WHEN d.state IS NULL AND l.root_key <> '' AND l.mapping <> '' AND EXISTS (
                SELECT FROM records r WHERE r.root_key = l.root_key AND r.at > l.at
                    AND split_part(r.mapping, '@', 1) = split_part(l.mapping, '@', 1)) THEN '{Status.CURED}'
            WHEN d.state IS NULL OR (d.state = '{State.PARKED}' AND d.cause = '{ParkedFor.REFUSED}')
                THEN '{Status.STANDING}'
            WHEN d.state = '{State.DEAD}' AND d.code = 'skipped' THEN '{Status.SKIPPED}'
            WHEN d.state = '{State.DEAD}' THEN '{Status.STANDING}'
            WHEN d.state = '{State.DISCARDED}' THEN '{Status.DISCARDED}'
            WHEN d.state IN ({", ".join(f"'{state}'" for state in sorted(ENDS))}) THEN '{Status.CURED}'
            ELSE '{Status.TRIED_AGAIN}'
        END AS status
    FROM dead_letters l LEFT JOIN deliveries d ON d.topic_id = l.source_topic_id AND d.partition = l.source_partition
        AND d.event_offset = l.source_offset AND d.connection = l.connection AND d.replay = l.replay
) AS letters"""  # noqa: S608  constants of ours


def listed(wire: Wire, selection: Selection, limit: int) -> tuple[DeadLetterTold, ...]:
    """The newest letters of a selection."""
    statement = f"SELECT {COLUMNS} FROM {JOINED} WHERE {_where(selection)} ORDER BY at DESC, id LIMIT %(limit)s"  # noqa: S608  names of ours
    return read(wire, statement, _parameters(selection) | {"limit": limit}, DeadLetterTold)


def grouped(wire: Wire, selection: Selection) -> tuple[Group, ...]:
    """How many letters there are of each cause, most first."""
    statement = f"""
        SELECT stage, connection, code, cause, currency, count(*), sum(amount), min(at), max(at),
            (array_agg(id ORDER BY at DESC))[1], (array_agg(code_values ORDER BY at DESC))[1]
        FROM {JOINED} WHERE {_where(selection)}
        GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC, 1, 2, 4, 5
    """  # noqa: S608  names of ours
    return read(wire, statement, _parameters(selection), Group)


def values_of(wire: Wire, selection: Selection, names: tuple[str, ...]) -> tuple[dict[str, str], ...]:
    """The different values letters of a selection have of these names."""
    with wire.transaction():
        found = wire.execute(
            f"""
            SELECT DISTINCT (SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each(code_values)
                WHERE key = ANY(%(names)s))
            FROM {JOINED} WHERE {_where(selection)}
            """,  # noqa: S608  names of ours
            _parameters(selection) | {"names": list(names)},
        ).fetchall()
    return tuple(values for (values,) in found)


def one(wire: Wire, beginning: str) -> tuple[DeadLetterTold, ...]:
    """Letters whose id begins so, two at most; people type the first characters."""
    statement = f"SELECT {COLUMNS} FROM {JOINED} WHERE id LIKE %(id)s LIMIT 2"  # noqa: S608  names of ours
    return read(wire, statement, {"id": like(beginning) + "%"}, DeadLetterTold)


def of_key(wire: Wire, root_key: str) -> tuple[DeadLetterTold, ...]:
    """All letters of a root key."""
    return read(wire, f"SELECT {COLUMNS} FROM {JOINED} WHERE root_key = %(key)s", {"key": root_key}, DeadLetterTold)  # noqa: S608  names of ours


def _where(selection: Selection) -> str:
    unknown = selection.filters.keys() - set(DeadLetterTold.__struct_fields__)
    if unknown:
        raise ValueError(f"no column {', '.join(sorted(unknown))}")
    conditions = [f"{name} = %({name})s" for name in selection.filters]
    if selection.since is not None:
        conditions.append("at >= %(since)s")
    if selection.until is not None:
        conditions.append("at < %(until)s")
    return " AND ".join(conditions) or "true"


def _parameters(selection: Selection) -> dict[str, Any]:
    return {**selection.filters, "since": selection.since, "until": selection.until}
