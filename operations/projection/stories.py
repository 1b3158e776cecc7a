"""What the projection knows of one business key, and lists of outcomes; for trace and lists."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from operations.projection.migrate import Wire
from operations.projection.project import parse_root

R = TypeVar("R", bound=msgspec.Struct)

#: Columns whose name in JSON is another one.
PUBLIC_NAMES = {"code_values": "values", "source_partition": "partition", "source_offset": "offset"}


class RootTold(msgspec.Struct, frozen=True, kw_only=True):
    """A source event of the key."""

    topic: str
    topic_id: str
    partition: int
    event_offset: int
    arrived_at: datetime
    root_key: str
    connection: str
    record: str
    cause: str
    source_version: int
    delivery_id: str
    facts: int


class RecordTold(msgspec.Struct, frozen=True, kw_only=True):
    """A record of the key on its way."""

    topic: str
    partition: int
    event_offset: int
    at: datetime
    root: str
    root_key: str
    message_key: str
    mapping: str
    origin: str
    source_version: int
    topic_id: str = ""


class OutcomeTold(msgspec.Struct, frozen=True, kw_only=True, rename=PUBLIC_NAMES):
    """One outcome, as it is listed; field names are a contract."""

    at: datetime
    stage: str
    state: str
    code: str
    code_values: dict[str, str]
    connection: str
    topic: str
    source_partition: int
    source_offset: int
    root: str
    root_key: str
    message_key: str
    record: str
    cause: str
    attempts: int
    reference: str
    document_number: str
    mapping_in: str
    mapping_out: str
    command_id: str
    amount: Decimal
    currency: str
    merged_into: str
    who: str
    why: str
    replay: str = ""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection said of a thing it was asked for."""

    thing: str
    #: Times it said something; that it could not be asked is nothing said.
    answers: int
    #: The last.
    code: str
    at: datetime


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A canonical record under its id at a connection."""

    canonical_id: str
    connection: str
    record: str
    id_there: str
    since: datetime
    root: str
    mapping: str


ROOT = ", ".join(RootTold.__struct_fields__)
RECORD = ", ".join(RecordTold.__struct_fields__)
OUTCOME = ", ".join(OutcomeTold.__struct_fields__)
KNOWN = ", ".join(Known.__struct_fields__)

ROOT_KEYS_OF_DOCUMENT = """
SELECT split_part(canonical_id, '/', 1) FROM cross_references WHERE id_there = %(text)s
UNION SELECT root_key FROM outcomes WHERE document_number = %(text)s AND root_key <> ''
"""
# That no key is empty is said for the index, which leaves out roots without one. Read again and found
# unchanged, a document writes nothing else: where the change lay on a topic that was made anew before the projector
# read it, this alone tells that it arrived.
ARRIVED = """
SELECT k, max(at), coalesce(max(version), 0) FROM unnest(%(keys)s::text[]) AS k
LEFT JOIN LATERAL (
    SELECT arrived_at AS at, source_version AS version FROM roots
    WHERE root_key = k AND root_key <> '' AND topic = ANY(%(topics)s)
        AND (%(ids)s::text[] IS NULL OR facts <> 0 OR topic_id = ANY(%(ids)s))
    UNION ALL SELECT NULL, source_version FROM records WHERE root_key = k AND topic = ANY(%(topics)s)
    UNION ALL SELECT taken_in_at, 0 FROM outcomes
    WHERE root_key = k AND stage = 'fetchers' AND topic = ANY(%(topics)s) AND state = 'suppressed'
) AS heard ON true GROUP BY k
"""
ROOT_KEYS_KNOWN = """
SELECT k FROM unnest(%(keys)s::text[]) AS k
WHERE EXISTS (SELECT FROM records WHERE root_key = k)
    OR EXISTS (SELECT FROM roots WHERE root_key = k AND root_key <> '')
    OR EXISTS (SELECT FROM outcomes WHERE root_key = k) OR EXISTS (SELECT FROM dead_letters WHERE root_key = k)
"""


def root_keys(wire: Wire, text: str, connections: Sequence[str]) -> tuple[str, ...]:
    """The root keys a text can mean: a key, an id at any connection, a document's number."""
    candidates = [text.split("/", 1)[0], *(f"{connection}:{text}" for connection in connections)]
    with wire.transaction():
        found = [key for (key,) in wire.execute(ROOT_KEYS_KNOWN, {"keys": candidates})]
        found += [key for (key,) in wire.execute(ROOT_KEYS_OF_DOCUMENT, {"text": text})]
    return tuple(dict.fromkeys(found))


def roots_of(wire: Wire, root_key: str) -> tuple[RootTold, ...]:
    """Source events of the key: changes that name it, and captured rows that were routed to it."""
    with wire.transaction():
        named = wire.execute("SELECT DISTINCT root FROM records WHERE root_key = %s", [root_key]).fetchall()
    places = [place for (root,) in named if (place := parse_root(root)) is not None]
    statement = f"""
        SELECT {ROOT} FROM roots WHERE root_key = %(key)s AND arrived_at IS NOT NULL
        UNION SELECT {ROOT} FROM roots JOIN unnest(%(ids)s::text[], %(partitions)s::int[], %(offsets)s::bigint[])
            AS named (topic_id, partition, event_offset) USING (topic_id, partition, event_offset)
        WHERE arrived_at IS NOT NULL
    """  # noqa: S608  column names of ours
    parameters = {
        "key": root_key,
        "ids": [place[0] for place in places],
        "partitions": [place[1] for place in places],
        "offsets": [place[2] for place in places],
    }
    return read(wire, statement, parameters, RootTold)


