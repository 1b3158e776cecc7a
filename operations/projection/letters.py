"""Dead letters as the projection keeps them: one, some, and how many of each cause stand; without loading them all.

Whether one stands is judged when it is written: `judging.py`.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from operations.causes import VERSION, cause_of
from operations.projection.judging import Status
from operations.projection.migrate import Wire, keep_version
from operations.projection.stories import PUBLIC_NAMES, like, read

#: Where a dead letter itself lies, beside where its original lay.
LETTERS_PLACE = {
    "topic_id": "letter_topic_id",
    "partition": "letter_partition",
    "event_offset": "letter_offset",
    "source_topic_id": "topic_id",
}


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
    #: It heads a parked key.
    held: bool = False


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


class Unheld(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters of one code that stand and hold no key."""

    connection: str
    stage: str
    code: str
    #: Whether it is known whose they are.
    known: bool
    count: int
    since: datetime
    #: Of the oldest.
    values: dict[str, str]


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters; empty fields are no condition."""

    since: datetime | None = None
    until: datetime | None = None
    filters: Mapping[str, str] = {}


#: Letters in one transaction.
PORTION = 5000
# Both sides of the version by its index.
OF_OTHER_VERSION = """
SELECT id, code, code_values FROM dead_letters WHERE cause_version < %s OR cause_version > %s LIMIT %s
"""
DERIVED = """
UPDATE dead_letters l SET cause = d.cause, cause_version = %(version)s
FROM unnest(%(ids)s::text[], %(causes)s::text[]) AS d (id, cause) WHERE l.id = d.id
"""
COLUMNS = ", ".join(DeadLetterTold.__struct_fields__)
JOINED = """(
    SELECT l.*, s.status, s.held, s.amount, s.currency FROM dead_letters l JOIN letter_states s USING (id)
) AS letters"""
#: Standing, and no heads of parked keys: those are told of by their deliveries.
UNHELD = """
SELECT c.connection, c.stage, c.code, c.known, c.count, oldest.at, oldest.code_values
FROM letter_counts c CROSS JOIN LATERAL (
    SELECT s.at, l.code_values FROM letter_states s JOIN dead_letters l USING (id)
    WHERE s.status = 'standing' AND NOT s.held AND s.connection = c.connection AND s.stage = c.stage
        AND s.code = c.code AND s.known = c.known
    ORDER BY s.at AT TIME ZONE 'UTC' LIMIT 1
) oldest
"""


def listed(wire: Wire, selection: Selection, limit: int) -> tuple[DeadLetterTold, ...]:
    """The newest letters of a selection."""
    statement = f"SELECT {COLUMNS} FROM {JOINED} WHERE {_where(selection)} ORDER BY at DESC, id LIMIT %(limit)s"  # noqa: S608  names of ours
    return read(wire, statement, _parameters(selection) | {"limit": limit}, DeadLetterTold)


def before_queues(wire: Wire, since: datetime, until: datetime) -> tuple[DeadLetterTold, ...]:
    """Letters of a time that still stand and never became a record; all of them."""
    selection = Selection(since=since, until=until, filters={"status": Status.STANDING})
    statement = f"SELECT {COLUMNS} FROM {JOINED} WHERE {_where(selection)} AND stage <> 'consumers' ORDER BY at, id"  # noqa: S608  names of ours
    return read(wire, statement, _parameters(selection), DeadLetterTold)


def derive_causes(wire: Wire) -> int:
    """Tell the cause of each letter anew that another version told of; how many there were. The projector's alone."""
    derived = 0
    while True:
        with wire.transaction():
            keep_version(wire)
            old = wire.execute(OF_OTHER_VERSION, [VERSION, VERSION, PORTION]).fetchall()
            ids, causes = [id_ for id_, _, _ in old], [cause_of(code, values) for _, code, values in old]
            wire.execute(DERIVED, {"version": VERSION, "ids": ids, "causes": causes})
        derived += len(old)
        if len(old) < PORTION:
            return derived


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


def unheld(wire: Wire) -> tuple[Unheld, ...]:
    """How many stand and hold no key."""
    return read(wire, UNHELD, {}, Unheld)


def unheld_of(wire: Wire, root_key: str) -> tuple[DeadLetterTold, ...]:
    """Those of a key that stand and hold no queue, the oldest first."""
    statement = f"""
        SELECT {COLUMNS} FROM {JOINED}
        WHERE root_key = %(key)s AND status = '{Status.STANDING}' AND NOT held ORDER BY at
    """  # noqa: S608  names of ours
    return read(wire, statement, {"key": root_key}, DeadLetterTold)


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
