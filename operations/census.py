"""The census: what a store itself lists as changed in a time, compared with what arrived; beyond any ledger."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from bus.settings import Connection, Settings
from connect.systems.clarity.client import open_client
from delivery.asking import THING
from errors import ConfigurationError
from operations.acting import FETCHERS, By
from operations.ledger import wait_for_projector
from operations.offsets import admin_of, describe, ends
from operations.projection import books, migrate, stories
from producers.pollers.clarity import Orders
from producers.pollers.rounds import Listed
from producers.routes import FETCHES, POLLS, Poll
from schemas.bus.command import Act, Command
from schemas.types import root_key

#: Asked of the projection at once.
BATCH = 2000
#: Documents asked for at one census; the next one asks for the next.
MOST_ASKED_FOR = 200
#: Until a document is asked for again of which the source has said something; twice as long each time.
AGAIN_AFTER = timedelta(hours=6)
SELDOMEST = timedelta(days=7)
NOT_THERE = "ask.not_there"
#: Kept with what is asked for.
WHY = "the source lists it as changed, and nothing of it arrived"
_COMMANDS = uuid.uuid5(uuid.NAMESPACE_URL, "https://towpath.invalid/census")


class Uncaptured(msgspec.Struct, frozen=True, kw_only=True):
    """A document the source lists as changed, and of whose change nothing arrived."""

    connection: str
    record: str
    id: str
    root_key: str
    changed_at: datetime
    source_version: int
    #: When we last heard of it at all; None: never.
    last_heard_at: datetime | None
    #: What the source said since, asked for it: the last answer and how many there were; empty: nothing yet.
    answered: str = ""
    answers: int = 0
    answered_at: datetime | None = None

    @property
    def thing(self) -> str:
        """As it is asked for."""
        return f"{self.record}:{self.root_key}"

    @property
    def again_at(self) -> datetime | None:
        """When it is asked for again; None: now, as nothing was said yet."""
        if self.answered_at is None:
            return None
        doublings = min(max(self.answers, 1) - 1, SELDOMEST // AGAIN_AFTER)
        return self.answered_at + min(AGAIN_AFTER * (1 << doublings), SELDOMEST)


class CensusLine(msgspec.Struct, frozen=True, kw_only=True):
    """Documents of one source by the hour of their change."""

    connection: str
    record: str
    hour: datetime
    listed: int
    captured: int
    uncaptured: int


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What one store lists, and what of it is missing."""

    listed: int
    uncaptured: tuple[Uncaptured, ...]


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """What every source lists, against what arrived."""

    since: datetime
    until: datetime
    complete: bool
    lines: tuple[CensusLine, ...]
    uncaptured: tuple[Uncaptured, ...]
    #: Of these, so many that fetchers were asked to read.
    asked_for: int = 0


NOTHING = Counted(listed=0, uncaptured=())


def census(settings: Settings, since: datetime, until: datetime, *, wait_s: float = 0.0) -> Census:
    """Ask every store we can ask.

    Args:
        settings: The deployment.
        since: By the source's own time of change.
        until: Exclusive; leave a poller's interval before now, or what is on its way counts as missing.
        wait_s: For the projector to have read all that lies on the topics; what only lay on a topic that was made anew,
            and was read by nobody, has not arrived then. 0: as the books are.

    Raises:
        BusError: by kind: the time ends before it begins, a store does not answer, the projection cannot be read or is
            behind.
    """
    if since >= until:
        raise ConfigurationError("--since", f"a census must begin before {until:%Y-%m-%dT%H:%M:%S}, where it ends")
    missing: list[Uncaptured] = []
    lines: list[CensusLine] = []
    for poll in POLLS:
        for connection in settings.of_system(poll.system):
            listed, lost = _compared(settings, poll, connection, since, until, wait_s)
            missing += lost
            lines += by_hour(connection.name, poll.record, listed, {each.id for each in lost})
    return Census(since=since, until=until, complete=not missing, lines=tuple(lines), uncaptured=tuple(missing))


def asked(settings: Settings) -> tuple[str, ...]:
    """Connections whose systems can be asked."""
    return tuple(dict.fromkeys(each.name for poll in POLLS for each in settings.of_system(poll.system)))


def of_connection(
    settings: Settings, name: str, since: datetime, until: datetime, *, wait_s: float = 0.0
) -> Counted | None:
    """Ask one store; None where its system cannot be asked. `wait_s` as for `census`.

    Raises:
        BusError: by kind: the store does not answer, the projection cannot be read or is behind.
    """
    connection = settings.connection(name)
    polls = [poll for poll in POLLS if poll.system == connection.system]
    found = [_compared(settings, poll, connection, since, until, wait_s) for poll in polls]
    if not found:
        return None
    return Counted(
        listed=sum(len(listed) for listed, _ in found),
        uncaptured=tuple(lost for _, missing in found for lost in missing),
    )


def fetching(missing: Sequence[Uncaptured], by: By) -> tuple[Command, ...]:
    """Commands that have the documents read, the oldest change first and not all of very many at once; pure.

    What the source has said something of is left alone for six hours, then ever longer: it makes room for the next.
    While nothing is said, there is one command of a document in six hours: who was away finds few when he comes back.
    """
    due = [each for each in missing if each.again_at is None or each.again_at <= by.at]
    oldest = sorted(due, key=lambda each: each.changed_at)[:MOST_ASKED_FOR]
    return tuple(
        Command(
            id=str(uuid.uuid5(_COMMANDS, f"{each.root_key}/{each.source_version}/{by.at:%Y-%m-%d}/{by.at.hour // 6}")),
            at=by.at,
            who=by.who,
            why=by.why,
            connection=each.connection,
            queue=FETCHERS,
            act=Act.ASK.value,
            values={THING: each.thing},
        )
        for each in oldest
    )


