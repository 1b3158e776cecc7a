"""One business key's story in the order of time: heard of, read, mapped, delivered, and everything that went wrong."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

import msgspec

from bus.settings import Settings
from errors import NotFoundError
from operations.projection import letters, migrate, replays, stories
from operations.projection.letters import DeadLetterTold
from operations.projection.migrate import Wire
from operations.projection.project import Means
from operations.projection.stories import Known, OutcomeTold, RecordTold, RootTold
from operations.projection.worker import means_of
from operations.sentences import sentence
from schemas import topics
from schemas.bus.change import Cause


class What(StrEnum):
    """Kinds of steps; those of one moment are told in this order."""

    HEARD = "heard"
    CAPTURED = "captured"
    ROUTED = "routed"
    READ = "read"
    MAPPED = "mapped"
    OUTCOME = "outcome"
    DEAD_LETTER = "dead letter"
    KNOWN = "known as"


ORDER = {what: number for number, what in enumerate(What)}
WHAT_OF_MEANS = {Means.CHANGES: What.ROUTED, Means.FETCHED: What.READ, Means.CANONICAL: What.MAPPED}


#: How we heard, by `Change.cause`; bytes that are no change say nothing.
HEARD_BY = {
    Cause.WEBHOOK.value: " by webhook",
    Cause.POLL.value: " by a poll",
    Cause.CDC.value: " by its database",
    Cause.ASKED.value: " because somebody asked",
}


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened; field names are a contract."""

    at: datetime
    what: str
    sentence: str
    connection: str = ""
    #: Where it can be looked up.
    topic: str = ""
    partition: int = -1
    offset: int = -1
    stage: str = ""
    state: str = ""
    code: str = ""
    record: str = ""
    message_key: str = ""
    document_number: str = ""
    mapping: str = ""
    root: str = ""
    #: The replay it is part of; empty: live.
    replay: str = ""
    #: Of a person's act, or of the replay: who asked, and why.
    who: str = ""
    why: str = ""
    #: How many like it happened in a row.
    times: int = 1


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known of one root key."""

    key: str
    steps: tuple[Step, ...]


def trace(settings: Settings, text: str) -> tuple[Story, ...]:
    """The stories of the keys a text can mean: root key, order number, document number or message key.

    Raises:
        NotFoundError: nothing is known of any such key.
    """
    with migrate.opened(settings.projection_dsn.reveal()) as wire:
        keys = stories.root_keys(wire, text, list(settings.connections))
        if not keys:
            raise NotFoundError(
                "trace.unknown", f"nothing is known of {text!r}: give a root key, an order's or a document's number"
            )
        return tuple(_story(wire, key) for key in keys)


def _story(wire: Wire, key: str) -> Story:
    outcomes = stories.outcomes_of(wire, key)
    asked = replays.asked_by(wire, {outcome.replay for outcome in outcomes if outcome.replay})
    steps = in_order(
        stories.roots_of(wire, key),
        stories.records_of(wire, key),
        outcomes,
        letters.of_key(wire, key),
        stories.known_as(wire, key),
        asked,
    )
    return Story(key=key, steps=steps)


def in_order(
    roots: Iterable[RootTold],
    records: Iterable[RecordTold],
    outcomes: Iterable[OutcomeTold],
    dead_letters: Iterable[DeadLetterTold],
    known: Iterable[Known],
    asked: Mapping[str, tuple[str, str]] = MappingProxyType({}),
) -> tuple[Step, ...]:
    """All steps in the order of time; at one moment, in the order of the way.

    `asked`: who asked for each replay, and why.
    """
    steps = [
        *(_heard(root) for root in roots),
        *(_on_its_way(record) for record in records),
        *(_became(outcome, asked) for outcome in outcomes),
        *(_dead(letter) for letter in dead_letters),
        *(_known(each) for each in known),
    ]
    return tuple(sorted(steps, key=lambda step: (step.at, ORDER[What(step.what)], step.topic, step.offset)))


def folded(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps for people: what happened several times in a row is told once."""
    told: list[Step] = []
    for step in steps:
        last = told[-1] if told else None
        if last is not None and _alike(step) == _alike(last):
            told[-1] = msgspec.structs.replace(last, times=last.times + step.times)
        else:
            told.append(step)
    return tuple(told)


def _alike(step: Step) -> tuple[str, ...]:
    return (step.what, step.topic, step.stage, step.connection, step.state, step.sentence, step.who, step.why)


def _heard(root: RootTold) -> Step:
    if root.cause == "cdc" and not root.root_key:
        table = root.topic.split(".cdc.", 1)[-1].rsplit(".", 1)[0]
        what, told = What.CAPTURED, f"A row of {table} changed."
    else:
        what = What.HEARD
        told = f"{root.connection} told of {root.record or 'a change'}{HEARD_BY.get(root.cause, '')}."
    return Step(
        at=root.arrived_at,
        what=what.value,
        sentence=told,
        connection=root.connection,
        topic=root.topic,
        partition=root.partition,
        offset=root.event_offset,
        record=root.record,
        root=f"{root.topic_id}/{root.partition}/{root.event_offset}",
    )


def _on_its_way(record: RecordTold) -> Step:
    means = means_of(topics.by_name(record.topic))
    what = WHAT_OF_MEANS[means or Means.CHANGES]
    told = {
        What.ROUTED: "It was routed to the document it belongs to.",
        What.READ: "The document was read whole.",
        What.MAPPED: f"It became a record of {record.topic}.",
    }[what]
    return Step(
        at=record.at,
        what=what.value,
        sentence=told,
        connection=record.origin,
        topic=record.topic,
        partition=record.partition,
        offset=record.event_offset,
        message_key=record.message_key,
        mapping=record.mapping,
        root=record.root,
    )


def _became(outcome: OutcomeTold, asked: Mapping[str, tuple[str, str]]) -> Step:
    who, why = asked.get(outcome.replay, (outcome.who, outcome.why))
    values = outcome.code_values | {"document_number": outcome.document_number, "connection": outcome.connection}
    return Step(
        at=outcome.at,
        what=What.OUTCOME.value,
        sentence=f"{_replayed(who, why) if outcome.replay else ''}{sentence(outcome.code, values)}",
        connection=outcome.connection,
        topic=outcome.topic,
        partition=outcome.source_partition,
        offset=outcome.source_offset,
        stage=outcome.stage,
        state=outcome.state,
        code=outcome.code,
        record=outcome.record,
        message_key=outcome.message_key,
        document_number=outcome.document_number,
        mapping=outcome.mapping_out or outcome.mapping_in,
        root=outcome.root,
        replay=outcome.replay,
        who=who,
        why=why,
    )


def _replayed(who: str, why: str) -> str:
    return f"Replayed by {who or 'an operator'}{f' ({why})' if why else ''}: "


def _dead(letter: DeadLetterTold) -> Step:
    return Step(
        at=letter.at,
        what=What.DEAD_LETTER.value,
        sentence=f"It is kept as dead letter {letter.id[:8]}.",
        connection=letter.connection,
        topic=letter.topic,
        partition=letter.source_partition,
        offset=letter.source_offset,
        stage=letter.stage,
        state="dead",
        code=letter.code,
        record=letter.record,
        mapping=letter.mapping,
        root=letter.root,
    )


def _known(known: Known) -> Step:
    return Step(
        at=known.since,
        what=What.KNOWN.value,
        sentence=f"At {known.connection} it is the {known.record} {known.id_there}.",
        connection=known.connection,
        record=known.record,
        document_number=known.id_there,
        mapping=known.mapping,
        root=known.root,
    )
