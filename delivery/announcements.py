"""What the bus says aloud about a row: outcomes, dead letters, cross references; made here, kept in the outbox."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from delivery.decide import Turn
from delivery.ports import Arrival, Publication, Row
from delivery.states import ENDS, OPEN, ParkedFor, State
from schemas.bus.command import Command
from schemas.bus.cross_reference import CrossReference
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.fetched import Fetched
from schemas.bus.outcome import Outcome
from schemas.topics import CROSS_REFERENCES, DEAD_LETTERS, OUTCOMES
from schemas.types import root_at

#: Namespace of the ids of dead letters.
DEAD_LETTER_IDS = uuid.UUID("6f5a2c0e-8d0b-5b6e-9a3c-2f1f6f0f7c11")


#: State of the outcome that answers a command.
ANSWERED = "answered"
#: State of the outcome that tells how far a replay is.
REPLAYED = "replay"
#: State of the outcome that tells what a question found out.
FOUND_OUT = "found out"


class What(StrEnum):
    """Kinds of entries in the outbox."""

    OUTCOME = "outcome"
    DEAD_LETTER = "dead_letter"
    CROSS_REFERENCE = "cross_reference"
    PUBLICATION = "publication"


RECORDS: dict[What, type[msgspec.Struct]] = {
    What.OUTCOME: Outcome,
    What.DEAD_LETTER: DeadLetter,
    What.CROSS_REFERENCE: CrossReference,
    What.PUBLICATION: Fetched,
}


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """A record on its way to a topic, with what its headers are made of."""

    #: In the outbox; 0 before it is there.
    id: int = 0
    #: The row it is about; 0 for what ended at take-in.
    row_id: int = 0
    what: What
    topic: str
    #: Message key.
    key: str
    value: msgspec.Struct
    #: Digest of a fetched body: with root and topic it makes the event id, so that two reads are two.
    digest: str = ""
    root: str
    origin: str
    mapping: str
    hops: int
    traceparent: str
    #: When it was written to the outbox; None before it is there.
    at: datetime | None = None


class Speaker(msgspec.Struct, frozen=True, kw_only=True):
    """Who speaks: the same for all announcements of a store's queue."""

    connection: str
    stage: str
    code_version: str = ""


def encoded(value: msgspec.Struct) -> bytes:
    """As the outbox keeps a record."""
    return msgspec.msgpack.encode(value)


def decoded(what: What, value: bytes) -> msgspec.Struct:
    """The record the outbox kept."""
    return msgspec.msgpack.decode(value, type=RECORDS[what])


def dead_letter_id(connection: str, stage: str, place: tuple[str, int, int], replay: str) -> str:
    """Identity of the dead letter of an event (topic id, partition, offset); in a replay it is one of its own."""
    named = f"{connection}|{stage}|{root_at(*place)}" + (f"|{replay}" if replay else "")
    return str(uuid.uuid5(DEAD_LETTER_IDS, named))


def of_turn(speaker: Speaker, turn: Turn, at: datetime) -> list[Announcement]:
    """All that is to be said about a try: nothing when a row merely goes on waiting for what it waited for."""
    said: list[Announcement] = []
    row, settlement = turn.row, turn.settlement
    if turn.state in ENDS or _waits_on(turn) != (row.state, row.cause, row.waits_for if row.cause else ""):
        said.append(_about(row, What.OUTCOME, OUTCOMES.name, row.root_key, _outcome(speaker, turn, at)))
    if turn.cause is ParkedFor.REFUSED:
        said.append(_about(row, What.DEAD_LETTER, DEAD_LETTERS.name, row.message_key, _dead_letter(speaker, turn, at)))
    if settlement is None:
        return said
    mapping = mapping_of(turn)
    for known in settlement.known_as:
        reference = CrossReference(
            canonical_id=known.canonical_id,
            connection=speaker.connection,
            record=known.record,
            id_there=known.id_there,
            since=at,
            root=row.root,
            mapping=mapping,
        )
        key = cross_reference_key(reference)
        said.append(_about(row, What.CROSS_REFERENCE, CROSS_REFERENCES.name, key, reference, mapping=mapping))
    said.extend(_publication(row, publication, mapping) for publication in settlement.publications)
    return said


def _waits_on(turn: Turn) -> tuple[State, ParkedFor | None, str]:
    return turn.state, turn.cause, turn.waits_for if turn.cause else ""


def cross_reference_key(reference: CrossReference) -> str:
    """Message key; its first part is the root key, as in every message key."""
    id_there = reference.id_there.replace("/", "%2F")
    return f"{reference.canonical_id}/{reference.connection}/{reference.record}/{id_there}"


