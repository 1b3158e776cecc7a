"""Columns into the statements of a connection's store and records out of their results."""

import json
from collections.abc import Container, Iterable, Mapping, Sequence, Set
from typing import Any, Final, LiteralString, TypeAlias

import msgspec
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import TupleRow

from bus.events import Advance
from delivery import announcements
from delivery.announcements import Announcement, What
from delivery.arrays import bigints, booleans, byte_strings, floats, texts
from delivery.batch import Ended
from delivery.decide import Turn
from delivery.ports import Arrival, Intent, Row
from delivery.states import Kind, ParkedFor, State
from schemas.bus.command import Command

Cursor: TypeAlias = AsyncCursor[TupleRow]

ROOT_KEY: Final = 7


def of_moves(moves: Sequence[Advance]) -> dict[str, object]:
    return {
        "partitions": bigints([move.partition for move in moves]),
        "expected": bigints([move.expected or 0 for move in moves]),
        "nexts": bigints([move.next_offset for move in moves]),
    }


def of_arrivals(arrivals: Sequence[Arrival]) -> dict[str, object]:
    return {
        "partitions": bigints([one.partition for one in arrivals]),
        "offsets": bigints([one.offset for one in arrivals]),
        "roots": texts([kept(one.root) for one in arrivals]),
        "root_keys": texts([one.root_key for one in arrivals]),
        "message_keys": texts([one.message_key for one in arrivals]),
        "records": texts([one.record for one in arrivals]),
        "kinds": texts([one.kind for one in arrivals]),
        "source_versions": bigints([one.source_version for one in arrivals]),
        "payload_digests": texts([one.payload_digest for one in arrivals]),
        "mappings_in": texts([kept(one.mapping_in) for one in arrivals]),
        "origins": texts([kept(one.origin) for one in arrivals]),
        "hops": bigints([one.hops for one in arrivals]),
        "traceparents": texts([kept(one.traceparent) for one in arrivals]),
        "command_ids": texts([one.command_id for one in arrivals]),
        "replays": texts([one.replay for one in arrivals]),
        "amounts": texts([str(one.amount) for one in arrivals]),
        "currencies": texts([kept(one.currency) for one in arrivals]),
    }


def of_selection(
    command: Command, *, queue: str, causes: Iterable[ParkedFor], limit: int, after: int = 0, untouched_by: str = ""
) -> dict[str, object]:
    """Which parked rows a command is about; `untouched_by`: not those a command of that id has touched already."""
    return {
        "queue": queue,
        "after": after,
        "limit": limit,
        "at": command.at,
        "command_id": untouched_by,
        "causes": sorted(causes),
        "root_key": command.root_key,
        "record": command.record,
        "code": command.code,
        "values": json.dumps(command.values),
        "topic_id": command.topic_id,
        "partition": command.partition,
        "offset": command.offset,
    }


def of_ended(ended: Sequence[Ended]) -> dict[str, object]:
    return {
        **of_arrivals([one.arrival for one in ended]),
        "states": texts([one.state for one in ended]),
        "codes": texts([one.code for one in ended]),
        "merged_into": texts([one.merged_into for one in ended]),
    }


def of_versions(versions: Mapping[tuple[str, str], tuple[int, int]]) -> dict[str, object]:
    return {
        "message_keys": texts([message_key for message_key, _ in versions]),
        "records": texts([record for _, record in versions]),
        "versions": bigints([version for version, _ in versions.values()]),
        "offsets": bigints([offset for _, offset in versions.values()]),
    }


def of_leases(queue: str, owner: str, rows: Sequence[Row]) -> dict[str, object]:
    """Keys as their owner holds them."""
    return {
        "queue": queue,
        "owner": owner,
        "root_keys": texts([row.root_key for row in rows]),
        "epochs": bigints([row.epoch for row in rows]),
    }


def of_wanted(rows: Sequence[Row], going_on: Container[int]) -> dict[str, object]:
    """Whether the keys of the rows in hand are to go on."""
    return {
        "wanted": booleans([row.epoch in going_on for row in rows]),
        "in_hand": bigints([row.id for row in rows]),
    }


def of_freeing(queue: str, owner: str, epochs: Mapping[str, int]) -> dict[str, object]:
    """Keys of an owner, with their epochs; none of them goes on."""
    return {
        "queue": queue,
        "owner": owner,
        "root_keys": texts(list(epochs)),
        "epochs": bigints(list(epochs.values())),
        "wanted": booleans([False] * len(epochs)),
        "in_hand": bigints([0] * len(epochs)),
    }


def of_intents(rows: Sequence[Row], intents: Sequence[Intent]) -> dict[str, object]:
    return {
        "ids": bigints([row.id for row in rows]),
        "intents": byte_strings([encoded_intent(intent) for intent in intents]),
        "references": texts([str(intent.reference) for intent in intents]),
        "numbers": texts([intent.document_number for intent in intents]),
        "mappings": texts([intent.mapping for intent in intents]),
    }


def of_ends(turns: Sequence[Turn]) -> dict[str, object]:
    seen = [(turn.row.id, one) for turn in turns if turn.settlement for one in turn.settlement.last_seen]
    known = [(turn.row.id, one) for turn in turns if turn.settlement for one in turn.settlement.known_as]
    return {
        **_of_turns(turns),
        "s_ids": bigints([id_ for id_, _ in seen]),
        "s_records": texts([one.record for _, one in seen]),
        "s_keys": texts([one.key for _, one in seen]),
        "s_digests": texts([one.digest for _, one in seen]),
        "s_versions": bigints([one.source_version for _, one in seen]),
        "x_ids": bigints([id_ for id_, _ in known]),
        "x_canonical_ids": texts([one.canonical_id for _, one in known]),
        "x_records": texts([one.record for _, one in known]),
        "x_ids_there": texts([one.id_there for _, one in known]),
    }