def absent(missing: Iterable[Uncaptured]) -> tuple[Uncaptured, ...]:
    """Those the source lists as changed and, asked for them, said are not there; pure."""
    return tuple(each for each in missing if each.answered == NOT_THERE)


def _compared(
    settings: Settings, poll: Poll, connection: Connection, since: datetime, until: datetime, wait_s: float
) -> tuple[list[Listed], list[Uncaptured]]:
    listed = asyncio.run(_listed(connection, since, until))
    topics = topics_of(poll)
    # after the store: what it lists has had its time to arrive
    topic_ids = _read_by_the_projector(settings, topics, wait_s) if wait_s else None
    heard = _heard(settings, topics, [root_key(connection.name, each.id) for each in listed], topic_ids)
    return listed, _with_answers(settings, connection.name, uncaptured(connection.name, poll.record, listed, heard))


def topics_of(poll: Poll) -> list[str]:
    """Where a polled document is heard of and read; another system's records of its key count in their own way."""
    return [poll.target.name, *(fetch.target.name for fetch in FETCHES if fetch.source is poll.target)]


def uncaptured(
    connection: str,
    record: str,
    listed: Iterable[Listed],
    heard: Mapping[str, tuple[datetime | None, int]],
) -> list[Uncaptured]:
    """What is listed and did not arrive; pure.

    A change arrived if we know its version or a later one, or heard of the document after it changed: whoever hears
    reads the document whole, and so reads this change, too.
    """
    missing = []
    for each in listed:
        key = root_key(connection, each.id)
        last_heard_at, version = heard.get(key, (None, 0))
        if version >= each.source_version > 0 or (last_heard_at is not None and last_heard_at >= each.changed_at):
            continue
        missing.append(
            Uncaptured(
                connection=connection,
                record=record,
                id=each.id,
                root_key=key,
                changed_at=each.changed_at,
                source_version=each.source_version,
                last_heard_at=last_heard_at,
            )
        )
    return missing


def by_hour(connection: str, record: str, listed: Sequence[Listed], missing: set[str]) -> list[CensusLine]:
    """Counts by the hour of the change; pure."""
    hours: dict[datetime, list[str]] = {}
    for each in listed:
        hours.setdefault(each.changed_at.replace(minute=0, second=0, microsecond=0), []).append(each.id)
    return [
        CensusLine(
            connection=connection,
            record=record,
            hour=hour,
            listed=len(ids),
            captured=sum(1 for id_ in ids if id_ not in missing),
            uncaptured=sum(1 for id_ in ids if id_ in missing),
        )
        for hour, ids in sorted(hours.items())
    ]


async def _listed(connection: Connection, since: datetime, until: datetime) -> list[Listed]:
    async with open_client(connection) as client:
        changed: AsyncIterator[Listed] = Orders(client).changed_since(since)
        return [each async for each in changed if since <= each.changed_at < until]


def _read_by_the_projector(settings: Settings, topics: Sequence[str], within_s: float) -> tuple[str, ...]:
    """Ids of these topics, once all that lies on them now is in the books."""
    admin = admin_of(settings.kafka)
    places = describe(admin, topics)
    found = ends(admin, places)
    wanted = {(places[name].topic_id, partition): end for (name, partition), end in found.items()}
    with migrate.opened(settings.projection_dsn.reveal()) as wire:
        wait_for_projector(lambda: books.positions(wire), wanted, within_s)
    return tuple(place.topic_id for place in places.values())


def _heard(
    settings: Settings, topics: Sequence[str], keys: Sequence[str], topic_ids: Sequence[str] | None
) -> dict[str, tuple[datetime | None, int]]:
    heard: dict[str, tuple[datetime | None, int]] = {}
    with migrate.opened(settings.projection_dsn.reveal()) as wire:
        for start in range(0, len(keys), BATCH):
            heard |= stories.arrived(wire, topics, keys[start : start + BATCH], topic_ids)
    return heard


def _with_answers(settings: Settings, connection: str, missing: Sequence[Uncaptured]) -> list[Uncaptured]:
    said: dict[str, stories.Said] = {}
    with migrate.opened(settings.projection_dsn.reveal()) as wire:
        for start in range(0, len(missing), BATCH):
            changed = {each.thing: each.changed_at for each in missing[start : start + BATCH]}
            said |= stories.said(wire, connection, changed)
    return [
        msgspec.structs.replace(each, answered=of.code, answers=of.answers, answered_at=of.at)
        if (of := said.get(each.thing))
        else each
        for each in missing
    ]


def window(now: datetime, since: datetime, settings: Settings) -> tuple[datetime, datetime]:
    """From when to when a census can be asked for now: the pollers must have had their turn twice."""
    polled = {poll.system for poll in POLLS}
    slowest_s = max(
        (each.poll_interval_s for each in settings.connections.values() if each.system in polled), default=0.0
    )
    return since, now - timedelta(seconds=2 * slowest_s)