def of_replaced(
    speaker: Speaker, event: Arrival | Row, state: State, code: str, merged_into: str, at: datetime
) -> Announcement:
    """An event that take-in ended: older than what is known, or made needless by a newer one."""
    outcome = of_event(speaker, event, state, code, at)
    outcome = msgspec.structs.replace(outcome, merged_into=merged_into)
    return _about(event, What.OUTCOME, OUTCOMES.name, event.root_key, outcome)


def of_expired(speaker: Speaker, row: Row, code: str, at: datetime) -> Announcement:
    """A row whose worker went away while it was sending."""
    outcome = of_event(speaker, row, State.UNKNOWN, code, at)
    outcome = msgspec.structs.replace(
        outcome,
        attempts=row.attempts,
        reference=row.reference or "",
        document_number=row.document_number or "",
        mapping_out=row.mapping_out,
        taken_in_at=row.taken_in_at,
    )
    return _about(row, What.OUTCOME, OUTCOMES.name, row.root_key, outcome)


def of_queue(speaker: Speaker, state: str, code: str, values: Mapping[str, str], at: datetime) -> Announcement:
    """What happened to a whole queue; keyed by the connection."""
    outcome = Outcome(
        at=at, stage=speaker.stage, state=state, code=code, values=dict(values), connection=speaker.connection
    )
    return _of_connection(speaker, outcome)


def of_recovery(speaker: Speaker, values: Mapping[str, str], who: str, why: str, at: datetime) -> Announcement:
    """A store that was restored knows its past again; keyed by the connection."""
    outcome = Outcome(
        at=at,
        stage=speaker.stage,
        state="store",
        code="store.recovered",
        values=dict(values),
        connection=speaker.connection,
        who=who,
        why=why,
    )
    return _of_connection(speaker, outcome)


def of_act(
    speaker: Speaker, row: Row, cause: str, command: Command, state: State, code: str, at: datetime
) -> Announcement:
    """What a command did to a row that was parked for a cause."""
    outcome = msgspec.structs.replace(
        of_event(speaker, row, state, code, at),
        values={"was": row.code, "parked_for": cause},
        attempts=row.attempts,
        reference=row.reference or "",
        document_number=row.document_number or "",
        mapping_out=row.mapping_out,
        command_id=command.id,
        taken_in_at=row.taken_in_at,
        who=command.who,
        why=command.why,
    )
    return _about(row, What.OUTCOME, OUTCOMES.name, row.root_key, outcome)


def of_verdict(
    speaker: Speaker, row: Row, command: Command, code: str, values: Mapping[str, str], at: datetime
) -> Announcement:
    """What was found out about a row that stays as it is: its event has no new outcome."""
    outcome = Outcome(
        at=at,
        stage=speaker.stage,
        state=FOUND_OUT,
        code=code,
        values={**values, "event": root_at(row.topic_id, row.partition, row.offset), "was": row.code},
        connection=speaker.connection,
        root_key=row.root_key,
        message_key=row.message_key,
        record=row.record,
        amount=row.amount,
        currency=row.currency,
        command_id=command.id,
        who=command.who,
        why=command.why,
    )
    return _about(row, What.OUTCOME, OUTCOMES.name, row.root_key, outcome)


def place_of(state: str, cause: str) -> str:
    """The column of an account a row of a replay counts in."""
    if state not in OPEN:
        return state
    if state != State.PARKED:
        return "in_flight"
    return "dead" if cause == ParkedFor.REFUSED else "parked"


def of_answer(
    speaker: Speaker, command: Command, code: str, values: Mapping[str, str], at: datetime, state: str = ANSWERED
) -> Announcement:
    """How a command ended, or how far what it asked for is; keyed by the connection."""
    outcome = Outcome(
        at=at,
        stage=speaker.stage,
        state=state,
        code=code,
        values=dict(values),
        connection=speaker.connection,
        root_key=command.root_key,
        command_id=command.id,
        who=command.who,
        why=command.why,
    )
    return _of_connection(speaker, outcome)


def of_outcome(speaker: Speaker, outcome: Outcome) -> Announcement:
    """An outcome somebody else made, of what holds no key; keyed by the connection."""
    return _of_connection(speaker, outcome)


def _of_connection(speaker: Speaker, outcome: Outcome) -> Announcement:
    return Announcement(
        what=What.OUTCOME,
        topic=OUTCOMES.name,
        key=speaker.connection,
        value=outcome,
        root="",
        origin=speaker.connection,
        mapping="",
        hops=0,
        traceparent="",
    )


