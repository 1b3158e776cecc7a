"""Taking back what a version of a mapping wrote: which target records, what changed since, what would be sent instead.

A mapping into a canonical record is recalled by mapping the source events once more; what comes out goes its way like
any record. One into a target's document is recalled by a replay to that target of what it delivered last. Either way
sinks bring the target to what it should look like, and nothing overtakes anything.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from decimal import Decimal

import msgspec

from bus.codec import Codecs
from bus.registry import Registry
from bus.settings import Settings
from delivery.replay_plan import EACH
from errors import ConfigurationError, NotFoundError
from mapping.differences import Difference
from mapping.port import is_of
from operations import commands, replays
from operations.acting import By
from operations.at_work import Work, at_work, those_there_are
from operations.commands import STREAMS, Answers, new_id
from operations.made_of import source_of
from operations.projection import books, recalls
from operations.projection.migrate import opened
from operations.projection.recalls import INBOUND, OUTBOUND, Delivered
from operations.projection.stories import RecordTold
from operations.recalled_anew import Again
from schemas.bus.command import Act, Command
from schemas.types import RootKey, connection_of
from streams.routes import Route

#: Each is a command of its own; who has more says it again.
MOST = 1000
#: Records that are read and compared at a time.
PORTION = 1000

#: Nothing is sent for these: there is nothing to change, or nothing to change it with.
LEFT_ALONE = frozenset({"equal", "gone", "refused"})

#: By system and record: what a correction cannot undo there.
CANNOT: Mapping[tuple[str, str], str] = {
    ("dynamics-gp", "order"): (
        "A document that was transferred to an invoice, posted, voided or deleted in GP is not changed any more: the "
        "correction becomes a dead letter (gp.too_late, gp.already_void, gp.document_gone). A customer that was made "
        "with it stays as he is, and its number stays used."
    ),
    ("clarity", "order_status"): (
        "An action at the store is not undone, nor are its mails: a status only moves on, and what the store has "
        "completed is left alone."
    ),
    ("clarity", "shipment"): "A shipment the store has told its customer of is changed there, but the mail is sent.",
    ("clarity", "inventory_level"): "Nothing: quantities are set anew.",
}

#: Of source events mapped once more: the stage looks for a newer record right before it writes, and not with it.
NOT_HELD = (
    "A newer record that is written in the very moment an older one is made again may come to lie before it on the "
    "canonical topic. Targets leave the older one out by its source version, and so must who reads the topic.",
)

Progress = Callable[[int, int], None]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record went, and what it is known as there."""

    connection: str
    record: str
    document_number: str
    at: datetime
    amount: Decimal
    currency: str


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """One record the mapping wrote; field names are a contract."""

    key: str
    record: str
    at: datetime
    #: Stamp it was written with.
    mapping: str
    targets: tuple[Target, ...]
    #: What wrote it after that; it is left alone then. Empty: it stands as it was written.
    changed_by: str = ""
    changed_at: datetime | None = None
    #: `change`, `create`, `equal`, `refused`, `blocked`, `gone` or `cannot tell`; empty: nobody was asked.
    correction: str = ""
    why: str = ""
    #: From what it wrote to what would be written, in the record's fields and in those of the target's document.
    differences: tuple[Difference, ...] = ()
    in_target: tuple[Difference, ...] = ()


class Recall(msgspec.Struct, frozen=True, kw_only=True):
    """What a recall comes to; field names are a contract."""

    mapping: str
    #: Stamp of the one at work here now, without lookups.
    now: str
    written: tuple[Written, ...]
    #: Of them are still as they were written.
    stand: int
    changed_since: int
    #: By `connection: record`.
    cannot_be_taken_back: dict[str, str]
    #: What a run does not promise.
    not_held: tuple[str, ...] = ()
    #: Processes that were asked what it would come to and have not answered.
    silent: tuple[str, ...] = ()

    @property
    def to_correct(self) -> tuple[Written, ...]:
        """Those a recall does something about."""
        return tuple(each for each in self.written if not each.changed_by and each.correction not in LEFT_ALONE)


def work_of(settings: Settings, mapping: str) -> Work:
    """Where the mapping of that id is at work.

    Raises:
        NotFoundError: nowhere; names the nearest.
        BrokenMappingError: one of the deployment's own cannot be run.
    """
    id_ = mapping.partition("@")[0]
    found = at_work(settings)
    if id_ not in found:
        raise NotFoundError("recall.unknown", f"no mapping {id_!r} is at work: {those_there_are(id_, found)}")
    return found[id_]