def records_of(wire: Wire, root_key: str) -> tuple[RecordTold, ...]:
    """Records of the key on their way."""
    return read(wire, f"SELECT {RECORD} FROM records WHERE root_key = %(key)s", {"key": root_key}, RecordTold)  # noqa: S608  column names of ours


def outcomes_of(wire: Wire, root_key: str) -> tuple[OutcomeTold, ...]:
    """Outcomes of the key."""
    return read(wire, f"SELECT {OUTCOME} FROM outcomes WHERE root_key = %(key)s", {"key": root_key}, OutcomeTold)  # noqa: S608  column names of ours


def known_as(wire: Wire, root_key: str) -> tuple[Known, ...]:
    """Ids of the key's records at connections."""
    statement = f"""
        SELECT {KNOWN} FROM cross_references
        WHERE canonical_id = %(key)s OR canonical_id LIKE %(below)s ORDER BY since
    """  # noqa: S608  column names of ours
    return read(wire, statement, {"key": root_key, "below": like(root_key) + "/%"}, Known)


def outcomes(wire: Wire, filters: Mapping[str, str], since: datetime, until: datetime, limit: int) -> list[OutcomeTold]:
    """Outcomes of a time, newest first; `filters` are columns and what they must be."""
    statement = f"""
        SELECT {OUTCOME} FROM outcomes WHERE at >= %(since)s AND at < %(until)s{conditions(OutcomeTold, filters)}
        ORDER BY at DESC LIMIT %(limit)s
    """  # noqa: S608  column names of ours, values as parameters
    return list(read(wire, statement, {**filters, "since": since, "until": until, "limit": limit}, OutcomeTold))


def found_out(wire: Wire, command_ids: Sequence[str]) -> tuple[OutcomeTold, ...]:
    """What questions of operators found out, each once."""
    statement = f"""
        SELECT DISTINCT ON (command_id, connection, stage, code_values->>'event') {OUTCOME} FROM outcomes
        WHERE command_id = ANY(%(ids)s) AND state = 'found out'
        ORDER BY command_id, connection, stage, code_values->>'event', at
    """  # noqa: S608  column names of ours
    return read(wire, statement, {"ids": list(command_ids)}, OutcomeTold)


def asked_for(wire: Wire, things: Sequence[str]) -> tuple[OutcomeTold, ...]:
    """The last answer of each connection that was asked for one of these things, oldest first."""
    statement = f"""
        SELECT {OUTCOME} FROM (
            SELECT DISTINCT ON (code_values->>'thing', connection) {OUTCOME} FROM outcomes
            WHERE state = 'answered' AND code_values->>'thing' = ANY(%(things)s)
            ORDER BY code_values->>'thing', connection, at DESC) AS last
        ORDER BY at
    """  # noqa: S608  column names of ours
    return read(wire, statement, {"things": list(things)}, OutcomeTold)


def said(wire: Wire, connection: str, since: Mapping[str, datetime]) -> dict[str, Said]:
    """What a connection said of things, each from a moment on; those it was not asked for are left out."""
    statement = """
        SELECT a.thing, count(DISTINCT o.command_id),
            (array_agg(o.code ORDER BY o.at DESC))[1], max(o.at)
        FROM unnest(%(things)s::text[], %(since)s::timestamptz[]) AS a (thing, since)
        JOIN outcomes o ON o.state = 'answered' AND o.code_values->>'thing' = a.thing AND o.at >= a.since
            AND o.code <> 'ask.away'
        WHERE o.connection = %(connection)s GROUP BY a.thing
    """
    parameters = {"connection": connection, "things": list(since), "since": list(since.values())}
    return {each.thing: each for each in read(wire, statement, parameters, Said)}


def arrived(
    wire: Wire, topics: Sequence[str], root_keys_listed: Sequence[str], topic_ids: Sequence[str] | None = None
) -> dict[str, tuple[datetime | None, int]]:
    """For each root key: when we last heard of it on these topics, and the newest source version heard of or read.

    With the topics' ids of now, what lay on a topic before it was made anew counts only if something came of it.
    """
    with wire.transaction():
        found = wire.execute(
            ARRIVED,
            {
                "keys": list(root_keys_listed),
                "topics": list(topics),
                "ids": None if topic_ids is None else list(topic_ids),
            },
        ).fetchall()
    return {key: (at, int(version)) for key, at, version in found}


def read(wire: Wire, statement: str, parameters: Mapping[str, Any], kind: type[R]) -> tuple[R, ...]:
    """The rows of a statement whose columns are the record's fields, in their order."""
    names = kind.__struct_fields__
    with wire.transaction():
        return tuple(kind(**dict(zip(names, row, strict=True))) for row in wire.execute(statement, parameters))


def conditions(kind: type[msgspec.Struct], filters: Mapping[str, str]) -> str:
    """SQL for the filters; only columns that exist, values stay parameters."""
    unknown = filters.keys() - set(kind.__struct_fields__)
    if unknown:
        raise ValueError(f"no column {', '.join(sorted(unknown))}")
    return "".join(f" AND {name} = %({name})s" for name in filters)


def like(text: str) -> str:
    """A text as it matches itself and nothing else in LIKE."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