def document_number_of(turn: Turn) -> str | None:
    """The target's number as far as it is known after this try."""
    if turn.settlement is not None and turn.settlement.document_number:
        return turn.settlement.document_number
    if turn.intent is not None and turn.intent.document_number:
        return turn.intent.document_number
    return turn.row.document_number


def mapping_of(turn: Turn) -> str:
    """The mapping at work in this try, else in the last one that came to an intent."""
    if turn.settlement is not None and turn.settlement.mapping:
        return turn.settlement.mapping
    return turn.intent.mapping if turn.intent is not None else turn.row.mapping_out


def reference_of(turn: Turn) -> str | None:
    """The reference sent or looked for, if it ever came to that."""
    return str(turn.intent.reference) if turn.intent is not None else turn.row.reference


def _about(
    event: Arrival | Row,
    what: What,
    topic: str,
    key: str,
    value: msgspec.Struct,
    *,
    mapping: str = "",
    digest: str = "",
) -> Announcement:
    return Announcement(
        row_id=event.id if isinstance(event, Row) else 0,
        what=what,
        topic=topic,
        key=key,
        value=value,
        digest=digest,
        root=event.root,
        origin=event.origin,
        mapping=mapping or event.mapping_in,
        hops=event.hops,
        traceparent=event.traceparent,
    )


def _publication(row: Row, publication: Publication, mapping: str) -> Announcement:
    return _about(
        row,
        What.PUBLICATION,
        publication.topic,
        publication.key,
        publication.document,
        mapping=mapping,
        digest=publication.body_digest,
    )


def of_event(speaker: Speaker, event: Arrival | Row, state: State, code: str, at: datetime) -> Outcome:
    """The outcome of an event, as far as the event itself says it."""
    return Outcome(
        at=at,
        stage=speaker.stage,
        state=state.value,
        code=code,
        connection=speaker.connection,
        topic=event.topic,
        topic_id=event.topic_id,
        partition=event.partition,
        offset=event.offset,
        root=event.root,
        root_key=event.root_key,
        message_key=event.message_key,
        record=event.record,
        kind=event.kind.value,
        source_version=event.source_version,
        payload_digest=event.payload_digest,
        mapping_in=event.mapping_in,
        command_id=event.command_id,
        replay=event.replay,
        origin=event.origin,
        amount=event.amount,
        currency=event.currency,
    )


def _outcome(speaker: Speaker, turn: Turn, at: datetime) -> Outcome:
    row = turn.row
    return Outcome(
        at=at,
        stage=speaker.stage,
        state=turn.state.value,
        code=turn.code,
        values=turn.values,
        connection=speaker.connection,
        topic=row.topic,
        topic_id=row.topic_id,
        partition=row.partition,
        offset=row.offset,
        root=row.root,
        root_key=row.root_key,
        message_key=row.message_key,
        record=row.record,
        kind=row.kind.value,
        source_version=row.source_version,
        cause=turn.cause.value if turn.cause is not None else "",
        attempts=turn.attempts,
        epoch=row.epoch,
        reference=reference_of(turn) or "",
        document_number=document_number_of(turn) or "",
        payload_digest=row.payload_digest,
        mapping_in=row.mapping_in,
        mapping_out=mapping_of(turn),
        command_id=row.command_id,
        replay=row.replay,
        origin=row.origin,
        amount=row.amount,
        currency=row.currency,
        taken_in_at=row.taken_in_at,
    )


def _dead_letter(speaker: Speaker, turn: Turn, at: datetime) -> DeadLetter:
    row = turn.row
    place = (row.topic_id, row.partition, row.offset)
    return DeadLetter(
        id=dead_letter_id(speaker.connection, speaker.stage, place, row.replay),
        at=at,
        stage=speaker.stage,
        code=turn.code,
        values=turn.values,
        connection=speaker.connection,
        record=row.record,
        topic=row.topic,
        topic_id=row.topic_id,
        partition=row.partition,
        offset=row.offset,
        root=row.root,
        root_key=row.root_key,
        key=row.message_key.encode(),
        value=row.payload,
        headers=_headers(row),
        code_version=speaker.code_version,
        mapping=mapping_of(turn),
        reference=reference_of(turn) or "",
        replay=row.replay,
    )


def _headers(row: Row) -> dict[str, bytes]:
    """What the store kept of the event's headers, under their names on the topic."""
    kept = {
        "towpath-root": row.root,
        "towpath-origin": row.origin,
        "towpath-mapping": row.mapping_in,
        "towpath-hops": str(row.hops),
        "traceparent": row.traceparent,
    }
    return {name: value.encode() for name, value in kept.items() if value}