def plan(settings: Settings, mapping: str, by: By, progress: Progress, wait_s: float) -> Recall:
    """What it wrote, and what would be sent instead; nothing is changed.

    Args:
        settings: The deployment, its tables as they stand now.
        mapping: `id@version`, or a whole stamp.
        by: Who asks.
        progress: Told how many records were looked at, and of how many.
        wait_s: For the workers of targets.

    Raises:
        NotFoundError: no mapping of that id is at work.
        RetryableError: Kafka, the registry or the projection does not answer.
    """
    work = work_of(settings, mapping)
    if work.inbound is not None:
        written = _inbound(settings, mapping, work.inbound, progress)
        silent: tuple[str, ...] = ()
    else:
        written, silent = _outbound(settings, mapping, by, wait_s)
    return Recall(
        mapping=mapping,
        now=f"{work.mapping.id}@{work.mapping.version}+{work.mapping.digest}",
        written=written,
        stand=sum(not each.changed_by for each in written),
        changed_since=sum(bool(each.changed_by) for each in written),
        cannot_be_taken_back=cannot(settings, written),
        not_held=NOT_HELD if work.inbound is not None else (),
        silent=silent,
    )


def commands_of(settings: Settings, found: Recall, by: By, per_minute: int) -> tuple[Command, ...]:
    """What is asked of the workers so that all of it is corrected; the first `MOST` records, the oldest first.

    Raises:
        ConfigurationError: the mapping at work is the one that is recalled.
    """
    work = work_of(settings, found.mapping)
    if is_of(found.now, found.mapping):
        raise ConfigurationError(
            found.mapping, "is at work itself, and would write the same again: put the corrected version in place first"
        )
    if work.inbound is None:
        selection = replays.Selection(mapping=found.mapping, per_minute=per_minute)
        reached = dict.fromkeys(target.connection for each in found.to_correct for target in each.targets)
        return tuple(replays.command_of(settings, each, selection, by, plan=False) for each in reached)
    with opened(settings.projection_dsn.reveal()) as wire:
        # before the records are chosen: what came behind it is what the stage looks at itself
        seen = books.positions(wire)
        records = recalls.standing(wire, found.mapping, [work.inbound.target.name])
        wanted = {each.key for each in found.to_correct}
        chosen = [each for each in records if each.message_key in wanted][:MOST]
        told = recalls.ways(wire, [each.root_key for each in chosen])
    asked = Command(
        id="", at=by.at, who=by.who, why=by.why, connection="", queue=STREAMS, act=Act.RECALL, mapping=found.mapping
    )
    asked = msgspec.structs.replace(asked, per_minute=per_minute, record=work.inbound.record)
    return tuple(_recall(asked, work.inbound, each, told[each.root_key], seen) for each in chosen)


def run(settings: Settings, asked: Sequence[Command], wait_s: float) -> Answers:
    """Have it done; the answers so far."""
    return commands.ask(settings, asked, wait_s)


def cannot(settings: Settings, written: Iterable[Written]) -> dict[str, str]:
    """What a correction cannot undo, for each target that is reached; pure."""
    reached = dict.fromkeys((target.connection, target.record) for each in written for target in each.targets)
    return {
        f"{connection}: {record}": CANNOT[settings.connections[connection].system, record]
        for connection, record in reached
        if connection in settings.connections
    }


def changed(record: RecordTold, deliveries: Iterable[Delivered], mapping: str) -> Written:
    """A canonical record that stands, with where it went; pure."""
    mine = [each for each in deliveries if each.message_key == record.message_key]
    return Written(
        key=record.message_key,
        record=record.topic,
        at=record.at,
        mapping=record.mapping,
        targets=tuple(_target(each) for each in mine if is_of(each.mapping_in, mapping)),
    )


def of_deliveries(found: Iterable[Delivered], mapping: str, by: str) -> tuple[Written, ...]:
    """Target records with what wrote them last; pure."""
    return tuple(
        Written(
            key=each.message_key,
            record=each.record,
            at=each.at,
            mapping=getattr(each, by),
            targets=(_target(each),),
            changed_by="" if is_of(getattr(each, f"last_{by}"), mapping) else getattr(each, f"last_{by}") or "another",
            changed_at=None if is_of(getattr(each, f"last_{by}"), mapping) else each.last_at,
        )
        for each in found
    )