def of_waits(turns: Sequence[Turn]) -> dict[str, object]:
    return {
        **_of_turns(turns),
        "causes": texts([turn.cause for turn in turns]),
        "delays": floats([turn.delay_s for turn in turns]),
        "intents": byte_strings([_doubtful_intent(turn) for turn in turns]),
        "waits_for": texts([turn.waits_for for turn in turns]),
        "asked": bigints([turn.asked for turn in turns]),
        "settles_s": floats([turn.settles_s for turn in turns]),
    }


def of_meeting(brought: Set[str], awaited: Set[str]) -> dict[str, object]:
    names = sorted(brought | awaited)
    return {
        "names": texts(names),
        "brought": booleans([name in brought for name in names]),
        "awaited": booleans([name in awaited for name in names]),
    }


def _of_turns(turns: Sequence[Turn]) -> dict[str, object]:
    return {
        "ids": bigints([turn.row.id for turn in turns]),
        "states": texts([turn.state for turn in turns]),
        "codes": texts([turn.code for turn in turns]),
        "values": texts([_storable(turn.values) for turn in turns]),
        "attempts": bigints([turn.attempts for turn in turns]),
        "references": texts([announcements.reference_of(turn) for turn in turns]),
        "numbers": texts([announcements.document_number_of(turn) for turn in turns]),
        "mappings": texts([announcements.mapping_of(turn) for turn in turns]),
        "epochs": bigints([turn.row.epoch for turn in turns]),
    }


def _doubtful_intent(turn: Turn) -> bytes | None:
    """The intent is kept while its effect may be there; what surely was not done is prepared anew."""
    if turn.state is State.PARKED and turn.cause is not ParkedFor.PERSON:
        return None
    intent = turn.intent or turn.row.intent
    return encoded_intent(intent) if intent is not None else None


def encoded_intent(intent: Intent) -> bytes:
    return msgspec.msgpack.encode(intent)


def decoded_intent(intent: bytes) -> Intent:
    return msgspec.msgpack.decode(intent, type=Intent)


def of_announcements(said: Sequence[Announcement]) -> dict[str, object]:
    return {
        "o_row_ids": bigints([one.row_id for one in said]),
        "o_whats": texts([one.what for one in said]),
        "o_topics": texts([one.topic for one in said]),
        "o_keys": texts([one.key for one in said]),
        "o_values": byte_strings([announcements.encoded(one.value) for one in said]),
        "o_digests": texts([one.digest for one in said]),
        "o_roots": texts([one.root for one in said]),
        "o_origins": texts([one.origin for one in said]),
        "o_mappings": texts([one.mapping for one in said]),
        "o_hops": bigints([one.hops for one in said]),
        "o_traceparents": texts([one.traceparent for one in said]),
    }


async def rows(
    wire: AsyncConnection[TupleRow], statement: LiteralString, parameters: Mapping[str, object]
) -> list[tuple[Any, ...]]:
    """All rows of a result; binary, as payloads come as they are then, and times and numbers need no parsing."""
    return await (await asked(wire, statement, parameters)).fetchall()


async def asked(wire: AsyncConnection[TupleRow], statement: LiteralString, parameters: Mapping[str, object]) -> Cursor:
    """As `rows`, for who reads the result later."""
    return await wire.execute(statement, parameters, binary=True)


def _storable(values: Mapping[str, str]) -> str:
    return json.dumps({name: kept(text) for name, text in values.items()}) if values else "{}"


def kept(text: str) -> str:
    """As PostgreSQL keeps it: words from outside may hold the one character it has no room for."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def row_of(values: Sequence[Any], owner: str, epoch: int) -> Row:
    """A row as `statements.ROW` reads it, under a lease."""
    (id_, queue, topic, topic_id, partition, offset, root, root_key, message_key, record, kind, source_version, state,
     cause, code, attempts, due, intent, reference, document_number, payload, payload_digest, mapping_in, mapping_out,
     command_id, origin, hops, traceparent, amount, currency, taken_in_at, replay, waits_for, asked,
     settles_in_s, doubt) = values  # fmt: skip
    return Row(
        id=id_,
        queue=queue,
        topic=topic,
        topic_id=topic_id,
        partition=partition,
        offset=offset,
        root=root,
        root_key=root_key,
        message_key=message_key,
        record=record,
        kind=Kind(kind),
        source_version=source_version,
        state=State(state),
        cause=ParkedFor(cause) if cause else None,
        code=code,
        attempts=attempts,
        due=due,
        lease_owner=owner or None,
        epoch=epoch,
        intent=decoded_intent(intent) if intent is not None else None,
        reference=reference,
        document_number=document_number,
        payload=payload,
        payload_digest=payload_digest,
        mapping_in=mapping_in,
        mapping_out=mapping_out,
        command_id=command_id,
        origin=origin,
        hops=hops,
        traceparent=traceparent,
        amount=amount,
        currency=currency,
        taken_in_at=taken_in_at,
        replay=replay,
        waits_for=waits_for,
        asked=asked,
        settles_in_s=settles_in_s,
        doubt=doubt,
    )


def announcement_of(values: Sequence[Any]) -> Announcement:
    id_, row_id, what, topic, key, value, digest, root, origin, mapping, hops, traceparent, at = values
    return Announcement(
        id=id_,
        row_id=row_id,
        what=What(what),
        topic=topic,
        key=key,
        value=announcements.decoded(What(what), value),
        digest=digest,
        root=root,
        origin=origin,
        mapping=mapping,
        hops=hops,
        traceparent=traceparent,
        at=at,
    )
