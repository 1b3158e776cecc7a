"""Dead letters: lists, counts and one of them whole, its bytes read from where they lie on the bus."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from confluent_kafka import TopicPartition

from bus.codec import Codecs
from bus.read_one import read_one
from bus.registry import Registry
from bus.settings import Settings
from errors import BusError, NotFoundError
from operations.causes import cured_by
from operations.commands import ask, new_id
from operations.made_of import plain
from operations.offsets import admin_of, describe
from operations.projection import letters, stories
from operations.projection.judging import Status
from operations.projection.letters import DeadLetterTold, Group, Selection
from operations.projection.migrate import Wire, opened
from operations.projection.project import CONSUMERS
from operations.projection.stories import OutcomeTold
from operations.sentences import sentence
from schemas.bus.command import Act, Command
from schemas.bus.dead_letter import DeadLetter
from schemas.topics import DEAD_LETTERS, by_name


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter without its bytes, and what it means."""

    letter: DeadLetterTold
    happened: str
    to_do: str


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many letters are of one cause at one place."""

    stage: str
    connection: str
    code: str
    #: `operations/causes.py`.
    cause: str
    count: int
    #: Of the root documents, by currency.
    money: dict[str, Decimal]
    oldest: datetime
    newest: datetime
    #: Id of the newest, and what it means.
    sample: str
    happened: str
    to_do: str
    #: What has to change before they can go on, of which lookup table which row, and what to type then.
    cure: str
    cure_table: str
    cure_row: str
    then: str

    @property
    def cured_by(self) -> str:
        """In few words."""
        return f"row {self.cure_row} of {self.cure_table}" if self.cure_table else self.cure


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters of a time: how many of each cause, the newest themselves."""

    counts: tuple[Count, ...]
    letters: tuple[Told, ...]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a redrive of one dead letter would come to, as its target said."""

    #: passes, maps, fails, applied, stale, blocked or cannot_tell.
    verdict: str
    root_key: str
    record: str
    connection: str
    queue: str
    values: dict[str, str]
    amount: Decimal
    currency: str
    happened: str
    to_do: str


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """The original, byte for byte."""

    key: bytes
    value: bytes
    headers: dict[str, bytes]


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """What the target would be sent."""

    document: object = None
    mapping: str = ""
    #: Why there is no document.
    why: str = ""


def dead_letters(settings: Settings, selection: Selection, limit: int) -> Listing:
    """Dead letters, newest first, and how many there are of each cause.

    Args:
        settings: The deployment.
        selection: Which.
        limit: At most so many letters; the counts are of all.
    """
    with opened(settings.projection_dsn.reveal()) as wire:
        groups = letters.grouped(wire, selection)
        found = letters.listed(wire, selection, limit)
    return Listing(counts=counts_of(groups), letters=tuple(tell(letter) for letter in found))


def counts_of(groups: Iterable[Group]) -> tuple[Count, ...]:
    """Groups of several currencies as one line each, most letters first; pure."""
    by_cause: dict[tuple[str, str, str], list[Group]] = {}
    for group in groups:
        by_cause.setdefault((group.stage, group.connection, group.cause), []).append(group)
    counts = [_count(listed) for listed in by_cause.values()]
    return tuple(sorted(counts, key=lambda each: (-each.count, each.stage, each.connection, each.cause)))


def _count(groups: Sequence[Group]) -> Count:
    newest = max(groups, key=lambda group: group.newest)
    values = {name: value for name, value in newest.sample_values.items() if value}
    said = sentence(newest.code, {**values, "connection": newest.connection})
    cure = cured_by(newest.code, values, newest.stage)
    return Count(
        stage=newest.stage,
        connection=newest.connection,
        code=newest.code,
        cause=newest.cause,
        count=sum(group.count for group in groups),
        money={group.currency: group.amount for group in groups if group.currency},
        oldest=min(group.oldest for group in groups),
        newest=newest.newest,
        sample=newest.sample,
        happened=said.happened,
        to_do=said.to_do,
        cure=cure.cure.value,
        cure_table=cure.table,
        cure_row=cure.row,
        then=cure.command,
    )


def dead_letter(settings: Settings, id_: str) -> Told:
    """One dead letter, by its id or the beginning of it.

    Raises:
        NotFoundError: no such letter, or several begin so.
    """
    with opened(settings.projection_dsn.reveal()) as wire:
        return tell(find(wire, id_))


def find(wire: Wire, id_: str) -> DeadLetterTold:
    """As `dead_letter`, without its sentence."""
    found = letters.one(wire, id_)
    if len(found) != 1:
        begins = "several dead letters begin" if found else "no dead letter begins"
        raise NotFoundError("dead_letters.unknown", f"{begins} with {id_!r}")
    return found[0]


def verdicts(settings: Settings, command_ids: Sequence[str]) -> tuple[Verdict, ...]:
    """What was found out for these commands so far."""
    with opened(settings.projection_dsn.reveal()) as wire:
        found = stories.found_out(wire, command_ids)
    return tuple(_verdict(each) for each in found)


def _verdict(told: OutcomeTold) -> Verdict:
    values = {name: value for name, value in told.code_values.items() if value}
    filled = values | {"connection": told.connection}
    why = sentence(values.get("why", ""), filled) if "why" in values else None
    said = sentence(told.code, filled)
    return Verdict(
        verdict=told.code.removeprefix("preflight."),
        root_key=told.root_key,
        record=told.record,
        connection=told.connection,
        queue=told.stage,
        values=values,
        amount=told.amount,
        currency=told.currency,
        happened=said.happened if why is None else f"{said.happened} {why.happened}",
        to_do=said.to_do,
    )


def payload(settings: Settings, letter: DeadLetterTold) -> Payload:
    """The original of a dead letter, read from its topic; may hold customer data, so only on demand.

    Raises:
        NotFoundError: the record is not there any more.
        RetryableError: Kafka does not answer.
    """
    place = describe(admin_of(settings.kafka), [DEAD_LETTERS.name]).get(DEAD_LETTERS.name)
    if place is None or place.topic_id != letter.topic_id:
        raise NotFoundError("dead_letters.gone", f"{DEAD_LETTERS.name} was made anew since: the bytes are gone")
    registry = Registry(settings.registry)
    try:
        value = read_one(
            settings.kafka, DEAD_LETTERS, TopicPartition(DEAD_LETTERS.name, letter.partition, letter.event_offset)
        )
        record: DeadLetter = Codecs(registry).of(DEAD_LETTERS).decode(value)
    finally:
        registry.close()
    return Payload(key=record.key, value=record.value, headers=record.headers)


def readable(settings: Settings, letter: DeadLetterTold, original: Payload) -> object:
    """The original as plain data; None where it cannot be read as what it should be."""
    try:
        topic = by_name(letter.topic)
        with closing(Registry(settings.registry)) as registry:
            return plain(Codecs(registry).of(topic).decode(original.value))
    except (BusError, KeyError):
        return None


def rendered(settings: Settings, letter: DeadLetterTold, who: str, wait_s: float) -> Rendered:
    """What its target would be sent, as the connection's worker makes it now; asked by a command."""
    if letter.stage != CONSUMERS or letter.status != Status.STANDING:
        return Rendered(why=f"no document is made of a dead letter of {letter.stage} that is {letter.status}")
    command = Command(
        id=new_id(),
        at=datetime.now(UTC),
        who=who,
        connection=letter.connection,
        queue=letter.stage,
        act=Act.RENDER,
        root_key=letter.root_key,
        topic_id=letter.source_topic_id,
        partition=letter.source_partition,
        offset=letter.source_offset,
    )
    answered = ask(settings, [command], wait_s)
    if answered.silent:
        return Rendered(why=f"{answered.silent[0]} has not answered: see that it runs")
    for verdict in verdicts(settings, answered.asked):
        text = verdict.values.get("document", "")
        if text:
            return Rendered(document=_decoded(text), mapping=verdict.values.get("mapping", ""))
        return Rendered(why=verdict.happened)
    return Rendered(why="it is not parked any more")


def _decoded(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:  # cut, or of an encoding nobody can show
        return text


def tell(letter: DeadLetterTold) -> Told:
    """A dead letter with its sentence."""
    values = letter.code_values | {"connection": letter.connection, "topic": letter.topic}
    said = sentence(letter.code, {name: value for name, value in values.items() if value})
    return Told(letter=letter, happened=said.happened, to_do=said.to_do)