def _inbound(settings: Settings, mapping: str, route: Route, progress: Progress) -> tuple[Written, ...]:
    with opened(settings.projection_dsn.reveal()) as wire:
        records = recalls.standing(wire, mapping, [route.target.name])
        deliveries = recalls.delivered(wire, mapping, INBOUND)
    by_key: dict[str, list[Delivered]] = {}
    for each in deliveries:
        by_key.setdefault(each.message_key, []).append(each)
    made: list[Written] = []
    with closing(Registry(settings.registry)) as registry:
        again = Again(settings, Codecs(registry), route)
        for first in range(0, len(records), PORTION):
            portion = records[first : first + PORTION]
            with opened(settings.projection_dsn.reveal()) as wire:
                told = recalls.ways(wire, [each.root_key for each in portion])
            looked_at = [(each, source_of(each, route, told.get(each.root_key, ()))) for each in portion]
            again.read(looked_at)
            for record, place in looked_at:
                written = changed(record, by_key.get(record.message_key, ()), mapping)
                found = again.correction(record, place)
                made.append(msgspec.structs.replace(written, **msgspec.structs.asdict(found)))
            progress(len(made), len(records))
    standing = {each.message_key for each in records}
    gone_on = [each for each in of_deliveries(deliveries, mapping, INBOUND) if each.key not in standing]
    return (*made, *(_newer(each) for each in gone_on))


def _newer(written: Written) -> Written:
    """The record itself was made anew since, whatever became of that at the target."""
    return written if written.changed_by else msgspec.structs.replace(written, changed_by="a newer record")


def _outbound(settings: Settings, mapping: str, by: By, wait_s: float) -> tuple[tuple[Written, ...], tuple[str, ...]]:
    with opened(settings.projection_dsn.reveal()) as wire:
        found = recalls.delivered(wire, mapping, OUTBOUND)
    written = of_deliveries(found, mapping, OUTBOUND)
    reached = dict.fromkeys(target.connection for each in written if not each.changed_by for target in each.targets)
    asked = [
        msgspec.structs.replace(
            replays.command_of(settings, connection, replays.Selection(mapping=mapping), by, plan=True),
            values={EACH: "yes"},
        )
        for connection in reached
    ]
    if not asked or not wait_s:
        return written, ()
    answered = commands.ask(settings, asked, wait_s)
    said = {answer.connection: _each(answer.values) for answer in answered.answers}
    whole = frozenset(answer.connection for answer in answered.answers if _asked_of_all(answer.values))
    return tuple(_with_answer(each, said, whole) for each in written), answered.silent


def _each(values: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Message key to what its target says."""
    if EACH not in values:
        return {}
    found = msgspec.json.decode(values[EACH], type=list[tuple[str, str, str]])
    return {key: (place, why) for key, place, why in found}


def _asked_of_all(values: Mapping[str, str]) -> bool:
    """Whether nothing was left out of what a target was asked of, but what is not sent to it at all."""
    return values.get("records") == values.get("asked") and (values.get("left"), values.get("gone")) == ("0", "0")


def _with_answer(written: Written, said: Mapping[str, Mapping[str, tuple[str, str]]], whole: frozenset[str]) -> Written:
    connection = written.targets[0].connection
    answer = said.get(connection, {}).get(written.key)
    if written.changed_by:
        return written
    if answer is None:
        # it waits or is a dead letter there, and what came before it is not sent any more
        return _newer(written) if connection in whole else written
    place, why = answer
    words = {"creates": "create", "updates": "change", "cannot_tell": "cannot tell"}
    return msgspec.structs.replace(written, correction=words.get(place, place), why="" if why == place else why)


def _target(each: Delivered) -> Target:
    return Target(
        connection=each.connection,
        record=each.record,
        document_number=each.document_number,
        at=each.at,
        amount=each.amount,
        currency=each.currency,
    )


def _recall(
    asked: Command,
    route: Route,
    record: RecordTold,
    records: Iterable[RecordTold],
    seen: Mapping[tuple[str, int], int],
) -> Command:
    place = source_of(record, route, records)
    if place is None:
        raise NotFoundError("recall.gone", f"what {record.message_key} was made of is not known any more")
    topic, topic_id, partition, offset = place
    return msgspec.structs.replace(
        asked,
        id=new_id(),
        connection=record.origin or connection_of(RootKey(record.root_key)),
        root_key=record.root_key,
        message_key=record.message_key,
        source_version=record.source_version,
        first=seen.get((record.topic_id, record.partition), record.event_offset),
        topic=topic,
        topic_id=topic_id,
        partition=partition,
        offset=offset,
    )
